"""Checks that mostly wait are marked ``slow``: they run side by side, in threads, while the others take their turns.

Where others share a server, each of these has its own. A failure while the judge itself was held up is no proof: such a
check is run again, and fails when it has failed so often, or once with a judge that kept its time.
"""

import inspect
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext

import pytest

from conformance import wire
from conformance.cases import decode, load_case
from conformance.conftest import profile_of, start_for
from conformance.recorder import parameters_of
from conformance.stalls import Stalls

AT_ONCE = 4
ATTEMPTS = 4


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: the check mostly waits; but for `server`, it takes no fixture")


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
    """Start the slow checks first, and put the tests that report their verdicts last."""
    slow = [item for item in session.items if isinstance(item, pytest.Function) and item.get_closest_marker("slow")]
    if session.config.option.collectonly:
        slow = []
    session.items.sort(key=lambda item: item in slow)
    with Stalls() as stalls, ThreadPoolExecutor(AT_ONCE) as threads:
        for item in slow:
            item.obj = _result(threads.submit(_run, item, item.obj, stalls))
        try:
            return (yield)
        finally:
            threads.shutdown(cancel_futures=True)


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
    wire.begin_check()
    try:
        with start_for(item) if "server" in names else nullcontext() as server:
            arguments = {**parameters_of(item), "server": server}
            check(**{name: arguments[name] for name in names})
    except (Exception, wire.TimeIsUp) as error:
        if wire.smallest_failure() and not isinstance(error, AssertionError):
            raise wire.smallest_failure() from error  # type: ignore[misc]
        vars(error).setdefault("exchanges", wire.recent_exchanges())
        raise


def _result(future: "Future[None]") -> Callable[..., None]:
    def wait(**arguments: object) -> None:
        future.result()

    return wait
