"""Clients over UDP: what they send, what they take for an answer, when they give up. SPEC.md, sections 6, 9, 13."""

import io
from contextlib import redirect_stderr, redirect_stdout
from math import inf

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spec.codec import ERROR_REPLIES
from spec.datagram_client import EchoDatagramClient, TimeDatagramClient, open_datagram_client
from spec.echo import echo_datagram
from spec.limits import COMPLAINTS_A_SECOND, REPLY_BYTES
from spec.options import REFUSED, UNREACHABLE
from spec.program import output
from spec.replies import ECHOED_OVER_UDP
from spec.tests.datagram_person import CONNECTED, Person, asking, challenge, leased, sendings, subscriber, tick
from spec.tests.support import HIDDEN, NOW, SERVICES, client_options, messages, replies


@given(messages)
def test_an_echo_is_shown_field_by_field(message: str) -> None:
    """CLI-1, CLI-3, CLI-12."""
    person = asking(message)
    assert person.client.receive(echo_datagram(message).replace(b"\nlength", b"\nx-later: \nlength"), NOW) == b""
    assert person.shown[0] == CONNECTED.format("echo")
    assert [line.partition(": ")[0] for line in person.shown[1:]] == [*ECHOED_OVER_UDP.fields]
    assert (person.client.waiting, person.client.status, person.client.over) == (False, 0, False)


def test_what_a_terminal_must_not_get_is_shown_as_digits() -> None:
    """SRV-14, CLI-3."""
    person = asking("a\tb\u202e")
    person.client.receive(echo_datagram("a\tb\u202e"), NOW)
    assert person.shown[1:3] == ["message: a\\u0009b\\u202e", "reversed: \\u202eb\\u0009a"]


def test_an_echo_is_sent_again_three_times() -> None:
    """CLI-13, CLI-7."""
    person = asking(timeout=10.0)
    request = b"ECHO hi\n"
    assert sendings(person, 9) == [(1, request), (3, request), (7, request)]
    assert person.client.deadline == NOW + 10
    assert sendings(person, 99) == []
    assert (person.client.waiting, person.client.status, person.client.over) == (False, UNREACHABLE, True)
    assert person.complaints == ["no answer (echo+udp://127.0.0.1:7)"] and person.shown == []


def test_a_new_request_starts_anew() -> None:
    """CLI-13."""
    person = asking()
    assert len(sendings(person, 5)) == 2
    person.client.receive(echo_datagram("hi"), NOW + 5)
    person.client.ask("два", NOW + 6)
    assert [at for at, _ in sendings(person, 15.5)] == [7, 9, 13]
    assert person.client.deadline == NOW + 16


def test_the_pause_counts_from_the_sending_not_from_when_it_was_due() -> None:
    """CLI-13: after it last sent it."""
    person = asking()
    assert person.client.wake(NOW + 1.5) == b"ECHO hi\n"
    assert person.client.deadline == NOW + 3.5


@pytest.mark.parametrize("service", SERVICES)
def test_waits_count_from_when_the_transport_has_taken_the_request(service: str) -> None:
    """CLI-7, CLI-13: a program may be held up between its look at the clock and its sending."""
    person = asking("hi", service, timeout=10.0)
    person.client.sent(NOW + 0.5)
    assert person.client.deadline == NOW + 1.5
    person.client.wake(NOW + 1.5)
    person.client.sent(NOW + 2)
    assert [at for at, _ in sendings(person, 10.25)] == [4, 8]
    assert person.client.deadline == NOW + 10.5


def test_only_the_reply_to_the_last_message_counts() -> None:
    """CLI-14: another OK is dropped in silence."""
    person = asking("два")
    assert person.client.receive(echo_datagram("один"), NOW) == b""
    assert person.shown == [] and person.complaints == [] and person.client.waiting
    person.client.receive(echo_datagram("два"), NOW)
    assert person.shown[1] == "message: два"


@pytest.mark.parametrize("service", SERVICES)
def test_err(service: str) -> None:
    """CLI-9."""
    for code, over in (("bad-character", False), ("busy", True)):
        person = asking("hi", service)
        assert person.client.receive(ERROR_REPLIES[code], NOW) == b""
        assert person.shown == [CONNECTED.format(service)]
        assert (person.client.waiting, person.client.status, person.client.over) == (False, REFUSED, over)
        assert len(person.complaints) == 1 and code in person.complaints[0]


@pytest.mark.parametrize(
    ("service", "reply"),
    [
        ("echo", b""),
        ("echo", b"ECHO hi\n"),
        ("echo", echo_datagram("hi") + b"\n"),
        ("echo", echo_datagram("hi")[:-1]),
        ("echo", 2 * echo_datagram("hi")),
        ("echo", echo_datagram("hi").replace(b"length", b"size")),
        ("echo", b"OK\nreversed: ih\n\n"),
        ("echo", tick(1, 1)),
        ("echo", challenge("a")),
        ("echo", b"ERR\ncode: busy\n\n"),
        ("echo", b"OK\n".ljust(REPLY_BYTES + 1, b"a")),
        ("time", b"TIME hi\n"),
        ("time", challenge("")),
        ("time", challenge("a" * 21)),
        ("time", challenge("a b")),
        ("time", leased().replace(b"lease", b"rent")),
        ("time", leased().replace(b"3", b"0")),
        ("time", tick(0, 1)),
        ("time", tick(1, 61)),
        ("time", b"ERR\nreason: why\n\n"),
    ],
)
def test_a_malformed_reply_is_reported_and_then_as_if_nothing_had_come(service: str, reply: bytes) -> None:
    """CLI-2, CLI-11."""
    person = asking("hi", service)
    deadline = person.client.deadline
    assert person.client.receive(reply, NOW + 0.5) == b""
    assert len(person.complaints) == 1 and person.complaints[0].startswith("a malformed reply: ")
    assert person.shown == []
    assert (person.client.waiting, person.client.status, person.client.deadline) == (True, 0, deadline)


def test_not_each_of_very_many_malformed_replies_is_reported() -> None:
    """CLI-11: what is left out is counted."""
    person = asking(timeout=9.0)
    for n in range(1000):
        person.client.receive(b"?", NOW + n / 512)
    assert len(person.complaints) == 2 * COMPLAINTS_A_SECOND + 1
    assert person.complaints[COMPLAINTS_A_SECOND] == "412 more malformed replies"


def test_an_unreachable_port() -> None:
    """CLI-7: another address may do, unless the server has been there before."""
    error = ConnectionRefusedError("refused")
    person = asking()
    with pytest.raises(ConnectionRefusedError):
        person.client.unreachable(error)
    assert person.complaints == []
    person = subscriber()
    person.client.unreachable(error)
    assert (person.client.waiting, person.client.status, person.complaints) == (True, 0, [])


def test_a_name_is_sent_every_four_seconds_until_there_is_an_answer() -> None:
    """CLI-13, CLI-7."""
    person = asking("Анна", "time", timeout=20.0)
    assert [at for at, _ in sendings(person, 99)] == [1, 3, 7, 11, 15, 19]
    assert person.client.status == UNREACHABLE


@pytest.mark.parametrize("service", SERVICES)
def test_a_flood_of_datagrams_stops_no_timer(service: str) -> None:
    """CLI-7, CLI-13: the socket is never empty."""
    person = asking("Анна", service, timeout=4.0)
    late = echo_datagram("another") if service == "echo" else b"?"
    sent = [n / 64 for n in range(1, 64 * 5) if person.client.waiting and person.client.receive(late, NOW + n / 64)]
    assert sent == [1, 3]
    assert person.client.status == UNREACHABLE and not person.client.waiting


def test_stopping() -> None:
    """CLI-6."""
    person = asking("Анна", "time")
    person.client.receive(challenge("a"), NOW)
    person.client.stop()
    assert person.client.status == UNREACHABLE
    person = subscriber()
    person.client.stop()
    assert person.client.status == 0 and person.complaints == []


def test_each_service_has_its_client() -> None:
    assert isinstance(Person("echo").client, EchoDatagramClient)
    assert isinstance(Person("time").client, TimeDatagramClient)
    assert Person("echo").client.deadline == inf


@given(st.sampled_from(SERVICES), st.lists(st.tuples(replies() | st.binary(max_size=20), st.floats(0, 9)), max_size=8))
@example("echo", [(b"ERR\ncode: \xc2\x85\nreason: a\n\n", 0.0)])
@example("time", [("TICK\nname: \u202e\u2028\ntime: 2026-11-23T09:00:00.000Z\nseq: 1\n\n".encode(), 0.0)])
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

        client = open_datagram_client(client_options(service), "echo+udp://127.0.0.1:7", show, complain)
        client.ask("привет", NOW)
        now = NOW
        for data, wait in events:
            now += wait
            for request in (client.receive(data, now), client.wake(now)):
                assert request == b"" or request.startswith(f"{service.upper()} привет\n".encode())
    printed = out.getvalue(), errors.getvalue()
    assert [text.count("\n") for text in printed] == lines
    assert not set("".join(printed)) & set(HIDDEN.replace("\n", ""))
