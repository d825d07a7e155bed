"""The time service: its replies and its schedule. SPEC.md, section 8."""

import re
from datetime import datetime, timezone
from decimal import Decimal
from functools import lru_cache

from spec.limits import INTERVAL_MAX, INTERVAL_MIN, LEASE_INTERVALS
from spec.message import Message
from spec.replies import SUBSCRIBED_OVER_TCP, SUBSCRIBED_OVER_UDP, TICK

_PLAIN_DECIMAL = re.compile(r"[0-9]+(\.[0-9]{1,3})?")


class Schedule:
    """When the ticks of one subscription are due: tick n at start + (n - 1) x interval (TIME-10).

    All times are seconds on one monotonic clock.
    """

    __slots__ = ("_interval", "_seq", "_start")

    def __init__(self, start: float, interval: float) -> None:
        self._start = start
        self._interval = interval
        self._seq = 1

    @property
    def deadline(self) -> float:
        """When the next tick is due."""
        return self._due(self._seq)

    def take(self, now: float) -> int | None:
        """Return the ``seq`` of the latest tick that is due and skip those before it (TIME-8). None: none is due."""
        if now < self.deadline:
            return None  # TIME-6
        seq = max(self._seq, int((now - self._start) / self._interval))
        while self._due(seq + 1) <= now:  # the division above may have rounded: what is due decides
            seq += 1
        self._seq = seq + 1
        return seq

    def _due(self, seq: int) -> float:
        return self._start + (seq - 1) * self._interval


def parse_interval(text: str) -> Decimal:
    """Return an interval in seconds. Raises ValueError unless it is a plain decimal within the limits."""
    if not _PLAIN_DECIMAL.fullmatch(text) or not INTERVAL_MIN <= float(text) <= INTERVAL_MAX:
        raise ValueError(
            Message(
                "{text!r} is no plain decimal from {least} to {most}", text=text, least=INTERVAL_MIN, most=INTERVAL_MAX
            )
        )
    return Decimal(text)


def format_seconds(seconds: Decimal) -> str:
    """``3`` or ``0.05``: a plain decimal without trailing zeros (TIME-3)."""
    text = f"{seconds:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_time(utc: float) -> str:
    """Return the wall clock's seconds since 1970, UTC, as the field ``time`` (TIME-11, TIME-12)."""
    seconds, fraction = divmod(utc, 1)  # exact, unlike utc * 1000
    return f"{_format_second(seconds)}.{int(fraction * 1000):03}Z"


@lru_cache(maxsize=1)  # of many ticks in one second, each has its own milliseconds
def _format_second(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}"


def build_tick(name: str, utc: float, seq: int) -> bytes:
    """Return the tick number ``seq`` (TIME-4)."""
    return TICK.build(name, format_time(utc), seq)


def build_subscribed(name: str, interval: Decimal) -> bytes:
    """Return the answer to an accepted TIME over TCP (TIME-2)."""
    return SUBSCRIBED_OVER_TCP.build(name, format_seconds(interval))


def build_leased(name: str, interval: Decimal) -> bytes:
    """Return the answer to an accepted TIME over UDP (TIME-2, LEASE-8)."""
    return SUBSCRIBED_OVER_UDP.build(name, format_seconds(interval), format_seconds(LEASE_INTERVALS * interval))
