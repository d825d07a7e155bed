"""The echo service: SPEC.md, section 7."""

from hashlib import sha256

import pytest
from hypothesis import given

from spec.codec import RequestError, parse_reply
from spec.echo import echo_datagram, echo_line
from spec.tests.support import messages

FIELDS = ["message", "reversed", "upper", "length", "bytes", "sha256"]


@given(messages)
def test_each_field_by_other_means(message: str) -> None:
    """ECHO-1 to ECHO-7, TEXT-2."""
    status, fields = parse_reply(echo_line(message))
    assert (status, list(fields)) == ("OK", FIELDS)
    code_points = [message.encode("utf-32-le")[i : i + 4] for i in range(0, 4 * len(message), 4)]
    assert fields["message"] == message
    assert fields["reversed"].encode("utf-32-le") == b"".join(reversed(code_points))
    assert fields["upper"] == "".join(character.upper() for character in message)
    assert fields["length"] == str(len(code_points))
    assert fields["bytes"] == str(len(message.encode()))
    assert fields["sha256"] == sha256(message.encode()).hexdigest()


@given(messages)
def test_udp_lacks_just_the_addition(message: str) -> None:
    """ECHO-1."""
    over_udp, over_tcp = parse_reply(echo_datagram(message)), parse_reply(echo_line(message))
    assert list(over_udp.fields.items()) == list(over_tcp.fields.items())[:4]


@pytest.mark.parametrize(
    ("message", "reversed_", "upper", "length"),
    [
        ("", "", "", 0),  # ECHO-8
        ("привет", "тевирп", "ПРИВЕТ", 6),
        ("straße", "eßarts", "STRASSE", 6),
        ("ŉ", "ŉ", "ʼN", 1),
        ("i", "i", "I", 1),
        ("\u0435\u0308", "\u0308\u0435", "\u0415\u0308", 2),
        ("\u0439", "\u0439", "\u0419", 1),
        ("\u0390", "\u0390", "\u0399\u0308\u0301", 1),
        ("a\tb\u2028", "\u2028b\ta", "A\tB\u2028", 4),
    ],
)
def test_examples(message: str, reversed_: str, upper: str, length: int) -> None:
    """SPEC.md's section 3 in figures."""
    expected = f"OK\nmessage: {message}\nreversed: {reversed_}\nupper: {upper}\nlength: {length}\n\n"
    assert echo_datagram(message) == expected.encode()


@pytest.mark.parametrize("message", ["\x00", "a\n", "a\x0bb", "\x85", "\x7f"])
def test_a_bad_message(message: str) -> None:
    """ERR-8."""
    for echo in (echo_datagram, echo_line):
        with pytest.raises(RequestError, match="bad-character"):
            echo(message)
