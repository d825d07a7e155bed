"""How much a run does: the generated examples of a property, and the share of the cases that start a program each."""

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

Case = TypeVar("Case")


class Profile(NamedTuple):
    """A name of ``--profile``, what it stands for, and the run's ``--seed``."""

    name: str
    examples: int
    share: int
    seed: int = 0
    inputs: dict[str, Any] | None = None
    """The generated inputs of the case that is replayed, for checks that generate them themselves."""

    def select(self, cases: Iterable[Case]) -> list[Case]:
        """Return every `share`-th case, at least one; another seed has another part of them."""
        whole = list(cases)
        return whole[self.seed % min(self.share, len(whole) or 1) :: self.share]


PROFILES = {
    profile.name: profile
    for profile in (Profile("quick", 10, 8), Profile("standard", 25, 1), Profile("thorough", 1000, 1))
}
