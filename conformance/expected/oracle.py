"""The reply that SPEC.md expects to a request: tables of predicates, no parser, no state.

It shares neither code nor style with the core of `spec`, so that the two are not wrong together.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

from conformance.expected.fields import OTHER_FIELDS, Facts, Field, Status, fields_of
from conformance.expected.services import SERVICE_TABLE
from conformance.targets.terms import Service, Transport
from spec.limits import LINE_BYTES, NAME_CHARACTERS

#: RFC 3629, section 4.
_UTF_8 = re.compile(
    rb"(?:[\x00-\x7F]|[\xC2-\xDF][\x80-\xBF]|\xE0[\xA0-\xBF][\x80-\xBF]|[\xE1-\xEC\xEE\xEF][\x80-\xBF]{2}"
    rb"|\xED[\x80-\x9F][\x80-\xBF]|\xF0[\x90-\xBF][\x80-\xBF]{2}|[\xF1-\xF3][\x80-\xBF]{3}|\xF4[\x80-\x8F][\x80-\xBF]{2})*"
)
_FIELD = re.compile(rb"[a-z][a-z0-9-]*: (.*)", re.DOTALL)


class Request(NamedTuple):
    """The bytes that came as one request: a line with its LF (TCP) or a datagram (UDP)."""

    service: Service
    transport: Transport
    raw: bytes

    @property
    def lines(self) -> list[bytes]:
        """The lines without their ends. What comes after the last LF is a line if it is not empty; it keeps its CR."""
        *ended, last = self.raw.split(b"\n")
        return [line.removesuffix(b"\r") for line in ended] + ([last] if last or not ended else [])

    @property
    def verb(self) -> bytes:
        return self.lines[0].split(b" ", 1)[0]

    @property
    def is_served(self) -> bool:
        """Whether a server of this service serves the verb."""
        return self.verb == SERVICE_TABLE[self.service].verb

    @property
    def argument(self) -> str:
        """The argument. Raises UnicodeDecodeError if the first line is not UTF-8."""
        return self.lines[0].partition(b" ")[2].decode()

    @property
    def values(self) -> list[str]:
        """The values of those further lines that are fields."""
        return [match[1].decode() for line in self.lines[1:] if (match := _FIELD.fullmatch(line))]


def _is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc"


def _has_bad_character(request: Request) -> bool:
    tab_is_good = "\t" if request.service == "echo" else ""
    in_argument = any(_is_control(c) and c not in tab_is_good for c in request.argument)
    return in_argument or any(map(_is_control, "".join(request.values)))


def _is_bad_name(request: Request) -> bool:
    name = request.argument
    return request.service == "time" and (not 1 <= len(name) <= NAME_CHARACTERS or name != name.strip(" "))


#: The table of ERR-3, in its order.
FAULTS: dict[str, Callable[[Request], bool]] = {
    "too-long": lambda request: max(map(len, request.lines)) > LINE_BYTES,
    "bad-encoding": lambda request: not _UTF_8.fullmatch(request.raw),
    "unknown-verb": lambda request: not request.is_served,
    "bad-request": lambda request: not all(map(_FIELD.fullmatch, request.lines[1:])),
    "bad-character": _has_bad_character,
    "bad-name": _is_bad_name,
}


REQUIREMENTS = {
    "too-long": "ERR-4",
    "bad-encoding": "ERR-5",
    "unknown-verb": "ERR-6",
    "bad-request": "ERR-7",
    "bad-character": "ERR-8",
    "bad-name": "ERR-9",
}
"""The requirement of each fault, by its code."""


def fault(request: Request) -> str | None:
    """Return the code of the first fault, or None for a good request."""
    return next((code for code, is_there in FAULTS.items() if is_there(request)), None)


def error(code: str) -> bytes:
    """Return an `ERR`, masked."""
    return _masked_reply("ERR", Facts(code=code))


def ok_fields(service: Service, transport: Transport, argument: str, interval: str = "3") -> dict[str, str]:
    """Return the names and the expected values of an `OK` to a good argument, in their order.

    `interval` is the server's, in seconds, as TIME-3 writes it.
    """
    return _values(fields_of("OK", service, transport), Facts(argument, interval))


def ok(service: Service, transport: Transport, argument: str, interval: str = "3") -> bytes:
    """Return the expected `OK` to a good argument; over UDP a time server sends it if the token is valid."""
    return reply("OK", **ok_fields(service, transport, argument, interval))


def tick(name: str, seq: int = 1) -> bytes:
    """Return the expected `TICK` of that number, masked."""
    return _masked_reply("TICK", Facts(name, seq=seq))


def _masked_reply(status: Status, facts: Facts) -> bytes:
    return reply(status, **_values(OTHER_FIELDS[status], facts))


def reply(status: str, **fields: str) -> bytes:
    """Return the bytes of a reply with these fields, in their order."""
    return "".join([f"{status}\n", *(f"{name}: {value}\n" for name, value in fields.items()), "\n"]).encode()


def placeholder(field: Field) -> str:
    """Return what stands for any good value of the server's choice: ``{token}``."""
    return f"{{{field.name}}}"


def _values(fields: Sequence[Field], facts: Facts) -> dict[str, str]:
    return {field.name: field.value(facts) if field.value else placeholder(field) for field in fields}


CHALLENGE = _masked_reply("CHALLENGE", Facts())


def expected_reply(service: Service, transport: Transport, raw: bytes, interval: str = "3") -> bytes | None:
    """Return the one reply, masked, that SPEC.md expects to a request; None: silence.

    `raw` is a line with its LF (TCP) or a datagram (UDP). The client has neither a subscription nor a valid token. A
    time server over TCP sends a `TICK` after its first `OK`; that is not part of the result.
    """
    request = Request(service, transport, raw)
    if transport == "udp" and not request.is_served:
        return None
    if code := fault(request):
        return error(code)
    if service == "time" and transport == "udp":
        return CHALLENGE
    return ok(service, transport, request.argument, interval)


def expected_stream(service: Service, lines: Sequence[bytes], interval: str) -> list[bytes]:
    """Return the replies, masked, that SPEC.md expects on one connection to lines sent within the first interval."""
    replies: list[bytes] = []
    subscribed = False
    for line in lines:
        expected = expected_reply(service, "tcp", line, interval)
        assert expected is not None
        replies.append(expected)
        if service == "time" and not subscribed and expected.startswith(b"OK\n"):
            subscribed = True
            replies.append(tick(Request(service, "tcp", line).argument))
    return replies


def _mask(status: Status) -> "re.Pattern[bytes]":
    """Return the form of a reply of that status, with a group for the value that the server chooses."""
    lines = "".join(
        f"{field.name}: ({field.choice.form.pattern})\n" if field.choice else f"{field.name}: [^\n]*\n"
        for field in OTHER_FIELDS[status]
    )
    return re.compile(f"{status}\n{lines}\n".encode())


_MASKS = {
    placeholder(field).encode(): _mask(status)
    for status, fields in OTHER_FIELDS.items()
    for field in fields
    if field.choice
}


def masked(raw: bytes) -> bytes:
    """Return a reply with ``{reason}``, ``{token}`` or ``{time}`` in place of a good value of the server's choice."""
    for name, form in _MASKS.items():
        if match := form.fullmatch(raw):
            return raw[: match.start(1)] + name + raw[match.end(1) :]
    return raw
