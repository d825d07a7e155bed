"""What is to be mended, as the page shows it: the causes that the terminal names, with all that they explain."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.languages.told import told
from conformance.reports.causes import find_causes
from conformance.reports.page.verdict_view import Failure, show_failure
from conformance.running.cases import Case


@dataclass(frozen=True)
class ShownCause:
    """One thing to mend.

    `example` is the failure that is read most easily; if none is about the requirement itself, `problem` says what is
    wrong. `failures` are the failures that it explains: a requirement's id, a check, and how many cases of it failed.
    `followers` are the other requirements among them. `waiting` checks were not judged because of it.
    """

    requirement: str
    problem: str
    example: Failure | None
    failures: list[tuple[str, str, int]]
    followers: list[str]
    waiting: int

    @property
    def failed(self) -> int:
        """How many failures it explains."""
        return sum(count for _, _, count in self.failures)


def causes(report: Mapping[str, Any]) -> dict[str, list[ShownCause]]:
    """Return the causes of a report's failures by target, in the order in which one would mend them."""
    found: dict[str, list[ShownCause]] = {}
    for cause in find_causes(map(Case.from_json, report["cases"]), {}):
        example = cause.example and cause.example[0]
        failures = Counter((case.about or "", case.check.rpartition("::")[2]) for case, _ in cause.failed)
        shown = ShownCause(
            cause.requirement,
            "" if example else told(cause.problem),
            show_failure(example) if example else None,
            [(about, check, count) for (about, check), count in failures.items()],
            cause.followers,
            len(cause.waiting),
        )
        found.setdefault(cause.target, []).append(shown)
    return {target: found[target] for target in report["verdicts"] if target in found}
