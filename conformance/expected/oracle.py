"""What a server owes for one request, from SPEC.md's prose alone: tables of predicates, no parser, no state.

It shares no code with the core of `spec`, and not its style, so that the two are not wrong together.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

from conformance.targets.terms import Service, Transport
from spec.limits import LINE_BYTES, NAME_CHARACTERS, REASON_CHARACTERS

VERBS: dict[Service, bytes] = {"echo": b"ECHO", "time": b"TIME"}

#: RFC 3629, section 4.
_UTF_8 = re.compile(
    rb"(?:[\x00-\x7F]|[\xC2-\xDF][\x80-\xBF]|\xE0[\xA0-\xBF][\x80-\xBF]|[\xE1-\xEC\xEE\xEF][\x80-\xBF]{2}"
    rb"|\xED[\x80-\x9F][\x80-\xBF]|\xF0[\x90-\xBF][\x80-\xBF]{2}|[\xF1-\xF3][\x80-\xBF]{3}|\xF4[\x80-\x8F][\x80-\xBF]{2})*"
)
_FIELD = re.compile(rb"[a-z][a-z0-9-]*: (.*)", re.DOTALL)


class Request(NamedTuple):
    """What came: a line with its LF (TCP) or a datagram (UDP)."""

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
    def argument(self) -> str:
        """The argument; only for a request without a fault up to `bad-encoding`."""
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
    "unknown-verb": lambda request: request.verb != VERBS[request.service],
    "bad-request": lambda request: not all(map(_FIELD.fullmatch, request.lines[1:])),
    "bad-character": _has_bad_character,
    "bad-name": _is_bad_name,
}


def fault(request: Request) -> str | None:
    """Return the code of the first fault, or None for a good request."""
    return next((code for code, is_there in FAULTS.items() if is_there(request)), None)


def echo_fields(message: str, transport: Transport) -> dict[str, str]:
    """Return the fields that a good message is owed, in their order."""
    fields = {
        "message": message,
        "reversed": "".join(message[-1 - i] for i in range(len(message))),
        "upper": message.upper(),
        "length": f"{sum(1 for _ in message)}",
    }
    if transport == "tcp":
        utf_8 = message.encode()
        fields |= {"bytes": f"{len(utf_8)}", "sha256": hashlib.sha256(utf_8).hexdigest()}
    return fields


def reply(status: str, **fields: str) -> bytes:
    """Return a reply's bytes."""
    return "".join([f"{status}\n", *(f"{name}: {value}\n" for name, value in fields.items()), "\n"]).encode()


def error(code: str) -> bytes:
    """Return an ERR as `masked` gives it."""
    return reply("ERR", code=code, reason="{reason}")


CHALLENGE = reply("CHALLENGE", token="{token}")


def owed(service: Service, transport: Transport, raw: bytes, interval: str = "3") -> bytes | None:
    """Return the one reply, as `masked` gives it, that a client without subscription or token is owed; None: silence.

    A `TICK` follows the `OK` of a time server over TCP; it is not in here.
    """
    request = Request(service, transport, raw)
    if transport == "udp" and request.verb != VERBS[service]:
        return None
    if code := fault(request):
        return error(code)
    if service == "echo":
        return reply("OK", **echo_fields(request.argument, transport))
    return CHALLENGE if transport == "udp" else reply("OK", name=request.argument, interval=interval)


_TIME = rb"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z"
_MASKS = {
    b"{reason}": re.compile(rb"(ERR\ncode: [a-z-]+\nreason: )([ -~]{1,%d})(\n\n)" % REASON_CHARACTERS),
    b"{token}": re.compile(rb"(CHALLENGE\ntoken: )([!-~]{1,20})(\n\n)"),
    b"{time}": re.compile(rb"(TICK\nname: [^\n]*\ntime: )(" + _TIME + rb")(\nseq: [1-9][0-9]*\n\n)"),
}


def owed_stream(service: Service, lines: Sequence[bytes], interval: str) -> list[bytes]:
    """Return what one connection is owed, as `masked` gives it, for lines sent within the first interval."""
    replies: list[bytes] = []
    subscribed = False
    for line in lines:
        owed_reply = owed(service, "tcp", line, interval)
        assert owed_reply is not None
        replies.append(owed_reply)
        if service == "time" and not subscribed and owed_reply.startswith(b"OK\n"):
            subscribed = True
            name = Request(service, "tcp", line).argument
            replies.append(reply("TICK", name=name, time="{time}", seq="1"))
    return replies


def masked(raw: bytes) -> bytes:
    """Return a reply with ``{reason}``, ``{token}`` or ``{time}`` for a good value of the server's choice."""
    for name, form in _MASKS.items():
        if match := form.fullmatch(raw):
            return match[1] + name + match[match.re.groups]
    return raw
