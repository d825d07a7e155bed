"""What each test of the suite leaves behind."""

from collections.abc import Iterator

import pytest

from conformance.languages import texts


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """Undo the choice of a language, before the fixtures of a module that the next test may be the first to need."""
    yield
    texts.choose("en")
