"""A check that failed is run again with smaller examples: what it remembers, and when that ends."""

import math
import threading
import time
from typing import Any

from conformance.as_client.exchange import forget_exchanges, recent_exchanges
from conformance.targets.interrupts import raise_if_interrupted
from conformance.timing import PATIENCE, SHRINKING


class _Check(threading.local):
    """What concerns the check that this thread runs: whether a wait was in vain, its smallest failure, its end."""

    def __init__(self) -> None:
        self.was_silent = False
        self.failure: BaseException | None = None
        self.end = math.inf


_check = _Check()


def begin_check() -> None:
    """Forget what concerned the check before."""
    vars(_check).clear()
    _check.__init__()  # type: ignore[misc]
    forget_exchanges()


class TimeIsUp(BaseException):
    """A failure has been made smaller for long enough. Not an Exception: Hypothesis takes those for failures."""


def begin_example() -> None:
    """Forget the exchanges of the example before. Raises TimeIsUp if there is no time for another one."""
    raise_if_interrupted()
    forget_exchanges()
    if time.monotonic() > _check.end:
        raise TimeIsUp


def keep_failure(error: BaseException, inputs: dict[str, Any]) -> None:
    """Have a failure hold its example and what was sent; remember the smallest; end the shrinking in time."""
    vars(error).update(inputs=inputs, exchanges=recent_exchanges())
    if _check.failure is None or len(repr(inputs)) <= len(repr(vars(_check.failure)["inputs"])):
        _check.failure = error
    _check.end = min(_check.end, time.monotonic() + SHRINKING)


def smallest_failure() -> BaseException | None:
    """Return the smallest failure of the check's examples, which a later one that passed does not undo."""
    return _check.failure


def note_silence() -> None:
    """Remember that a full wait of this check was in vain."""
    _check.was_silent = True


def patience(within: float | None = None) -> float:
    """Return how long to wait, in seconds. After a full wait in vain the check has failed, and is only being shrunk."""
    raise_if_interrupted()
    full = PATIENCE if within is None else within
    return min(full, PATIENCE / 5) if _check.was_silent else full
