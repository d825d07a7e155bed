"""What a profile leaves out: never all cases of a check."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from conformance.profiles import PROFILES, Profile

SEEDS = st.integers(0, 7)


@given(st.lists(st.integers(), min_size=1, max_size=30), SEEDS)
def test_of_each_list_an_item_is_left(items: list[int], seed: int) -> None:
    chosen = Profile("", 1, items=8, seed=seed).select(items)
    assert chosen and len(chosen) <= -(-len(items) // 8)


@given(st.lists(st.integers(), max_size=30), SEEDS, st.integers(1, 3))
def test_all_turns_together_try_everything(items: list[int], seed: int, among: int) -> None:
    profile = Profile("", 1, items=8, seed=seed)
    parts = [profile.divide(items, case, range(among)) for case in range(among)]
    assert sorted(each for part in parts for each in part) == sorted(items)


@given(SEEDS, st.tuples(*[st.integers(1, 3)] * 3))
def test_half_of_the_cases_have_each_value_of_each_parameter(seed: int, sizes: tuple[int, ...]) -> None:
    places = {place: place for place in product(*map(range, sizes))}
    chosen = Profile("", 1, cases=2, seed=seed).select_cases(places)
    assert chosen and len(chosen) <= len(places) // 2 + 1
    if sum(size > 1 for size in sizes) > 1:
        assert all({place[n] for place in chosen} == {*range(size)} for n, size in enumerate(sizes))


def test_two_seeds_in_a_row_run_every_case() -> None:
    places = {place: place for place in product(range(2), range(2), range(3))}
    profile = Profile("", 1, cases=2)
    shares = [profile._replace(seed=seed).select_cases(places) for seed in (3, 4)]
    assert sorted(each for share in shares for each in share) == sorted(places)


def test_what_is_left_out() -> None:
    """The quick profile leaves cases and items out, it and the standard one characters, the thorough one nothing."""
    places = {(number,): (number,) for number in range(40)}
    assert [name for name, each in PROFILES.items() if len(each.select_cases(places)) < 40] == ["quick"]
    assert [name for name, each in PROFILES.items() if len(each.select(places)) < 40] == ["quick"]
    assert [name for name, each in PROFILES.items() if len(each.select(places, each.characters)) < 40] == [
        "quick",
        "standard",
    ]


@given(st.lists(st.integers(), unique=True, min_size=1, max_size=30), st.integers(1, 5))
def test_the_parts_together_are_all_checks(checks: list[int], parts: int) -> None:
    profile = Profile("", 1, parts=parts)
    shares = [profile._replace(seed=seed).select(checks, profile.parts) for seed in range(parts)]
    assert {each for share in shares for each in share} == {*checks}
