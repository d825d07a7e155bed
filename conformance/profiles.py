"""How much a run does: the generated examples of a property, and the share of what starts programs of its own."""

import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

Case = TypeVar("Case", bound=Hashable)
Item = TypeVar("Item")


class Profile(NamedTuple):
    """A name of ``--profile``, what it stands for, and the run's ``--seed``."""

    name: str
    examples: int
    cases: int = 1
    """Of the cases of a check that starts programs, one of so many is run; of a check with one case, that one."""
    items: int = 1
    """Of what such a check tries with a program for each, one of so many is tried."""
    characters: int = 1
    """Of the messages that hold all characters of Unicode, one of so many is sent."""
    parts: int = 1
    """Of the checks that start programs, one of so many is run."""
    seed: int = 0
    inputs: dict[str, Any] | None = None
    """The generated inputs of the case that is replayed, for checks that generate them themselves."""

    def load(self) -> None:
        """Have Hypothesis generate the examples of this profile."""
        import hypothesis  # which takes a command longer than all else that it imports
        from hypothesis.configuration import set_hypothesis_home_dir

        # It keeps tables of Unicode there, which take a second to make; its default is the directory where it runs.
        set_hypothesis_home_dir(_caches() / "sockspec" / "hypothesis")
        hypothesis.settings.register_profile(
            self.name,
            max_examples=self.examples,
            deadline=None,
            database=None,
            phases=[phase for phase in hypothesis.Phase if phase is not hypothesis.Phase.explain],
            # The server that a check talks to lives longer than one example, on purpose: it must survive them all.
            suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
        )
        hypothesis.settings.load_profile(self.name)

    def select(self, things: Iterable[Item], of: int | None = None) -> list[Item]:
        """Return one of so many things, `items` if nothing is said, but at least one; another seed has others."""
        whole, of = list(things), of or self.items
        return whole[self.seed % min(of, len(whole) or 1) :: of]

    def divide(self, things: Iterable[Item], case: Case, among: Sequence[Case]) -> list[Item]:
        """Return what a case of a check tries of what all these cases of it have in common.

        Where nothing is left out, each tries all of it.
        """
        whole = list(things)
        return whole[(among.index(case) + self.seed) % len(among) :: len(among)] if self.items > 1 else whole

    def select_cases(self, places: Mapping[Case, Sequence[int]]) -> list[Case]:
        """Return the share of a check's cases, at least one, by their places: a number for each parameter.

        The share goes through the cases diagonally, so that it has each value of each parameter: of two services
        over two transports, echo over UDP and time over TCP. Another seed has others.
        """
        share = [case for case, place in places.items() if (sum(place) + self.seed) % self.cases == 0]
        return share or list(places)[:1]


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("quick", 6, cases=2, items=8, characters=8),
        Profile("standard", 25, characters=3),
        Profile("thorough", 1000),
    )
}


def _caches() -> Path:
    """Return where this user's caches are; without a home nothing can be kept there."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # no HOME, and a number without a name, as in a container
        return Path(os.devnull)
