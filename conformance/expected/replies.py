"""Sample replies for a scripted server to send, and the lines that a client prints for them.

The values are of good form but made up, so that a client that computes them itself is found.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from conformance.expected.fields import OTHER_FIELDS, Facts, Status, fields_of
from conformance.targets.terms import Service, Transport
from spec.limits import REPLY_BYTES

TOKEN = Facts().token
LONG = "3600"
"""An interval, in seconds, in which no check ends: no renewal comes between."""

HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""The characters that a program must not print as they are (SRV-14)."""

Fields = Sequence[tuple[str, str]]
"""Names and values, in their order; a name may stand there twice."""


def reply(status: str, *fields: tuple[str, str]) -> bytes:
    """Return the bytes of a reply with exactly these fields, good or not."""
    return "".join([f"{status}\n", *(f"{name}: {value}\n" for name, value in fields), "\n"]).encode()


def ok_fields(service: Service, transport: Transport, argument: str, interval: str = LONG) -> list[tuple[str, str]]:
    """Return sample fields of an `OK` to a message or a name. The lease over UDP lasts longer than any check."""
    return [(field.name, field.sample(Facts(argument, interval))) for field in fields_of("OK", service, transport)]


def ok(service: Service, transport: Transport, argument: str, interval: str = LONG) -> bytes:
    """Return an `OK` with the fields of `ok_fields`."""
    return reply("OK", *ok_fields(service, transport, argument, interval))


def tick_fields(name: str, seq: int, second: float | None = None) -> list[tuple[str, str]]:
    """Return sample fields of a `TICK`. Its time is 250 ms after that second of an hour, by default second `seq`."""
    return _fields("TICK", Facts(name, seq=seq, second=seq if second is None else second))


def tick(name: str, seq: int, second: float | None = None) -> bytes:
    """Return a `TICK` with the fields of `tick_fields`."""
    return reply("TICK", *tick_fields(name, seq, second))


def challenge(token: str = TOKEN) -> bytes:
    """Return a `CHALLENGE` with that token, good or not."""
    return reply("CHALLENGE", *_fields("CHALLENGE", Facts(token=token)))


def error(code: str = "busy", reason: str = Facts().reason) -> bytes:
    """Return an `ERR` with that code and reason, good or not."""
    return reply("ERR", *_fields("ERR", Facts(code=code, reason=reason)))


def _fields(status: Status, facts: Facts) -> list[tuple[str, str]]:
    return [(field.name, field.sample(facts)) for field in OTHER_FIELDS[status]]


def with_unknown_fields(known: bytes) -> bytes:
    """Return a reply with more fields, which no client knows: first, in between, and last (CLI-12).

    Some belong to other replies, where their values would have another form.
    """
    status, field, *fields, end = known.decode().split("\n")[:-1]
    names = {each.partition(": ")[0] for each in (field, *fields)}
    others = [f"{name}: б в" for name in ("length", "bytes", "lease", "seq", "time", "token") if name not in names]
    return "\n".join(
        [status, "x-1: ", field, "constructor: a: б\u3000в", *others, *fields, "message-2: OK", end, ""]
    ).encode()


def badly_built(good: bytes, transport: Transport) -> Mapping[str, bytes]:
    """Return replies that are not built as SPEC.md says, by what is wrong: that one with one fault each (CLI-23)."""
    status, fields = good.split(b"\n", 1)

    def with_line(line: bytes) -> bytes:
        return b"\n".join([status, line, fields])

    bad = {
        "a status in lower case": status.lower() + b"\n" + fields,
        "a status and a space": status + b" \n" + fields,
        "no status": b"\n" + good,
        "a line that ends with CRLF": good[:-2] + b"\r\n\n",
        "no UTF-8 in an unknown field": with_line(b"x: \xff"),
        "a line that is no field": with_line(b"well"),
        "a field without a space": with_line(b"x:y"),
        "a field-name in upper case": with_line(b"X: y"),
        "a field-name in another script": with_line("ж: y".encode()),
        "a field-name with a digit first": with_line(b"1: y"),
        "a control character in an unknown field": with_line(b"x: \x00"),
        "too long": with_line(b"x: " + b"x" * (REPLY_BYTES + 1 - len(with_line(b"x: ")))),
        "endless": good[:-1] + b"x: " + b"x" * REPLY_BYTES,
    }
    if transport == "udp":
        bad |= {
            "an empty datagram": b"",
            "no empty line": good[:-1],
            "another empty line": good + b"\n",
            "half a reply": good[:20],
            "two replies": good + good,
        }
    return bad


def replaced(fields: Fields, name: str, *values: str) -> list[tuple[str, str]]:
    """Return the fields with one of them once for each of the values; without values: without that field."""
    return [(each, value) for each, old in fields for value in (values if each == name else [old])]


def visible(text: str) -> str:
    """Return text as a program must print it: hidden characters as a backslash, ``u`` and four digits (SRV-14)."""
    return HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def shown(fields: Fields) -> list[str]:
    """Return the lines that an echo client prints for the fields of an `OK` (CLI-3)."""
    return [visible(f"{name}: {value}") for name, value in fields]


def tick_lines(name: str, seconds: Iterable[float]) -> list[str]:
    """Return the lines that a time client in UTC prints for sample ticks of these seconds of an hour (CLI-19)."""
    times = (dict(tick_fields(name, 1, second))["time"] for second in seconds)
    return [f"{name} {time.removesuffix('Z')}+00:00" for time in times]
