"""How the command line behaves where a person or a pipe is at its other end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conformance import ROOT
from conformance.commands.selecting import UsageError, find_requirements
from spec.requirements import REQUIREMENTS, VERSION

FEW = "--requirement=echo-1", "--transport=tcp", "--role=server", "--profile=quick"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with a space in its name, and a manifest whose target has one too."""
    place = tmp_path / "мои программы"
    place.mkdir()
    (place / "sockspec.toml").write_text(
        'name = "сервер 1"\nservices = ["echo"]\n[programs]\ntcp_server = ["{python}", "-m", "impl_raw.tcp_server"]\n'
        f"[environment]\nPYTHONPATH = {json.dumps(str(ROOT))}\n",
        encoding="utf-8",
    )
    return place


def sockspec(directory: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "conformance", *words]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, cwd=directory, env=variables, capture_output=True, check=False)


def test_without_a_target_the_manifest_here_is_judged_and_json_goes_to_standard_output(directory: Path) -> None:
    done = sockspec(directory, "run", *FEW, "--json", "-")
    assert done.returncode == 0, done.stderr.decode()
    assert list(json.loads(done.stdout)["verdicts"]) == ["сервер 1"]
    assert "conforms" in done.stderr.decode()


@pytest.mark.parametrize("setting", ["COLUMNS=1", "PYTHONIOENCODING=ascii", "NO_COLOR=1"])
def test_any_terminal_will_do(directory: Path, setting: str) -> None:
    name, _, value = setting.partition("=")
    done = sockspec(directory, "run", *FEW, **{name: value})
    assert done.returncode == 0, done.stderr.decode()
    assert b"conforms" in done.stdout


@pytest.mark.parametrize("end", ["| head -c 1 >/dev/null; exit ${PIPESTATUS[0]}", ">&-"])
def test_a_reader_that_leaves_changes_no_status(directory: Path, end: str) -> None:
    command = f"{sys.executable} -m conformance run {' '.join(FEW)} {end}"
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", command], cwd=directory, env=variables, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("words", ["list", "--version", "check-target floor", "lab 1 nowhere", "compare nowhere"])
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_changes_no_status(directory: Path, words: str, closed: str) -> None:
    command = f"{sys.executable} -m conformance {words}"
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    usual, without = (
        subprocess.run(["bash", "-c", each], cwd=directory, env=variables, capture_output=True, check=False)
        for each in (command, f"{command} {closed}")
    )
    assert (without.returncode, b"Traceback" in without.stderr) == (usual.returncode, False), without.stderr.decode()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "empty"], "sockspec init empty writes one"),
        (["run", "empty/server.py"], "sockspec lab N SERVER CLIENT"),
        (["run", "--requirement", "NONE"], "no requirement NONE"),
        (["run", "nowhere"], "neither raw"),
    ],
)
def test_wrong_usage_says_what_to_do(directory: Path, words: list[str], said: str) -> None:
    (directory / "empty").mkdir()
    (directory / "empty" / "server.py").touch()
    done = sockspec(directory, *words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1
    assert said in done.stderr.decode()


def test_the_version(directory: Path) -> None:
    done = sockspec(directory, "--version")
    assert (done.returncode, done.stdout.decode().split()[-1]) == (0, VERSION)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completions(directory: Path, shell: str) -> None:
    done = sockspec(directory, "completion", shell)
    assert done.returncode == 0
    assert b"--requirement" in done.stdout
    if shell == "bash":
        assert subprocess.run(["bash", "-n"], input=done.stdout, check=False).returncode == 0


def test_requirements_by_id_group_and_pattern() -> None:
    assert find_requirements(["echo-3", "ECHO-3"]) == ["ECHO-3"]
    assert find_requirements(["Rep"]) == ["REP-1", "REP-2"]
    assert find_requirements(["TIME-1?"]) == [id_ for id_ in REQUIREMENTS if len(id_) == 7 and id_.startswith("TIME-1")]
    with pytest.raises(UsageError, match="no requirement ECH"):
        find_requirements(["ECH"])
