"""Servers whose author read the sentences about names, errors and datagrams too quickly."""

import re
import socket
from typing import Any

from conformance.broken import fault, patch, wrap, wrap_handler
from impl_raw import udp_server
from spec import codec, text
from spec.codec import ERROR_REPLIES
from spec.endpoint import EchoEndpoint, Endpoint, TimeEndpoint
from spec.limits import LINE_BYTES, NAME_CHARACTERS
from spec.session import Session


@fault("ERR-8", transport="tcp", service="time")
def takes_a_tab_in_a_name() -> None:
    """takes a name with a TAB"""
    patch(text, "has_control", text.has_control_except_tab)


@fault("ERR-8", transport="udp", service="echo")
def looks_at_no_values() -> None:
    """takes a field whose value holds a control character"""

    @wrap(codec, "_parse_lines")
    def parse(good: Any, datagram: bytes, start: int) -> Any:
        first, _, further = datagram.partition(b"\n")
        return good(first + b"\n" + re.sub(b"(?<=: )[^\n]*", lambda found: found[0].translate(_PLAIN), further), start)


_PLAIN = bytes(ord("?") if code < 32 and chr(code) not in "\r\n" else code for code in range(256))


@fault("ERR-8", transport="udp", service="echo")
def stops_at_a_nul() -> None:
    """takes NUL for the end of a message, as C does"""

    @wrap_handler(EchoEndpoint, b"ECHO")
    def datagram(good: Any, self: Any, message: str, *rest: Any) -> Any:
        return good(self, message.partition("\0")[0], *rest)


@fault("ERR-8", transport="tcp", service="time")
def knows_no_c1_in_a_name() -> None:
    """takes a name with U+0080 to U+009F"""
    patch(text, "_CONTROL", re.compile("[\x00-\x1f\x7f]"))


@fault("ERR-9", transport="udp", service="time")
def challenges_before_it_looks_at_the_name() -> None:
    """answers a bad name without a valid token with CHALLENGE"""
    handler = TimeEndpoint.handlers[b"TIME"]

    def subscribe(self: Any, name: str, fields: Any, address: Any, now: float, utc: float) -> Any:
        trusted = self._tokens.accepts(fields.get("token", ""), address, now)
        return handler(self, name if trusted else "x", fields, address, now, utc)

    patch(TimeEndpoint, "handlers", {b"TIME": subscribe})


def _names(bad: Any, *, lenient: bool) -> None:
    @wrap(codec, "check_name")
    def check(good: Any, name: str) -> None:
        if lenient:
            good("x" if bad(name) else name)
        else:
            good("" if bad(name) and name.isprintable() else name)


@fault("ERR-9", transport="tcp", service="time")
def takes_an_empty_name() -> None:
    """subscribes a client without a name"""
    _names(lambda name: not name, lenient=True)


@fault("ERR-9", transport="udp", service="time")
def takes_a_space_at_the_end_of_a_name() -> None:
    """takes a name with a space at its end"""
    _names(lambda name: name.endswith(" ") and name.strip(" ") and len(name) <= NAME_CHARACTERS, lenient=True)


@fault("TIME-1", transport="udp", service="time")
def counts_the_bytes_of_a_name() -> None:
    """refuses a name of more than 64 bytes"""
    _names(lambda name: len(name.encode()) > NAME_CHARACTERS, lenient=False)


@fault("TIME-1", transport="tcp", service="time")
def counts_the_utf_16_units_of_a_name() -> None:
    """refuses a name of more than 64 UTF-16 units"""
    _names(lambda name: len(name.encode("utf-16-le")) > 2 * NAME_CHARACTERS, lenient=False)


@fault("TIME-1", transport="tcp", service="time")
def takes_one_word_for_a_name() -> None:
    """refuses a name with a space inside"""
    _names(lambda name: " " in name, lenient=False)


@fault("ERR-2", transport="tcp", service="echo")
def quotes_the_request() -> None:
    """repeats an unknown verb in the reason, whatever it holds"""

    @wrap(Session, "_reply")
    def reply(good: Any, self: Any, line: bytes, *rest: Any) -> Any:
        answer = good(self, line, *rest)
        said = line.partition(b" ")[0]
        return answer.replace(b"no such verb here", b"no verb " + said) if b"unknown-verb" in answer else answer


@fault("ERR-1", transport="udp", service="echo")
def says_the_reason_first() -> None:
    """sends the field reason before code"""
    _errors_with(lambda reply: re.sub(b"(code: .*\n)(reason: .*\n)", rb"\2\1", reply))


@fault("ERR-6", transport="tcp", service="time")
def writes_an_underscore() -> None:
    """writes unknown_verb for unknown-verb"""
    _errors_with(lambda reply: reply.replace(b"unknown-verb", b"unknown_verb"))


def _errors_with(change: Any) -> None:
    for code, reply in ERROR_REPLIES.items():
        ERROR_REPLIES[code] = change(reply)


def _answers(reply_to: Any) -> None:
    """Have a datagram that is not answered be answered by what `reply_to` says, if it says anything."""

    @wrap(Endpoint, "receive")
    def receive(good: Any, self: Any, datagram: bytes, *rest: Any) -> Any:
        return good(self, datagram, *rest) or [reply for reply in [reply_to(datagram)] if reply is not None]


@fault("UDP-2", transport="udp")
def answers_an_empty_datagram() -> None:
    """answers an empty datagram with ERR"""
    _answers(lambda datagram: None if datagram else ERROR_REPLIES["bad-request"])


@fault("UDP-2", transport="udp", service="echo")
def decodes_before_it_looks_at_the_verb() -> None:
    """answers a datagram that is no UTF-8 with ERR, whatever its verb"""

    def reply_to(datagram: bytes) -> bytes | None:
        try:
            datagram.decode()
        except UnicodeDecodeError:
            return ERROR_REPLIES["bad-encoding"]
        return None

    _answers(reply_to)


@fault("UDP-2", transport="udp", service="time")
def measures_before_it_looks_at_the_verb() -> None:
    """answers a line that is too long with ERR, whatever its verb"""
    _answers(lambda datagram: ERROR_REPLIES["too-long"] if len(datagram) > LINE_BYTES + 2 else None)


@fault("UDP-2", transport="udp", service="echo")
def answers_with_nothing() -> None:
    """answers a verb that it does not serve with an empty datagram"""
    _answers(lambda datagram: b"")


@fault("UDP-2", transport="udp", service="time")
def takes_a_cr_off_the_verb() -> None:
    """takes a verb that is followed by CR, without LF, for the verb alone"""
    _answers(lambda datagram: ERROR_REPLIES["bad-character"] if datagram == b"TIME\r" else None)


@fault("UDP-3", transport="udp")
def knows_ok_and_err_alone() -> None:
    """answers a TICK and a CHALLENGE with ERR"""
    _answers(lambda datagram: ERROR_REPLIES["bad-request"] if datagram[:4] in (b"TICK", b"CHAL") else None)


@fault("UDP-5", transport="udp", service="time")
def sends_two_replies_in_one_datagram() -> None:
    """sends the OK and the first TICK in one datagram"""

    @wrap(Endpoint, "receive")
    def receive(good: Any, self: Any, *how: Any) -> Any:
        replies = good(self, *how)
        return [b"".join(replies)] if replies else []


@fault("LOAD-3", transport="udp")
def takes_an_empty_datagram_for_the_end() -> None:
    """stops at an empty datagram, as if it were the end of a stream"""

    @wrap(Endpoint, "receive")
    def receive(good: Any, self: Any, datagram: bytes, *rest: Any) -> Any:
        if not datagram:
            raise SystemExit(0)
        return good(self, datagram, *rest)


@fault("UDP-4", transport="udp", service="time")
def ticks_from_another_port() -> None:
    """sends its ticks, but not its answers, from a second socket"""
    second: dict[int, socket.socket] = {}

    @wrap(udp_server, "send")
    def send(good: Any, sock: Any, datagram: bytes, address: Any) -> None:
        if datagram.startswith(b"TICK") and b"seq: 1\n" not in datagram:
            sock = second.setdefault(sock.family, socket.socket(sock.family, socket.SOCK_DGRAM))
        good(sock, datagram, address)
