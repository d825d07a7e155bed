"""Fuzzing: what is found is shown as a vector, and kept with one command. HypoFuzz itself runs in ``tox -e fuzz``."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings

from spec.tests import fuzz
from spec.tests.test_exchanges import answers, as_vector, exchanges, expected_answers
from spec.vectors import load_vectors


def test_a_fault_of_the_parser_becomes_a_vector(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A parser that takes DEL in a message."""
    monkeypatch.setattr("spec.text._CONTROL_EXCEPT_TAB", re.compile("[\x00-\x08\x0a-\x1f\x80-\x9f]"))
    found: list[str] = []

    @settings(max_examples=2000, database=None, derandomize=True)
    @given(exchanges("echo", "udp"))
    def look(parts: list[bytes]) -> None:
        if answers("echo", "udp", parts) != expected_answers("echo", "udp", parts):
            found.append(as_vector("echo", "udp", parts))
            raise AssertionError

    with pytest.raises(AssertionError):
        look()
    fuzz.keep(found[-1:], tmp_path / "found.json")
    fuzz.keep(found[-1:], tmp_path / "found.json")
    (vector,) = load_vectors(tmp_path)
    assert vector.requirement == "ERR-8"
    assert answers("echo", "udp", vector.input) != vector.output
    monkeypatch.undo()
    assert answers("echo", "udp", vector.input) == vector.output


def test_what_is_kept_is_added(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    fuzz.keep([as_vector("echo", "tcp", [b"ECHO \xff\n"])], path)
    fuzz.keep([as_vector("time", "udp", [b"TIME"])], path)
    assert [entry["requirement"] for entry in json.loads(path.read_text(encoding="utf-8"))] == ["ERR-5", "ERR-9"]


@pytest.mark.parametrize("arguments", [["nothing"], ["--seconds", "a"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        fuzz.main(arguments)
    assert "error: " in capsys.readouterr().err
