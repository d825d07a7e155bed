"""Servers whose author read the sentences about the echo's numbers and about requests too quickly."""

import re
import unicodedata
from hashlib import sha256
from typing import Any

from conformance.broken import fault, patch, wrap
from conformance.broken.faults.server_stranger_text import _echo_with, _field_with
from spec import codec, replies, session, ticks
from spec.codec import RequestError
from spec.endpoint import Endpoint
from spec.limits import LINE_BYTES
from spec.session import Session


@fault("ECHO-5", service="echo", transport="tcp")
def counts_no_combining_marks() -> None:
    """says the number of characters that a person sees as the length"""
    _field_with("length", lambda message: sum(not unicodedata.combining(each) for each in message))


@fault("ECHO-5", service="echo", transport="udp")
def counts_the_upper_case() -> None:
    """says the length of the upper case"""
    _field_with("length", lambda message: len(message.upper()))


@fault("ECHO-5", service="echo", transport="udp")
def groups_digits() -> None:
    """writes a length above 999 with a comma, as a locale may ask for"""
    _field_with("length", lambda message: f"{len(message):,}")


@fault("ECHO-6", service="echo", transport="tcp")
def counts_the_lf() -> None:
    """counts the LF to the message's bytes"""
    _field_with("bytes", lambda message: len(message.encode()) + 1)


@fault("ECHO-7", service="echo", transport="tcp")
def hashes_the_lf() -> None:
    """hashes the message with its LF"""
    _field_with("sha256", lambda message: sha256(f"{message}\n".encode()).hexdigest())


@fault("ECHO-7", service="echo", transport="tcp")
def drops_a_leading_zero() -> None:
    """writes the hash as a number, without leading zeros"""
    _field_with("sha256", lambda message: f"{int(sha256(message.encode()).hexdigest(), 16):x}")


@fault("ECHO-7", service="echo", transport="tcp")
def hashes_the_first_kilobyte() -> None:
    """hashes no more than 1,024 bytes of the message"""
    _field_with("sha256", lambda message: sha256(message.encode()[:1024]).hexdigest())


@fault("ECHO-8", service="echo", transport="udp")
def drops_the_space_of_an_empty_value() -> None:
    """writes an empty value without the space after its colon"""
    _echo_with(
        lambda text, message: "\n".join(line.rstrip() if line.endswith(": ") else line for line in text.split("\n"))
    )


@fault("REP-1", service="echo", transport="udp")
def says_the_length_before_the_upper_case() -> None:
    """sends the field length before upper"""
    _echo_with(lambda text, message: re.sub("(upper: .*\n)(length: .*\n)", r"\2\1", text))


@fault("REP-1", service="time", transport="tcp")
def says_a_lease_over_tcp() -> None:
    """sends the field lease over TCP too"""
    patch(ticks, "build_subscribed", ticks.build_leased)


def _split_with(split: Any) -> None:
    """Have a request's first line, without its end, become what `split` makes of it."""

    @wrap(codec, "parse_line")
    def parse_line(good: Any, line: bytes, verbs: Any) -> Any:
        return good(split(line), verbs)

    @wrap(codec, "parse_datagram")
    def parse_datagram(good: Any, datagram: bytes, verbs: Any) -> Any:
        line, newline, further = datagram.partition(b"\n")
        return good(split(line) + newline + further, verbs)


@fault("REQ-1", transport="tcp")
def takes_a_tab_for_a_space() -> None:
    """takes a TAB between verb and argument for a SP"""
    _split_with(lambda line: re.sub(b"^([A-Z]+)\t", rb"\1 ", line))


@fault("REQ-1", service="echo", transport="udp")
def looks_at_the_beginning_of_the_verb() -> None:
    """takes ECHOhi for an ECHO"""
    _split_with(lambda line: re.sub(b"^ECHO(?=[^ \r\n])", b"ECHO ", line))


@fault("REQ-1", service="echo", transport="tcp")
def needs_a_space() -> None:
    """takes ECHO without a space for an unknown verb"""
    _split_with(lambda line: b"?" if line.rstrip(b"\r") == b"ECHO" else line)


@fault("REQ-1", service="echo", transport="udp")
def skips_spaces_before_the_verb() -> None:
    """skips spaces at the beginning of a line"""
    _split_with(lambda line: line.lstrip(b" "))


@fault("REQ-2", transport="tcp", service="echo")
def skips_a_byte_order_mark() -> None:
    """drops a byte order mark before the verb, as what reads files does"""
    _split_with(lambda line: line.removeprefix(b"\xef\xbb\xbf"))


@fault("REQ-2", transport="tcp", service="time")
def takes_small_letters_too() -> None:
    """takes time for TIME, but not Time"""
    _split_with(lambda line: b"TIME" + line[4:] if line.startswith(b"time") else line)


@fault("REQ-3", transport="udp", service="time")
def takes_crlf_of_the_first_line_alone() -> None:
    """takes CRLF at the end of the first line, but the CR of a further line for a part of its value"""

    @wrap(codec, "_parse_lines")
    def parse_lines(good: Any, datagram: bytes, start: int) -> Any:
        if b"\r\n" in datagram.partition(b"\n")[2]:
            raise RequestError("bad-character")
        return good(datagram, start)


@fault("UDP-1", transport="udp", service="echo")
def strips_a_cr_without_lf() -> None:
    """takes a CR at the end of a datagram for the line's end, without its LF"""

    @wrap(codec, "parse_datagram")
    def parse_datagram(good: Any, datagram: bytes, verbs: Any) -> Any:
        return good(datagram.removesuffix(b"\r"), verbs)


@fault("UDP-1", transport="udp")
def needs_an_lf() -> None:
    """does not answer a request of one line that lacks its LF"""

    @wrap(Endpoint, "receive")
    def receive(good: Any, self: Any, datagram: bytes, *rest: Any) -> Any:
        return good(self, datagram, *rest) if b"\n" in datagram else []


@fault("REQ-4", transport="tcp", service="echo")
def counts_the_cr() -> None:
    """counts the CR of a CRLF to the bytes of a line"""

    @wrap(codec, "parse_line")
    def parse_line(good: Any, line: bytes, verbs: Any) -> Any:
        if len(line) > LINE_BYTES:
            raise RequestError("too-long")
        return good(line, verbs)


@fault("REQ-4", transport="tcp", service="echo")
def counts_a_cr_that_came_before_its_lf() -> None:
    """counts the CR of a CRLF to the line's bytes when its LF comes in another segment"""

    @wrap(Session, "receive")
    def receive(good: Any, self: Session, data: bytes, *rest: Any) -> Any:
        if len(self._partial) == LINE_BYTES + 1 and data[:1] == b"\n":
            data = b"x" + data
        return good(self, data, *rest)


@fault("REQ-4", transport="udp", service="echo")
def receives_4096_bytes() -> None:
    """receives no more than 4,096 bytes of a datagram"""
    patch(codec, "DATAGRAM_BYTES", 4096)


@fault("ERR-4", transport="udp", service="echo")
def receives_a_line_of_a_datagram() -> None:
    """receives no more than the bytes of a line, so that a line that is too long is cut"""
    patch(codec, "DATAGRAM_BYTES", LINE_BYTES)


@fault("REQ-5", transport="udp", service="time")
def receives_8_kib_of_a_datagram() -> None:
    """receives no more than 8,192 bytes of a datagram, so that what stands behind is lost"""
    patch(codec, "DATAGRAM_BYTES", 8192)


@fault("ERR-4", transport="tcp", service="echo")
def measures_characters() -> None:
    """counts the characters of a line for its bytes"""

    session.LINE_BYTES = 5 * LINE_BYTES  # type: ignore[attr-defined]

    @wrap(codec, "parse_line")
    def parse_line(good: Any, line: bytes, verbs: Any) -> Any:
        text = line.removesuffix(b"\r").decode(errors="replace")
        if len(line) > LINE_BYTES >= len(text) and text.startswith("ECHO "):
            return "ECHO", text.removeprefix("ECHO ")
        return good(line, verbs)


@fault("TEXT-4", service="echo", transport="tcp")
def writes_nul_for_nothing() -> None:
    """writes NUL as the hash of the empty message"""
    _field_with("sha256", lambda message: sha256(message.encode()).hexdigest() if message else "\0")


@fault("REP-2", transport="tcp", service="time")
def ends_a_tick_with_crlf() -> None:
    """ends a tick, but no other reply, with CRLF"""

    @wrap(replies.ReplyForm, "build")
    def build(good: Any, self: Any, *values: object) -> Any:
        reply = good(self, *values)
        return reply[:-1] + b"\r\n" if self.status == "TICK" else reply
