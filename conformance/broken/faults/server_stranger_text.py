"""Servers whose author read the sentences about text, lines and echoes too quickly."""

import os
import unicodedata
from typing import Any

from conformance.broken import fault, wrap, wrap_handler
from spec import codec, echo
from spec.codec import RequestError
from spec.endpoint import EchoEndpoint
from spec.limits import MESSAGE_BYTES
from spec.session import EchoSession, Session


def _echo_with(change: Any) -> None:
    """Have the text of a reply to ECHO, without its end, go through `change`, which gets the message too."""

    @wrap(echo, "_reply")
    def reply(good: Any, message: str, end: str) -> Any:
        return change(good(message, end).decode("utf-8", "surrogatepass"), message).encode("utf-8", "replace")


def _field_with(name: str, value: Any) -> None:
    def change(text: str, message: str) -> str:
        lines = [f"{name}: {value(message)}" if line.startswith(f"{name}: ") else line for line in text.split("\n")]
        return "\n".join(lines)

    _echo_with(change)


def _message_through(change: Any) -> None:
    @wrap_handler(EchoSession, "ECHO")
    def line(good: Any, self: Any, message: str, *rest: Any) -> Any:
        return good(self, change(message), *rest)

    @wrap_handler(EchoEndpoint, b"ECHO")
    def datagram(good: Any, self: Any, message: str, *rest: Any) -> Any:
        return good(self, change(message), *rest)


def _refuse_messages_with(bad: Any) -> None:
    @wrap(codec, "check_message")
    def check(good: Any, message: str) -> None:
        good(message)
        if any(map(bad, message)):
            raise RequestError("bad-character")


@fault("TEXT-1", service="echo", transport="udp")
def takes_what_cannot_be_printed_for_control() -> None:
    """refuses zero-width joiners, line separators and all else that is not printable"""
    _refuse_messages_with(lambda each: each not in "\t " and not each.isprintable())


@fault("TEXT-1", service="echo", transport="tcp")
def refuses_a_tab() -> None:
    """refuses TAB in a message"""
    _refuse_messages_with(lambda each: each == "\t")


@fault("TEXT-1", service="echo", transport="tcp")
def knows_the_basic_plane_alone() -> None:
    """refuses characters above U+FFFF"""
    _refuse_messages_with(lambda each: each > "\uffff")


@fault("TEXT-1", service="echo", transport="udp")
def refuses_a_soft_hyphen() -> None:
    """takes U+00A0 and U+00AD for control characters, since they follow those of U+0080 to U+009F"""
    _refuse_messages_with(lambda each: each in "\xa0\xad")


@fault("TEXT-2", service="echo", transport="udp")
def drops_a_byte_order_mark() -> None:
    """drops a U+FEFF at the beginning of a message"""
    _message_through(lambda message: message.removeprefix("\ufeff"))


@fault("TEXT-2", service="echo", transport="tcp")
def trims_the_end_of_a_message() -> None:
    """drops the spaces at the end of a message"""
    _message_through(lambda message: message.rstrip(" "))


@fault("TEXT-2", service="echo", transport="tcp")
def drops_variation_selectors() -> None:
    """drops U+FE0F, which asks for a coloured picture"""
    _message_through(lambda message: message.replace("\ufe0f", ""))


def _splits_at(end: bytes) -> None:
    @wrap(Session, "receive")
    def receive(good: Any, self: Session, data: bytes, *how: Any) -> Any:
        return good(self, data.replace(end, b"\n"), *how)


@fault("TEXT-3", transport="tcp", service="echo")
def takes_next_line_for_an_end() -> None:
    """takes U+0085 for the end of a line"""
    _splits_at(b"\xc2\x85")


@fault("TEXT-3", transport="tcp", service="echo")
def takes_a_form_feed_for_an_end() -> None:
    """takes U+000C for the end of a line"""
    _splits_at(b"\x0c")


@fault("TEXT-3", transport="tcp", service="time")
def takes_a_lone_cr_for_an_end() -> None:
    """takes CR without LF for the end of a line, as text files of old Macs have it"""

    @wrap(Session, "receive")
    def receive(good: Any, self: Session, data: bytes, *how: Any) -> Any:
        return good(self, data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), *how)


@fault("TEXT-4", transport="udp")
def sends_the_nul_of_its_strings() -> None:
    """sends the NUL at the end of a C string with each reply"""
    from impl_raw import udp_server

    @wrap(udp_server, "send")
    def send(good: Any, sock: Any, datagram: bytes, address: Any) -> None:
        good(sock, datagram + b"\0", address)


@fault("ECHO-2", service="echo", transport="udp")
def keeps_room_for_a_nul() -> None:
    """cuts the longest message by its last byte"""
    _message_through(
        lambda message: (
            message.encode()[: MESSAGE_BYTES - 1].decode(errors="ignore")
            if len(message.encode()) == MESSAGE_BYTES
            else message
        )
    )


@fault("ECHO-2", service="echo", transport="tcp")
def takes_percent_for_a_format() -> None:
    """takes %% for one percent sign, as printf does"""
    _message_through(lambda message: message.replace("%%", "%"))


@fault("ECHO-2", service="echo", transport="tcp")
def unescapes_backslashes() -> None:
    r"""takes \t in a message for TAB"""
    _message_through(lambda message: message.replace("\\t", "\t"))


@fault("ECHO-3", service="echo", transport="tcp")
def reverses_utf_16_units() -> None:
    """reverses UTF-16 units, so that what is above U+FFFF falls apart"""

    def reverse(message: str) -> str:
        units = message.encode("utf-16-le")
        turned = b"".join(units[at : at + 2] for at in range(len(units) - 2, -1, -2))
        return turned.decode("utf-16-le", "replace")

    _field_with("reversed", reverse)


@fault("ECHO-3", service="echo", transport="udp")
def keeps_joined_pictures_together() -> None:
    """leaves characters that U+200D joins in their order"""

    def reverse(message: str) -> str:
        clusters: list[str] = []
        for each in message:
            if clusters and (each == "\u200d" or clusters[-1].endswith("\u200d")):
                clusters[-1] += each
            else:
                clusters.append(each)
        return "".join(reversed(clusters))

    _field_with("reversed", reverse)


@fault("ECHO-4", service="echo", transport="udp")
def raises_as_the_locale_does() -> None:
    """raises i to U+0130 where the locale is Turkish"""
    if any(os.environ.get(name, "").startswith("tr") for name in ("LC_ALL", "LC_CTYPE", "LANG")):
        _field_with("upper", lambda message: message.replace("i", "\u0130").upper())


@fault("ECHO-4", service="echo", transport="tcp")
def swaps_upper_and_lower() -> None:
    """lowers what is in upper case already"""
    _field_with("upper", str.swapcase)


@fault("ECHO-4", service="echo", transport="udp")
def takes_title_case_for_upper_case() -> None:
    """gives the title case of each letter, which differs for digraphs such as U+01C6"""
    _field_with(
        "upper", lambda message: "".join("\u01c5" if each in "\u01c4\u01c6" else each.upper() for each in message)
    )


@fault("ECHO-4", service="echo", transport="tcp")
def raises_utf_16_units() -> None:
    """leaves letters above U+FFFF as they are"""
    _field_with("upper", lambda message: "".join(each if each > "\uffff" else each.upper() for each in message))


@fault("ECHO-4", service="echo", transport="udp")
def knows_unicode_10() -> None:
    """knows no upper case of Georgian letters, which they have since Unicode 11"""
    georgian = {chr(code) for code in range(0x10D0, 0x1100)}
    _field_with("upper", lambda message: "".join(each if each in georgian else each.upper() for each in message))


@fault("ECHO-4", service="echo", transport="tcp")
def has_a_capital_sharp_s() -> None:
    """raises U+00DF to U+1E9E"""
    _field_with("upper", lambda message: message.replace("\xdf", "\u1e9e").upper())


@fault("ECHO-4", service="echo", transport="tcp")
def composes_what_it_raised() -> None:
    """normalizes the upper case to NFC"""
    _field_with("upper", lambda message: unicodedata.normalize("NFC", message.upper()))
