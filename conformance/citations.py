"""Which requirement a failing check is about, where it cites several."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def about(id_: str) -> Iterator[None]:
    """A block whose failures are about that requirement; outside of any, they are about the first one cited."""
    try:
        yield
    except AssertionError as error:
        blame(error, id_)
        raise


def blame(error: BaseException, id_: str) -> None:
    """Have a failure be about that requirement, unless it already is about another."""
    if blamed(error) is None:
        error.__dict__["requirement"] = id_


def blamed(error: BaseException) -> str | None:
    """Return the requirement that a failure is about, or None if that was not told."""
    id_ = error.__dict__.get("requirement")
    return None if id_ is None else str(id_)
