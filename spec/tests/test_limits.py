"""SPEC.md's numbers: those of section 14 are the module's, those of section 15 are what the core does."""

import re
import sys

import pytest

from spec import limits
from spec.codec import ERROR_REPLIES, REASONS, RECEIVE_BYTES
from spec.echo import echo_datagram, echo_line
from spec.replies import build_reply
from spec.requirements import SPECIFICATION
from spec.tests.support import CLIENT, NOW, UTC, a_session, an_endpoint, token_of

TEXT = SPECIFICATION.read_text(encoding="utf-8")
HEADERS = 28  # bytes of IPv4 and UDP, as section 15 counts them
GROWTH = {
    (len(character.encode()), len(character.upper().encode())): character
    for character in map(chr, [*range(0x20, 0x7F), *range(0xA0, 0xD800), *range(0xE000, sys.maxunicode + 1)])
}
"""Bytes of a good character and of its upper case, as they occur at all: an example of each."""


def section(number: int) -> str:
    match = re.search(rf"^## {number}\. .*?(?=^## )", TEXT, re.MULTILINE | re.DOTALL)
    assert match
    return match[0]


def test_the_table_is_the_module() -> None:
    table = dict(re.findall(r"^\| `([A-Z_]+)` \| ([0-9.]+) \|", section(14), re.MULTILINE))
    assert len(table) == section(14).count("\n| `")
    assert {name: float(value) for name, value in table.items()} == {
        name: value for name, value in vars(limits).items() if name.isupper()
    }


def test_each_limit_that_the_text_names_is_defined() -> None:
    assert set(re.findall(r"`([A-Z]+_[A-Z_]+)`", TEXT)) <= set(vars(limits))


def test_the_longest_line_is_the_longest_echo() -> None:
    assert len("ECHO ") + limits.MESSAGE_BYTES == limits.LINE_BYTES


@pytest.mark.parametrize("code", REASONS)
def test_reasons(code: str) -> None:
    """ERR-2."""
    assert re.fullmatch(f"[ -~]{{1,{limits.REASON_CHARACTERS}}}", REASONS[code])


def test_the_codes_are_those_of_the_table_in_its_order() -> None:
    """ERR-3."""
    assert re.findall(r"^\| \d \| `([a-z-]+)` \|", section(10), re.MULTILINE) == list(REASONS) == list(ERROR_REPLIES)


def test_upper_casing_grows_at_most_threefold() -> None:
    """Section 14, MESSAGE_BYTES, over all characters; U+0390 is one that does."""
    assert max(upper / size for size, upper in GROWTH) == len("\u0390".upper().encode()) / len("\u0390".encode()) == 3


def test_the_largest_replies() -> None:
    """Section 14, REPLY_BYTES."""
    worst = "\u0390" * (limits.MESSAGE_BYTES // 2)
    for largest in (len(echo_datagram(worst)), len(echo_line(worst))):
        assert 5 * limits.MESSAGE_BYTES < largest < 5 * limits.MESSAGE_BYTES + 256 < limits.REPLY_BYTES


@pytest.mark.parametrize("line", [b"\n", b"\xff\n", b"ECHO\n", b"ECHO \x00\n", b"ECHO a\n"])
def test_one_full_read_has_replies_within_the_bound(line: bytes) -> None:
    """LOAD-5: so stopping to read in time needs no look at the unsent bytes in between."""
    session = a_session("echo")
    session.receive(b"ECHO " + "\u0390".encode() * 2048, NOW, UTC)
    data = (b"\n" + line * RECEIVE_BYTES)[:RECEIVE_BYTES]
    assert len(session.receive(data, NOW, UTC)) <= limits.UNSENT_BYTES


def wire(datagram: bytes) -> int:
    return HEADERS + len(datagram)


def ratio(request: bytes, reply: bytes) -> float:
    return wire(reply) / wire(request)


def amplification(request: str) -> tuple[int, int, float]:
    """Return what section 15's table says of a request: bytes on the wire of it and of its reply, and their ratio."""
    row = re.search(rf"^\| `{request}` \((\d+) bytes\) \| .*?\((\d+) bytes\) \| ([0-9.]+)", section(15), re.MULTILINE)
    assert row
    return int(row[1]), int(row[2]), float(row[3])


@pytest.mark.parametrize("request_", ["ECHO", "ECHO A"])
def test_amplification_of_short_echoes(request_: str) -> None:
    (reply,) = an_endpoint("echo").receive(request_.encode(), CLIENT, NOW, UTC)
    sent, received, stated = amplification(request_)
    assert (sent, received) == (wire(request_.encode()), wire(reply))
    assert stated == round(received / sent, 2)


@pytest.mark.parametrize(
    ("request_", "largest"),
    [
        ("TIME A", build_reply("CHALLENGE", ("token", "x" * limits.TOKEN_CHARACTERS))),
        ("TIME", build_reply("ERR", ("code", "bad-name"), ("reason", "x" * limits.REASON_CHARACTERS))),
    ],
)
def test_amplification_of_the_time_service(request_: str, largest: bytes) -> None:
    """What section 15 allows, and that the core keeps below it."""
    (reply,) = an_endpoint("time").receive(request_.encode(), CLIENT, NOW, UTC)
    assert re.match(rb"\w+\n(code: bad-name|token: )", reply)
    sent, received, stated = amplification(request_)
    assert (sent, received) == (wire(request_.encode()), wire(largest))
    assert stated == round(received / sent, 2)
    assert wire(reply) <= received


@pytest.mark.parametrize(
    ("row", "message"), [("4096 bytes of ASCII", "a" * 4096), (r"2048 times U\+0390", "\u0390" * 2048)]
)
def test_amplification_of_long_echoes(row: str, message: str) -> None:
    stated = re.search(rf"^\| `ECHO`, {row}.*? \| `OK` \| ([0-9.]+)", section(15), re.MULTILINE)
    assert stated
    request = f"ECHO {message}".encode()
    (reply,) = an_endpoint("echo").receive(request, CLIENT, NOW, UTC)
    assert len(request) == limits.LINE_BYTES
    assert float(stated[1]) == round(ratio(request, reply), 2)


def test_nothing_amplifies_more_than_the_worst_of_the_table() -> None:
    """Section 15: neither any character, alone or in number, nor any fault."""
    worst = 4.98
    for code, reply in ERROR_REPLIES.items():
        assert ratio(b"ECHO", reply) < worst, code
    for (size, _), character in GROWTH.items():
        for count in {1, 2, 3, 5, 10, 100, limits.MESSAGE_BYTES // size - 1, limits.MESSAGE_BYTES // size}:
            message = count * character
            assert round(ratio(f"ECHO {message}".encode(), echo_datagram(message)), 2) <= worst


def test_a_token_challenge_is_under_twice_its_request() -> None:
    """Section 14, TOKEN_CHARACTERS."""
    request = b"TIME a"
    out = an_endpoint("time").receive(request, CLIENT, NOW, UTC)
    assert token_of(out)
    assert ratio(request, out[0]) < 2
