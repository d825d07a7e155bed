"""Every tolerance of the suite, in one place, in seconds; ``SOCKSPEC_TIME_SCALE`` (default 1) stretches them all."""

import math
import os

from conformance import SettingError
from spec.limits import STOP_SECONDS


def _setting(name: str, default: str) -> float:
    """Return the number above 0 that an environment variable holds. Raises SettingError."""
    text = os.environ.get(name) or default
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise SettingError(f"{name} is {text!r}, which is no number above 0; one is written as 0.5 or 2")
    return number


SCALE = _setting("SOCKSPEC_TIME_SCALE", "1")

#: How long anything may take that should come at once. Only a failing check ever waits this long; where all are to
#: fail, ``SOCKSPEC_PATIENCE`` makes it shorter.
PATIENCE = _setting("SOCKSPEC_PATIENCE", "10") * SCALE

#: What the judge itself may add to a time that it measures: its own wake-up on a busy machine.
JUDGE_LATENESS = 0.4 * SCALE

#: In which a program ends that is stopped or done (SRV-8, CLI-6), as the judge sees it.
STOP_TIME = STOP_SECONDS + JUDGE_LATENESS

#: Two readings of one machine's monotonic clock in two processes, or of a clock and of a float made from it.
CLOCK_GRAIN = 0.002

#: A peer that took nothing for so long takes nothing any more.
STUCK = 0.3 * SCALE

#: How long a failure is made smaller, at most.
SHRINKING = 15 * SCALE

#: A whole check, before pytest-timeout ends it.
CHECK_TIMEOUT = 60 * SCALE


def interval(seconds: float) -> str:
    """Return an interval times the scale, as ``--interval`` takes it and as the wire carries it: ``0.05``, ``3``."""
    milliseconds = round(seconds * SCALE * 1000)
    return f"{milliseconds // 1000}.{milliseconds % 1000:03}".rstrip("0").rstrip(".")
