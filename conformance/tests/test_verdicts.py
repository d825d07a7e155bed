"""Verdicts are honest: what is said of a target follows from its cases, and nothing softens a failure."""

from pathlib import Path

import pytest

from conformance.running.cases import Case, Outcome
from conformance.running.verdicts import (
    CONFORMS,
    FAILS,
    NOT_JUDGED,
    KnownFailuresError,
    Verdict,
    exit_status,
    judge,
    read_known_failures,
    stale,
)
from spec.requirements import REQUIREMENTS

SHOULD = next(id_ for id_, requirement in REQUIREMENTS.items() if requirement.level.startswith("SHOULD"))


def case(outcome: Outcome, *requirements: str, about: str | None = None) -> Case:
    cited = list(requirements) or ["ECHO-3"]
    blamed = (about or cited[0]) if outcome in ("failed", "error") else None
    return Case("test_x.py::test_x", "", "x", "x", "server", "tcp", "echo", cited, outcome, about=blamed)


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        (["passed"], Verdict.PASS),
        (["passed", "failed"], Verdict.FAIL),
        (["failed", "error", "inconclusive", "unsupported"], Verdict.FAIL),
        (["passed", "error"], Verdict.ERROR),
        (["passed", "unsupported", "inconclusive"], Verdict.PASS),
        (["inconclusive"], Verdict.INCONCLUSIVE),
        (["unsupported", "inconclusive"], Verdict.INCONCLUSIVE),
        (["unsupported", "unsupported"], Verdict.UNSUPPORTED),
    ],
)
def test_verdict(outcomes: list[Outcome], verdict: Verdict) -> None:
    assert judge([case(outcome) for outcome in outcomes]) == {"ECHO-3": verdict}


def test_a_should_that_does_not_hold_is_a_warning() -> None:
    verdicts = {"x": judge([case("failed", SHOULD)])}
    assert verdicts["x"] == {SHOULD: Verdict.WARN}
    assert exit_status(verdicts, {}, strict=False) == CONFORMS
    assert exit_status(verdicts, {}, strict=True) == FAILS


def test_a_failure_is_about_one_requirement_and_proves_nothing_of_the_others() -> None:
    both = ("TCP-1", "TCP-3")
    assert judge([case("failed", *both, about="TCP-3")]) == {"TCP-1": Verdict.INCONCLUSIVE, "TCP-3": Verdict.FAIL}
    assert judge([case("failed", *both, about="LOAD-3")])["LOAD-3"] is Verdict.FAIL


def test_exit_status() -> None:
    good, bad, error = ({"ECHO-3": verdict} for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.ERROR))
    nothing = {"ECHO-3": Verdict.UNSUPPORTED}
    assert exit_status({"x": good, "y": good}, {}, strict=False) == CONFORMS
    assert exit_status({"x": good, "y": bad}, {}, strict=False) == FAILS
    assert exit_status({"x": error, "y": bad}, {}, strict=False) == FAILS
    assert exit_status({"x": good, "y": error}, {}, strict=False) == NOT_JUDGED
    assert exit_status({"x": good, "y": nothing}, {}, strict=False) == NOT_JUDGED
    assert exit_status({"x": good, "y": {}}, {}, strict=False) == NOT_JUDGED
    assert exit_status({}, {}, strict=False) == NOT_JUDGED


def test_known_failures() -> None:
    good, bad = {"ECHO-3": Verdict.PASS}, {"ECHO-3": Verdict.FAIL, "ECHO-4": Verdict.PASS}
    known = {"ECHO-3": "the library reverses bytes"}
    assert exit_status({"x": bad}, known, strict=True) == CONFORMS
    assert exit_status({"x": {**bad, "ECHO-4": Verdict.FAIL}}, known, strict=False) == FAILS
    assert exit_status({"x": good}, known, strict=False) == FAILS, (
        "it holds now, and the file still says that it does not"
    )
    assert stale(known, {"x": good}) == ["ECHO-3"] and stale(known, {"x": good, "y": bad}) == []


def test_known_failures_file(tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    file.write_text('[[failure]]\nrequirement = "ECHO-3"\nreason = "байты"\n', encoding="utf-8")
    assert read_known_failures(file) == {"ECHO-3": "байты"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[[failure]]\nrequirement = "ECHO-99"\nreason = "x"', "no requirement ECHO-99"),
        ('[[failure]]\nrequirement = "ECHO-3"', "a requirement and a reason"),
        ('[[failure]]\nrequirement = "ECHO-3"\nreason = " "', "a requirement and a reason"),
        ('[[failure]]\nrequirement = "ECHO-3"\nreason = "x"\nuntil = 1', "nothing else"),
        ("[failures]\nx = 1", "only"),
        ("[[", "known.toml"),
    ],
)
def test_a_wrong_known_failures_file(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "known.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(KnownFailuresError, match=problem):
        read_known_failures(file)
    with pytest.raises(KnownFailuresError, match="nowhere"):
        read_known_failures(tmp_path / "nowhere")
