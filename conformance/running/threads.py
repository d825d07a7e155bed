"""Checks with programs of their own run side by side, in threads, while those that share a server take their turns.

So do those that mostly wait, which are marked ``slow``, with a server of their own. A failure while the judge itself
was held up is no proof: such a check is run again, and fails when it has failed so often, or once with a judge that
kept its time. So is a failure on a busy machine, where the program may have been held up, while few checks fail.
"""

import inspect
import itertools
import math
import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any
from unittest import SkipTest

import pytest

from conformance.as_client import exchange, shrinking
from conformance.patience import begin_target
from conformance.prerequisites import BUILT_ON
from conformance.prerequisites import place as place_of
from conformance.running.admission import Admission
from conformance.running.cases import decode, load_case
from conformance.running.checks import cell_of, citations, parameters_of, unit_of
from conformance.running.fixtures import blame_death, own_server, runs_beside, starting_clients, starting_servers
from conformance.running.options import admission_key, profile_of
from conformance.running.preflight import try_program
from conformance.running.stalls import Moment, Stalls, busy_since, idle_since, this_moment
from conformance.targets.host import processors, unjudged_without_resources
from conformance.targets.server import Server
from conformance.targets.target import Target
from conformance.targets.terms import Service, Transport
from conformance.timing import SCALE

PROCESSORS = processors()

MOST_AT_ONCE = 12

ATTEMPTS = 4
DOUBTED = 2
"""Of so many failures of a unit it is doubted whether they are the busy machine's."""

WAITING, WAITING_EACH = 10, 0.03
"""Seconds that slow answers may take in a unit, and for each of its checks: a slow program is judged no longer."""

LAST = (99,)
"""Sorts after each place of a requirement."""

PROGRAMS: dict[str, Callable[[pytest.Function], AbstractContextManager[Any]]] = {
    "server": own_server,
    "start_server": lambda item: starting_servers(*_served(item)),
    "start_client": lambda item: starting_clients(*_served(item)),
}
"""The fixtures that a check may take in any thread."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "slow(seconds): the check mostly waits; the longest, who say how long, come first"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tell a check that asks for it how much it is to do."""
    if "profile" in metafunc.fixturenames:
        profile = profile_of(metafunc.config)
        if file := metafunc.config.getoption("--replay"):
            inputs = load_case(file).inputs
            profile = profile._replace(inputs=inputs and {name: decode(value) for name, value in inputs.items()})
        metafunc.parametrize("profile", [profile], ids=[profile.name], scope="session")


class Unit:
    """The checks of one unit: what they build on is tried first; then some of them run in threads."""

    def __init__(self, name: str, items: Sequence[pytest.Item], config: pytest.Config) -> None:
        self.name = name
        admission = config.stash[admission_key]
        preflight = not config.getoption("--regardless")
        is_short = preflight and profile_of(config).name == "quick"
        self._ended = ExitStack()
        checks = [item for item in items if isinstance(item, pytest.Function) and unit_of(item) == name]
        begin_target(_waiting_time(checks) if is_short else math.inf, partial(idle_since, this_moment()))
        at_once = threads_of_unit(config)
        if preflight:
            _try_programs(checks, admission, at_once)
        doubts = _Doubts(self._ended.enter_context(Stalls()))
        threads = ThreadPoolExecutor(at_once)
        self._ended.callback(threads.shutdown, cancel_futures=True)
        for item in checks:
            if runs_beside in item.stash:
                item.obj = _result(threads.submit(_run, item, item.obj, doubts, admission))

    def end(self) -> None:
        """Wait for the checks that run, and start no others."""
        self._ended.close()


_unit = pytest.StashKey[Unit]()


def threads_of_unit(config: pytest.Config) -> int:
    """Return how many checks of a unit run at once.

    Most of the time they wait; but each program that they start needs a processor to be in time.
    """
    # Without workers a run has one unit, but tox runs a unit for each processor.
    units = os.environ.get("PYTEST_XDIST_WORKER_COUNT") or (PROCESSORS if config.getoption("--events") is None else 1)
    return max(4, min(6 * PROCESSORS // int(units), MOST_AT_ONCE))


def _waiting_time(checks: Sequence[pytest.Function]) -> float:
    """Return how many seconds slow answers may take in these checks. A server elsewhere has the network's time too."""
    targets = (parameters_of(item).get("target") for item in checks)
    is_elsewhere = any(isinstance(target, Target) and target.url for target in targets)
    return math.inf if is_elsewhere else SCALE * (WAITING + WAITING_EACH * len(checks))


def _try_programs(checks: Sequence[pytest.Function], admission: Admission, at_once: int) -> None:
    """Try each program with each service that checks are about."""
    cells = {cell_of(item): parameters_of(item).get("target") for item in checks}
    with ThreadPoolExecutor(at_once) as threads:
        attempts = [
            threads.submit(try_program, target, cell, admission)
            for cell, target in cells.items()
            if isinstance(target, Target) and cell.transport and cell.service
        ]
        for attempt in attempts:
            attempt.result()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort by unit: first what others build on, and what takes its turn before what runs beside, the slow first."""
    if not config.option.collectonly and not config.getoption("--in-turn"):
        for item in items:
            if isinstance(item, pytest.Function) and _may_run_beside(item):
                item.stash[runs_beside] = True

    def place(item: pytest.Item) -> tuple[str, bool, bool, float, tuple[int, ...]]:
        beside = runs_beside in item.stash
        slow = item.get_closest_marker("slow")
        first = place_of(citations(item)[0]) if citations(item) and citations(item)[0] in BUILT_ON else LAST
        seconds = slow.args[0] if beside and slow and slow.args else 0
        return unit_of(item), beside, beside and slow is None, -seconds, first

    items.sort(key=place)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Start the unit whose turn has come."""
    session, config = item.session, item.config
    unit = session.stash.get(_unit, None)
    if unit is None or unit.name != unit_of(item):
        if unit:
            unit.end()
        session.stash[_unit] = Unit(unit_of(item), session.items, config)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Leave out what is not worth running. What runs in a thread has been asked there."""
    if runs_beside not in item.stash and citations(item):
        item.config.stash[admission_key].require(item)
    with unjudged_without_resources():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, object, object]:
    """Take no failure for the program's while this host has no port for anybody."""
    with unjudged_without_resources():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count what has failed. What runs in a thread has been counted there."""
    server = item.funcargs.get("server") if isinstance(item, pytest.Function) else None
    if call.excinfo and isinstance(server, Server):
        blame_death(server, call.excinfo.value)
    report = yield
    if report.failed and runs_beside not in item.stash:
        item.config.stash[admission_key].note_failed_check(item)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    if unit := session.stash.get(_unit, None):
        unit.end()


def _may_run_beside(item: pytest.Function) -> bool:
    """Whether a check shares no server, or mostly waits, and takes no fixture but the programs that it starts."""
    names = set(inspect.signature(item.obj).parameters)
    alone = "server" not in names or item.get_closest_marker("slow") is not None
    return alone and names <= {*parameters_of(item), *PROGRAMS}


class _Doubts:
    """Whether what fails in a unit may be the machine's fault."""

    def __init__(self, stalls: Stalls) -> None:
        self._stalls = stalls
        self._failures = itertools.count()

    def about(self, attempt: int, start: Moment) -> bool:
        """Return whether a check is to be run again whose attempt, from 1 on, began at that moment and has failed."""
        if attempt == ATTEMPTS:
            return False
        return self._stalls.since(start) or (attempt == 1 and busy_since(start) and next(self._failures) < DOUBTED)


def _run(item: pytest.Function, check: Callable[..., None], doubts: _Doubts, admission: Admission) -> None:
    for attempt in itertools.count(1):
        admission.require(item)
        start = this_moment()
        try:
            with unjudged_without_resources():
                _run_once(item, check)
            return
        except SkipTest:
            raise
        except (Exception, pytest.fail.Exception):
            if not doubts.about(attempt, start):
                admission.note_failed_check(item)
                raise


def _run_once(item: pytest.Function, check: Callable[..., None]) -> None:
    """Run a check in this thread; what it raises holds its exchanges, which are this thread's."""
    names = inspect.signature(check).parameters
    shrinking.begin_check()
    try:
        with ExitStack() as stack:
            programs = {name: stack.enter_context(PROGRAMS[name](item)) for name in names if name in PROGRAMS}
            check(**programs, **{name: parameters_of(item)[name] for name in names if name not in programs})
    except (Exception, shrinking.TimeIsUp) as error:
        if shrinking.smallest_failure() and not isinstance(error, AssertionError):
            raise shrinking.smallest_failure() from error  # type: ignore[misc]
        vars(error).setdefault("exchanges", exchange.recent_exchanges())
        raise


def _result(future: "Future[None]") -> Callable[..., None]:
    futures = [future]  # pytest asks once; after that nothing holds what a failed check has left

    def wait(**arguments: object) -> None:
        futures.pop().result()

    return wait


def _served(item: pytest.Function) -> tuple[Target, Service, Transport]:
    parameters = parameters_of(item)
    return parameters["target"], parameters["service"], parameters["transport"]
