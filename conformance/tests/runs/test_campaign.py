"""The campaign: what a run sees of faulty programs, and what the record says of it."""

import json
from pathlib import Path

import pytest

from conformance.broken import STRANGER, campaign, faults, find_fault
from conformance.broken.campaign import Result, describe, read_results, source_of, summary, write_record

SEEN = "ECHO-7/shouts_the_hash"
UNSEEN = "SRV-15/turns_ipv4_away_at_the_wildcard"


def _result(name: str, status: int = 1, blamed: tuple[str, ...] = ()) -> Result:
    return Result(name, status, list(blamed) or [name.partition("/")[0]], 1.0, source_of(faults()[name]))


@pytest.mark.timeout(600)
def test_the_command_judges_what_is_left_and_keeps_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--only", "ECHO-7/shouts", "--results", str(tmp_path)]
    assert campaign.main(command) == 0
    assert f"{SEEN}: seen (" in capsys.readouterr().out
    [result] = read_results(tmp_path / "quick.jsonl", faults()).values()
    assert (result.fault, result.status, result.blamed) == (SEEN, 1, ["ECHO-7"])
    assert campaign.main(command) == 0
    assert capsys.readouterr().out == "author: 1 of 1 seen, 1 as what they are\n"


def test_what_a_smaller_profile_saw_is_not_judged_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "quick.jsonl").write_text(json.dumps(_result(SEEN)._asdict()) + "\n", encoding="utf-8")
    command = ["--profile", "standard", "--unseen-by", "quick", "--only", SEEN, "--results", str(tmp_path)]
    assert campaign.main(command) == 0
    assert capsys.readouterr().out == "author: 1 of 1 seen, 1 as what they are\n"


def test_who_is_a_stranger() -> None:
    known = faults()
    assert known[SEEN].origin == "author"
    strangers = [fault for fault in known.values() if fault.origin == STRANGER]
    assert len(strangers) >= 110


def test_a_fault_is_found_by_its_name_and_by_its_requirement() -> None:
    assert find_fault(SEEN).name == SEEN
    assert find_fault("ECHO-7").requirement == "ECHO-7"
    with pytest.raises(StopIteration):
        find_fault("ECHO-7/has_no_such_fault")


def test_results_of_other_faults_and_half_a_line_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "quick.jsonl"
    good, changed, gone = _result(SEEN), _result(UNSEEN)._replace(source="0"), _result(SEEN)._replace(fault="X-1/gone")
    lines = [json.dumps(each._asdict()) for each in (good, changed, gone)]
    file.write_text("\n".join([*lines, lines[0][:20]]), encoding="utf-8")
    assert read_results(file, faults()) == {SEEN: good}


def test_the_record_has_the_shares_and_the_unseen(tmp_path: Path) -> None:
    record = tmp_path / "campaign.json"
    results = [_result(SEEN), _result(UNSEEN, 0, ("SRV-1",))]
    write_record("standard", results, faults(), record)
    write_record("quick", [_result(SEEN, 1, ("TCP-1",))], faults(), record)
    whole = json.loads(record.read_text(encoding="utf-8"))
    assert list(whole) == ["quick", "standard"]
    author = whole["standard"]["author"]
    assert (author["judged"], author["seen"], author["blamed"], author["unseen"]) == (2, 1, 1, [UNSEEN])
    assert author["faults"] == sum(fault.origin == "author" for fault in faults().values())
    assert whole["quick"]["author"]["blamed otherwise"] == {SEEN: ["TCP-1"]}


def test_a_run_that_could_not_judge_has_seen_nothing() -> None:
    result = _result(SEEN, 3)
    assert summary([result], faults())["author"]["unseen"] == [SEEN]
    assert describe(result) == f"{SEEN}: NOT SEEN, exit status 3 (1 s)"


def test_a_failure_about_something_else_is_told() -> None:
    assert describe(_result(SEEN, 1, ("TCP-1", "TCP-2"))) == f"{SEEN}: seen, but as TCP-1, TCP-2 (1 s)"
