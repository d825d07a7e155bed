"""The order in which failures would be mended."""

import pytest

from conformance.prerequisites import PREREQUISITES, STAGES, first_cause, place
from conformance.reports.causes import find_causes
from conformance.running.cases import Case
from conformance.tests import samples
from spec.requirements import REQUIREMENTS


def test_each_testable_requirement_has_a_stage() -> None:
    assert [*map(place, sorted((id_ for id_ in REQUIREMENTS if REQUIREMENTS[id_].testable), key=place))]


def test_each_word_of_the_stages_is_a_requirement_or_a_group() -> None:
    groups = {f"{id_.partition('-')[0]}-*" for id_ in REQUIREMENTS}
    assert {word for ids in STAGES.values() for word in ids.split()} <= {*REQUIREMENTS, *groups}


@pytest.mark.parametrize("id_", PREREQUISITES)
def test_what_comes_first_is_mended_first(id_: str) -> None:
    """So there is no circle either."""
    assert all(place(each) < place(id_) for each in PREREQUISITES[id_])


def test_the_first_cause() -> None:
    assert first_cause("ERR-5", {"ERR-5", "ECHO-3"}) is None
    assert first_cause("ERR-5", {"ERR-1", "ERR-5"}) == "ERR-1"
    assert first_cause("ERR-5", {"ERR-1", "ECHO-1"}) == "ECHO-1"
    assert first_cause("SRV-1", {"SRV-1"}) is None


def test_what_holds_but_for_a_special_case_is_no_cause() -> None:
    """A server whose first answer was waited for has started: what fails of its start is mended later."""
    causes = find_causes([failed("SRV-1"), failed("ECHO-1"), failed("SRV-8"), waiting("ECHO-3", "ECHO-1")], {})
    assert [cause.requirement for cause in causes] == ["ECHO-1", "SRV-1", "SRV-8"]
    causes = find_causes([failed("SRV-1"), failed("ECHO-1"), waiting("ECHO-3", "SRV-1")], {})
    assert [cause.requirement for cause in causes] == ["SRV-1"]


def test_what_hinders_all_is_mended_first() -> None:
    causes = find_causes([failed("TIME-2"), failed("SRV-8"), waiting("ECHO-3", "SRV-8")], {})
    assert [cause.requirement for cause in causes] == ["SRV-8", "TIME-2"] and causes[0].example is None
    causes = find_causes([failed("TIME-2"), failed("SRV-8"), waiting("SRV-9", "SRV-8")], {})
    assert [cause.requirement for cause in causes] == ["TIME-2", "SRV-8"] and causes[1].example is not None


def failed(id_: str) -> Case:
    case = samples.case("raw", id_)
    case.outcome, case.about = "failed", id_
    return case


def waiting(id_: str, first: str) -> Case:
    case = samples.case("raw", id_)
    case.outcome, case.about = "unjudged", first
    return case
