"""Which requirement a failing check is about, where it cites several."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

Error = TypeVar("Error", bound=BaseException)


@contextmanager
def about(id_: str, prefix: str = "") -> Iterator[None]:
    """A block whose failed assertions are about that requirement; others are about the first one that a check cites.

    `prefix` opens their message.
    """
    try:
        yield
    except AssertionError as error:
        blame(error, id_)
        if prefix:
            error.args = (f"{prefix}: {error}",)
        raise


def blame(error: Error, id_: str) -> Error:
    """Note that a failure is about that requirement, unless one is noted already; return the failure."""
    if blamed(error) is None:
        error.__dict__["requirement"] = id_
    return error


def blamed(error: BaseException) -> str | None:
    """Return the requirement that a failure is about, or None if none is noted."""
    id_ = error.__dict__.get("requirement")
    return None if id_ is None else str(id_)
