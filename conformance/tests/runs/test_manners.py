"""How the command line behaves where a person or a pipe is at its other end."""

import fcntl
import json
import os
import select
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


@pytest.mark.parametrize(
    ("option", "start"),
    [("--junit", b"<?xml version='1.0' encoding='utf-8'?>\n<testsuites>"), ("--html", b"<!doctype html>")],
)
def test_any_result_goes_to_standard_output(directory: Path, option: str, start: bytes) -> None:
    done = sockspec(directory, "run", *FEW, option, "-", "--json", "run.json")
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.startswith(start) and "conforms" in done.stderr.decode()
    assert sorted(each.name for each in directory.iterdir()) == ["run.json", "sockspec.toml"]


@pytest.mark.parametrize("words", [["run", *FEW], ["diff", "raw", "with", "--profile=quick"]], ids=["run", "diff"])
def test_nothing_is_left_that_nobody_asked_for(directory: Path, words: list[str]) -> None:
    done = sockspec(directory, *words)
    assert done.returncode == 0, done.stderr.decode()
    assert [each.name for each in directory.iterdir()] == ["sockspec.toml"]


def test_a_directory_whose_name_is_no_utf8_is_judged(directory: Path) -> None:
    """Workers cannot be told of such a path."""
    odd = directory / os.fsdecode(b"\xff")
    try:
        odd.mkdir()
    except OSError:
        pytest.skip("this file system has UTF-8 alone")
    (directory / "sockspec.toml").rename(odd / "sockspec.toml")
    done = sockspec(odd, "run", ".", "raw", "--service=echo", *FEW)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


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
    ("words", "full", "status"),
    [
        ("wireshark", ">/dev/full", 3),
        ("run nowhere", ">/dev/full 2>/dev/full", 2),
        (f"run {' '.join(FEW)} --json run.json", ">/dev/full", 3),
        (f"run {' '.join(FEW)} --json run.json", "2>/dev/full", 0),
        (f"run {' '.join(FEW)} --json run.json", ">/dev/full 2>/dev/full", 3),
    ],
)
def test_what_a_full_stream_loses_is_not_lost_elsewhere(directory: Path, words: str, full: str, status: int) -> None:
    command = f"{sys.executable} -m conformance {words} {full}"
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}
    done = subprocess.run(["bash", "-c", command], cwd=directory, env=variables, capture_output=True, check=False)
    assert done.returncode == status, done.stderr.decode()
    assert done.stderr in (b"", b"sockspec: standard output: No space left on device\n")
    assert "json" not in words or json.loads((directory / "run.json").read_bytes())["exit_status"] == 0


def test_output_that_does_not_block_is_waited_for(directory: Path) -> None:
    """Another process that shares a pipe may have set O_NONBLOCK."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    command = [sys.executable, "-m", "conformance", "run", *FEW, "--json=-"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=directory, env=environment, stdout=writing) as process:
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        os.close(writing)
        select.select([reading], [], [])
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        with open(reading, "rb") as file:
            assert json.load(file)["exit_status"] == 0
    assert process.returncode == 0


def test_a_directory_that_is_deleted_judges_nothing(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    command = f"cd gone && rmdir ../gone && {sys.executable} -m conformance run raw"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (3, b"sockspec: the current directory: No such file or directory\n")


def test_a_python_without_its_modules_is_told_what_to_install(directory: Path) -> None:
    command = [sys.executable, "-S", "-m", "conformance", "run"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith(b": pip install 'sockspec[conformance]'\n") and done.stderr.count(b"\n") == 1


def test_a_package_that_is_broken_judges_nothing(directory: Path) -> None:
    (directory / "rich.py").write_text("raise ValueError('broken')\n", encoding="utf-8")
    done = sockspec(directory, "run", PYTHONPATH=f"{directory}:{ROOT}")
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"ValueError: broken" in done.stderr and b"the suite itself failed" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "empty"], "sockspec init empty writes one"),
        (["run", "empty/server.py"], "sockspec lab N SERVER CLIENT"),
        (["run", "--requirement", "NONE"], "no requirement NONE"),
        (["run", "nowhere"], "neither raw"),
        (["run", "--json", "empty"], "empty is a directory"),
        (["run", "--json", "new", "--junit", "./new"], "new is to hold two results"),
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
