"""Checks with programs of their own run side by side, in threads, while those that share a server take their turns.

So do those that mostly wait, which are marked ``slow``, with a server of their own. A failure while the judge itself
was held up is no proof: such a check is run again, and fails when it has failed so often, or once with a judge that
kept its time.
"""

import inspect
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest

from conformance.as_client import exchange, shrinking
from conformance.running.cases import decode, load_case
from conformance.running.fixtures import own_server, runs_beside, starting_clients, starting_servers
from conformance.running.options import profile_of
from conformance.running.recorder import parameters_of
from conformance.running.stalls import Stalls
from conformance.targets.target import Target
from conformance.targets.terms import Service, Transport

AT_ONCE = 4
ATTEMPTS = 4

PROGRAMS: dict[str, Callable[[pytest.Function], AbstractContextManager[Any]]] = {
    "server": own_server,
    "start_server": lambda item: starting_servers(*_served(item)),
    "start_client": lambda item: starting_clients(*_served(item)),
}
"""The fixtures that a check may take in any thread."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: the check mostly waits")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tell a check that asks for it how much it is to do."""
    if "profile" in metafunc.fixturenames:
        profile = profile_of(metafunc.config)
        if file := metafunc.config.getoption("--replay"):
            inputs = load_case(file).inputs
            profile = profile._replace(inputs=inputs and {name: decode(value) for name, value in inputs.items()})
        metafunc.parametrize("profile", [profile], ids=[profile.name], scope="session")


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Start what runs beside the others first, the slow before the rest; what reports their verdicts comes last."""
    beside: list[pytest.Function] = []
    if not session.config.option.collectonly and not session.config.getoption("--in-turn"):
        beside = [item for item in session.items if isinstance(item, pytest.Function) and _may_run_beside(item)]
    beside.sort(key=lambda item: item.get_closest_marker("slow") is None)
    session.items[:] = [*(item for item in session.items if item not in beside), *beside]
    with Stalls() as stalls, ThreadPoolExecutor(AT_ONCE) as threads:
        for item in beside:
            item.stash[runs_beside] = True
            item.obj = _result(threads.submit(_run, item, item.obj, stalls))
        try:
            return (yield)
        finally:
            threads.shutdown(cancel_futures=True)


def _may_run_beside(item: pytest.Function) -> bool:
    """Whether a check shares no server, or mostly waits, and takes no fixture but the programs that it starts."""
    names = set(inspect.signature(item.obj).parameters)
    alone = "server" not in names or item.get_closest_marker("slow") is not None
    return alone and names <= {*parameters_of(item), *PROGRAMS}


def _run(item: pytest.Function, check: Callable[..., None], stalls: Stalls) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        start = time.monotonic()
        try:
            _run_once(item, check)
            return
        except (Exception, pytest.fail.Exception):
            if attempt == ATTEMPTS or not stalls.since(start):
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
