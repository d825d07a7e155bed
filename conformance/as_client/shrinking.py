"""The state of a check while Hypothesis makes its failure smaller: the smallest failure, and when to stop."""

import math
import threading
import time
from typing import Any

from conformance import patience
from conformance.as_client.exchange import forget_exchanges, recent_exchanges
from conformance.blame import blamed
from conformance.targets.interrupts import raise_if_interrupted
from conformance.timing import SHRINKING


class _Check(threading.local):
    """The state of the check that this thread runs."""

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        """The smallest failure so far."""
        self.end = math.inf
        """When to stop, in seconds of ``time.monotonic``."""


_check = _Check()


def begin_check() -> None:
    """Forget the state of this thread's last check."""
    vars(_check).clear()
    _check.__init__()  # type: ignore[misc]
    forget_exchanges()
    patience.begin_check()


class TimeIsUp(BaseException):
    """The time for making a failure smaller is over. Not an Exception: Hypothesis takes those for failures."""


def begin_example() -> None:
    """Forget the exchanges of the last example. Raises TimeIsUp if there is no time for another one."""
    raise_if_interrupted()
    forget_exchanges()
    if time.monotonic() > _check.end:
        raise TimeIsUp


def keep_failure(error: BaseException, inputs: dict[str, Any]) -> None:
    """Store an example's inputs and exchanges in its failure; remember the smallest failure; set when to stop."""
    vars(error).update(inputs=inputs, exchanges=recent_exchanges())
    if _check.failure is None or len(repr(inputs)) <= len(repr(vars(_check.failure)["inputs"])):
        _check.failure = error
    share = 1.0
    if patience.was_in_vain():  # each further example would wait in vain again
        share = 0 if patience.were_many_in_vain() else 0.2
    _check.end = min(_check.end, time.monotonic() + share * SHRINKING)


def smallest_failure() -> BaseException | None:
    """Return the smallest failure of the check's examples. It counts even if a later example passed."""
    return _check.failure


def cause_of(error: BaseException) -> BaseException:
    """Return what failed, where Hypothesis or the time limit ended what made it smaller."""
    smallest = _check.failure
    return smallest if smallest and not isinstance(error, AssertionError) and blamed(error) is None else error
