"""Which fault each requirement has, and which check finds it: ``python -m conformance.broken.kills [ID …]``.

Without an id all faults are tried. What was found is written to ``broken/kills.json``. Each fault by an author of the
checks has to be found. Those by a stranger are recorded if they are found; `conformance.broken.campaign` says how
many a run sees.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.markup import escape
from rich.table import Table

from conformance import ROOT
from conformance.broken import AUTHOR, faults
from conformance.broken.kill_session import Kill
from conformance.languages.texts import say
from spec.requirements import REQUIREMENTS

RECORD = ROOT / "conformance" / "broken" / "kills.json"
AT_ONCE = 5  # sessions; they wait more than they work
PATIENCE = "3"  # seconds: all checks here are to fail


class Findings(NamedTuple):
    """By the fault's name: the kill, the failures that were about something else, how many checks saw no fault."""

    kills: dict[str, Kill]
    others: dict[str, list[str]]
    passed: dict[str, int]


def try_faults(wanted: Mapping[str, str | None]) -> Findings:
    """Let checks judge programs with these faults: by a fault's name a check; None: all that cite its requirement.

    Raises RuntimeError, with pytest's output, if a session could not be run.
    """
    findings = Findings({}, {}, {})
    names = list(wanted)
    with tempfile.TemporaryDirectory() as directory:
        sessions = [
            _Session({name: wanted[name] for name in names[first::AT_ONCE]}, Path(directory) / str(first))
            for first in range(min(AT_ONCE, len(names)))
        ]
        for session in sessions:
            found = session.result()
            findings.kills.update(found.kills)
            findings.others.update(found.others)
            findings.passed.update(found.passed)
    return findings


class _Session:
    """A pytest that runs with the plugin, in a process of its own for the sake of its patience."""

    def __init__(self, wanted: Mapping[str, str | None], directory: Path) -> None:
        directory.mkdir()
        self.kills, self.output, given = directory / "kills", directory / "output", directory / "faults"
        given.write_text(json.dumps(wanted), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-p", "conformance.broken.kill_session", "-p", "no:cacheprovider"]
        command += ["-q", "--tb=native", "-p", "no:unraisableexception", "-o", "verbosity_assertions=2"]
        command += ["conformance/checks", "--faults", str(given), "--kills", str(self.kills)]
        environment = {"SOCKSPEC_PATIENCE": PATIENCE, **os.environ}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)

    def result(self) -> Findings:
        if self.process.wait() not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            raise RuntimeError(self.output.read_text(encoding="utf-8"))
        found = json.loads(self.kills.read_text(encoding="utf-8"))
        kills = {name: Kill(*kill) for name, kill in found["kills"].items()}
        return Findings(kills, found["others"], found["passed"])


def read_kills() -> dict[str, list[Kill]]:
    """Return the recorded kills by requirement, in the order of SPEC.md."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    return {id_: [Kill(**kill) for kill in record[id_]] for id_ in REQUIREMENTS if id_ in record}


def write_kills(kills: Mapping[str, Kill]) -> None:
    """Record kills, given by the fault's name."""
    record: dict[str, list[dict[str, str]]] = {}
    for id_ in REQUIREMENTS:
        for name in sorted(kills):
            if name.startswith(f"{id_}/"):
                record.setdefault(id_, []).append(kills[name]._asdict())
    RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def kill_table() -> Table:
    """Return the recorded kills as a table for a terminal."""
    table = Table()
    table.add_column(say("requirement"), no_wrap=True)
    table.add_column(say("a program that"), ratio=3)
    table.add_column(say("is found by"), overflow="fold", ratio=3)
    table.add_column(say("which says"), overflow="fold", ratio=4)
    for id_, kills in read_kills().items():
        for kill in kills:
            table.add_row(id_, kill.description, escape(kill.check), escape(kill.failure))
    return table


def main(ids: Sequence[str]) -> int:
    """Try the faults of these requirements, or all.

    Return 1 if one by an author of the checks was not found, 2 if a requirement has no fault.
    """
    known = faults()
    wanted = [name for name, fault in known.items() if not ids or fault.requirement in ids]
    for id_ in ids:
        if not any(known[name].requirement == id_ for name in wanted):
            print(f"error: no fault of {id_}", file=sys.stderr)
            return 2
    kills, others, passed = try_faults(dict.fromkeys(wanted))
    for name in wanted:
        kill = kills.get(name)
        found = f"{kill.check}: {kill.failure}" if kill else f"NOT FOUND; {passed[name]} checks passed"
        print("\n    ".join([f"{name}: {found}", *others[name]]))
    recorded = {kill.fault: kill for each in read_kills().values() for kill in each}
    write_kills({name: kill for name, kill in recorded.items() if name in known and name not in wanted} | kills)
    return int(any(known[name].origin == AUTHOR and name not in kills for name in wanted))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
