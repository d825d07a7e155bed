"""Servers that get text wrong: messages, names, and the fields of an echo."""

import re
from collections.abc import Callable
from typing import Any
from unicodedata import normalize

from conformance.broken import fault, patch, wrap
from spec import codec, echo
from spec.codec import RequestError


def _argument(change: Callable[[str], str]) -> None:
    """Have every request's argument changed after it was read."""

    @wrap(codec, "parse_line")
    def parse_line(good: Any, line: bytes, verbs: Any) -> Any:
        verb, argument = good(line, verbs)
        return verb, change(argument)

    @wrap(codec, "parse_datagram")
    def parse_datagram(good: Any, datagram: bytes, verbs: Any) -> Any:
        request = good(datagram, verbs)
        return request and (request[0], change(request[1]), request[2])


def _give(field: str, value: Callable[[str], object]) -> None:
    """Have that field of an echo hold another value, made from the message."""
    pattern = re.compile(rb"\n%b: [^\n]*\n" % field.encode())

    def reply(good: Any, message: str) -> bytes:
        return pattern.sub(lambda _: f"\n{field}: {value(message)}\n".encode(), good(message), count=1)

    wrap(echo, "echo_datagram")(reply)
    wrap(echo, "echo_line")(reply)


@fault("TEXT-1", service="echo")
def refuses_noncharacters() -> None:
    """refuses U+FFFE, which is no character"""

    @wrap(codec, "check_message")
    def check_message(good: Any, message: str) -> None:
        good(message)
        if "\ufffe" in message:
            raise RequestError("bad-character")


@fault("TEXT-2")
def normalizes() -> None:
    """normalizes what it gets to NFC"""
    _argument(lambda text: normalize("NFC", text))


@fault("TEXT-3", transport="tcp", service="echo")
def splits_at_separators() -> None:
    """takes U+2028 for the end of a line"""
    from spec.session import Session

    @wrap(Session, "receive")
    def receive(good: Any, self: Session, data: bytes, *how: Any) -> Any:
        return good(self, data.replace("\u2028".encode(), b"\n"), *how)


@fault("TEXT-4", service="echo")
def lets_c1_through() -> None:
    """knows the control characters of ASCII only, and sends the others back"""

    @wrap(codec, "check_message")
    def check_message(good: Any, message: str) -> None:
        good(re.sub("[\x80-\x9f]", "", message))


@fault("ECHO-1", service="echo")
def leaves_out_the_length() -> None:
    """leaves out the field length"""

    def reply(good: Any, message: str) -> Any:
        return re.sub(rb"\nlength: \d+\n", b"\n", good(message))

    wrap(echo, "echo_datagram")(reply)
    wrap(echo, "echo_line")(reply)


@fault("ECHO-2", service="echo")
def expands_tabs() -> None:
    """turns each TAB of the message into spaces"""
    _give("message", str.expandtabs)


@fault("ECHO-3", service="echo")
def reverses_bytes() -> None:
    """reverses bytes, not code points"""
    _give("reversed", lambda message: message.encode()[::-1].decode(errors="replace"))


@fault("ECHO-3", service="echo")
def reverses_clusters() -> None:
    """leaves combining marks behind their letter"""
    _give("reversed", lambda message: "".join(re.findall("(?s).[\u0300-\u036f]*", message)[::-1]))


@fault("ECHO-4", service="echo")
def raises_ascii_only() -> None:
    """knows the upper case of ASCII only"""
    _give("upper", lambda message: message.encode().upper().decode())


@fault("ECHO-4", service="echo")
def raises_one_to_one() -> None:
    """leaves a character as it is whose upper case is two"""
    _give("upper", lambda message: "".join(c.upper() if len(c.upper()) == 1 else c for c in message))


@fault("ECHO-5", service="echo")
def counts_bytes() -> None:
    """says the number of bytes as the length"""
    _give("length", lambda message: len(message.encode()))


@fault("ECHO-5", service="echo")
def counts_utf_16_units() -> None:
    """says the number of UTF-16 units as the length"""
    _give("length", lambda message: len(message.encode("utf-16-le")) // 2)


@fault("ECHO-6", service="echo", transport="tcp")
def counts_characters() -> None:
    """says the number of code points as that of bytes"""
    _give("bytes", len)


@fault("ECHO-7", service="echo", transport="tcp")
def shouts_the_hash() -> None:
    """writes the hash in upper case"""
    _give("sha256", lambda message: echo.sha256(message.encode()).hexdigest().upper())  # type: ignore[attr-defined]


@fault("ECHO-8", service="echo")
def refuses_the_empty_message() -> None:
    """refuses the empty message"""

    @wrap(codec, "check_message")
    def check_message(good: Any, message: str) -> None:
        good(message or "\x00")


@fault("REQ-1")
def skips_spaces() -> None:
    """skips all spaces between verb and argument"""
    _argument(lambda argument: argument.lstrip(" "))


@fault("REP-1", service="echo")
def adds_a_field() -> None:
    """adds a field of its own to an echo"""

    def reply(good: Any, message: str) -> Any:
        return good(message)[:-1] + b"version: 1\n\n"

    wrap(echo, "echo_datagram")(reply)
    wrap(echo, "echo_line")(reply)


@fault("SRV-14", service="time")
def shows_names_as_they_are() -> None:
    """prints a name with all its direction characters"""
    from spec import text

    patch(text, "visible", str)
