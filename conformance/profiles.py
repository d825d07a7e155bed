"""How much a run does: the generated examples of a property, and the share of what starts programs of its own."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, TypeVar

import hypothesis

Case = TypeVar("Case")
Check = TypeVar("Check")


class Profile(NamedTuple):
    """A name of ``--profile``, what it stands for, and the run's ``--seed``."""

    name: str
    examples: int
    cases: int = 1
    """Of a check's cases that start programs, one of so many is run."""
    checks: int = 1
    """Of the checks that start programs and that no requirement depends on, one of so many is run."""
    seed: int = 0
    inputs: dict[str, Any] | None = None
    """The generated inputs of the case that is replayed, for checks that generate them themselves."""

    def select(self, cases: Iterable[Case]) -> list[Case]:
        """Return the share of a check's cases, at least one; another seed has others."""
        whole = list(cases)
        return whole[self.seed % min(self.cases, len(whole) or 1) :: self.cases]

    def select_checks(self, checks: Mapping[Check, AbstractSet[str]], judged: AbstractSet[str]) -> list[Check]:
        """Return the share of the checks, and what it takes besides for each requirement that they cite to be judged.

        Some are `judged` by other checks already. Another seed has another share.
        """
        share = list(checks)[self.seed % self.checks :: self.checks]
        missing = set().union(*checks.values()).difference(judged, *(checks[check] for check in share))
        for check, ids in checks.items():
            if missing & ids:
                share.append(check)
                missing -= ids
        return share


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("quick", 10, cases=8, checks=4),
        Profile("standard", 25, cases=3),
        Profile("thorough", 1000),
    )
}

# Here, and not in the plugin of pytest: some commands draw examples without pytest.
for _profile in PROFILES.values():
    hypothesis.settings.register_profile(
        _profile.name,
        max_examples=_profile.examples,
        deadline=None,
        database=None,
        phases=[phase for phase in hypothesis.Phase if phase is not hypothesis.Phase.explain],
        # The server that a check talks to lives longer than one example, on purpose: it must survive them all.
        suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
    )
