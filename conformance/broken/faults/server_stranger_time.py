"""Servers whose author read the sentences about ticks and names too quickly."""

import math
import time
from datetime import datetime, timezone
from itertools import count
from typing import Any

from conformance.broken import fault, patch, wrap
from impl_raw import udp_server
from spec import ticks
from spec.endpoint import TimeEndpoint
from spec.replies import SUBSCRIBED_OVER_UDP
from spec.ticks import Schedule


def _writes_seconds(write: Any) -> None:
    patch(ticks, "format_seconds", write)


@fault("TIME-2", transport="udp", service="time")
def does_not_say_the_lease() -> None:
    """leaves the lease out of its OK"""
    patch(ticks, "build_leased", ticks.build_subscribed)


@fault("TIME-3", transport="tcp", service="time")
def strips_zeros_of_whole_numbers() -> None:
    """writes an interval of 10 seconds as 1"""
    _writes_seconds(lambda seconds: f"{seconds:f}".rstrip("0").rstrip("."))


@fault("TIME-3", transport="udp", service="time")
def writes_two_digits_of_fraction() -> None:
    """cuts the interval to hundredths"""
    _writes_seconds(lambda seconds: f"{math.floor(seconds * 100) / 100:g}")


@fault("TIME-3", transport="tcp", service="time")
def writes_six_digits() -> None:
    """writes six digits of an interval, as C's %g does"""
    _writes_seconds(lambda seconds: f"{float(seconds):g}")


@fault("LEASE-8", transport="udp", service="time")
def multiplies_floats() -> None:
    """says that the lease of an interval of 0.1 seconds is 0.30000000000000004"""
    patch(
        ticks,
        "build_leased",
        lambda name, interval: SUBSCRIBED_OVER_UDP.build(
            name, ticks.format_seconds(interval), f"{3 * float(interval)}".removesuffix(".0")
        ),
    )


@fault("TIME-5", transport="udp", service="time")
def waits_an_interval_for_the_first_tick() -> None:
    """sends the first tick an interval after the OK"""

    @wrap(TimeEndpoint, "_accept")
    def accept(good: Any, *how: Any) -> Any:
        return good(*how)[:1]


@fault("TIME-7", transport="tcp", service="time")
def counts_from_0() -> None:
    """gives the first tick the number 0"""

    @wrap(ticks, "build_tick")
    def build_tick(good: Any, name: str, utc: float, seq: int) -> Any:
        return good(name, utc, seq - 1)


@fault("TIME-7", transport="udp", service="time")
def has_one_number_for_all() -> None:
    """numbers the ticks of all its clients together"""
    numbers = count(1)

    @wrap(ticks, "build_tick")
    def build_tick(good: Any, name: str, utc: float, seq: int) -> Any:
        return good(name, utc, next(numbers))


@fault("TIME-8", transport="tcp", service="time")
def sends_the_oldest_that_it_missed() -> None:
    """sends the first tick that it has missed instead of the last, and goes on as if it were in time"""

    @wrap(Schedule, "take")
    def take(good: Any, self: Schedule, now: float) -> Any:
        oldest = self._seq
        return good(self, now) and oldest


def _utc(utc: float) -> datetime:
    return datetime.fromtimestamp(int(utc), timezone.utc)


def _writes_time(write: Any) -> None:
    patch(ticks, "format_time", write)


@fault("TIME-11", transport="tcp", service="time")
def writes_milliseconds_without_zeros() -> None:
    """writes a fraction of 5 milliseconds as .5"""
    _writes_time(lambda utc: _utc(utc).strftime("%Y-%m-%dT%H:%M:%S") + f".{int(utc % 1 * 1000)}Z")


@fault("TIME-11", transport="udp", service="time")
def writes_no_fraction_of_zero() -> None:
    """leaves the fraction out when it is zero, as isoformat does"""
    good = ticks.format_time
    _writes_time(lambda utc: good(utc).replace(".000Z", "Z"))


@fault("TIME-12", transport="tcp", service="time")
def says_local_time() -> None:
    """says the time of its own zone, with a Z"""
    good = ticks.format_time
    _writes_time(lambda utc: good(utc + time.localtime(utc).tm_gmtoff))


@fault("TIME-12", transport="udp", service="time")
def counts_months_from_0() -> None:
    """says 00 for January"""
    good = ticks.format_time

    def write(utc: float) -> str:
        said: str = good(utc)
        return f"{said[:5]}{int(said[5:7]) - 1:02}{said[7:]}"

    _writes_time(write)


@fault("TIME-12", transport="tcp", service="time")
def rounds_to_the_nearest_millisecond() -> None:
    """rounds up from half a millisecond on"""
    good = ticks.format_time
    _writes_time(lambda utc: good(utc + 0.0005))


@fault("TIME-12", transport="udp", service="time")
def looks_at_the_clock_now_and_then() -> None:
    """says the time as it was up to 50 milliseconds ago"""
    good = ticks.format_time
    _writes_time(lambda utc: good(utc // 0.05 * 0.05))


@fault("TIME-9", transport="udp", service="time")
def wakes_four_times_a_second() -> None:
    """looks what is due every quarter of a second"""
    patch(udp_server, "TICK_GRAIN", 0.25)
    patch(udp_server, "MAX_WAIT", 0.25)


@fault("TIME-10", transport="tcp", service="time")
def starts_again_at_a_late_tick() -> None:
    """counts from the last tick when that was more than a tenth of a second late"""

    @wrap(Schedule, "take")
    def take(good: Any, self: Schedule, now: float) -> Any:
        late = now - self.deadline
        seq = good(self, now)
        if seq is not None and late > 0.1:
            self._start += late
        return seq


@fault("TIME-13", transport="udp", service="time")
def starts_a_schedule_at_each_renewal() -> None:
    """counts the next interval from the last TIME"""

    @wrap(TimeEndpoint, "_accept")
    def accept(good: Any, self: Any, name: str, address: Any, now: float, utc: float) -> Any:
        out = good(self, name, address, now, utc)
        if len(out) == 1:
            subscription = self._subscriptions[address]
            seq = subscription.schedule._seq
            subscription.schedule._start = now - (seq - 2) * self._interval_seconds
        return out


@fault("TIME-13", transport="udp", service="time")
def ticks_after_each_ok() -> None:
    """sends a tick directly after the OK to a renewal too"""

    @wrap(TimeEndpoint, "_accept")
    def accept(good: Any, self: Any, name: str, address: Any, now: float, utc: float) -> Any:
        out = good(self, name, address, now, utc)
        seq = self._subscriptions[address].schedule._seq - 1
        return out if len(out) == 2 else [*out, ticks.build_tick(name, utc, seq)]


@fault("TIME-13", transport="udp", service="time")
def keeps_the_name_of_the_first_datagram() -> None:
    """answers a new name OK, but ticks on under the first"""

    @wrap(TimeEndpoint, "_accept")
    def accept(good: Any, self: Any, name: str, address: Any, now: float, utc: float) -> Any:
        held = self._subscriptions.get(address)
        former = held.name if held else name
        out = good(self, name, address, now, utc)
        self._subscriptions[address].name = former
        return out
