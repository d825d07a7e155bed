"""Replies as a server makes them, with made-up values, and what a client prints for them."""

import re
from collections.abc import Iterable, Sequence

from conformance.targets.terms import Transport

TOKEN = "!~:token-of-20-chars"
LONG = "3600"
"""An interval in which no check ends, so that no renewal comes between."""

HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What SRV-14 keeps from a terminal."""

Fields = Sequence[tuple[str, str]]


def reply(status: str, *fields: tuple[str, str]) -> bytes:
    """Return a reply with exactly these fields, good or not."""
    return "".join([f"{status}\n", *(f"{name}: {value}\n" for name, value in fields), "\n"]).encode()


def with_unknown_fields(known: bytes) -> bytes:
    """Return a reply with fields more that no client knows: first, in between, and last (CLI-12)."""
    status, field, *fields, end = known.decode().split("\n")[:-1]
    return "\n".join([status, "x-1: ", field, "future: a: б\u3000в", *fields, "message-2: OK", end, ""]).encode()


def echo_fields(message: str, transport: Transport) -> list[tuple[str, str]]:
    """Return the fields of an OK to ECHO. All but `message` are not what a client could work out itself."""
    fields = [("message", message), ("reversed", f"r{message}"), ("upper", f"u{message}"), ("length", "90")]
    return fields + ([("bytes", "91"), ("sha256", "0123456789abcdef" * 4)] if transport == "tcp" else [])


def subscribed_fields(name: str, interval: str, transport: Transport) -> list[tuple[str, str]]:
    """Return the fields of an OK to TIME; the lease over UDP is longer than any check."""
    return [("name", name), ("interval", interval), *([("lease", "60")] if transport == "udp" else [])]


def tick_fields(name: str, seq: int, second: int | None = None) -> list[tuple[str, str]]:
    """Return the fields of a TICK; its time is that second of an hour, by default `seq`, and 250 milliseconds."""
    moment = seq if second is None else second
    return [("name", name), ("time", f"2026-11-23T09:{moment // 60:02}:{moment % 60:02}.250Z"), ("seq", str(seq))]


def tick(name: str, seq: int, second: int | None = None) -> bytes:
    """Return a TICK with the fields that `tick_fields` makes."""
    return reply("TICK", *tick_fields(name, seq, second))


def tick_lines(name: str, seconds: Iterable[int]) -> list[str]:
    """Return the lines that a time client prints for ticks of these seconds, in UTC."""
    return [f"{name} 2026-11-23T09:{second // 60:02}:{second % 60:02}.250+00:00" for second in seconds]


def replaced(fields: Fields, name: str, *values: str) -> list[tuple[str, str]]:
    """Return the fields with other values for one of them; no value: without it."""
    return [(each, value) for each, old in fields for value in (values if each == name else [old])]


def shown(fields: Fields) -> list[str]:
    """Return the lines that an echo client prints for the fields of an OK."""
    return [HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", f"{name}: {value}") for name, value in fields]
