"""The order in which failures would be mended."""

import pytest

from conformance.prerequisites import PREREQUISITES, STAGES, first_cause, place
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
