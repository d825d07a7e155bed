"""Clients over TCP: SPEC.md, sections 5 and 13."""

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spec.codec import ERROR_REPLIES
from spec.echo import echo_line
from spec.limits import REPLY_BYTES
from spec.options import REFUSED, UNREACHABLE
from spec.program import output
from spec.replies import ECHOED_OVER_TCP
from spec.stream_client import EchoStreamClient, StreamClient, TimeStreamClient, open_stream_client
from spec.tests.support import HIDDEN, NOW, SERVICES, client_options, cut, messages, replies

OK = "OK\nname: Анна\ninterval: 3\n\n".encode()
TICKS = [f"TICK\nname: Анна\ntime: 2026-11-23T09:00:0{seq}.000Z\nseq: {seq}\n\n".encode() for seq in range(10)]


class Person:
    """A client with what it shows and complains of."""

    def __init__(self, service: str, **changes: Any) -> None:
        self.shown: list[str] = []
        self.complaints: list[str] = []
        options = client_options(service, "tcp", **changes)
        self.client = open_stream_client(
            options, f"{service}+tcp://127.0.0.1:7", self.shown.append, self.complaints.append
        )
        self.shown.remove(f"connected to {service}+tcp://127.0.0.1:7")  # CLI-1, CLI-2

    def hear(self, data: bytes, now: float = NOW) -> None:
        assert self.client.receive(data, now) == b""


def asking(text: str = "hi", service: str = "echo", **changes: Any) -> Person:
    person = Person(service, **changes)
    assert person.client.ask(text, NOW) == f"{service.upper()} {text}\n".encode()
    return person


@given(messages)
def test_an_echo_is_shown_field_by_field(message: str) -> None:
    """CLI-3."""
    person = asking(message)
    person.hear(echo_line(message).replace(b"\nlength", b"\nx-later: \nlength"))  # CLI-12
    assert [line.partition(": ")[0] for line in person.shown] == [*ECHOED_OVER_TCP.fields]
    assert person.shown[3] == f"length: {len(message)}"
    assert (person.client.waiting, person.client.status, person.client.over) == (False, 0, False)


@given(
    st.sampled_from(SERVICES),
    st.lists(replies() | st.sampled_from([OK, *TICKS[1:]]), max_size=4).map(b"".join),
    st.data(),
)
def test_what_is_shown_does_not_depend_on_segmentation(service: str, stream: bytes, data: st.DataObject) -> None:
    """TCP-3 from the client's side."""

    def outcome(segments: list[bytes]) -> object:
        person = asking("привет", service)
        for segment in filter(None, segments):
            person.hear(segment)
        return person.shown, person.complaints, person.client.waiting, person.client.status, person.client.deadline

    whole = outcome([stream])
    assert outcome(cut(stream, data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))) == whole
    assert outcome([stream[i : i + 1] for i in range(len(stream))]) == whole


@pytest.mark.parametrize("size", [REPLY_BYTES - 1, REPLY_BYTES, REPLY_BYTES + 1])
@pytest.mark.parametrize("step", [1, 7, REPLY_BYTES, 2 * REPLY_BYTES])
def test_a_reply_at_the_limit_however_it_is_cut(size: int, step: int) -> None:
    """CLI-11."""
    person = asking()
    reply = echo_line("hi")[:-1] + b"x-later: "
    reply = reply.ljust(size - 2, b"a") + b"\n\n"
    for place in range(0, size, step):
        person.hear(reply[place : place + step])
    if size <= REPLY_BYTES:
        assert (person.client.waiting, person.client.status) == (False, 0)
        assert len(person.shown) == len(ECHOED_OVER_TCP.fields)
    else:
        assert (person.client.status, person.shown) == (UNREACHABLE, [])
        assert "longer than" in person.complaints[0]


def test_an_endless_reply_is_given_up() -> None:
    """CLI-11: not kept until memory ends."""
    person = asking()
    person.hear(b"OK\n" + b"a" * (REPLY_BYTES - 3))
    assert person.client.waiting
    person.hear(b"a")
    assert person.client.status == UNREACHABLE and person.client.over and not person.client.waiting


@pytest.mark.parametrize(
    ("service", "reply"),
    [
        ("echo", b"HELLO\n\n"),
        ("echo", b"\n\n"),
        ("echo", echo_line("ho")),
        ("echo", b"OK\nreversed: ih\n\n"),
        ("echo", echo_line("hi").replace(b"sha256", b"sha512")),
        ("echo", OK),
        ("echo", TICKS[1]),
        ("echo", b"CHALLENGE\ntoken: abc\n\n"),
        ("echo", b"ERR\ncode: busy\n\n"),
        ("time", TICKS[1]),
        ("time", b"CHALLENGE\ntoken: abc\n\n"),
        ("time", OK + OK),
        ("time", OK + b"TICK\nname: a\nseq: 1\n\n"),
        ("time", OK.replace(b"3", b"0")),
        ("time", b"OK\nname: a\n\n"),
        ("time", b"ERR\nreason: why\n\n"),
    ],
)
def test_malformed_replies(service: str, reply: bytes) -> None:
    """CLI-11: an error, with status 1, in one line."""
    person = asking("hi", service)
    person.hear(reply)
    assert (person.client.waiting, person.client.status, person.client.over) == (False, UNREACHABLE, True)
    (complaint,) = person.complaints
    assert complaint.startswith("a malformed reply: ") and complaint.endswith(f" ({service}+tcp://127.0.0.1:7)")


@pytest.mark.parametrize("service", SERVICES)
def test_err(service: str) -> None:
    """CLI-9: the code and the reason; then the next message, unless busy."""
    for code, over in (("bad-character", False), ("busy", True)):
        person = asking("hi", service)
        person.hear(ERROR_REPLIES[code])
        assert (person.client.waiting, person.client.status, person.client.over) == (False, REFUSED, over)
        (complaint,) = person.complaints
        assert f"{code}: {ERROR_REPLIES[code].decode().split(': ')[2].strip()}" in complaint


def test_messages_follow_one_another() -> None:
    """CLI-4: each in its own time, the replies not mixed, also if one comes early."""
    person = asking("один")
    person.hear(ERROR_REPLIES["bad-encoding"] + echo_line("два")[:9])
    assert person.client.status == REFUSED
    person.client.ask("два", NOW + 5)
    assert person.client.deadline == NOW + 15
    person.hear(echo_line("два")[9:])
    assert person.shown[0] == "message: два" and not person.client.waiting and person.client.status == REFUSED


def test_the_timeout_counts_from_when_the_transport_has_taken_the_request() -> None:
    """CLI-7."""
    person = asking(timeout=2.5)
    person.client.sent(NOW + 1)
    assert person.client.deadline == NOW + 3.5


def test_giving_up() -> None:
    """CLI-7: at the timeout, not before; half a reply is no answer."""
    person = asking(timeout=2.5)
    person.hear(echo_line("hi")[:-1], NOW + 2)
    assert person.client.deadline == NOW + 2.5
    assert person.client.wake(NOW + 2.25) == b"" and person.client.waiting
    assert person.client.wake(NOW + 2.5) == b"" and not person.client.waiting
    assert (person.client.status, person.client.over) == (UNREACHABLE, True)
    assert person.complaints == ["no answer any more (echo+tcp://127.0.0.1:7)"]
    person.client.wake(NOW + 99)
    assert len(person.complaints) == 1


def test_what_a_terminal_must_not_get_is_shown_as_digits() -> None:
    """SRV-14, CLI-3."""
    person = asking("a\tb\u202e")
    person.hear(echo_line("a\tb\u202e"))
    assert person.shown[:2] == ["message: a\\u0009b\\u202e", "reversed: \\u202eb\\u0009a"]


def test_the_end_of_the_stream_and_a_broken_connection() -> None:
    """CLI-7, CLI-10."""
    person = asking()
    person.hear(b"")
    assert (person.client.waiting, person.client.status) == (False, UNREACHABLE)
    assert person.complaints == ["the server closed the connection (echo+tcp://127.0.0.1:7)"]
    person = asking()
    person.client.unreachable("reset")
    assert (person.client.waiting, person.client.status) == (False, UNREACHABLE)
    assert person.complaints == ["the connection broke: reset (echo+tcp://127.0.0.1:7)"]


def test_a_subscriber_prints_its_ticks_and_leaves() -> None:
    """CLI-6, CLI-19, CLI-20."""
    person = asking("Анна", "time", ticks=2)
    person.hear(OK + TICKS[1] + TICKS[1])
    assert len(person.shown) == 1 and person.client.waiting
    person.hear(TICKS[4] + TICKS[5])
    assert len(person.shown) == 2 and person.shown[1].startswith("Анна 2026-")
    assert (person.client.waiting, person.client.status) == (False, 0)


def test_a_subscriber_without_a_number_of_ticks_goes_on() -> None:
    person = asking("Анна", "time")
    person.hear(OK + b"".join(TICKS[1:]))
    assert len(person.shown) == 9 and person.client.waiting


def test_the_patience_of_a_subscriber() -> None:
    """CLI-7: the timeout until the OK, then the longer of it and the lease's intervals, from reply to reply."""
    person = asking("Анна", "time", timeout=4.0)
    assert person.client.deadline == NOW + 4
    person.hear(OK, NOW + 1)
    assert person.client.deadline == NOW + 13
    person.hear(TICKS[1], NOW + 2)
    assert person.client.deadline == NOW + 14
    person.client.wake(NOW + 14)
    assert person.client.status == UNREACHABLE


@pytest.mark.parametrize("service", SERVICES)
def test_a_flood_of_bytes_puts_off_no_end(service: str) -> None:
    """CLI-7: an answer that never ends, and never more than a few bytes at a time."""
    person = asking("hi", service, timeout=4.0)
    for n in range(64):
        assert person.client.waiting
        person.client.receive(b"O", NOW + n / 16)
    person.client.receive(b"K", NOW + 4)
    assert (person.client.waiting, person.client.status) == (False, UNREACHABLE)


def test_a_tick_that_is_not_newer_is_no_sign_of_life() -> None:
    """CLI-7."""
    person = asking("Анна", "time", timeout=1.0)
    person.hear(OK + TICKS[2], NOW)
    person.hear(TICKS[2] + TICKS[1], NOW + 11)
    assert person.client.deadline == NOW + 12


def test_stopping() -> None:
    """CLI-6: a subscriber has done what it was asked for, nobody else."""
    person = asking("Анна", "time")
    person.client.stop()
    assert person.client.status == UNREACHABLE and person.complaints == ["stopped (time+tcp://127.0.0.1:7)"]
    person = asking("Анна", "time")
    person.hear(OK)
    person.client.stop()
    assert person.client.status == 0 and person.complaints == []


def test_each_service_has_its_client() -> None:
    assert isinstance(Person("echo").client, EchoStreamClient)
    assert isinstance(Person("time").client, TimeStreamClient)


@given(
    st.sampled_from(SERVICES),
    st.lists(st.tuples(replies() | st.binary(min_size=1, max_size=20), st.floats(0, 9)), max_size=8),
)
@example("echo", [(b"ERR\ncode: \xc2\x85\nreason: a\n\n", 0.0)])
@example("time", [(OK + "TICK\nname: \u202e\u2028\ntime: 2026-11-23T09:00:00.000Z\nseq: 1\n\n".encode(), 0.0)])
def test_nothing_a_server_sends_raises_or_reaches_the_terminal_as_it_is(
    service: str, events: list[tuple[bytes, float]]
) -> None:
    """CLI-10, CLI-11, SRV-14: and each line that is shown is one line."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as errors:
        lines = [0, 0]

        def show(line: str) -> None:
            lines[0] += 1
            output.show(line)

        def complain(line: str) -> None:
            lines[1] += 1
            output.complain(line)

        client: StreamClient = open_stream_client(
            client_options(service, "tcp"), "echo+tcp://127.0.0.1:7", show, complain
        )
        client.ask("привет", NOW)
        now = NOW
        for data, wait in events:
            now += wait
            client.receive(data, now)
            client.wake(now)
    printed = out.getvalue(), errors.getvalue()
    assert [text.count("\n") for text in printed] == lines
    assert not set("".join(printed)) & set(HIDDEN.replace("\n", ""))
