"""Checks that mostly wait are marked ``slow``: they run side by side, in threads, while the others take their turns."""

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from conformance import wire
from conformance.cases import decode, load_case
from conformance.conftest import profile_of

AT_ONCE = 4


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: the check mostly waits; its arguments are parameters, not fixtures")


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
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for item in slow:
            item.obj = _result(threads.submit(_run, item.obj, item.callspec.params))
        try:
            return (yield)
        finally:
            threads.shutdown(cancel_futures=True)


def _run(check: Callable[..., None], parameters: dict[str, object]) -> None:
    """Run a check in this thread; what it raises holds its exchanges, which are this thread's."""
    wire.begin_check()
    try:
        check(**parameters)
    except Exception as error:
        if wire.smallest_failure() and not isinstance(error, AssertionError):
            raise wire.smallest_failure() from error  # type: ignore[misc]
        vars(error).setdefault("exchanges", wire.recent_exchanges())
        raise


def _result(future: "Future[None]") -> Callable[..., None]:
    def wait(**arguments: object) -> None:
        future.result()

    return wait
