"""Two reports of the same targets, and a report as a badge."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.commands import main
from conformance.profiles import PROFILES
from conformance.reports.badge import badge
from conformance.reports.json_report import build_report
from conformance.running.cases import Case, Outcome
from conformance.running.verdicts import judge, state_of

Outcomes = dict[str, Outcome]
"""By requirement."""


def case(target: str, id_: str, outcome: Outcome) -> Case:
    about, problem = (id_, f"{id_} | does not hold\nin line 2") if outcome == "failed" else (None, "")
    return Case("test_x.py::test_x", id_, target, target, "server", "tcp", "echo", [id_], outcome, 0.1, about, problem)


def report(profile: str = "standard", known: tuple[str, ...] = (), **targets: Outcomes) -> dict[str, Any]:
    cases = [case(name, id_, outcome) for name, of in targets.items() for id_, outcome in of.items()]
    verdicts = {name: judge(each for each in cases if each.target == name) for name in targets}
    reasons = dict.fromkeys(known, "later")
    states = {
        name: state_of([each for each in cases if each.target == name], of, reasons, strict=False)
        for name, of in verdicts.items()
    }
    return build_report(cases, verdicts, states, reasons, PROFILES[profile], 0, 1.0)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def changes(old: dict[str, Any], new: dict[str, Any], *words: str) -> int:
    for name, whole in (("old.json", old), ("new.json", new)):
        Path(name).write_text(json.dumps(whole), encoding="utf-8")
    return main.main(["changes", "old.json", "new.json", *words])


def test_worse_better_and_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    old = report(mine={"ECHO-1": "passed", "ECHO-2": "failed", "ECHO-3": "unjudged", "ECHO-4": "passed"})
    new = report(mine={"ECHO-1": "failed", "ECHO-2": "passed", "ECHO-3": "failed", "ECHO-5": "passed"})
    assert changes(old, new) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "mine: does not conform",
        "  worse:",
        "    ECHO-1: PASS -> FAIL",
        "      ECHO-1 | does not hold",
        "  better:",
        "    ECHO-2: FAIL -> PASS",
        "      The value of `message` MUST be the argument.",
        "  changed otherwise:",
        "    ECHO-3: NOT_JUDGED -> FAIL",
        "      ECHO-3 | does not hold",
        "  Requirements that only one of the reports has: 2.",
    ]
    assert changes(old, new, "--markdown") == 1
    markdown = capsys.readouterr().out
    assert "### mine: does not conform\n\n| worse | before | now | |\n|---|---|---|---|\n" in markdown
    assert r"| ECHO-1 | PASS | FAIL | ECHO-1 \| does not hold |" in markdown


def test_it_speaks_the_chosen_language(capsys: pytest.CaptureFixture[str]) -> None:
    old = report(mine={"ECHO-1": "passed", "ECHO-2": "failed"}, raw={})
    new = report("quick", mine={"ECHO-1": "failed", "ECHO-2": "passed"})
    [failed] = [each for each in new["cases"] if each["outcome"] == "failed"]
    failed["problem"] = "its exit status is 3; expected 0"
    assert changes(old, new, "--lang=ru") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "mine: не соответствует",
        "  хуже:",
        "    ECHO-1: PASS -> FAIL",
        "      код завершения — 3; ожидалось: 0",
        "  лучше:",
        "    ECHO-2: FAIL -> PASS",
        "      Значение `message` ОБЯЗАНО совпадать с аргументом.",
        "Профили прогонов различаются: прежде standard, теперь quick.",
        "raw есть только в прежнем отчёте.",
    ]
    assert changes(old, new, "--lang=ru", "--markdown") == 1
    assert "| хуже | прежде | теперь | |\n|---|---|---|---|\n| ECHO-1 " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("before", "now", "status"),
    [
        ("passed", "passed", 0),
        ("failed", "failed", 0),
        ("failed", "passed", 0),
        ("unsupported", "failed", 0),
        ("passed", "failed", 1),
        ("passed", "unjudged", 1),
        ("passed", "inconclusive", 1),
        ("passed", "error", 3),
    ],
)
def test_the_exit_status(before: Outcome, now: Outcome, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert changes(report(mine={"ECHO-1": before}), report(mine={"ECHO-1": now})) == status
    assert ("No verdict has changed." in capsys.readouterr().out) == (before == now)


def test_a_target_that_conforms_no_more_is_worse() -> None:
    assert changes(report(mine={"ECHO-1": "passed"}), report(mine={"ECHO-1": "passed", "ECHO-2": "failed"})) == 1


def test_what_cannot_be_compared_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    of: Outcomes = {"ECHO-1": "passed"}
    assert changes(report(mine=of, raw=of), report("quick", mine=of, other=of)) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "The runs differ in their profile: standard before, quick now.",
        "raw is in the old report alone.",
        "other is in the new report alone.",
    ]
    assert changes(report(mine=of), report(other=of)) == 2
    assert "have no target in common" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 2, "verdicts": {}}', '{"format": 1, "verdicts": {}}', "\udcff", "[" * 100_000]
)
def test_a_file_that_is_no_report_is_refused_in_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.json").write_bytes(text.encode(errors="surrogateescape"))
    for words in (["badge", "a.json"], ["changes", "a.json", "a.json"]):
        assert main.main(words) == 2
        assert capsys.readouterr().err.startswith("sockspec: a.json: ")


def places(whole: Any) -> Iterator[tuple[Any, Any]]:
    """Each container in JSON with each of its keys."""
    for key in list(whole) if isinstance(whole, dict) else range(len(whole)) if isinstance(whole, list) else ():
        yield whole, key
        yield from places(whole[key])


def test_a_report_that_is_damaged_anywhere_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    whole = report(mine={"ECHO-1": "failed"}, raw={})
    whole["requirements"] = {"ECHO-1": whole["requirements"]["ECHO-1"]}
    for container, key in places(whole):
        good, container[key] = container[key], [{}]
        Path("a.json").write_text(json.dumps(whole), encoding="utf-8")
        for words in (["badge", "a.json"], ["changes", "a.json", "a.json"]):
            assert main.main(words) == 2
            [line] = capsys.readouterr().err.splitlines()
            assert line.startswith("sockspec: a.json: not a report of format 1") and str(key) in line
        container[key] = good
    assert changes(whole, whole) == 0


GOOD: Outcomes = {"ECHO-1": "passed"}
BAD: Outcomes = {"ECHO-1": "failed"}


@pytest.mark.parametrize(
    ("whole", "message", "color"),
    [
        (report(a=GOOD), "conforms", "brightgreen"),
        (report(a=BAD), "does not conform", "red"),
        (report("quick", a=GOOD), "conforms (quick)", "brightgreen"),
        (report(known=("ECHO-1",), a=BAD), "conforms, 1 known to fail", "yellow"),
        (report(a={"ECHO-1": "error"}), "judge failed", "lightgrey"),
        (report(a=GOOD, b=GOOD), "2 targets: conforms", "brightgreen"),
        (report(a=GOOD, b=BAD), "1 of 2 conform", "red"),
    ],
)
def test_a_badge(whole: dict[str, Any], message: str, color: str) -> None:
    assert badge(whole) == {"schemaVersion": 1, "label": "sockspec", "message": message, "color": color}


def test_a_badge_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.json").write_text(json.dumps(report(a=GOOD)), encoding="utf-8")
    assert main.main(["badge", "a.json", "--out", "badge.json", "--label", "протокол"]) == 0
    assert json.loads(Path("badge.json").read_text(encoding="utf-8"))["label"] == "протокол"
    assert main.main(["badge", "a.json"]) == 0
    assert json.loads(capsys.readouterr().out)["message"] == "conforms"
