"""A wrong reply is told from a right one, and what is said of it is what is wrong with it."""

from typing import Any

import pytest

from conformance.as_client.judgement import require_fields, require_replies, require_reply, require_status
from conformance.as_client.peers import Reply
from conformance.blame import blamed
from conformance.expected.oracle import CHALLENGE, echo_fields, error, reply

GOOD = echo_fields("привет", "tcp")
DUE = reply("OK", **GOOD)
BUSY = error("busy")


def wrong(**fields: str) -> bytes:
    return reply("OK", **{**GOOD, **fields})


def fault(require: Any, *arguments: Any) -> tuple[str, str | None]:
    """Return what is said of a wrong reply, and which requirement that is about."""
    with pytest.raises(AssertionError) as failure:
        require(*arguments)
    return str(failure.value), blamed(failure.value)


@pytest.mark.parametrize(
    ("came", "due"),
    [
        (DUE, DUE),
        (BUSY.replace(b"{reason}", b"too many"), BUSY),
        (CHALLENGE.replace(b"{token}", b"0123456789abcdef"), CHALLENGE),
    ],
)
def test_what_is_owed_is_accepted(came: bytes, due: bytes) -> None:
    require_reply(came, due)
    require_reply(Reply(came, 0.0), due)
    require_replies([came, None, came], [due, None, due])


@pytest.mark.parametrize(
    ("came", "due", "said", "about"),
    [
        (wrong(reversed="привет"), DUE, "reversed is 'привет'; due is 'тевирп'", "ECHO-3"),
        (wrong(upper="привет"), DUE, "upper is 'привет'; due is 'ПРИВЕТ'", "ECHO-4"),
        (wrong(length="12"), DUE, "length is '12'; due is '6'", "ECHO-5"),
        (wrong(bytes="6"), DUE, "bytes is '6'; due is '12'", "ECHO-6"),
        (wrong(message="Привет", reversed="т"), DUE, "message is 'Привет'; due is 'привет'", None),
        (BUSY.replace(b"busy", b"late"), BUSY, "code is 'late'; due is 'busy'", None),
        (b"ERR\ncode: busy\nreason: \xc2\xa0\n\n", BUSY, "reason is '\\xa0'; due is 1 to 40 printable ASCII", None),
        (b"OK\n\n", CHALLENGE, "'OK\\n\\n' came; due is 'CHALLENGE\\ntoken: {token}\\n\\n'", None),
        (b"CHALLENGE\ntoken: t\nx: y\n\n", CHALLENGE, "'CHALLENGE\\ntoken: t\\nx: y\\n\\n' came; due is", None),
        (
            b"HELLO\xff\n",
            BUSY,
            "'HELLO\\\\xff\\n' came; due is 'ERR\\ncode: busy\\nreason: {reason}\\n\\n'",
            None,
        ),
        (b"OK\n\n", None, "'OK\\n\\n' came where silence is due", None),
    ],
)
def test_what_is_wrong_is_said(came: bytes, due: bytes | None, said: str, about: str | None) -> None:
    told, blame = fault(require_reply, came, due, "the first")
    assert told.startswith(f"the first: {said}")
    assert blame == about


def test_of_long_replies_what_is_around_the_first_difference_is_shown() -> None:
    message = "ж" * 500
    told, _ = fault(require_reply, reply("OK", message=f"{message}x{message}"), reply("OK", message=message * 2))
    assert told == f"message is '…{'ж' * 60}x{'ж' * 59}…'; due is '…{'ж' * 120}…'"


@pytest.mark.parametrize(
    ("came", "said"),
    [
        ([DUE], "only 1 of 2 replies came; next is 'ERR\\n"),
        ([DUE, BUSY, BUSY], "more than 2 replies came: 'ERR\\n"),
        ([BUSY, DUE], "reply 1 of 2: 'ERR\\n"),
        ([DUE, None], "reply 2 of 2: nothing came; due is 'ERR\\n"),
    ],
)
def test_replies_that_are_missing_too_many_or_not_in_order(came: list[bytes | None], said: str) -> None:
    assert fault(require_replies, came, [DUE, BUSY])[0].startswith(said)


def test_fields_and_statuses() -> None:
    require_fields(Reply(DUE, 0.0), {"length": "6"})
    assert fault(require_fields, Reply(DUE, 0.0), {"length": "7"}) == ("length is '6'; due is '7'", "ECHO-5")
    assert "without lease" in fault(require_fields, Reply(DUE, 0.0), {"length": "6", "lease": "9"})[0]
    require_status(Reply(DUE, 0.0), "CHALLENGE", "OK")
    assert fault(require_status, Reply(BUSY, 0.0), "CHALLENGE", "OK")[0].endswith("came; due is CHALLENGE or OK")
