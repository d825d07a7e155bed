"""Settings of the core's tests."""

from collections.abc import Iterator
from time import tzset

import pytest
from hypothesis import HealthCheck, settings

# A loaded machine makes an example slow, not wrong
settings.register_profile("spec", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("spec")


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the person live in UTC."""
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "UTC")
        tzset()
        yield
    tzset()
