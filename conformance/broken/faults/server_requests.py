"""Servers that misread requests, or name the wrong error."""

import re
from collections.abc import Callable
from typing import Any

from conformance.broken import fault, patch, wrap
from spec import codec, limits
from spec.codec import RequestError
from spec.replies import build_reply


def _raw(change: Callable[[bytes], bytes]) -> None:
    """Have every line (TCP, without its LF) or datagram (UDP) changed before it is read."""

    def parse(good: Any, request: bytes, verbs: Any) -> Any:
        return good(change(request), verbs)

    wrap(codec, "parse_line")(parse)
    wrap(codec, "parse_datagram")(parse)


def _confuse(code: str, other: str) -> None:
    """Have a fault reported as another."""

    @wrap(RequestError, "__init__")
    def init(good: Any, self: RequestError, given: str) -> None:
        good(self, other if given == code else given)


@fault("REQ-2")
def ignores_case() -> None:
    """takes echo for ECHO"""
    _raw(lambda request: re.sub(rb"\A(echo|time)\b", lambda match: match[0].upper(), request, flags=re.IGNORECASE))


@fault("REQ-3")
def strips_every_cr() -> None:
    """takes any number of CRs before an LF for the line's end"""
    _raw(lambda request: re.sub(rb"\r+(?=\n|\Z)", b"", request))


@fault("REQ-4")
def stops_a_byte_short() -> None:
    """refuses a line of the full length"""
    patch(limits, "LINE_BYTES", limits.LINE_BYTES - 1)


@fault("REQ-5", transport="udp")
def refuses_unknown_fields() -> None:
    """refuses a field that it does not know"""

    @wrap(codec, "parse_datagram")
    def parse_datagram(good: Any, datagram: bytes, verbs: Any) -> Any:
        request = good(datagram, verbs)
        if request and set(request[2]) - {"token"}:
            raise RequestError("bad-request")
        return request


@fault("REQ-6", transport="udp", service="time")
def uses_the_last_field() -> None:
    """uses the last of several fields of one name"""

    def backwards(datagram: bytes) -> bytes:
        first, *further = datagram.split(b"\n")
        return b"\n".join([first, *further[::-1]])

    _raw(backwards)


@fault("REP-2")
def ends_lines_with_crlf() -> None:
    """ends the lines of a reply with CRLF"""
    from spec.endpoint import EchoEndpoint, TimeEndpoint
    from spec.session import Session

    @wrap(Session, "receive")
    def stream(good: Any, *arguments: Any) -> Any:
        return good(*arguments).replace(b"\n", b"\r\n")

    def datagrams(good: Any, *arguments: Any) -> Any:
        return [reply.replace(b"\n", b"\r\n") for reply in good(*arguments)]

    wrap(EchoEndpoint, "receive")(datagrams)
    wrap(TimeEndpoint, "receive")(datagrams)


@fault("ERR-1")
def gives_no_reason() -> None:
    """answers ERR with a code alone"""

    @wrap(RequestError, "__init__")
    def init(good: Any, self: RequestError, code: str) -> None:
        good(self, code)
        self.reply = build_reply("ERR", ("code", code))


@fault("ERR-2")
def gives_reasons_in_russian() -> None:
    """writes reasons in Russian"""

    @wrap(RequestError, "__init__")
    def init(good: Any, self: RequestError, code: str) -> None:
        good(self, code)
        self.reply = build_reply("ERR", ("code", code), ("reason", "так нельзя"))


@fault("ERR-3", transport="tcp")
def looks_at_the_verb_first() -> None:
    """looks at the verb before anything else"""

    @wrap(codec, "parse_line")
    def parse_line(good: Any, line: bytes, verbs: Any) -> Any:
        if line.removesuffix(b"\r").partition(b" ")[0] not in {verb.encode() for verb in verbs}:
            raise RequestError("unknown-verb")
        return good(line, verbs)


@fault("ERR-4")
def takes_any_length() -> None:
    """takes a line of any length"""
    patch(limits, "LINE_BYTES", 1 << 20)


@fault("ERR-5")
def repairs_bad_encoding() -> None:
    """puts U+FFFD for what is no UTF-8"""
    patch(codec, "_decode", lambda line: line.decode(errors="replace"))


@fault("ERR-6", transport="tcp")
def calls_every_fault_bad_request() -> None:
    """answers an unknown verb with bad-request"""
    _confuse("unknown-verb", "bad-request")


@fault("ERR-7", transport="udp")
def takes_a_field_without_space() -> None:
    """takes a colon without a space for a field's"""
    _raw(lambda datagram: re.sub(rb"\n([a-z][a-z0-9-]*):(?! )", rb"\n\1: ", datagram))


@fault("ERR-7", transport="udp")
def passes_over_bad_fields() -> None:
    """passes over a further line that is no field"""
    _raw(lambda datagram: re.sub(rb"\n(?![a-z][a-z0-9-]*: )[^\n]*(?=\n|\Z)", b"", datagram))


@fault("ERR-7", transport="udp")
def drops_a_byte_order_mark() -> None:
    """takes U+FEFF at the beginning of a further line for a byte order mark, and drops it"""
    _raw(lambda datagram: datagram.replace(b"\n\xef\xbb\xbf", b"\n"))


@fault("ERR-8")
def lets_del_through() -> None:
    """takes U+007F for a printable character"""

    def check(good: Any, text: str) -> None:
        good(text.replace("\x7f", "."))

    wrap(codec, "check_message")(check)
    wrap(codec, "check_name")(check)


@fault("ERR-9", service="time")
def cuts_long_names() -> None:
    """takes a name that is too long"""

    @wrap(codec, "check_name")
    def check_name(good: Any, name: str) -> None:
        good(name[: limits.NAME_CHARACTERS] if name[-1:] != " " else name)


@fault("UDP-1", transport="udp")
def loses_an_unended_line() -> None:
    """passes over a last field that lacks its LF"""
    _raw(lambda datagram: datagram[: datagram.rfind(b"\n") + 1] or datagram)


@fault("UDP-2", transport="udp")
def answers_unknown_verbs() -> None:
    """answers a verb that it does not serve with ERR"""

    @wrap(codec, "parse_datagram")
    def parse_datagram(good: Any, datagram: bytes, verbs: Any) -> Any:
        request = good(datagram, verbs)
        if request is None and datagram:
            raise RequestError("unknown-verb")
        return request


@fault("UDP-3", transport="udp")
def answers_replies() -> None:
    """answers a reply with ERR, so that two servers go on for ever"""

    @wrap(codec, "parse_datagram")
    def parse_datagram(good: Any, datagram: bytes, verbs: Any) -> Any:
        if re.match(rb"(OK|ERR|TICK|CHALLENGE)\n", datagram):
            raise RequestError("bad-request")
        return good(datagram, verbs)


@fault("UDP-4", transport="udp")
def answers_from_another_port() -> None:
    """answers each request from a new socket"""
    import socket

    from impl_raw import udp_server

    @wrap(udp_server, "send")
    def send(good: Any, sock: socket.socket, datagram: bytes, address: Any) -> None:
        with socket.socket(sock.family, sock.type) as other:
            good(other, datagram, address)


@fault("UDP-5", transport="udp", service="echo")
def answers_twice() -> None:
    """sends each reply twice"""
    from spec.endpoint import EchoEndpoint

    @wrap(EchoEndpoint, "receive")
    def receive(good: Any, *arguments: Any) -> Any:
        return good(*arguments) * 2


@fault("UDP-5", transport="udp", service="echo")
def cuts_long_replies() -> None:
    """sends a reply of more than 1,400 bytes in several datagrams"""
    from spec.endpoint import EchoEndpoint

    @wrap(EchoEndpoint, "receive")
    def receive(good: Any, *arguments: Any) -> list[bytes]:
        return [reply[i : i + 1400] for reply in good(*arguments) for i in range(0, len(reply), 1400)]


@fault("REQ-3", transport="udp")
def takes_a_cr_for_the_end_of_a_verb() -> None:
    """takes the CR behind a verb without an argument for a part of it when further lines follow"""

    @wrap(codec, "parse_datagram")
    def parse(good: Any, datagram: bytes, verbs: Any) -> Any:
        line, _, further = datagram.partition(b"\n")
        return None if further and b" " not in line and line.endswith(b"\r") else good(datagram, verbs)
