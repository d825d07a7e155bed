"""What each test of the suite begins with."""

import pytest

from conformance.languages import texts


@pytest.fixture(autouse=True)
def _english() -> None:
    """Undo the choice of a command that another test has run in this process."""
    texts.choose("en")
