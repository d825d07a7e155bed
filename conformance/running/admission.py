"""Whether a check is still worth running: what it builds on holds, and its target has time left."""

import time
from collections import defaultdict
from pathlib import Path
from unittest import SkipTest

import pytest

from conformance.prerequisites import first_cause
from conformance.running.checks import Cell, cell_of, citations, needs

NOT_STARTED = "it did not start"
OUT_OF_TIME = "the time for this target was used up"
ENOUGH = "enough checks of this target had failed"


class Unjudged(SkipTest):
    """A check is not run: the message says why; `about` is the requirement that has to hold before, if it is that."""

    def __init__(self, reason: str, about: str | None = None) -> None:
        super().__init__(reason)
        self.about = about


class Admission:
    """What the preflight found, and since when each target is judged. Threads share it.

    `budget` is the time for each target in seconds of ``time.monotonic``; None: no limit. When the directory
    `finished` has a file of a target's name, no further check of that target is run.
    """

    def __init__(self, budget: float | None, finished: Path | None) -> None:
        self._budget = budget
        self._finished = finished
        self._failed: dict[Cell, dict[str, str]] = defaultdict(dict)
        self._hindered: dict[Cell, tuple[str, str]] = {}
        self._began: dict[str, float] = {}

    def note_failure(self, cell: Cell, requirement: str, problem: str) -> None:
        """Remember that a requirement does not hold, and why. What builds on it cannot be judged."""
        self._failed[cell].setdefault(requirement, problem.partition("\n")[0])

    def note_not_started(self, cell: Cell, problem: str) -> None:
        """Remember that a program did not even start: nothing can be said of it."""
        self._hindered[cell] = f"{NOT_STARTED}: {problem}", "SRV-1"

    def note_hindrance(self, cell: Cell, problem: str, requirement: str) -> None:
        """Remember why nothing else than that requirement can be judged."""
        self.note_failure(cell, requirement, problem)
        self._hindered[cell] = f"{requirement} first: {problem}", requirement

    def is_hindered(self, cell: Cell) -> bool:
        """Return whether there is one requirement without which nothing else can be judged."""
        return cell in self._hindered

    def has_failed(self, cell: Cell, *requirements: str) -> bool:
        """Return whether one of them does not hold."""
        return any(each in self._failed[cell] for each in requirements)

    def require(self, item: pytest.Item) -> None:
        """Raise Unjudged if a check is not to be run."""
        cell = cell_of(item)
        began = self._began.setdefault(cell.target, time.monotonic())
        if self._budget is not None and time.monotonic() > began + self._budget:
            raise Unjudged(f"{OUT_OF_TIME}: {self._budget:g} s")
        if self._finished and finished_file(self._finished, cell.target).exists():
            raise Unjudged(ENOUGH)
        main = citations(item)[0]
        for tried, (problem, requirement) in self._hindered.items():
            has_none = problem.startswith(NOT_STARTED)
            if cell in (tried, tried._replace(service=None)) and (has_none or main != requirement):
                raise Unjudged(problem, requirement)
        failed = self._failed[cell]
        causes = [first_cause(main, failed), *(first_cause(each, failed) or each for each in needs(item))]
        for cause in causes:
            if cause in failed and cause != main:
                raise Unjudged(f"{cause} first: {failed[cause]}", cause)


def finished_file(directory: Path, target: str) -> Path:
    """Return the file that says that no further check of a target is to be run."""
    return directory / target.encode().hex()[:200]
