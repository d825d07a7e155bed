"""Servers that subscribe wrongly, or whose ticks are wrong or come at the wrong time."""

import re
from collections import Counter
from decimal import Decimal
from typing import Any

from conformance.broken import fault, patch, wrap, wrap_handler
from spec import codec, ticks
from spec.codec import TIME, RequestError
from spec.program import arguments
from spec.session import TimeSession
from spec.ticks import Schedule


@fault("TIME-1", service="time")
def trims_more_than_spaces() -> None:
    """refuses a name with a no-break space at an end"""

    @wrap(codec, "check_name")
    def check_name(good: Any, name: str) -> None:
        good(name)
        if name != name.strip():
            raise RequestError("bad-name")


@fault("TIME-2", service="time")
def does_not_say_the_name() -> None:
    """leaves the name out of its OK"""

    def subscribed(good: Any, name: str, interval: Decimal) -> bytes:
        return re.sub(rb"\nname: [^\n]*", b"", good(name, interval))

    wrap(ticks, "build_subscribed")(subscribed)
    wrap(ticks, "build_leased")(subscribed)


@fault("TIME-3", service="time")
def writes_whole_intervals_with_a_point() -> None:
    """writes an interval of 3 seconds as 3.0"""
    patch(ticks, "format_seconds", lambda seconds: str(float(seconds)))


@fault("TIME-4", service="time")
def does_not_number_its_ticks() -> None:
    """leaves seq out of its ticks"""

    @wrap(ticks, "build_tick")
    def build_tick(good: Any, *arguments: Any) -> bytes:
        return re.sub(rb"\nseq: \d+", b"", good(*arguments))


@fault("TIME-5", service="time", transport="tcp")
def begins_with_the_second_tick() -> None:
    """sends its first tick an interval after the OK"""

    @wrap(Schedule, "__init__")
    def init(good: Any, self: Schedule, start: float, interval: float) -> None:
        good(self, start, interval)
        self._seq = 2


@fault("TIME-6", service="time")
def sends_ticks_early() -> None:
    """sends each tick a tenth of an interval early"""
    patch(Schedule, "_due", lambda self, seq: self._start + (seq - 1.1) * self._interval)


@fault("TIME-6", service="time")
def keeps_nanoseconds_in_32_bits() -> None:
    """counts the nanoseconds of its interval in 32 bits"""

    @wrap(Schedule, "__init__")
    def init(good: Any, self: Schedule, start: float, interval: float) -> None:
        good(self, start, round(interval * 1e9) % 2**32 / 1e9)


@fault("TIME-7", service="time")
def counts_messages() -> None:
    """numbers the ticks that it sends, not the intervals"""
    sent: Counter[Schedule] = Counter()

    @wrap(Schedule, "take")
    def take(good: Any, self: Schedule, now: float) -> int | None:
        if good(self, now) is None:
            return None
        sent[self] += 1
        return sent[self]


@fault("TIME-8", service="time")
def sends_what_it_missed() -> None:
    """sends all ticks that it missed, one after the other"""

    @wrap(Schedule, "take")
    def take(good: Any, self: Schedule, now: float) -> int | None:
        if now < self.deadline:
            return None
        self._seq += 1
        return self._seq - 1


@fault("TIME-9", service="time")
def sends_ticks_late() -> None:
    """sends each tick but the first 0.15 seconds late"""
    patch(Schedule, "deadline", property(lambda self: self._due(self._seq) + 0.15 * (self._seq > 1)))


@fault("TIME-10", service="time")
def drifts() -> None:
    """counts each interval from when it sent the last tick"""

    @wrap(Schedule, "take")
    def take(good: Any, self: Schedule, now: float) -> Any:
        seq = good(self, now)
        if seq is not None:
            self._start = now - (seq - 1) * self._interval
        return seq


@fault("TIME-10", service="time", transport="tcp")
def sleeps_too_long() -> None:
    """lets 50 microseconds pass between an interval and the next, as a loop that sleeps does"""

    @wrap(Schedule, "take")
    def take(good: Any, self: Schedule, now: float) -> Any:
        seq = good(self, now)
        if seq is not None:
            self._start += 0.00005
        return seq


@fault("TIME-11", service="time")
def writes_an_offset() -> None:
    """writes +00:00 for Z"""

    @wrap(ticks, "format_time")
    def format_time(good: Any, utc: float) -> Any:
        return good(utc).replace("Z", "+00:00")


@fault("TIME-12", service="time")
def cuts_the_time_to_seconds() -> None:
    """says the time of the last whole second"""

    @wrap(ticks, "format_time")
    def format_time(good: Any, utc: float) -> Any:
        return good(utc // 1)


@fault("TIME-12", service="time")
def says_when_the_tick_was_due() -> None:
    """says when a tick was due, not when it was sent"""

    @wrap(Schedule, "take")
    def take(good: Any, self: Schedule, now: float) -> Any:
        seq = good(self, now)
        late.update({seq: now - self._due(seq)} if seq is not None else {})
        return seq

    late: dict[int, float] = {}

    @wrap(ticks, "build_tick")
    def build_tick(good: Any, name: str, utc: float, seq: int) -> Any:
        return good(name, utc - late.get(seq, 0), seq)


@fault("TIME-13", service="time", transport="tcp")
def starts_anew_with_a_new_name() -> None:
    """starts another subscription when the name changes"""

    @wrap_handler(TimeSession, TIME)
    def answer(good: Any, self: TimeSession, argument: str, now: float, utc: float) -> Any:
        if argument != self._name:
            self._schedule = None
        return good(self, argument, now, utc)


@fault("TIME-13", service="time", transport="tcp")
def keeps_the_first_name() -> None:
    """ticks on under the name that came first"""

    @wrap_handler(TimeSession, TIME)
    def answer(good: Any, self: TimeSession, argument: str, now: float, utc: float) -> Any:
        first = self._name or argument
        reply = good(self, argument, now, utc)
        self._name = first
        return reply


@fault("TIME-14", service="time", transport="tcp")
def takes_a_bad_name_for_ticks() -> None:
    """answers a bad name with ERR, and uses it"""

    @wrap_handler(TimeSession, TIME)
    def answer(good: Any, self: TimeSession, argument: str, now: float, utc: float) -> Any:
        try:
            return good(self, argument, now, utc)
        finally:
            if argument.isprintable():
                self._name = argument.strip() or self._name


@fault("TIME-15", service="time")
def calls_all_by_one_name() -> None:
    """sends everybody the name of the last subscriber"""
    last = [""]

    def subscribed(good: Any, name: str, interval: Decimal) -> Any:
        last[0] = name
        return good(name, interval)

    wrap(ticks, "build_subscribed")(subscribed)
    wrap(ticks, "build_leased")(subscribed)

    @wrap(ticks, "build_tick")
    def build_tick(good: Any, name: str, utc: float, seq: int) -> Any:
        return good(last[0], utc, seq)


@fault("TIME-15", service="time")
def subscribes_a_hundred() -> None:
    """subscribes no more than a hundred clients, whatever its limit"""

    @wrap(arguments, "parse_server_options")
    def parse_server_options(good: Any, *arguments: Any) -> Any:
        options = good(*arguments)
        return options._replace(max_clients=min(options.max_clients, 100))
