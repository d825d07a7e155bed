"""Clients that print ticks wrongly."""

import time
from datetime import datetime, timedelta, timezone
from typing import Any

from conformance.broken import fault, patch, wrap
from spec import client
from spec.client import Client, Tick, TickPrinter


def _prints(tick_as: Any) -> None:
    @wrap(client, "parse_tick")
    def parse_tick(good: Any, *how: Any) -> Tick:
        tick: Tick = good(*how)
        return tick._replace(time=tick_as(tick.time))


@fault("CLI-19", service="time")
def prints_an_offset_with_seconds() -> None:
    """prints an offset from UTC to the second where the zone has one"""
    patch(client, "_local", lambda moment: moment.astimezone())


@fault("CLI-19", service="time")
def prints_utc() -> None:
    """prints a tick's time in UTC"""
    _prints(lambda time: time.astimezone(timezone.utc))


@fault("CLI-19", service="time")
def has_one_offset_for_the_whole_year() -> None:
    """prints all times with today's offset"""
    offset = datetime.now().astimezone().utcoffset()
    assert offset is not None
    _prints(lambda time: time.astimezone(timezone(offset)))


@fault("CLI-19", service="time")
def has_no_summer_time() -> None:
    """prints all times with the offset of its zone's standard time"""
    offset = timedelta(seconds=-time.timezone)
    _prints(lambda moment: moment.astimezone(timezone(offset)))


@fault("CLI-19", service="time")
def rounds_to_seconds() -> None:
    """prints a tick's time in whole seconds"""
    _prints(lambda time: time.replace(microsecond=0))


@fault("CLI-19", service="time")
def prints_its_own_name() -> None:
    """prints the name that it was given, not the tick's"""
    names: list[str] = []

    @wrap(Client, "__init__")
    def init(good: Any, self: Client, options: Any, *how: Any) -> None:
        names.append(options.text or "")
        good(self, options, *how)

    @wrap(client, "parse_tick")
    def parse_tick(good: Any, *how: Any) -> Tick:
        tick: Tick = good(*how)
        return tick._replace(name=names[0])


def _prints_if(newer: Any) -> None:
    @wrap(TickPrinter, "__init__")
    def init(good: Any, self: TickPrinter, show: Any, _: Any) -> None:
        good(self, show, newer)


@fault("CLI-20", service="time")
def prints_every_tick() -> None:
    """prints duplicates and late ticks too"""
    _prints_if(lambda tick, last: True)


@fault("CLI-20", service="time", transport="udp")
def orders_datagrams_by_time() -> None:
    """tells by time alone which tick is newer"""
    _prints_if(lambda tick, last: tick.time > last.time)


@fault("CLI-20", service="time", transport="udp")
def orders_datagrams_by_seq() -> None:
    """tells by seq which tick is newer, over UDP too"""
    _prints_if(lambda tick, last: tick.seq > last.seq)


@fault("CLI-20", service="time", transport="tcp")
def orders_a_stream_by_time() -> None:
    """tells by time which tick is newer, over TCP too"""
    _prints_if(lambda tick, last: tick.time > last.time)


@fault("CLI-20", service="time", transport="tcp")
def compares_seq_as_text() -> None:
    """takes 100 for less than 99"""
    _prints_if(lambda tick, last: str(tick.seq) > str(last.seq))


@fault("CLI-20", service="time", transport="tcp")
def keeps_seq_in_32_bits() -> None:
    """takes 4294967296 for 0"""
    _keep_seq_in_32_bits()


@fault("CLI-20", service="time", transport="udp")
def keeps_seq_of_datagrams_in_32_bits() -> None:
    """takes 4294967296 for 0"""
    _keep_seq_in_32_bits()


def _keep_seq_in_32_bits() -> None:
    @wrap(client, "parse_tick")
    def parse_tick(good: Any, *how: Any) -> Tick:
        tick: Tick = good(*how)
        return tick._replace(seq=tick.seq % 2**32)
