"""The time service's replies and schedule: SPEC.md, section 8."""

import re
from decimal import Decimal
from fractions import Fraction
from math import floor, inf, nextafter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spec.limits import INTERVAL_MAX, INTERVAL_MIN
from spec.tests.support import NOW, UTC, intervals, rfc3339
from spec.ticks import Schedule, build_leased, build_subscribed, build_tick, format_seconds, format_time, parse_interval

binary_fractions = st.integers(1, 2**16).map(lambda n: n / 64)
"""Seconds that a float holds exactly, and sums of which it does too."""
waits = st.lists(binary_fractions | st.integers(0, 200).map(lambda n: n / 64), max_size=12)


@given(binary_fractions, binary_fractions, waits)
def test_seq_counts_intervals_and_late_ticks_are_skipped(start: float, interval: float, waits: list[float]) -> None:
    """TIME-6 to TIME-8."""
    schedule, now, last = Schedule(start, interval), start, 0
    for wait in waits:
        now += wait
        current = floor((Fraction(now) - Fraction(start)) / Fraction(interval)) + 1
        assert schedule.take(now) == (current if current > last else None)
        last = current
        assert schedule.take(now) is None


@given(binary_fractions, binary_fractions, waits)
def test_the_schedule_does_not_depend_on_when_it_is_woken(start: float, interval: float, waits: list[float]) -> None:
    """TIME-10: after any wakes it stands where one wake alone would have brought it."""
    often, now = Schedule(start, interval), start
    often.take(start)
    for wait in waits:
        now += wait
        often.take(now)
    once = Schedule(start, interval)
    once.take(now)
    assert often.deadline == once.deadline > now


@given(st.floats(0, 1e7), intervals.map(float), st.lists(st.floats(0, 1e6), max_size=6))
@example(0.1, 0.1, [0.1, 0.1, 0.1, 0.1])
@example(0.0, 0.01, [0.29])
def test_no_tick_is_early_or_forgotten_however_floats_round(start: float, interval: float, waits: list[float]) -> None:
    """TIME-6, TIME-8, TIME-10: right to the rounding of the clock itself."""
    schedule, now = Schedule(start, interval), start
    rounding = Fraction(1, 2**27)  # seconds; over twice the spacing of floats near 1e7
    for wait in [0.0, *waits]:
        now += wait
        deadline = schedule.deadline
        assert schedule.take(nextafter(min(now, deadline), -inf)) is None
        seq = schedule.take(now)
        assert (seq is None) == (now < deadline)
        assert schedule.deadline > now
        if seq is not None:
            due = Fraction(start) + (seq - 1) * Fraction(interval)
            assert due - rounding <= Fraction(now) < due + Fraction(interval) + rounding


def test_a_schedule_starts_at_once() -> None:
    """TIME-5."""
    schedule = Schedule(NOW, 3.0)
    assert schedule.deadline == NOW
    assert schedule.take(NOW - 1) is None
    assert schedule.take(NOW) == 1
    assert schedule.deadline == NOW + 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", "3"),
        ("0.05", "0.05"),
        ("3.0", "3"),
        ("0.010", "0.01"),
        ("100", "100"),
        ("86400.000", "86400"),
        ("007.50", "7.5"),
    ],
)
def test_parse_and_format_interval(text: str, expected: str) -> None:
    """TIME-3."""
    assert format_seconds(parse_interval(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0.009",
        "86400.001",
        "86401",
        "-1",
        "+1",
        "1e1",
        ".5",
        "3.",
        "0.0100",
        "nan",
        "inf",
        " 3",
        "3\n",
        "٣",
        "1_0",
        "1,5",
    ],
)
def test_parse_interval_refuses(text: str) -> None:
    """SRV-10."""
    with pytest.raises(ValueError, match=f"from {INTERVAL_MIN} to {INTERVAL_MAX}"):
        parse_interval(text)


@given(intervals)
def test_format_seconds_is_a_plain_decimal_of_the_same_value(seconds: Decimal) -> None:
    """TIME-3."""
    text = format_seconds(parse_interval(str(seconds)))
    assert Decimal(text) == seconds
    assert re.fullmatch(r"(0|[1-9][0-9]*)(\.[0-9]*[1-9])?", text)


@given(st.floats(1e9, 4e9))
@example(UTC)
@example(UTC + 0.9999998)
@example(UTC + 0.0009998)
@example(UTC + 0.102)  # a thousand times it rounds up
def test_time_is_rounded_down(utc: float) -> None:
    """TIME-11, TIME-12."""
    assert format_time(utc) == rfc3339(floor(Fraction(utc) * 1000))


def test_replies() -> None:
    """TIME-2, TIME-4, LEASE-8."""
    assert build_tick("Анна", UTC + 3.5, 7) == "TICK\nname: Анна\ntime: 2026-11-23T09:00:03.500Z\nseq: 7\n\n".encode()
    assert build_subscribed("Анна", Decimal("0.050")) == "OK\nname: Анна\ninterval: 0.05\n\n".encode()
    assert build_leased("Анна", Decimal("0.050")) == "OK\nname: Анна\ninterval: 0.05\nlease: 0.2\n\n".encode()
