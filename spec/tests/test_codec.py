"""Requests and replies as bytes: SPEC.md, sections 4, 6 and 10."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spec.codec import (
    ERROR_REPLIES,
    REASONS,
    Reply,
    ReplyError,
    RequestError,
    build_request,
    check_message,
    check_name,
    parse_datagram,
    parse_line,
    parse_reply,
)
from spec.limits import LINE_BYTES, NAME_CHARACTERS, REPLY_BYTES
from spec.replies import build_reply
from spec.tests.support import STATUSES, datagrams, fields, messages, names, replies, request_lines

ECHO, ECHO_BYTES, TIME_BYTES = {"ECHO": None}, {b"ECHO": None}, {b"TIME": None}
VERBS = st.sampled_from(["ECHO", "TIME"])
LIMITS = st.sampled_from([LINE_BYTES - 1, LINE_BYTES, LINE_BYTES + 1])
CODES_OVER_TCP = ["too-long", "bad-encoding", "unknown-verb"]
CODES_OVER_UDP = ["too-long", "bad-encoding", "bad-request", "bad-character"]


@given(VERBS, messages, st.sampled_from([b"", b"\r"]))
def test_a_line_is_parsed_to_what_it_was_built_from(verb: str, argument: str, cr: bytes) -> None:
    """REQ-1, REQ-3, TEXT-2."""
    assert parse_line(build_request(verb, argument)[:-1] + cr, {verb: None}) == (verb, argument)


@given(VERBS, messages, fields, st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_a_datagram_is_parsed_to_what_it_was_built_from(
    verb: str, argument: str, more: dict[str, str], end: bytes, ended: bool
) -> None:
    """REQ-3, REQ-5, UDP-1."""
    datagram = build_request(verb, argument, **more).replace(b"\n", end)
    datagram = datagram if ended else datagram.removesuffix(end)
    assert parse_datagram(datagram, {verb.encode(): None}) == (verb.encode(), argument, more)


@given(st.sampled_from(STATUSES), fields)
def test_a_reply_is_parsed_to_what_it_was_built_from(status: str, values: dict[str, str]) -> None:
    assert parse_reply(build_reply(status, *values.items())) == Reply(status, values)


def test_replies_are_built_in_order_with_lf_alone() -> None:
    """REP-1, REP-2."""
    assert build_reply("OK", ("b", "я"), ("a", 1), ("c", "")) == "OK\nb: я\na: 1\nc: \n\n".encode()
    assert build_reply("OK") == b"OK\n\n"


@pytest.mark.parametrize(
    ("line", "argument"),
    [
        (b"ECHO", ""),
        (b"ECHO ", ""),
        (b"ECHO\r", ""),
        (b"ECHO  hi ", " hi "),
        (b"ECHO a\r\r", "a\r"),  # REQ-3: one CR belongs to the end, the other to the line
        ("ECHO a\u2028b\u0085".encode(), "a\u2028b\u0085"),  # TEXT-3
        ("ECHO e\u0301".encode(), "e\u0301"),  # TEXT-2
    ],
)
def test_argument(line: bytes, argument: str) -> None:
    """REQ-1."""
    assert parse_line(line, ECHO) == ("ECHO", argument)
    assert parse_datagram(line + b"\n", ECHO_BYTES) == (b"ECHO", argument, {})


@pytest.mark.parametrize("line", [b"", b"\r", b" ", b"echo hi", b"ECHOhi", b"ECHO\thi", b" ECHO hi", b"TIME", b"OK"])
def test_another_verb(line: bytes) -> None:
    """REQ-1, REQ-2, ERR-6, UDP-2."""
    with pytest.raises(RequestError, match="unknown-verb"):
        parse_line(line, ECHO)
    assert parse_datagram(line, ECHO_BYTES) is None
    assert parse_datagram(line + b"\nECHO hi\n", ECHO_BYTES) is None


@given(datagrams)
@example(b"ECHO\r")  # UDP-1: without an LF that CR is no end of line
def test_a_datagram_of_another_verb_is_told_before_anything_else(datagram: bytes) -> None:
    """UDP-2, UDP-3: the served verb, then SP, the line's end or nothing."""
    served = re.match(rb"ECHO(?= |\r?\n|\Z)", datagram) is not None
    try:
        assert (parse_datagram(datagram, ECHO_BYTES) is not None) == served
    except RequestError:
        assert served


@given(LIMITS, st.sampled_from([b"", b"\r"]), st.sampled_from("aя"))
def test_a_line_may_have_just_line_bytes(length: int, cr: bytes, letter: str) -> None:
    """REQ-4, ERR-4: neither LF nor CRLF counts, and bytes do, not characters."""
    line = b"ECHO " + (letter.encode() * length)[: length - 5 - (length - 5) % len(letter.encode())].ljust(length - 5)
    further = b"ECHO\nx: " + line[3:]
    for parse in (
        lambda: parse_line(line + cr, ECHO),
        lambda: parse_datagram(line + cr + b"\n", ECHO_BYTES),
        lambda: parse_datagram(line + cr + b"\nx: y", ECHO_BYTES),
        lambda: parse_datagram(further + cr + b"\n", ECHO_BYTES),
    ):
        if length <= LINE_BYTES:
            assert parse() is not None
        else:
            with pytest.raises(RequestError, match="too-long"):
                parse()


def test_a_datagram_without_lf_may_have_just_line_bytes() -> None:
    """UDP-1, REQ-4: a CR at its end is part of the line."""
    for start in (b"ECHO ", b"ECHO\nx: "):
        room = LINE_BYTES - len(start.rpartition(b"\n")[2])
        assert parse_datagram(start + room * b"a", ECHO_BYTES) is not None
        for datagram in (start + room * b"a" + b"a", start + room * b"a" + b"\r"):
            with pytest.raises(RequestError, match="too-long"):
                parse_datagram(datagram, ECHO_BYTES)


@given(st.sets(st.sampled_from(CODES_OVER_TCP), min_size=1))
def test_the_first_fault_of_a_line_is_reported(codes: set[str]) -> None:
    """ERR-3."""
    line = b"FOO " if "unknown-verb" in codes else b"ECHO "
    line += b"\xff" * ("bad-encoding" in codes) + b"a" * (LINE_BYTES * ("too-long" in codes))
    with pytest.raises(RequestError, match=f"^{min(codes, key=CODES_OVER_TCP.index)}$"):
        parse_line(line, ECHO)


@given(st.dictionaries(st.sampled_from(CODES_OVER_UDP), st.booleans(), min_size=1))
def test_the_first_fault_of_a_datagram_is_reported(faults: dict[str, bool]) -> None:
    """ERR-3: each fault in the argument or, if True, in a further line."""
    argument, value = b"", b""
    for code, bad in (("bad-character", b"\x01"), ("bad-encoding", b"\xff"), ("too-long", b"a" * LINE_BYTES)):
        if code in faults:
            argument, value = (argument, value + bad) if faults[code] else (argument + bad, value)
    datagram = b"ECHO " + argument + b"\n" + b"no field\n" * ("bad-request" in faults) + b"x: " + value
    with pytest.raises(RequestError, match=f"^{min(faults, key=CODES_OVER_UDP.index)}$"):
        parse_datagram(datagram, ECHO_BYTES)


@pytest.mark.parametrize(
    "line", ["", "x", "x:", "x:y", ": y", "X: y", "x : y", "1x: y", "-x: y", "я: y", "x_: y", " x: y", "x\t: y"]
)
def test_no_field(line: str) -> None:
    """ERR-7."""
    with pytest.raises(RequestError, match="bad-request"):
        parse_datagram(f"ECHO hi\n{line}\n".encode(), ECHO_BYTES)
    with pytest.raises(ReplyError):
        parse_reply(f"OK\n{line}\n\n".encode())


def test_fields_that_are_good() -> None:
    """REQ-5, REQ-6: the first of several of one name."""
    assert parse_datagram("TIME я\na-1: \nx: y: z\nx: later\n".encode(), TIME_BYTES) == (
        b"TIME",
        "я",
        {"a-1": "", "x": "y: z"},
    )
    assert parse_reply(b"OK\na-1: \nx: y: z\nx: later\n\n") == Reply("OK", {"a-1": "", "x": "y: z"})


def test_tab_is_a_control_character_in_a_field_and_none_in_a_message() -> None:
    """ERR-8."""
    assert parse_datagram(b"ECHO \t\nx: y", ECHO_BYTES) == (b"ECHO", "\t", {"x": "y"})
    for datagram in (b"ECHO hi\nx: \t", b"ECHO hi\nx: y\r", b"ECHO hi\r\r\nx: y", b"ECHO \x00\nx: y"):
        with pytest.raises(RequestError, match="bad-character"):
            parse_datagram(datagram, ECHO_BYTES)


@pytest.mark.parametrize(
    "encoded",
    [
        b"\xff",
        b"\xc3(",
        b"\xd0",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
    ],
    ids=bytes.hex,
)
def test_what_is_not_well_formed(encoded: bytes) -> None:
    """ERR-5: overlong forms, surrogates and what is above U+10FFFF too, anywhere."""
    for line in (b"ECHO " + encoded, b"FOO" + encoded):
        with pytest.raises(RequestError, match="bad-encoding"):
            parse_line(line, ECHO)
    for datagram in (b"ECHO " + encoded, b"ECHO a\nx: " + encoded, b"ECHO " + encoded + b"\nx: y", b"ECHO\n" + encoded):
        with pytest.raises(RequestError, match="bad-encoding"):
            parse_datagram(datagram, ECHO_BYTES)
    with pytest.raises(ReplyError, match="UTF-8"):
        parse_reply(b"OK\nmessage: " + encoded + b"\n\n")


@given(messages)
def test_a_good_message(message: str) -> None:
    """TEXT-1."""
    check_message(message)


@given(names)
def test_a_good_name(name: str) -> None:
    """TIME-1."""
    check_name(name)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "bad-name"),
        (" ", "bad-name"),
        (" Анна", "bad-name"),
        ("Анна ", "bad-name"),
        ("я" * (NAME_CHARACTERS + 1), "bad-name"),
        ("\t", "bad-character"),
        (" Анна\x7f", "bad-character"),
        ("я" * NAME_CHARACTERS + "\x85", "bad-character"),
    ],
)
def test_a_bad_name(name: str, code: str) -> None:
    """TIME-1, ERR-3, ERR-9."""
    with pytest.raises(RequestError, match=code):
        check_name(name)


def test_names_at_the_limit() -> None:
    """TIME-1: characters count, not bytes; only SP is refused at the ends."""
    for name in ("я", "\U0001f469" * NAME_CHARACTERS, "\u00a0Анна\u3000", "a  b"):
        check_name(name)


@pytest.mark.parametrize("code", REASONS)
def test_an_error_carries_its_reply(code: str) -> None:
    """ERR-1."""
    error = RequestError(code)
    assert (error.code, error.reason) == (code, REASONS[code])
    assert error.reply == ERROR_REPLIES[code] == f"ERR\ncode: {code}\nreason: {REASONS[code]}\n\n".encode()


@pytest.mark.parametrize(
    ("reply", "what"),
    [
        (b"", "empty line"),
        (b"OK\n", "empty line"),
        (b"OK\nx: y\n", "empty line"),
        (b"OK\r\n\r\n", "empty line"),
        (b"\n\n", "status"),
        (b"ok\n\n", "status"),
        (b"OK \n\n", "status"),
        (b"OK\r\n\n", "status"),
        (b"HELLO\n\n", "status"),
        (b"OK\n\nx: y\n\n", "no field"),
        (b"OK\nx: y\r\n\n", "control character in the field x"),
        (b"OK\nx: \x1b[31m\n\n", "control character in the field x"),
        ("OK\nx: \x85\n\n".encode(), "control character in the field x"),
    ],
)
def test_malformed_replies(reply: bytes, what: str) -> None:
    """CLI-11, TEXT-4."""
    with pytest.raises(ReplyError, match=what):
        parse_reply(reply)


def test_a_reply_may_have_just_reply_bytes() -> None:
    """CLI-11."""
    longest = b"OK\nx: " + (REPLY_BYTES - 8) * b"a" + b"\n\n"
    assert len(longest) == REPLY_BYTES
    assert parse_reply(longest).status == "OK"
    with pytest.raises(ReplyError, match="longer"):
        parse_reply(b"OK\nx: a" + longest[6:])


@given(datagrams | replies())
def test_nothing_but_request_errors_and_reply_errors(data: bytes) -> None:
    """LOAD-3."""
    for parse in (lambda: parse_line(data, ECHO), lambda: parse_datagram(data, TIME_BYTES)):
        try:
            parse()
        except RequestError as error:
            assert error.code in REASONS
    try:
        assert parse_reply(data).status in STATUSES
    except ReplyError as error:
        assert str(error)


@given(request_lines())
def test_both_transports_agree_on_a_line(line: bytes) -> None:
    """TCP and UDP differ in their framing alone."""

    def outcome(argument: str | None) -> str | None:
        if argument is not None:
            check_message(argument)
        return argument

    try:
        over_udp = parse_datagram(line, ECHO_BYTES)
        result = outcome(None if over_udp is None else over_udp[1])
    except RequestError as error:
        result = error.code
    if result is not None:
        try:
            assert outcome(parse_line(line[:-1], ECHO)[1]) == result
        except RequestError as error:
            assert error.code == result
