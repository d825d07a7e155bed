"""Settings of the core's tests."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
from hypothesis import HealthCheck, Phase, settings

import impl_raw.tcp_server
import impl_with.tcp_server

# A loaded machine makes an example slow, not wrong
settings.register_profile("spec", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# What fuzzing has found to fail is run again, and nothing else is drawn
settings.register_profile("replay", settings.get_profile("spec"), phases=[Phase.explicit, Phase.reuse, Phase.shrink])
settings.load_profile("replay" if "SOCKSPEC_REPLAY" in os.environ else "spec")


@pytest.fixture
def live_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return what moves the person to a time zone."""
    if sys.platform == "win32":
        pytest.skip("a program cannot choose its time zone on Windows")
    with monkeypatch.context() as zone:

        def move(name: str) -> None:
            zone.setenv("TZ", name)
            time.tzset()

        yield move
    time.tzset()


@pytest.fixture
def utc(live_in: Callable[[str], None]) -> None:
    """Have the person live in UTC."""
    live_in("UTC")


@pytest.fixture(params=[impl_raw.tcp_server, impl_with.tcp_server], ids=["raw", "with"])
def program(request: pytest.FixtureRequest) -> ModuleType:
    """Each of the TCP servers that have one thread for all clients."""
    module: ModuleType = request.param
    return module
