"""The command line: its exit statuses, and the matrix."""

from pathlib import Path

import pytest
from rich.console import Console

from conformance import cli


@pytest.fixture
def checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of checks that takes the place of the real one."""
    directory = tmp_path / "checks"
    directory.mkdir()
    monkeypatch.setattr(cli, "CHECKS", directory)
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p conformance.conftest")
    return directory


def write_check(checks: Path, body: str) -> None:
    """Write a file with one check."""
    head = "import pytest\n\n@pytest.mark.requirement('ECHO-3')\n@pytest.mark.service('echo')\ndef test_it(target):\n"
    (checks / "test_it.py").write_text(f"{head}    {body}\n", encoding="utf-8")


def test_a_target_that_conforms(checks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_check(checks, "pass")
    assert cli.main(["run", "raw", "with"]) == 0
    assert "1/1" in capsys.readouterr().out


def test_a_target_that_does_not(checks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_check(checks, "assert target.name == 'raw'")
    assert cli.main(["run", "raw", "with"]) == 1
    assert "0/1 ECHO-3" in capsys.readouterr().out


@pytest.mark.parametrize("body", ["pytest.skip()", "pytest.exit('gone')"])
def test_nothing_ran(checks: Path, body: str) -> None:
    write_check(checks, body)
    assert cli.main(["run", "raw"]) == 3


def test_nothing_is_selected(checks: Path) -> None:
    write_check(checks, "pass")
    assert cli.main(["run", "raw", "--service", "time"]) == 3


def test_there_is_nothing(checks: Path) -> None:
    assert cli.main(["run"]) == 3


@pytest.mark.parametrize("words", [[], ["walk"], ["run", "nobody"], ["run", "--transport", "sctp"], ["list", "raw"]])
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert end.value.code == 2
    assert "usage: sockspec" in capsys.readouterr().err


def test_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = {"passed": 3, "failed": 0}, {"passed": 3, "failed": 1}
    Console(width=100).print(cli.matrix({"x": {"ECHO-1": good, "ECHO-2": good}, "y": {"ECHO-1": good, "ECHO-2": bad}}))
    rows = [line.split("│")[1:4] for line in capsys.readouterr().out.splitlines() if "│" in line]
    cells = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}
    assert cells["ECHO"] == ["2/2", "1/2 ECHO-2"] and cells["TIME"] == ["–", "–"]
