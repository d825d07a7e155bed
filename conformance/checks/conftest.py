"""What pytest takes from here: checks that run side by side, and the fixture `profile`."""

from conformance.running.threads import pytest_configure, pytest_generate_tests, pytest_runtestloop

__all__ = ["pytest_configure", "pytest_generate_tests", "pytest_runtestloop"]
