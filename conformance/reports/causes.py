"""Failures by their causes, in the order in which one would mend them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conformance.prerequisites import all_before, first_cause, place
from conformance.running.cases import Case


@dataclass
class Cause:
    """One thing to mend: the cases that failed because of it, each with the file that `replay` takes.

    `waiting` are the cases that were not run because of it.
    """

    target: str
    requirement: str
    failed: list[tuple[Case, Path | None]] = field(default_factory=list)
    waiting: list[Case] = field(default_factory=list)

    @property
    def hinders_all(self) -> bool:
        """Whether checks wait for it that do not build on it: nothing can be judged without it."""
        return any(
            self.requirement not in each.needs
            and all(self.requirement not in all_before(id_) for id_ in (each.requirements[0], *each.needs))
            for each in self.waiting
        )

    @property
    def example(self) -> tuple[Case, Path | None] | None:
        """The failure about the requirement itself that is read most easily.

        None: what waits for it says more than a failure about something else.
        """
        own = [each for each in self.failed if each[0].about == self.requirement and not self.hinders_all]
        told = own or ([] if self.waiting else self.failed)
        return min(told, key=lambda each: each[0].effort, default=None)

    @property
    def problem(self) -> str:
        """What the first of the waiting cases says of it; empty: none waits."""
        return self.waiting[0].problem.removeprefix(f"{self.requirement} first: ") if self.waiting else ""

    @property
    def followers(self) -> list[str]:
        """The other requirements that failed, perhaps for want of this one."""
        ids = {case.about for case, _ in self.failed if case.about and case.about != self.requirement}
        return sorted(ids, key=place)


def find_causes(cases: Iterable[Case], files: Mapping[str, Path]) -> list[Cause]:
    """Return the causes of all that failed or was not run for want of something else; `files` by the cases' keys."""
    cases = list(cases)
    failed: dict[tuple[object, ...], set[str]] = defaultdict(set)
    hindering: dict[tuple[object, ...], set[str]] = defaultdict(set)
    for case in cases:
        if case.outcome in ("failed", "unjudged") and case.about:
            failed[_cell(case)].add(case.about)
            if case.outcome == "unjudged":
                hindering[_cell(case)].add(case.about)
    # What others wait for was tried after what it builds on, which held then, and fails in a special case alone.
    held = {cell: {each for id_ in ids for each in all_before(id_)} - ids for cell, ids in hindering.items()}
    for cell, ids in held.items():
        failed[cell] -= ids
    causes: dict[tuple[str, str], Cause] = {}
    for case in cases:
        if case.about and case.outcome in ("failed", "unjudged"):
            id_ = _cause_of(case, case.about, failed[_cell(case)])
            cause = causes.setdefault((case.target, id_), Cause(case.target, id_))
            if case.outcome == "failed":
                cause.failed.append((case, files.get(case.key)))
            else:
                cause.waiting.append(case)
    special = {(cell[0], id_) for cell, ids in held.items() for id_ in ids}

    def order(cause: Cause) -> tuple[object, ...]:
        is_special = (cause.target, cause.requirement) in special
        return not cause.hinders_all, place(cause.requirement, is_special=is_special)

    return sorted(causes.values(), key=order)


def _cause_of(case: Case, about: str, failed: set[str]) -> str:
    """Return the earliest requirement that a case waits or failed for.

    A failure about the check's main requirement may be about any that the check builds on; others know better.
    """
    builds_on = [each for each in case.needs if about == case.requirements[0] and each != about]
    causes = [first_cause(about, failed)]
    causes += [first_cause(each, failed) or each for each in builds_on if each in failed]
    return min([each for each in causes if each], key=place, default=about)


def _cell(case: Case) -> tuple[object, ...]:
    return case.target, case.role, case.transport, case.service
