"""A server's UDP socket and all its peers: SPEC.md, sections 6 to 9 and 11."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec.codec import ERROR_REPLIES, build_request, parse_datagram, parse_reply
from spec.endpoint import EchoEndpoint, TimeEndpoint, open_endpoint
from spec.limits import REPLACED_A_SECOND, REPLACED_AT_ONCE
from spec.replies import build_reply
from spec.tests.support import (
    CLIENT,
    NOW,
    SECRET,
    SERVICES,
    UTC,
    a_session,
    an_endpoint,
    code_of,
    datagrams,
    messages,
    names,
    replies,
    request_streams,
    rfc3339,
    server_options,
    split_replies,
    subscribe,
    token_of,
)

OTHER = ("127.0.0.1", 50313)
THIRD = ("::1", 50312, 0, 0)
LEASED = "OK\nname: Анна\ninterval: 3\nlease: 12\n\n".encode()


def tick(name: str, seq: int, seconds: float = 0) -> bytes:
    return f"TICK\nname: {name}\ntime: {rfc3339(round((UTC + seconds) * 1000))}\nseq: {seq}\n\n".encode()


@given(messages)
def test_echo_answers_as_over_tcp_without_the_addition(message: str) -> None:
    """ECHO-1, UDP-1, UDP-5."""
    request = build_request("ECHO", message)
    (reply,) = an_endpoint("echo").receive(request, CLIENT, NOW, UTC)
    assert an_endpoint("echo").receive(request[:-1], CLIENT, NOW, UTC) == [reply]
    over_tcp = parse_reply(a_session("echo").receive(request, NOW, UTC)).fields
    assert list(parse_reply(reply).fields.items()) == list(over_tcp.items())[:4]


@given(st.sampled_from(SERVICES), datagrams)
def test_a_datagram_has_at_most_one_reply_and_none_for_another_verb(service: str, datagram: bytes) -> None:
    """UDP-2, UDP-5, LOAD-3."""
    served = datagram.replace(b"\r\n", b"\n").replace(b"\n", b" ").split(b" ", 1)[0] == service.upper().encode()
    out = an_endpoint(service).receive(datagram, CLIENT, NOW, UTC)
    assert len(out) == served
    assert all(reply.endswith(b"\n\n") and reply.count(b"\n\n") == 1 for reply in out)


@given(replies() | datagrams | request_streams)
def test_a_server_never_answers_a_reply(data: bytes) -> None:
    """UDP-3: neither what a peer may send as one, nor any that a server makes."""
    made = [*ERROR_REPLIES.values()]
    for service in SERVICES:
        made += an_endpoint(service).receive(data, CLIENT, NOW, UTC)
        made += split_replies(a_session(service).receive(data + b"\n", NOW, UTC))
    for reply in [*made, b"OK " + data, b"ERR\n" + data, b"TICK" + data, b"CHALLENGE\r\n" + data]:
        for service in SERVICES:
            assert an_endpoint(service).receive(reply, CLIENT, NOW, UTC) == []


@given(names)
def test_a_server_never_answers_what_it_sends_to_a_subscriber(name: str) -> None:
    """UDP-3."""
    endpoint = an_endpoint("time")
    token, out = subscribe(endpoint, name)
    for reply in [
        *out,
        build_reply("CHALLENGE", ("token", token)),
        *(tick for tick, _ in endpoint.wake(NOW + 3, UTC + 3)),
    ]:
        for service in SERVICES:
            assert an_endpoint(service).receive(reply, CLIENT, NOW, UTC) == []


def test_echo_announces_whom_it_hears() -> None:
    """SRV-4, SRV-6: connected once, left after the idle timeout."""
    announced: list[str] = []
    endpoint = an_endpoint("echo", announced, idle_timeout=10.0)
    assert endpoint.deadline is None
    endpoint.receive(b"FOO", THIRD, NOW, UTC)
    assert announced == [] and endpoint.deadline is None, "what gets silence starts nothing"
    endpoint.receive(b"ECHO a", CLIENT, NOW, UTC)
    endpoint.receive(b"ECHO \xff", THIRD, NOW + 1, UTC)
    endpoint.receive(b"ECHO b", CLIENT, NOW + 5, UTC)
    assert announced == ["client 127.0.0.1:50312 connected", "client [::1]:50312 connected"]
    assert endpoint.deadline == NOW + 11
    assert endpoint.wake(NOW + 10.5, UTC) == [] and len(announced) == 2
    assert endpoint.wake(NOW + 11, UTC) == []
    assert announced[2:] == ["client [::1]:50312 left"]
    assert endpoint.deadline == NOW + 15
    endpoint.wake(NOW + 100, UTC)
    assert announced[3:] == ["client 127.0.0.1:50312 left"]
    assert endpoint.deadline is None
    endpoint.receive(b"ECHO a", CLIENT, NOW + 101, UTC)
    assert announced[4:] == ["client 127.0.0.1:50312 connected"]


def test_echo_forgets_the_longest_silent_for_a_new_one() -> None:
    """SRV-6: the limit of clients bounds what it remembers, not whom it serves."""
    announced: list[str] = []
    endpoint = an_endpoint("echo", announced, max_clients=2)
    for seconds, address in enumerate([CLIENT, OTHER, CLIENT, THIRD]):
        assert len(endpoint.receive(b"ECHO a", address, NOW + seconds, UTC)) == 1
    assert announced == [
        "client 127.0.0.1:50312 connected",
        "client 127.0.0.1:50313 connected",
        "client 127.0.0.1:50313 left",
        "client [::1]:50312 connected",
    ]


def test_echo_says_little_of_a_flood_of_addresses() -> None:
    """SRV-6: each is answered, and one that stays is announced when the flood is over."""
    announced: list[str] = []
    endpoint = an_endpoint("echo", announced, max_clients=2)
    for number in range(20000):
        assert (
            len(endpoint.receive(b"ECHO a", (f"127.1.{number // 250}.1", number % 250), NOW + number / 1e4, UTC)) == 1
        )
    assert len(announced) == pytest.approx(2 + 2 * (REPLACED_AT_ONCE + 2 * REPLACED_A_SECOND), abs=4)
    endpoint.receive(b"ECHO a", CLIENT, NOW + 3, UTC)
    assert announced[-1] == "client 127.0.0.1:50312 connected"


def test_a_quiet_echo_server_keeps_nothing() -> None:
    """SRV-7."""
    endpoint = an_endpoint("echo")
    assert len(endpoint.receive(b"ECHO a", CLIENT, NOW, UTC)) == 1
    assert endpoint.deadline is None
    assert endpoint.wake(NOW + 1000, UTC) == []


def test_a_stranger_is_challenged_and_leaves_no_state() -> None:
    """LEASE-1, LEASE-7."""
    announced: list[str] = []
    endpoint = an_endpoint("time", announced)
    for field in ("", "\ntoken: ", "\ntoken: abc", "\ntoken: токен", "\ntokens: abc\nx: y"):
        token_of(endpoint.receive(f"TIME Анна{field}".encode(), CLIENT, NOW, UTC))
    assert endpoint.deadline is None and announced == []
    assert endpoint.wake(NOW + 3, UTC) == []


def test_a_proof_starts_the_subscription() -> None:
    """LEASE-1, TIME-2, TIME-5, SRV-5, SRV-6."""
    announced: list[str] = []
    endpoint = an_endpoint("time", announced)
    token, out = subscribe(endpoint, "Анна")
    assert out == [LEASED, tick("Анна", 1)]
    assert endpoint.wake(NOW + 2.5, UTC + 2.5) == []
    assert endpoint.wake(NOW + 3, UTC + 3) == [(tick("Анна", 2, 3), CLIENT)]
    assert endpoint.receive(f"TIME Борис\ntoken: {token}".encode(), CLIENT, NOW + 4, UTC) == [
        LEASED.replace("Анна".encode(), "Борис".encode())
    ]
    assert endpoint.wake(NOW + 10.5, UTC + 10.5) == [(tick("Борис", 4, 10.5), CLIENT)], "no burst"
    assert endpoint.wake(NOW + 16, UTC + 16) == [], "the lease has run out"
    assert endpoint.deadline is None
    assert announced == [
        "client Анна (127.0.0.1:50312) connected",
        "client Анна (127.0.0.1:50312) is now Борис",
        "client Борис (127.0.0.1:50312) left",
    ]


def test_no_tick_at_the_very_end_of_the_lease() -> None:
    """LEASE-8, LEASE-9: four intervals, so four ticks."""
    endpoint = an_endpoint("time")
    subscribe(endpoint, "Анна")
    sent = [endpoint.wake(NOW + seconds, UTC + seconds) for seconds in (3, 6, 9, 12, 15)]
    assert sent == [*([(tick("Анна", n, 3 * n - 3), CLIENT)] for n in (2, 3, 4)), [], []]


def test_a_lease_renewed_in_its_last_interval() -> None:
    """LEASE-8: its end was due before the next tick, and no longer is."""
    endpoint = an_endpoint("time")
    token, _ = subscribe(endpoint, "Анна")
    renewal = f"TIME Анна\ntoken: {token}".encode()
    assert endpoint.receive(renewal, CLIENT, NOW + 1, UTC) == [LEASED]
    assert endpoint.wake(NOW + 12, UTC + 12) == [(tick("Анна", 5, 12), CLIENT)]
    assert endpoint.deadline == NOW + 13
    assert endpoint.receive(renewal, CLIENT, NOW + 12.5, UTC) == [LEASED]
    assert endpoint.wake(NOW + 13, UTC + 13) == []
    assert endpoint.deadline == NOW + 15
    assert endpoint.wake(NOW + 15, UTC + 15) == [(tick("Анна", 6, 15), CLIENT)]


def test_a_lease_that_has_run_out_starts_anew_without_a_wake_between() -> None:
    """LEASE-11."""
    announced: list[str] = []
    endpoint = an_endpoint("time", announced)
    token, _ = subscribe(endpoint, "Анна")
    out = endpoint.receive(f"TIME Анна\ntoken: {token}".encode(), CLIENT, NOW + 12, UTC)
    assert out == [LEASED, tick("Анна", 1)]
    assert [line.rpartition(" ")[2] for line in announced] == ["connected", "left", "connected"]
    assert endpoint.wake(NOW + 15, UTC + 15) == [(tick("Анна", 2, 15), CLIENT)]


def test_errors_and_challenges_leave_the_subscription() -> None:
    """TIME-14, LEASE-10."""
    endpoint = an_endpoint("time")
    token, _ = subscribe(endpoint, "Анна")
    for request in (
        f"TIME\ntoken: {token}",
        f"TIME Борис\ntoken: {token}\nno field",
        "TIME Борис",
        "TIME Борис\ntoken: 0",
    ):
        (reply,) = endpoint.receive(request.encode(), CLIENT, NOW + 1, UTC)
        assert code_of(reply) in ("bad-name", "bad-request", "CHALLENGE")
    assert endpoint.wake(NOW + 3, UTC + 3) == [(tick("Анна", 2, 3), CLIENT)]
    assert endpoint.wake(NOW + 12, UTC + 12) == [], "nor is the lease renewed"


def test_the_first_of_two_tokens_counts() -> None:
    """REQ-6."""
    endpoint = an_endpoint("time")
    token = token_of(endpoint.receive(b"TIME a", CLIENT, NOW, UTC))
    (reply,) = endpoint.receive(f"TIME a\ntoken: 0\ntoken: {token}".encode(), CLIENT, NOW, UTC)
    assert code_of(reply) == "CHALLENGE"
    assert len(endpoint.receive(f"TIME a\ntoken: {token}\ntoken: 0".encode(), CLIENT, NOW, UTC)) == 2


def test_busy() -> None:
    """ERR-11: to a client that has proved itself and would start, not to strangers, nor to subscribers."""
    endpoint = an_endpoint("time", max_clients=1)
    token, _ = subscribe(endpoint, "Анна")
    assert subscribe(endpoint, "Борис", OTHER)[1] == [ERROR_REPLIES["busy"]]
    assert endpoint.receive(f"TIME Анна\ntoken: {token}".encode(), CLIENT, NOW, UTC) == [LEASED]


def test_a_lease_that_has_run_out_takes_no_place() -> None:
    """ERR-11, LEASE-9: whether the timer has rung yet or not."""
    endpoint = an_endpoint("time", max_clients=1)
    subscribe(endpoint, "Анна")
    assert subscribe(endpoint, "Борис", OTHER, NOW + 11)[1] == [ERROR_REPLIES["busy"]]
    assert len(subscribe(endpoint, "Борис", OTHER, NOW + 12)[1]) == 2
    assert endpoint.wake(NOW + 15, UTC + 15) == [(tick("Борис", 2, 15), OTHER)]


def test_a_refusal_costs_the_same_however_many_are_subscribed() -> None:
    """ERR-11: of the leases only the one that ends first is looked at: the one not renewed for longest."""
    endpoint = an_endpoint("time", max_clients=3)
    tokens = [subscribe(endpoint, "a", (CLIENT[0], port), NOW + port)[0] for port in range(3)]
    endpoint.receive(f"TIME a\ntoken: {tokens[0]}".encode(), (CLIENT[0], 0), NOW + 4, UTC)
    assert isinstance(endpoint, TimeEndpoint)
    looked_at: list[object] = []

    class Lease(float):
        def __le__(self, other: object) -> bool:
            looked_at.append(self)
            return float(self) <= float(other)  # type: ignore[arg-type]

    for held in endpoint._subscriptions.values():
        held.lease_end = Lease(held.lease_end)
    assert subscribe(endpoint, "b", OTHER, NOW + 5)[1] == [ERROR_REPLIES["busy"]]
    assert looked_at == [NOW + 1 + 12]
    assert len(subscribe(endpoint, "b", OTHER, NOW + 13)[1]) == 2
    assert looked_at == [NOW + 13, NOW + 13, NOW + 14]


def test_many_clients_each_have_their_name_and_schedule() -> None:
    """TIME-15."""
    endpoint = an_endpoint("time")
    for number in range(8):
        subscribe(endpoint, f"n{number}", ("127.0.0.1", number), NOW + number / 4)
    sent = [endpoint.wake(NOW + 3 + eighth / 8, UTC + 3 + eighth / 8) for eighth in range(16)]
    assert sent == [
        [] if eighth % 2 else [(tick(f"n{eighth // 2}", 2, 3 + eighth / 8), ("127.0.0.1", eighth // 2))]
        for eighth in range(16)
    ]


def test_a_name_is_shown_without_what_could_forge_a_line() -> None:
    """SRV-14."""
    announced: list[str] = []
    endpoint = an_endpoint("time", announced)
    token, _ = subscribe(endpoint, "a\u2028b\u202e")
    endpoint.receive(f"TIME c\ntoken: {token}".encode(), CLIENT, NOW, UTC)
    endpoint.receive(f"TIME \u200f\ntoken: {token}".encode(), CLIENT, NOW, UTC)
    assert announced == [
        "client a\\u2028b\\u202e (127.0.0.1:50312) connected",
        "client a\\u2028b\\u202e (127.0.0.1:50312) is now c",
        "client c (127.0.0.1:50312) is now \\u200f",
    ]


def test_the_interval_of_the_options_counts() -> None:
    """TIME-2, LEASE-8."""
    endpoint = an_endpoint("time", interval=Decimal("0.250"))
    _, (leased, _) = subscribe(endpoint, "a")
    assert leased == b"OK\nname: a\ninterval: 0.25\nlease: 1\n\n"
    assert endpoint.wake(NOW + 0.25, UTC) == [(tick("a", 2), CLIENT)]


@pytest.mark.parametrize("quiet", [False, True])
def test_open_endpoint(quiet: bool) -> None:
    """SRV-7."""
    announced: list[str] = []
    endpoint = open_endpoint(server_options("echo", quiet=quiet), SECRET, announced.append)
    assert isinstance(endpoint, EchoEndpoint)
    endpoint.receive(b"ECHO a", CLIENT, NOW, UTC)
    endpoint = open_endpoint(server_options("time", quiet=quiet), SECRET, announced.append)
    assert isinstance(endpoint, TimeEndpoint)
    subscribe(endpoint, "a")
    assert len(announced) == (0 if quiet else 2)


@given(st.sampled_from(SERVICES), st.lists(st.tuples(datagrams, st.integers(0, 2), st.floats(0, 20)), max_size=8))
def test_an_endpoint_never_raises(service: str, events: list[tuple[bytes, int, float]]) -> None:
    """LOAD-3: whatever comes from whom, whenever it is woken; a subscriber is there to be disturbed."""
    endpoint, now = an_endpoint(service, [], max_clients=2, idle_timeout=10.0), NOW
    if service == "time":
        subscribe(endpoint, "Анна")
    for datagram, client, wait in events:
        now += wait
        out = endpoint.receive(datagram, (CLIENT, OTHER, THIRD)[client], now, UTC)
        out += [reply for reply, _ in endpoint.wake(now, UTC)]
        assert endpoint.deadline is None or endpoint.deadline > now
        for reply in out:
            parse_reply(reply)
            assert parse_datagram(reply, TimeEndpoint.handlers) is None
