"""What a profile leaves out: never all that a requirement has."""

from hypothesis import given
from hypothesis import strategies as st

from conformance.profiles import PROFILES, Profile

CHECKS = st.dictionaries(st.integers(0, 40), st.sets(st.sampled_from("abcdefgh"), min_size=1))


@given(CHECKS, st.sets(st.sampled_from("abcdefgh")), st.integers(0, 7))
def test_each_requirement_is_judged(checks: dict[int, set[str]], judged: set[str], seed: int) -> None:
    chosen = Profile("", 1, checks=4, seed=seed).select_checks(checks, judged)
    assert judged.union(*(checks[each] for each in chosen)) == judged.union(*checks.values())
    assert len(chosen) == len(set(chosen)) <= -(-len(checks) // 4) + 8


@given(CHECKS, st.integers(0, 7))
def test_four_seeds_in_a_row_run_every_check(checks: dict[int, set[str]], seed: int) -> None:
    profile = Profile("", 1, checks=4)
    shares = [profile._replace(seed=seed + n).select_checks(checks, set("abcdefgh")) for n in range(4)]
    assert sorted(each for share in shares for each in share) == sorted(checks)


@given(st.lists(st.integers(), min_size=1, max_size=30), st.integers(0, 7))
def test_of_each_check_a_case_is_left(cases: list[int], seed: int) -> None:
    chosen = Profile("", 1, cases=8, seed=seed).select(cases)
    assert chosen and len(chosen) <= -(-len(cases) // 8)


def test_what_is_left_out() -> None:
    """The quick profile runs a share of the checks, the standard one each check, the thorough one each case of it."""
    checks = {check: {"a"} for check in range(40)}
    assert [name for name, each in PROFILES.items() if len(each.select_checks(checks, set())) < 40] == ["quick"]
    assert [name for name, each in PROFILES.items() if len(each.select(checks)) < 40] == ["quick", "standard"]
