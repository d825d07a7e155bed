"""Clients over UDP: SPEC.md, sections 6, 9 and 13."""

import io
from contextlib import redirect_stderr, redirect_stdout
from math import inf
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spec.codec import ERROR_REPLIES
from spec.datagram_client import EchoDatagramClient, TimeDatagramClient, open_datagram_client
from spec.echo import echo_datagram
from spec.limits import COMPLAINTS_A_SECOND, REPLY_BYTES
from spec.options import REFUSED, UNREACHABLE
from spec.program import output
from spec.tests.support import HIDDEN, NOW, SERVICES, client_options, messages, replies

CONNECTED = "connected to {}+udp://127.0.0.1:7"


class Person:
    """A client with what it shows and complains of."""

    def __init__(self, service: str, **changes: Any) -> None:
        self.shown: list[str] = []
        self.complaints: list[str] = []
        options = client_options(service, **changes)
        self.client = open_datagram_client(
            options, f"{service}+udp://127.0.0.1:7", self.shown.append, self.complaints.append
        )


def asking(text: str = "hi", service: str = "echo", **changes: Any) -> Person:
    person = Person(service, **changes)
    assert person.client.ask(text, NOW) == f"{service.upper()} {text}\n".encode()
    assert person.shown == []  # CLI-2
    return person


def challenge(token: str) -> bytes:
    return f"CHALLENGE\ntoken: {token}\n\n".encode()


def proof(token: str) -> bytes:
    return f"TIME Анна\ntoken: {token}\n".encode()


def leased(interval: int = 3) -> bytes:
    return f"OK\nname: Анна\ninterval: {interval}\nlease: {4 * interval}\n\n".encode()


def tick(seq: int, second: int) -> bytes:
    return f"TICK\nname: Анна\ntime: 2026-11-23T09:00:{second:02}.000Z\nseq: {seq}\n\n".encode()


def subscriber(**changes: Any) -> Person:
    """Return a client that has proved itself at NOW with the token ``a``, and has its OK."""
    person = asking("Анна", "time", **changes)
    assert person.client.receive(challenge("a"), NOW) == proof("a")
    assert person.client.receive(leased(), NOW) == b""
    return person


def sendings(person: Person, until: float) -> list[tuple[float, bytes]]:
    """Wake the client whenever it is due; return when, in seconds after NOW, it sent what."""
    sent = []
    while person.client.waiting and (now := person.client.deadline) <= NOW + until:
        assert person.client.wake(now - 1 / 64) == b"", "early"
        if out := person.client.wake(now):
            sent.append((now - NOW, out))
    return sent


@given(messages)
def test_an_echo_is_shown_field_by_field(message: str) -> None:
    """CLI-1, CLI-3, CLI-12."""
    person = asking(message)
    assert person.client.receive(echo_datagram(message).replace(b"\nlength", b"\nx-later: \nlength"), NOW) == b""
    assert person.shown[0] == CONNECTED.format("echo")
    assert [line.partition(": ")[0] for line in person.shown[1:]] == ["message", "reversed", "upper", "length"]
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


def test_renewals_count_from_when_the_transport_has_taken_the_last() -> None:
    """CLI-18, CLI-28; and none puts off the end (CLI-7)."""
    person = subscriber(timeout=10.0)
    person.client.sent(NOW)
    assert person.client.wake(NOW + 3) == proof("a")
    person.client.sent(NOW + 3.25)
    assert person.client.deadline == NOW + 4.75
    assert person.client.wake(NOW + 4.75) == proof("a")
    person.client.sent(NOW + 5)
    assert person.client.deadline == NOW + 6.25
    assert person.client.wake(NOW + 6.25) == proof("a")
    person.client.sent(NOW + 9.5)
    assert person.client.deadline == NOW + 10


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


def test_a_challenge_is_answered_with_the_token() -> None:
    """CLI-1, CLI-16: the request with the token is a new one."""
    person = asking("Анна", "time")
    person.client.wake(NOW + 1)
    assert person.client.receive(challenge("abc"), NOW + 2) == proof("abc")
    assert person.shown == [CONNECTED.format("time")]
    assert sendings(person, 9.5) == [(3, proof("abc")), (5, proof("abc")), (9, proof("abc"))]


def test_a_challenge_is_no_answer() -> None:
    """CLI-7."""
    person = asking("Анна", "time", timeout=5.0)
    for second in range(5):
        person.client.receive(challenge("abc"), NOW + second)
    person.client.wake(NOW + 5)
    assert person.client.status == UNREACHABLE
    assert person.complaints == ["no answer any more (time+udp://127.0.0.1:7)"]


def test_challenges_start_no_storm() -> None:
    """CLI-17: at most one is answered at once between two timers; the newest token goes with the next."""
    person = asking("Анна", "time", timeout=60.0)
    assert person.client.receive(challenge("a"), NOW) == proof("a")
    for token in "bcd":
        assert person.client.receive(challenge(token), NOW + 0.5) == b""
    assert person.client.wake(NOW + 1) == proof("d")
    assert person.client.receive(challenge("e"), NOW + 1.25) == proof("e")
    assert person.client.receive(challenge("f"), NOW + 1.5) == b""
    assert person.client.wake(NOW + 1.75) == b""
    assert person.client.receive(challenge("g"), NOW + 2) == b""
    assert person.client.wake(NOW + 2.25) == proof("g")


def test_a_lease_is_renewed_every_interval() -> None:
    """CLI-18, CLI-28: one without an OK is repeated. Ticks keep the client patient."""
    person = subscriber()
    sent = []
    for half in range(1, 49):
        now = NOW + half / 2
        if person.client.receive(tick(half, half), now):
            sent.append(half / 2)
        if half in (12, 24, 25):
            person.client.receive(leased(), now)
    assert sent == [3, 4.5, 6, 9, 10.5, 12, 15, 16.5, 18, 19.5, 21, 22.5, 24]


def test_a_renewal_that_is_held_up_is_no_repetition() -> None:
    """CLI-28: after it the client waits for half an interval again."""
    person = subscriber()
    assert person.client.wake(NOW + 7) == proof("a")
    assert [at for at, _ in sendings(person, 12)] == [8.5, 10, 11.5]


def test_a_renewal_that_is_challenged_goes_on_with_the_new_token() -> None:
    """CLI-16, CLI-18."""
    person = subscriber()
    assert person.client.wake(NOW + 3) == proof("a")
    assert person.client.receive(challenge("b"), NOW + 3.5) == proof("b")
    assert person.client.receive(leased(), NOW + 3.75) == b""
    assert [at for at, _ in sendings(person, 9)] == [6.5, 8]


def test_the_patience_of_a_subscriber() -> None:
    """CLI-7: the longer of the timeout and the lease's intervals, since the last reply."""
    person = subscriber(timeout=4.0)
    person.client.receive(tick(1, 1), NOW + 1)
    assert [at for at, _ in sendings(person, 12.9)] == [3, 4.5, 6, 7.5, 9, 10.5, 12]
    assert person.client.waiting
    sendings(person, 13)
    assert (person.client.waiting, person.client.status) == (False, UNREACHABLE)
    assert person.complaints == ["no answer any more (time+udp://127.0.0.1:7)"]


@pytest.mark.usefixtures("utc")
def test_ticks_are_printed_until_there_are_enough() -> None:
    """CLI-6, CLI-20: duplicates and late ones do not count."""
    person = subscriber(ticks=3)
    for seq in (1, 1, 3, 2, 3, 5):
        assert person.client.waiting
        person.client.receive(tick(seq, seq), NOW + seq)
    assert [line.split(":")[2] for line in person.shown[1:]] == ["01.000+00", "03.000+00", "05.000+00"]
    assert (person.client.waiting, person.client.status, person.complaints) == (False, 0, [])


def test_a_tick_may_overtake_its_ok() -> None:
    """It is printed, and the OK asked for again."""
    person = asking("Анна", "time")
    person.client.receive(challenge("a"), NOW)
    person.client.receive(tick(1, 1), NOW)
    assert len(person.shown) == 2
    assert sendings(person, 1) == [(1, proof("a"))]


def test_a_restart_is_survived() -> None:
    """CLI-21."""
    person = subscriber()
    person.client.receive(tick(7, 7), NOW + 1)
    assert person.client.wake(NOW + 3) == proof("a")
    assert person.client.receive(challenge("b"), NOW + 3) == proof("b")
    person.client.receive(tick(6, 6), NOW + 3)
    person.client.receive(leased(), NOW + 3)
    person.client.receive(tick(7, 7), NOW + 3)
    assert len(person.shown) == 2, "old ones stay hidden"
    person.client.receive(tick(1, 9), NOW + 3)
    person.client.receive(tick(1, 9), NOW + 3)
    person.client.receive(tick(2, 12), NOW + 6)
    assert len(person.shown) == 4


def test_a_tick_from_before_a_restart_stays_hidden() -> None:
    """CLI-20, CLI-21: also one whose number is ahead of the new count."""
    person = subscriber()
    person.client.receive(tick(7, 7), NOW + 1)
    person.client.receive(challenge("b"), NOW + 3)
    person.client.receive(leased(), NOW + 3)
    person.client.receive(tick(1, 9), NOW + 3)
    assert len(person.shown) == 3
    person.client.receive(tick(7, 7), NOW + 3)
    person.client.receive(tick(8, 8), NOW + 3)
    assert len(person.shown) == 3


def test_a_lease_that_ran_out_is_survived() -> None:
    """LEASE-11, CLI-21: the token was still valid, so no CHALLENGE came, but ``seq`` starts at 1."""
    person = subscriber()
    person.client.receive(tick(70, 7), NOW + 1)
    person.client.wake(NOW + 3)
    person.client.receive(leased(), NOW + 3)
    person.client.receive(tick(1, 20), NOW + 3)
    assert len(person.shown) == 3


def test_a_restart_with_another_interval_is_survived() -> None:
    """CLI-7, CLI-18, CLI-21: renewal and patience follow the last OK."""
    person = subscriber(timeout=4.0)
    person.client.wake(NOW + 3)
    person.client.receive(leased(2), NOW + 3)
    assert person.client.deadline == NOW + 5
    person.client.wake(NOW + 5)
    person.client.receive(leased(60), NOW + 5)
    person.client.wake(NOW + 7)
    sendings(person, 100)
    assert person.client.waiting and person.client.status == 0


@pytest.mark.parametrize("service", SERVICES)
def test_a_flood_of_datagrams_stops_no_timer(service: str) -> None:
    """CLI-7, CLI-13: the socket is never empty."""
    person = asking("Анна", service, timeout=4.0)
    late = echo_datagram("another") if service == "echo" else b"?"
    sent = [n / 64 for n in range(1, 64 * 5) if person.client.waiting and person.client.receive(late, NOW + n / 64)]
    assert sent == [1, 3]
    assert person.client.status == UNREACHABLE and not person.client.waiting


def test_a_tick_that_is_not_newer_is_no_sign_of_life() -> None:
    """CLI-7."""
    person = subscriber(timeout=1.0)
    for second in range(13):
        assert person.client.waiting
        person.client.receive(tick(1, 1), NOW + second)
    assert person.client.status == UNREACHABLE and len(person.shown) == 2


def times_shown(person: Person) -> list[str]:
    return [line.removeprefix("Анна 2026-11-23T09:00:").removesuffix(".000+00:00") for line in person.shown[1:]]


@pytest.mark.usefixtures("utc")
def test_the_wall_clock_may_be_set_back() -> None:
    """CLI-20: within a subscription ``seq`` tells what is newer; duplicates stay hidden."""
    person = subscriber()
    for seq, second in ((1, 40), (2, 59), (3, 20), (2, 59), (1, 40), (5, 26), (4, 23), (5, 26), (6, 29)):
        person.client.receive(tick(seq, second), NOW + seq)
    assert times_shown(person) == ["40", "59", "20", "26", "29"]


@pytest.mark.usefixtures("utc")
@pytest.mark.parametrize("how", ["restart", "lease", "renewal"])
def test_the_wall_clock_may_be_set_back_at_a_restart(how: str) -> None:
    """CLI-20, CLI-21: but a renewal that comes in time starts nothing."""
    person = subscriber()
    for seq, second in ((1, 40), (2, 43), (3, 46), (9, 59)):
        person.client.receive(tick(seq, second), NOW + 1)
    now = NOW + (13 if how == "lease" else 11)
    person.client.wake(now)
    if how == "restart":
        person.client.receive(challenge("b"), now)
    person.client.receive(leased(), now)
    for seq, second in ((9, 59), (2, 43), (8, 56)):  # late and doubled
        person.client.receive(tick(seq, second), now)
    for seq, second in ((1, 20), (1, 20), (2, 23), (1, 20), (3, 26)):
        person.client.receive(tick(seq, second), now + seq)
    assert times_shown(person)[4:] == ([] if how == "renewal" else ["20", "23", "26"])


@pytest.mark.usefixtures("utc")
def test_late_ticks_of_a_former_subscription_stay_hidden_for_a_while() -> None:
    """CLI-20: for ten seconds and a lease; then a higher ``seq`` is newer again."""
    person = subscriber()
    person.client.receive(tick(7, 7), NOW + 1)
    person.client.receive(tick(1, 30), NOW + 2)
    for seq, now, shown in ((8, 13, False), (2, 13, False), (2, 14, True)):
        person.client.receive(tick(seq, 10), NOW + now)
        assert times_shown(person) == ["07", "30", "10"][: 2 + shown]


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
