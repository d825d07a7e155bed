"""A wrong reply is recognized, and the message says what is wrong with it."""

from typing import Any

import pytest

from conformance.as_client.judgement import require_fields, require_replies, require_reply, require_status
from conformance.as_client.observed import Reply, Silence
from conformance.as_client.silence import require_silence
from conformance.blame import blamed
from conformance.expected.oracle import CHALLENGE, error, ok, ok_fields, reply

GOOD = ok_fields("echo", "tcp", "привет")
ECHOED = ok("echo", "tcp", "привет")
BUSY = error("busy")


class Replies:
    """A peer to which these replies come, one after the other."""

    def __init__(self, *replies: bytes) -> None:
        self._left = list(replies)

    def ask(self, _: bytes) -> Reply:
        return self.reply()

    def reply(self) -> Reply:
        if not self._left:
            raise Silence("nothing")
        return Reply(self._left.pop(0), 0.0)


def wrong(**fields: str) -> bytes:
    return reply("OK", **{**GOOD, **fields})


def fault(require: Any, *arguments: Any) -> tuple[str, str | None]:
    """Return the message about a wrong reply, and the requirement that it is about."""
    with pytest.raises(AssertionError) as failure:
        require(*arguments)
    return str(failure.value), blamed(failure.value)


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        (ECHOED, ECHOED),
        (BUSY.replace(b"{reason}", b"too many"), BUSY),
        (CHALLENGE.replace(b"{token}", b"0123456789abcdef"), CHALLENGE),
    ],
)
def test_an_expected_reply_is_accepted(came: bytes, expected: bytes) -> None:
    require_reply(came, expected)
    require_reply(Reply(came, 0.0), expected)
    require_replies([came, None, came], [expected, None, expected])


@pytest.mark.parametrize(
    ("came", "expected", "said", "about"),
    [
        (wrong(reversed="привет"), ECHOED, "reversed is 'привет'; expected 'тевирп'", "ECHO-3"),
        (wrong(upper="привет"), ECHOED, "upper is 'привет'; expected 'ПРИВЕТ'", "ECHO-4"),
        (wrong(length="12"), ECHOED, "length is '12'; expected '6'", "ECHO-5"),
        (wrong(bytes="6"), ECHOED, "bytes is '6'; expected '12'", "ECHO-6"),
        (wrong(message="Привет", reversed="т"), ECHOED, "message is 'Привет'; expected 'привет'", None),
        (wrong(message="привет\r", reversed="\rтевирп"), ECHOED, "message is 'привет\\r'; expected 'привет'", "REQ-3"),
        (BUSY.replace(b"busy", b"late"), BUSY, "code is 'late'; expected 'busy'", None),
        (BUSY.replace(b"busy", b"too-long"), BUSY, "code is 'too-long'; expected 'busy'", "REQ-4"),
        (
            b"ERR\ncode: busy\nreason: \xc2\xa0\n\n",
            BUSY,
            "reason is '\\xa0'; expected 1 to 40 printable ASCII",
            "ERR-2",
        ),
        (ok("time", "udp", "a", "5"), ok("time", "udp", "a", "3"), "interval is '5'; expected '3'", "TIME-3"),
        (ok("time", "udp", "b"), ok("time", "udp", "a"), "name is 'b'; expected 'a'", None),
        (b"OK\n\n", CHALLENGE, "'OK\\n\\n' came; expected 'CHALLENGE\\ntoken: {token}\\n\\n'", None),
        (b"CHALLENGE\ntoken: t\nx: y\n\n", CHALLENGE, "'CHALLENGE\\ntoken: t\\nx: y\\n\\n' came; expected", "REP-1"),
        (
            b"HELLO\xff\n",
            BUSY,
            "'HELLO\\xff\\n' came; expected 'ERR\\ncode: busy\\nreason: {reason}\\n\\n'",
            None,
        ),
        (b"OK\n\n", None, "'OK\\n\\n' came; expected silence", None),
    ],
)
def test_what_is_wrong_is_said(came: bytes, expected: bytes | None, said: str, about: str | None) -> None:
    text, blame = fault(require_reply, came, expected, "the first")
    assert text.startswith(f"the first: {said}")
    assert blame == about


@pytest.mark.parametrize(
    ("came", "why", "about"),
    [
        (ECHOED[:-1], ": the empty line at its end is missing", None),
        (ECHOED[:-2], ": its last line has no end, and the empty line is missing", None),
        (ECHOED.replace(b"\n", b"\r\n"), ": its lines end with CRLF", "REP-2"),
        (ECHOED.replace(b"OK", b"ok"), "", None),
    ],
)
def test_why_something_is_no_reply_is_said(came: bytes, why: str, about: str | None) -> None:
    text, blame = fault(require_reply, came, ECHOED)
    assert text.endswith(f"; that is no reply{why}") and blame == about


def test_of_long_replies_the_part_around_the_first_difference_is_shown() -> None:
    message = "ж" * 500
    text, _ = fault(require_reply, reply("OK", message=f"{message}x{message}"), reply("OK", message=message * 2))
    assert text == f"message is '…{'ж' * 60}x{'ж' * 59}…'; expected '…{'ж' * 120}…'"


@pytest.mark.parametrize(
    ("came", "said"),
    [
        ([ECHOED], "only 1 of 2 replies came; expected next: 'ERR\\n"),
        ([ECHOED, BUSY, BUSY], "more than 2 replies came: 'ERR\\n"),
        ([BUSY, ECHOED], "reply 1 of 2: 'ERR\\n"),
        ([ECHOED, None], "reply 2 of 2: nothing came; expected 'ERR\\n"),
    ],
)
def test_replies_that_are_missing_too_many_or_not_in_order(came: list[bytes | None], said: str) -> None:
    assert fault(require_replies, came, [ECHOED, BUSY])[0].startswith(said)


def test_fields_and_statuses() -> None:
    require_fields(Reply(ECHOED, 0.0), {"length": "6"})
    assert fault(require_fields, Reply(ECHOED, 0.0), {"length": "7"}) == ("length is '6'; expected '7'", "ECHO-5")
    assert "without lease" in fault(require_fields, Reply(ECHOED, 0.0), {"length": "6", "lease": "12"})[0]
    require_status(Reply(ECHOED, 0.0), "CHALLENGE", "OK")
    assert fault(require_status, Reply(BUSY, 0.0), "CHALLENGE", "OK")[0].endswith("came; expected CHALLENGE or OK")


def test_silence_is_told_from_a_wrong_answer_to_what_was_asked_to_see_it() -> None:
    token, refusal = CHALLENGE.replace(b"{token}", b"t"), error("bad-name").replace(b"{reason}", b"no")
    require_silence(Replies(token, refusal), "time")  # type: ignore[arg-type]
    said, about = fault(require_silence, Replies(refusal, token, refusal), "time")
    assert said.startswith("a reply came to what must have none: ") and about is None
    said, about = fault(require_silence, Replies(token, token), "time")
    assert said.startswith("the answer to 'TIME': 'CHALLENGE") and about == "ERR-9"
    assert fault(require_silence, Replies(token), "time")[1] == "ERR-9"
