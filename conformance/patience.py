"""How long to wait for what should come at once, and how long a check may take in all.

A program that answers nothing costs a whole wait, `timing.PATIENCE`, for each question. After some waits in vain the
next ones are shorter: the program has failed already, and its other checks are to have their turn.
"""

import math
import threading
import time

from conformance.timing import CHECK_TIMEOUT, PATIENCE, SCALE

SHARES = 1, 0.5, 0.25, 0.25, 0.1
"""The share of `PATIENCE` that is waited for a server after no, one, two and more waits in vain for it."""

SHORTEST = min(SCALE, PATIENCE)
"""The least that is waited for a server: it has so long to stop (SRV-8), and a busy machine starts a program later."""

CHECK_LIMIT = 0.9 * CHECK_TIMEOUT
"""Seconds after which a check fails by itself, before pytest would end it. A check in a thread pytest cannot end."""


class CheckTimeout(AssertionError):
    """The check took too long; it waits no more."""


class _Check(threading.local):
    """What concerns the check that this thread runs: whether a wait was in vain, and when it has to end."""

    was_in_vain = False
    end = math.inf


class _Target:
    """What concerns the target that is judged: how many waits were in vain."""

    in_vain = 0


_check = _Check()


def begin_target() -> None:
    """Forget the target before."""
    _Target.in_vain = 0


def begin_check() -> None:
    """Forget the check before; the time for this one begins."""
    _check.was_in_vain = False
    _check.end = time.monotonic() + CHECK_LIMIT


def note_wait(seconds: float) -> None:
    """Remember a wait in vain that took so long, if it was a whole one."""
    if seconds >= PATIENCE * SHARES[-1] / 2:
        _check.was_in_vain = True
        _Target.in_vain += 1


def was_in_vain() -> bool:
    """Return whether a whole wait of this check was in vain."""
    return _check.was_in_vain


def patience(within: float | None = None) -> float:
    """Return how long to wait, in seconds: as long as is said, or as long as what should come at once may take.

    A check that has waited in vain has failed, and is only being made smaller: it waits less. Raises CheckTimeout.
    """
    require_time()
    share = SHARES[min(_Target.in_vain, len(SHARES) - 1)]
    seconds = max(PATIENCE * share, SHORTEST) if within is None else within
    if _check.was_in_vain:
        seconds = min(seconds, PATIENCE / 5)
    return min(seconds, _check.end - time.monotonic())


def require_time() -> None:
    """Raise CheckTimeout if the check has taken too long."""
    if time.monotonic() > _check.end:
        raise CheckTimeout(f"the check was not done in {CHECK_LIMIT:g} s")
