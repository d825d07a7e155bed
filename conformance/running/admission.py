"""Whether a check is still worth running: what it builds on holds, and its target has time left."""

import time
from collections import Counter, defaultdict

import pytest

from conformance.blame import blamed
from conformance.inconclusive import NOT_STARTED, OUT_OF_TIME, Unjudged
from conformance.patience import require_time_for_target
from conformance.prerequisites import first_cause
from conformance.running.checks import Cell, cell_of, citations, needs, unit_of
from conformance.running.finished import finished_file
from conformance.targets.host import require_datagrams

ENOUGH = "enough checks of this target had failed"

CASES = 3
"""When so many cases of one check have failed, the others would say nothing new."""

NOTHING_NEW = f"{CASES} cases of this check have failed"


class Admission:
    """What the preflight found, and since when each target is judged. Threads share it.

    Of pytest's options, ``--budget`` is the time for each target in seconds of ``time.monotonic``. No further check of
    a target is run when ``--fail-fast`` of them have failed here, or when the directory ``--finished`` has a file of
    its name, since they have failed elsewhere. With ``--regardless`` nothing else keeps a check from being run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._failed: dict[Cell, dict[str, str]] = defaultdict(dict)
        self._hindered: dict[Cell, tuple[str, str]] = {}
        self._began: dict[str, float] = {}
        self._failed_cases: Counter[tuple[str, str]] = Counter()
        self._failures: Counter[str] = Counter()

    def note_failed_check(self, item: pytest.Item) -> None:
        """Remember that a case of a check has failed."""
        self._failed_cases[_check(item)] += 1
        self._failures[cell_of(item).target] += 1

    def note_failure(self, cell: Cell, requirement: str, problem: str) -> None:
        """Remember that a requirement does not hold, and why. What builds on it cannot be judged."""
        self._failed[cell].setdefault(requirement, problem.partition("\n")[0])

    def note_problem(self, cell: Cell, requirement: str, problem: BaseException) -> None:
        """Remember an exception: what it is blamed on does not hold, or else that requirement."""
        self.note_failure(cell, blamed(problem) or requirement, str(problem) or type(problem).__name__)

    def note_not_started(self, cell: Cell, problem: str) -> None:
        """Remember that a program did not even start: nothing can be said of it."""
        self._hindered[cell] = f"{NOT_STARTED}: {problem}", "CLI-1" if cell.role == "client" else "SRV-1"

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
        if cell.transport == "udp":
            require_datagrams()
        began = self._began.setdefault(cell.target, time.monotonic())
        budget, finished = self._config.getoption("--budget"), self._config.getoption("--finished")
        if budget is not None and time.monotonic() > began + budget:
            raise Unjudged(f"{OUT_OF_TIME}: {budget:g} s")
        most = self._config.getoption("--fail-fast")
        if (finished and finished_file(finished, cell.target).exists()) or (
            most and self._failures[cell.target] >= most
        ):
            raise Unjudged(ENOUGH)
        if self._config.getoption("--regardless"):
            return
        if self._failed_cases[_check(item)] >= CASES:
            raise Unjudged(NOTHING_NEW)
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
        require_time_for_target()


def _check(item: pytest.Item) -> tuple[str, str]:
    return unit_of(item), item.nodeid.partition("[")[0]
