"""How long to wait for what should come at once, and how long a check may take in all.

A program that answers nothing costs a whole wait, `timing.PATIENCE`, for each question. After some waits in vain the
next ones are shorter: the program has failed already, and its other checks are to have their turn.
"""

import math
import threading
import time
from collections.abc import Callable

from conformance.clocks import loopback_delay
from conformance.inconclusive import OUT_OF_TIME, STARVED, Unjudged
from conformance.timing import CHECK_TIMEOUT, PATIENCE, SCALE

SHARES = 1, 0.5, 0.25, 0.25, 0.1
"""The share of `PATIENCE` that is waited for a server after no, one, two and more waits in vain for it."""

PROMPT = 0.05 * SCALE
"""Seconds in which an answer comes that comes at once."""

MANY = 3
"""Waits in vain after which no failure is made smaller by more of them."""

SHORTEST = min(SCALE, PATIENCE)
"""The least that is waited for a server: it has so long to stop (SRV-8), and a busy machine starts a program later."""

MORE = 1.0
"""Seconds more, again and again, for a program that has not had a processor to answer with."""

CHECK_LIMIT = 0.9 * CHECK_TIMEOUT
"""Seconds after which a check fails by itself, before pytest would end it. A check in a thread pytest cannot end."""


class CheckTimeout(AssertionError):
    """The check took too long; it waits no more."""


class _Check(threading.local):
    """What concerns the check that this thread runs: whether a wait was in vain, and when it has to end."""

    was_in_vain = False
    end = math.inf


class _Target:
    """What concerns the target that is judged: how many waits were in vain, and how long slow answers took, in seconds.

    That may be `most`. Only the share of it counts in which the machine had a processor for all, which `idle` returns.
    """

    in_vain = 0
    waited = 0.0
    most = math.inf
    idle: Callable[[], float] = staticmethod(lambda: 1)


_check = _Check()


def begin_target(most: float = math.inf, idle: Callable[[], float] = lambda: 1) -> None:
    """Forget the target before. The slow answers of this one may take `most` seconds.

    `idle` returns the share of the time, 0 to 1, in which the machine had a processor for all: else it was slow itself.
    """
    _Target.in_vain, _Target.waited, _Target.most = 0, 0.0, most
    _Target.idle = staticmethod(idle)


def note_answer(seconds: float) -> None:
    """Remember how long an answer has taken that should come at once, if it was slow."""
    if seconds > PROMPT + loopback_delay():
        _Target.waited += seconds


def require_time_for_target() -> None:
    """Raise Unjudged if the target's slow answers have taken too long: all its other checks would wait as long."""
    if _Target.waited > _Target.most and _Target.waited * _Target.idle() > _Target.most:
        raise Unjudged(f"{OUT_OF_TIME}: its slow answers took more than {_Target.most:.0f} s")


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


def were_many_in_vain() -> bool:
    """Return whether so many waits for the target were in vain that one more would say nothing new."""
    return _Target.in_vain >= MANY


def patience(within: float | None = None) -> float:
    """Return how long to wait, in seconds: as long as is said, or as long as what should come at once may take.

    A check that has waited in vain has failed, and is only being made smaller: it waits less. Raises CheckTimeout, and
    Unjudged if the target has taken too long.
    """
    require_time()
    require_time_for_target()
    share = SHARES[min(_Target.in_vain, len(SHARES) - 1)]
    seconds = max(PATIENCE * share, SHORTEST) if within is None else within
    if _check.was_in_vain:
        seconds = min(seconds, PATIENCE / 5)
    return min(seconds, _check.end - time.monotonic())


def more_patience() -> float:
    """Return how much longer to wait, in seconds, for a program that is starved. Raises Unjudged at the check's end."""
    if time.monotonic() + MORE > _check.end:
        raise Unjudged(STARVED)
    return MORE


def require_time() -> None:
    """Raise CheckTimeout if the check has taken too long."""
    if time.monotonic() > _check.end:
        raise CheckTimeout(f"the check was not done in {CHECK_LIMIT:g} s")
