"""Servers whose author read the sentences about requests and their faults too quickly."""

import re
from typing import Any

from conformance.broken import fault, patch, wrap
from spec import codec, text
from spec.codec import RequestError
from spec.limits import LINE_BYTES, NAME_CHARACTERS


def _decode_with(decode: Any) -> None:
    @wrap(codec, "_decode")
    def stand_in(good: Any, line: bytes) -> Any:
        return good(decode(line))


@fault("ERR-5", transport="tcp")
def takes_surrogate_pairs() -> None:
    """takes a pair of encoded surrogates for one character, as Java's own UTF-8 does"""

    def decode(line: bytes) -> bytes:
        try:
            return line.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16").encode()
        except UnicodeError:
            return line

    _decode_with(decode)


@fault("ERR-5", transport="udp", service="echo")
def takes_overlong_forms() -> None:
    """takes two bytes for a character that needs one"""
    _decode_with(lambda line: re.sub(b"([\xc0\xc1])([\x80-\xbf])", _short, line))


def _short(match: Any) -> bytes:
    return bytes([(match[1][0] & 1) << 6 | match[2][0] & 0x3F])


@fault("ERR-5", transport="tcp", service="echo")
def drops_a_cut_character() -> None:
    """drops the beginning of a character at the end of a line"""
    _decode_with(lambda line: re.sub(b"([\xc3-\xdf]|[\xe1-\xec][\x80-\xbf]?|[\xf1-\xf3][\x80-\xbf]{0,2})$", b"", line))


@fault("ERR-5", transport="udp", service="echo")
def takes_code_points_above_10ffff() -> None:
    """puts U+FFFD for a code point above U+10FFFF"""
    _decode_with(lambda line: re.sub(b"(\xf4[\x90-\xbf]|[\xf5-\xf7][\x80-\xbf])[\x80-\xbf]{2}", b"\xef\xbf\xbd", line))


@fault("ERR-5", transport="udp", service="time")
def repairs_a_further_line() -> None:
    """puts U+FFFD for what is no UTF-8 in a line after the first"""

    @wrap(codec, "parse_datagram")
    def parse(good: Any, datagram: bytes, verbs: Any) -> Any:
        first, newline, further = datagram.partition(b"\n")
        return good(first + newline + further.decode(errors="replace").encode(), verbs)


@fault("ERR-3", service="time", transport="tcp")
def looks_at_the_length_of_a_name_first() -> None:
    """reports bad-name for a name that is too long and holds a control character"""

    @wrap(codec, "check_name")
    def check(good: Any, name: str) -> None:
        if len(name) > NAME_CHARACTERS:
            raise RequestError("bad-name")
        good(name)


@fault("ERR-3", service="time", transport="udp")
def looks_at_outer_spaces_first() -> None:
    """reports bad-name for a name that begins with a space and holds a control character"""

    @wrap(codec, "check_name")
    def check(good: Any, name: str) -> None:
        if name.startswith(" "):
            raise RequestError("bad-name")
        good(name)


@fault("ERR-3", transport="udp", service="echo")
def looks_at_the_argument_before_further_lines() -> None:
    """reports bad-character before bad-request"""

    @wrap(codec, "_parse_lines")
    def parse(good: Any, datagram: bytes, start: int) -> Any:
        argument = datagram.partition(b"\n")[0].removesuffix(b"\r")[start:]
        if text.has_control_except_tab(argument.decode(errors="replace")):
            raise RequestError("bad-character")
        return good(datagram, start)


@fault("ERR-3", transport="udp", service="time")
def looks_at_the_name_before_further_lines() -> None:
    """reports bad-name before bad-request"""

    @wrap(codec, "_parse_lines")
    def parse(good: Any, datagram: bytes, start: int) -> Any:
        argument = datagram.partition(b"\n")[0].removesuffix(b"\r")[start:]
        if len(argument.decode(errors="replace")) > NAME_CHARACTERS:
            raise RequestError("bad-name")
        return good(datagram, start)


@fault("ERR-3", transport="tcp", service="echo")
def decodes_before_it_measures() -> None:
    """reports bad-encoding of a line that is too long as well"""

    @wrap(codec, "parse_line")
    def parse(good: Any, line: bytes, verbs: Any) -> Any:
        codec._decode(line)
        return good(line, verbs)


@fault("ERR-4", transport="udp", service="time")
def measures_the_first_line_alone() -> None:
    """takes a further line of any length"""

    @wrap(codec, "_parse_lines")
    def parse(good: Any, datagram: bytes, start: int) -> Any:
        patch(codec, "LINE_BYTES", 65535)
        try:
            return good(datagram, start)
        finally:
            patch(codec, "LINE_BYTES", LINE_BYTES)


@fault("REQ-4", transport="udp", service="echo")
def measures_the_datagram() -> None:
    """takes a datagram of more than a line's bytes for a line that is too long"""

    @wrap(codec, "_parse_lines")
    def parse(good: Any, datagram: bytes, start: int) -> Any:
        if len(datagram) > LINE_BYTES + 2:
            raise RequestError("too-long")
        return good(datagram, start)


@fault("ERR-7", transport="udp", service="echo")
def takes_an_empty_line_for_the_end() -> None:
    """passes over an empty line at the end, as HTTP has one"""

    @wrap(codec, "_parse_lines")
    def parse(good: Any, datagram: bytes, start: int) -> Any:
        return good(re.sub(b"\n(\r?\n)+$", b"\n", datagram), start)


@fault("ERR-7", transport="udp", service="echo")
def ignores_the_case_of_field_names() -> None:
    """takes a field-name with capital letters"""
    patch(codec, "_FIELD_NAME", re.compile("[A-Za-z][A-Za-z0-9-]*"))


@fault("ERR-7", transport="udp", service="time")
def takes_letters_of_any_script() -> None:
    """takes a field-name with small letters and digits of any script"""
    patch(codec, "_FIELD_NAME", re.compile(r"(?![A-Z\d_-])[^\WA-Z_][^\WA-Z_-]*"))


@fault("ERR-7", transport="udp", service="time")
def takes_digits_first() -> None:
    """takes a field-name that begins with a digit or a hyphen"""
    patch(codec, "_FIELD_NAME", re.compile("[a-z0-9-]+"))


@fault("ERR-7", transport="udp", service="echo")
def matches_the_beginning_of_a_field_name() -> None:
    """takes a field-name that begins with a small letter, whatever follows"""
    patch(codec, "_FIELD_NAME", re.compile("[a-z].*"))


@fault("REQ-5", transport="udp", service="echo")
def knows_letters_alone() -> None:
    """refuses a field-name with digits or hyphens"""
    patch(codec, "_FIELD_NAME", re.compile("[a-z]+"))


@fault("REQ-5", transport="udp", service="time")
def has_room_for_ten_fields() -> None:
    """refuses a request of more than ten fields"""

    @wrap(codec, "_parse_lines")
    def parse(good: Any, datagram: bytes, start: int) -> Any:
        if datagram.rstrip(b"\n").count(b"\n") > 10:
            raise RequestError("bad-request")
        return good(datagram, start)


@fault("REQ-5", transport="udp", service="echo")
def refuses_an_empty_value() -> None:
    """refuses a field whose value is empty"""

    @wrap(codec, "_parse_lines")
    def parse(good: Any, datagram: bytes, start: int) -> Any:
        if re.search(b"\n[^\n]*: \r?(\n|$)", datagram):
            raise RequestError("bad-request")
        return good(datagram, start)
