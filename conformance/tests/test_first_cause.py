"""The first thing that `sockspec run` names is a fault that is there: for each of many faulty programs."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance import ROOT
from conformance.reports.terminal import SHOWN_CAUSES
from conformance.tests.faulty_programs import PROGRAMS, Faulty

AT_ONCE = 8
"""Programs that one run judges: a busy machine takes minutes for them."""

FIRST = re.compile(r"^(\S+): \d+ things? to mend.*\n\n1\. FAILED \S+: ([A-Z]+-\d+)", re.MULTILINE)


def kind(name: str) -> tuple[str, str, str]:
    """Return what selects the checks of a program."""
    program = PROGRAMS[name]
    return program.role, program.transport, program.service


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Returns what a run says of a program. Some of a kind are in one run, with little patience: nothing comes late."""
    directory = tmp_path_factory.mktemp("programs")
    for name, program in PROGRAMS.items():
        write(directory / name, name, program)
    said: dict[str, str] = {}

    def tell(name: str) -> str:
        if name not in said:
            alike = [other for other in PROGRAMS if kind(other) == kind(name)]
            first = alike.index(name) // AT_ONCE * AT_ONCE
            said.update(judge(directory, alike[first : first + AT_ONCE]))
        return said[name]

    return tell


def judge(directory: Path, names: list[str]) -> dict[str, str]:
    """Return what a run says of programs of one kind."""
    role, transport, service = kind(names[0])
    selection = [f"--role={role}", f"--transport={transport}", f"--service={service}", "--profile=quick"]
    command = [sys.executable, "-m", "conformance", "run", *(f"./{name}" for name in names), *selection]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SOCKSPEC_PATIENCE": "4"}
    run = subprocess.run(command, cwd=directory, env=environment, capture_output=True, encoding="utf-8", check=False)
    parts = re.split(r"^(?=\S+: \d+ things? to mend)", run.stdout, flags=re.MULTILINE)
    said = dict.fromkeys(names, f"{run.stdout}{run.stderr}")
    return said | {match[1]: part for part in parts if (match := FIRST.match(part))}


def write(directory: Path, name: str, program: Faulty) -> None:
    """Write a program and its manifest."""
    directory.mkdir()
    (directory / "program.py").write_text(program.source, encoding="utf-8")
    (directory / "sockspec.toml").write_text(
        f'name = "{name}"\nservices = ["{program.service}"]\n'
        f'[programs]\n{program.transport}_{program.role} = ["{{python}}", "program.py"]\n'
        f"[environment]\nPYTHONPATH = {json.dumps(str(ROOT))}\n",
        encoding="utf-8",
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_first_cause_is_there(told: Callable[[str], str], name: str) -> None:
    said = told(name)
    first = FIRST.match(said)
    assert first, said
    assert first[2] in PROGRAMS[name].first, said
    assert said.count("again: sockspec replay") <= SHOWN_CAUSES
