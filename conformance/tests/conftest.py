"""What each test of the suite leaves behind."""

from collections.abc import Iterator

import pytest

from conformance.languages import texts
from conformance.patience import begin_target


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Undo the choice of a language, before the fixtures of a module that the next test may be the first to need.

    And forget the target that it judged, whose slow answers may have used up their time.
    """
    yield
    texts.choose("en")
    begin_target()
