"""Clients whose author read the sentences about printing ticks too quickly."""

from datetime import timedelta
from typing import Any

from conformance.broken import fault, patch, wrap
from spec.client import Tick, TickPrinter
from spec.datagram_client import TimeDatagramClient
from spec.text import visible


def _prints(write: Any) -> None:
    """Have `write` say how a tick's time is printed."""

    def take(self: Any, tick: Tick) -> None:
        if self._last is None or self._newer(tick, self._last):
            self._last = tick
            self.printed += 1
            self._show(f"{visible(tick.name)} {write(tick.time)}")

    patch(TickPrinter, "take", take)


@fault("CLI-19", transport="udp", service="time")
def prints_z_for_utc() -> None:
    """prints Z where the zone of the person is UTC"""
    _prints(lambda time: time.isoformat(timespec="milliseconds").replace("+00:00", "Z"))


@fault("CLI-19", transport="tcp", service="time")
def prints_an_offset_without_colon() -> None:
    """prints an offset such as +0300"""
    _prints(lambda time: f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}{time:%z}")


@fault("CLI-19", transport="tcp", service="time")
def prints_an_offset_of_whole_hours() -> None:
    """prints +05:00 for +05:30"""
    _prints(lambda time: time.isoformat(timespec="milliseconds")[:-2] + "00")


@fault("CLI-19", transport="udp", service="time")
def rounds_the_minutes_of_an_offset_down() -> None:
    """prints -04:30 for -03:30, as whole hours and minutes of a negative number come out"""

    def write(time: Any) -> str:
        minutes = int(time.utcoffset().total_seconds()) // 60
        return f"{time.isoformat(timespec='milliseconds')[:-6]}{minutes // 60:+03d}:{minutes % 60:02d}"

    _prints(write)


@fault("CLI-19", transport="udp", service="time")
def prints_microseconds() -> None:
    """prints a tick's time with six digits of fraction"""
    _prints(lambda time: time.isoformat(timespec="microseconds"))


@fault("CLI-19", transport="tcp", service="time")
def counts_milliseconds_backwards_before_1970() -> None:
    """cuts a negative number of milliseconds towards zero, as division in C does"""

    def write(time: Any) -> str:
        if time.year < 1970 and time.microsecond:
            time += timedelta(seconds=1, microseconds=-2 * time.microsecond)
        return str(time.isoformat(timespec="milliseconds"))

    _prints(write)


@fault("CLI-19", transport="tcp", service="time")
def prints_no_fraction_of_zero() -> None:
    """prints no fraction where it is zero"""
    _prints(lambda time: time.isoformat(timespec="milliseconds").replace(".000", ""))


def _newer(newer: Any) -> None:
    @wrap(TickPrinter, "__init__")
    def init(good: Any, self: Any, show: Any, original: Any) -> None:
        good(self, show, newer)


@fault("CLI-20", transport="tcp", service="time")
def prints_a_tick_that_is_as_new() -> None:
    """prints a tick with the number of the last one again"""
    _newer(lambda tick, last: tick.seq >= last.seq)


@fault("CLI-20", transport="udp", service="time")
def compares_whole_seconds() -> None:
    """prints no more than one tick a second"""
    _newer(lambda tick, last: tick.time.replace(microsecond=0) > last.time.replace(microsecond=0))


@fault("CLI-20", transport="udp", service="time")
def compares_local_times() -> None:
    """compares the times on the clock on the wall, which goes back when summer time ends"""
    _newer(lambda tick, last: tick.time.replace(tzinfo=None) > last.time.replace(tzinfo=None))


@fault("CLI-20", transport="udp", service="time")
def forgets_the_last_tick_when_it_subscribes_again() -> None:
    """prints late ticks again after each OK"""

    @wrap(TimeDatagramClient, "_renewed")
    def renewed(good: Any, self: Any, *how: Any) -> None:
        good(self, *how)
        self._ticks._last = None
