"""Which requirement a failing check is about, where it cites several."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

Error = TypeVar("Error", bound=BaseException)


@contextmanager
def about(id_: str, told: str = "") -> Iterator[None]:
    """A block whose failed assertions are about that requirement; others are about the first one that a check cites.

    What is `told` opens their message: for those that would not speak for themselves.
    """
    try:
        yield
    except AssertionError as error:
        blame(error, id_)
        if told:
            error.args = (f"{told}: {error}",)
        raise


def blame(error: Error, id_: str) -> Error:
    """Have a failure be about that requirement, unless it already is about another; return it."""
    if blamed(error) is None:
        error.__dict__["requirement"] = id_
    return error


def blamed(error: BaseException) -> str | None:
    """Return the requirement that a failure is about, or None if that was not told."""
    id_ = error.__dict__.get("requirement")
    return None if id_ is None else str(id_)
