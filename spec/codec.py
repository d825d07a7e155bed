"""Requests and replies as bytes: SPEC.md, sections 4, 6 and 10.

A server parses requests and builds replies; a client builds requests and parses replies.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from spec.limits import LINE_BYTES, NAME_CHARACTERS, REPLY_BYTES
from spec.message import Message
from spec.replies import ERROR, STATUSES
from spec.text import has_control, has_control_except_tab

ECHO, TIME = "ECHO", "TIME"
"""The verbs of the two services."""

RECEIVE_BYTES = 16384
"""Bytes to receive from a stream at once: the replies to so many bytes are at most UNSENT_BYTES (LOAD-5)."""

DATAGRAM_BYTES = 65535
"""Bytes to receive from a UDP socket at once: no datagram is larger."""

RECEIVE_BUFFER_BYTES = 4 << 20
"""Bytes for a UDP server to ask for as its socket's buffer: of 10,000 clients that come together none is lost."""

_NO_FIELDS: Mapping[str, str] = MappingProxyType({})
_FIELD_NAME = re.compile("[a-z][a-z0-9-]*")
_Request: TypeAlias = tuple[bytes, str, Mapping[str, str]]


REASONS = {  # in ERR-3's order
    "too-long": Message("a line is at most {limit} bytes", limit=LINE_BYTES),
    "bad-encoding": Message("not well-formed UTF-8"),
    "unknown-verb": Message("no such verb here"),
    "bad-request": Message("a further line is no field"),
    "bad-character": Message("a control character"),
    "bad-name": Message("1 to {limit} characters, no outer space", limit=NAME_CHARACTERS),
    "busy": Message("the server is at its limit of clients"),
}
ERROR_REPLIES = {code: ERROR.build(code, reason) for code, reason in REASONS.items()}


class RequestError(Exception):
    """A faulty request: its code (SPEC.md, section 10), the reason for a person, and the whole reply, an ``ERR``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.reason = REASONS[code]
        self.reply = ERROR_REPLIES[code]


class ReplyError(Exception):
    """A malformed reply (CLI-11). The text says what is wrong."""


class Reply(NamedTuple):
    """A reply as a client reads it: its status and fields; of several fields of one name, the first (REQ-6)."""

    status: str
    fields: dict[str, str]


def parse_line(line: bytes, verbs: Mapping[str, object]) -> tuple[str, str]:
    """Return the verb and the argument of a request line without its LF (TCP).

    The keys of ``verbs`` are those that the server serves. Raises RequestError: too-long, bad-encoding or unknown-verb,
    the first that applies (ERR-3).
    """
    if line.endswith(b"\r"):
        line = line[:-1]  # REQ-3
    if len(line) > LINE_BYTES:
        raise RequestError("too-long")  # ERR-4
    text = _decode(line)
    verb, _, argument = text.partition(" ")  # REQ-1
    if verb not in verbs:  # REQ-2
        raise RequestError("unknown-verb")  # ERR-6
    return verb, argument


def parse_datagram(datagram: bytes, verbs: Mapping[bytes, object]) -> _Request | None:
    """Return the verb, the argument and the fields of a request (UDP).

    The keys of ``verbs`` are those that the server serves; for any other verb return None: no answer (UDP-2). Raises
    RequestError: too-long, bad-encoding, bad-request or, for a field's value, bad-character.
    """
    line, newline, further = datagram.partition(b"\n")
    if newline and line.endswith(b"\r"):
        line = line[:-1]  # REQ-3
    verb, _, argument = line.partition(b" ")
    if verb not in verbs:
        return None
    if further:
        return verb, *_parse_lines(datagram, len(verb) + 1)
    if len(line) > LINE_BYTES:
        raise RequestError("too-long")
    return verb, _decode(argument), _NO_FIELDS


def _parse_lines(datagram: bytes, argument_start: int) -> tuple[str, Mapping[str, str]]:
    """Return the argument, which starts at that byte, and the fields of a datagram of several lines."""
    *ended, last = datagram.split(b"\n")
    lines = [line[:-1] if line.endswith(b"\r") else line for line in ended]
    if last:
        lines.append(last)  # UDP-1: without its LF, so a CR is no part of the line's end
    if any(len(line) > LINE_BYTES for line in lines):
        raise RequestError("too-long")
    first, *further = [_decode(line) for line in lines]
    fields: dict[str, str] = {}
    for line in further:
        name, colon, value = line.partition(": ")
        if not (colon and _FIELD_NAME.fullmatch(name)):
            raise RequestError("bad-request")  # ERR-7
        fields.setdefault(name, value)  # REQ-5, REQ-6
    argument = first[argument_start:]
    if has_control_except_tab(argument) or any(has_control(line) for line in further):
        raise RequestError("bad-character")  # ERR-8
    return argument, fields


def _decode(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise RequestError("bad-encoding") from None  # ERR-5


def check_message(message: str) -> None:
    """Raise RequestError, bad-character, unless the text is a valid message (TEXT-1)."""
    if not message.isprintable() and has_control_except_tab(message):
        raise RequestError("bad-character")


def check_name(name: str) -> None:
    """Raise RequestError, bad-character or bad-name, unless the text is a valid name (TIME-1)."""
    if has_control(name):
        raise RequestError("bad-character")
    if not 1 <= len(name) <= NAME_CHARACTERS or name[0] == " " or name[-1] == " ":
        raise RequestError("bad-name")  # ERR-9


def build_request(verb: str, argument: str, **fields: str) -> bytes:
    """Return a request, each line with its LF. The caller has checked the argument."""
    lines = [f"{verb} {argument}", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\n".join(lines) + "\n").encode()


def parse_reply(reply: bytes) -> Reply:
    """Return the reply that these bytes are, empty line included. Raises ReplyError if they are not one whole reply."""
    if len(reply) > REPLY_BYTES:
        raise ReplyError(Message("longer than {limit} bytes", limit=REPLY_BYTES))
    try:
        text = reply.decode()
    except UnicodeDecodeError:
        raise ReplyError(Message("not well-formed UTF-8")) from None
    if not text.endswith("\n\n"):
        raise ReplyError(Message("no empty line at its end"))
    status, *lines = text[:-2].split("\n")
    if status not in STATUSES:
        raise ReplyError(Message("unknown status {status!r}", status=status[:20]))
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(": ")
        if not (colon and _FIELD_NAME.fullmatch(name)):
            raise ReplyError(Message("{line!r} is no field", line=line[:20]))
        if has_control_except_tab(value):
            raise ReplyError(Message("a control character in the field {field}", field=name[:20]))
        fields.setdefault(name, value)
    return Reply(status, fields)
