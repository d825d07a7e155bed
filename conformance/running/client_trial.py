"""The preflight of a client: it connects, asks, and prints the answer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from conformance.as_server.talk import Talk
from conformance.blame import about, blame
from conformance.expected.replies import ok, ok_fields, reply, tick, tick_lines
from conformance.expected.services import SERVICE_TABLE
from conformance.running.checks import Cell
from conformance.targets.target import Target
from conformance.timing import SCALE

NAME = SERVICE_TABLE["time"].argument
MESSAGE = SERVICE_TABLE["echo"].argument

CUT = 0.05 * SCALE
"""Seconds between two replies, so that a client reads the first one alone. One that reads both passes."""


def try_client(target: Target, cell: Cell) -> None:
    """Try a client with one service. Raises AssertionError, blamed on the requirement that does not hold."""
    if cell.service == "echo":
        _echo(target, cell)
    else:
        _subscribe(target, cell)


def _echo(target: Target, cell: Cell) -> None:
    with _talk(target, cell, MESSAGE) as talk:
        with about("CLI-3", "the first request"), _reaching(talk):
            talk.expect(f"ECHO {MESSAGE}")
        fields = ok_fields("echo", talk.server.transport, MESSAGE)
        talk.send(reply("OK", *fields))
        talk.program.wait_until(lambda: len(talk.program.output) > len(fields))
        _require_connected(talk)
        with about("CLI-3", "the first answer"):
            shown = [f"{name}: {value}" for name, value in fields]
            assert talk.program.output[1:] == shown, talk.program.describe(f"it did not print {shown}")


def _subscribe(target: Target, cell: Cell) -> None:
    with _talk(target, cell, "--ticks", "1", NAME) as talk:
        with about("CLI-16" if talk.server.transport == "udp" else "CLI-19", "the first request"), _reaching(talk):
            talk.subscribe(NAME)
        if talk.server.transport == "tcp":
            time.sleep(CUT)
        talk.send(tick(NAME, 1))
        talk.program.wait_until(lambda: len(talk.program.output) > 1)
        _require_connected(talk)
        with about("CLI-19", "the first tick"):
            _require_tick(talk)
    if cell.transport == "tcp":
        with _talk(target, cell, "--ticks", "1", NAME) as talk:
            talk.expect(f"TIME {NAME}")
            talk.send(ok("time", "tcp", NAME) + tick(NAME, 1))
            with about("CLI-19", "the OK and a tick in one segment"):
                _require_tick(talk)


def _require_tick(talk: Talk) -> None:
    talk.program.wait_until(lambda: len(talk.program.output) > 1)
    shown = tick_lines(NAME, [1])
    assert talk.program.output[1:] == shown, talk.program.describe(f"it did not print {shown}")


def _talk(target: Target, cell: Cell, *words: str) -> Talk:
    assert cell.transport and cell.service
    return Talk(target, cell.service, cell.transport, *words)


@contextmanager
def _reaching(talk: Talk) -> Iterator[None]:
    """A client that has not found its server breaks what it is to print of it: the address that it reached."""
    try:
        yield
    except AssertionError as problem:
        raise problem if talk.was_reached else blame(problem, "CLI-1") from None


def _require_connected(talk: Talk) -> None:
    with about("CLI-1", "the first line"):
        printed = talk.program.output
        came = f"it printed {printed[0]!r}" if printed else "it printed nothing (does it flush?)"
        assert printed[:1] == [talk.connected], talk.program.describe(f"{came}; expected {talk.connected!r}")
