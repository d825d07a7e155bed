"""One run in many processes, here and on other machines: what pytest-xdist is to do, and what it is not to do.

A controller tells what is planned, hands units of checks to workers and passes on what they report. A worker that dies
is replaced, and runs the rest of its unit.
"""

import os
from collections import Counter
from typing import Any

import pytest

from conformance.running.checks import cell_of, unit_of
from conformance.targets.interrupts import end_all

_units = pytest.StashKey[dict[str, str]]()

CRASHES = 2
"""A check that was due when so many workers died is not run again."""


def is_worker(config: pytest.Config) -> bool:
    """Return whether this process works for a controller."""
    return hasattr(config, "workerinput")


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> bool | None:
    """Have a controller collect too, which pytest-xdist leaves to the workers: it tells what is planned."""
    if not session.config.pluginmanager.has_plugin("dsession"):
        return None
    session.config.stash[_units] = {
        item.nodeid: unit_of(item) if cell_of(item).target else item.nodeid for item in session.perform_collect()
    }
    return True


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Have nothing copied to other machines, not even pytest: they have the suite."""
    config.pluginmanager.getplugin("dsession").nodemanager.roots = []


@pytest.hookimpl(tryfirst=True)
def pytest_report_to_serializable(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Escape what a worker reports: what carries it refuses the lone surrogates of generated text."""
    if isinstance(report.longrepr, tuple):  # of a skip; pytest takes it apart again
        file, line, reason = report.longrepr
        report.longrepr = file, line, _escaped(reason)
    elif report.longrepr is not None:
        report.longrepr = _escaped(report.longreprtext)
    report.sections = [(name, _escaped(text)) for name, text in report.sections]


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def pytest_keyboard_interrupt() -> None:
    """Let a worker that is interrupted die, so that it is replaced: an orderly end would end the whole session."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        end_all()
        os._exit(1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return what keeps the checks of a unit in one worker. The groups of pytest-xdist itself want another pytest."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-not-found, import-untyped, unused-ignore]

    crashes: Counter[str] = Counter()

    class UnitScheduling(LoadScopeScheduling):  # type: ignore[misc, unused-ignore]
        def _split_scope(self, nodeid: str) -> str:
            return config.stash[_units][nodeid]

        def remove_node(self, node: Any) -> None:
            """Have the rest of a dead worker's checks run again; but not, a third time, the one that was due."""
            for checks in self.assigned_work[node].values():
                due = next((nodeid for nodeid, done in checks.items() if not done), None)
                if due is not None:
                    crashes[due] += 1
                    checks[due] = crashes[due] >= CRASHES
                    break
            super().remove_node(node)  # returns the check that was due, to be reported; we count what does not finish

    return UnitScheduling(config, log)
