"""The relay does what its schedule says, each time the same, and records it; the strategies draw everything."""

import errno
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TypeVar

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis.strategies import SearchStrategy

from conformance.as_client.observed import Reset, Silence
from conformance.as_client.peers import TcpPeer, UdpPeer
from conformance.as_network.relay import Relay, relay
from conformance.as_network.schedules import (
    LOST,
    End,
    Fate,
    Lane,
    Piece,
    Schedule,
    Stream,
    TcpSchedule,
    UdpSchedule,
    tcp_schedules,
    udp_schedules,
)
from conformance.as_server import talk
from conformance.as_server.talk import took
from conformance.clocks import delay
from conformance.targets import host
from conformance.targets.terms import SERVICES, Service

HERE = ("127.0.0.1", 0)


class Udp:
    """A client and a server with a relay between them."""

    def __init__(self, stack: ExitStack, schedule: UdpSchedule) -> None:
        self.server = stack.enter_context(closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        self.server.bind(HERE)
        self.server.settimeout(10)
        self.relay: Relay = stack.enter_context(relay(self.server.getsockname(), schedule))
        self.client = stack.enter_context(UdpPeer((self.relay.host, self.relay.port)))

    def requests(self, *datagrams: bytes) -> list[bytes]:
        """Send these, then a last one that every schedule here passes on; return the datagrams that come before it."""
        for datagram in [*datagrams, b"last"]:
            self.client.send(datagram)
        got = []
        while (datagram := self.server.recv(1 << 16)) != b"last":
            got.append(datagram)
        return got

    def replies(self, *datagrams: bytes) -> list[bytes]:
        """The same in the other direction, after a request."""
        self.client.send(b"hello")
        _, source = self.server.recvfrom(100)
        for datagram in [*datagrams, b"last"]:
            self.server.sendto(datagram, source)
        got = []
        while (reply := self.client.reply().raw) != b"last":
            got.append(reply)
        return got


class Tcp:
    """The same for a connection; the server's side of it is `server`."""

    def __init__(self, stack: ExitStack, schedule: TcpSchedule) -> None:
        with socket.create_server(HERE) as listener:
            self.relay: Relay = stack.enter_context(relay(listener.getsockname(), schedule))
            self.client = stack.enter_context(TcpPeer((self.relay.host, self.relay.port)))
            self.server = stack.enter_context(closing(listener.accept()[0]))
        self.server.settimeout(10)

    def heard(self) -> bytes:
        """Return what the server receives until the end of the stream."""
        data = b""
        while more := self.server.recv(1 << 16):
            data += more
        return data


@contextmanager
def udp(**lanes: Lane) -> Iterator[Udp]:
    with ExitStack() as stack:
        yield Udp(stack, UdpSchedule(**lanes))


@contextmanager
def tcp(**streams: Stream) -> Iterator[Tcp]:
    with ExitStack() as stack:
        yield Tcp(stack, TcpSchedule(**streams))


WORDS = ["раз".encode(), b"", "три".encode(), b"4"]

FATES = [
    ([], [0, 1, 2, 3]),
    ([Fate(), LOST, LOST], [0, 3]),
    ([Fate((0.0, 0.0)), Fate(), Fate((0.0, 0.0, 0.0))], [0, 0, 1, 2, 2, 2, 3]),
    ([Fate(behind=1)], [1, 0, 2, 3]),
    ([Fate(behind=2), Fate(behind=1)], [2, 0, 1, 3]),
    ([Fate((0.0, 0.0), behind=3)], [1, 2, 3, 0, 0]),
]


@pytest.mark.parametrize("direction", ["requests", "replies"])
@pytest.mark.parametrize(("fates", "expected"), FATES)
def test_datagrams_meet_their_fates(direction: str, fates: list[Fate], expected: list[int]) -> None:
    for _ in range(3):
        with udp(**{direction: Lane(tuple(fates))}) as pair:
            got = pair.requests(*WORDS) if direction == "requests" else pair.replies(*WORDS)
        came, went = (tap["C" if direction == "requests" else "S"] for tap in (pair.relay.came, pair.relay.went))
        assert got == [WORDS[number] for number in expected]
        assert came == [*WORDS, b"last"] and went == [*got, b"last"]


def test_a_datagram_is_delayed_and_overtaken() -> None:
    with udp(replies=Lane((Fate((0.2,)), Fate((0.05, 0.1))))) as pair:
        start = time.monotonic()
        assert pair.replies(b"slow", b"faster") == []
        arrived = [pair.client.reply() for _ in range(3)]
    assert [reply.raw for reply in arrived] == [b"faster", b"faster", b"slow"]
    assert all(reply.at - start >= least for reply, least in zip(arrived, [0.05, 0.1, 0.2], strict=True))


def test_a_slow_path_is_measured_and_a_lost_datagram_does_not_count() -> None:
    lane = Lane((Fate(()),), Fate((0.03,)))
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as receiver:
        receiver.bind(HERE)
        with relay(receiver.getsockname(), UdpSchedule(requests=lane)) as slow:
            assert delay(receiver, (slow.host, slow.port)) >= 0.06


@pytest.mark.parametrize(
    ("lane", "orderly"), [(Lane(), True), (Lane((Fate(), LOST)), False), (Lane((Fate(), Fate(behind=1))), False)]
)
def test_a_path_that_loses_or_turns_datagrams_is_seen(lane: Lane, orderly: bool) -> None:
    with ExitStack() as stack:
        sender, receiver = (stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)) for _ in range(2))
        receiver.bind(HERE)
        receiver.settimeout(0.5 if not orderly else 10)
        path = stack.enter_context(relay(receiver.getsockname(), UdpSchedule(requests=lane)))
        assert host._carried(sender, receiver, (path.host, path.port)) == orderly


@pytest.mark.parametrize("lost", [1, 2])
def test_one_lost_datagram_is_an_accident(monkeypatch: pytest.MonkeyPatch, lost: int) -> None:
    carried = iter([True, *[False] * lost, *[True] * host.BURSTS])
    monkeypatch.setattr(host, "_carried", lambda *_: next(carried))
    assert host._loopback_is_orderly.__wrapped__() == (lost == 1)


def test_where_no_socket_is_left_the_loopback_is_not_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> bool:
        raise OSError(errno.EMFILE, "no")

    monkeypatch.setattr(host, "_loopback_is_orderly", fail)
    host.require_datagrams()


def test_a_wait_may_seem_shorter_by_what_the_path_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk, "loopback_delay", lambda: 0.02)
    assert took([0.99], [1])
    assert not took([0.97], [1])


def test_a_lane_goes_dead() -> None:
    with udp(replies=Lane((Fate(),), LOST)) as pair:
        pair.client.send(b"a")
        _, source = pair.server.recvfrom(100)
        for _ in range(3):
            pair.server.sendto(b"b", source)
        assert pair.client.reply().raw == b"b"
        with pytest.raises(Silence):
            pair.client.reply(within=0.1)
    assert pair.relay.came["S"] == [b"b"] * 3 and pair.relay.went["S"] == [b"b"]


def test_another_client_is_not_heard() -> None:
    with udp() as pair:
        assert pair.requests(b"a") == [b"a"]
        with UdpPeer((pair.relay.host, pair.relay.port)) as stranger:
            stranger.send(b"stranger")
            assert pair.requests(b"b") == [b"b"]


def test_nobody_at_the_other_end() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(HERE)
        address = unused.getsockname()
    with relay(address, UdpSchedule()) as between, UdpPeer((between.host, between.port)) as peer:
        peer.send(b"a")
        peer.send(b"b")
        with pytest.raises(Silence):
            peer.reply(within=0.1)
    assert "nobody" in between.exchange.show()


def test_a_transparent_connection() -> None:
    with tcp() as pair:
        pair.client.send(b"ask" * 100000)
        pair.client.half_close()
        assert pair.heard() == b"ask" * 100000
        pair.server.sendall(b"reply" * 100000)
        pair.server.shutdown(socket.SHUT_WR)
        assert pair.client.rest() == b"reply" * 100000
    assert b"".join(pair.relay.went["C"]) == b"".join(pair.relay.came["C"]) == b"ask" * 100000


def test_a_stream_is_cut_and_delayed() -> None:
    stream = "привет".encode()
    for _ in range(3):
        with tcp(requests=Stream((Piece(3, 0.05), Piece(4), Piece(1, 0.05)))) as pair:
            start = time.monotonic()
            pair.client.send(stream)
            got: list[bytes] = []
            while b"".join(got) != stream:
                got.append(pair.server.recv(100))
            took = time.monotonic() - start
            pair.server.sendall(b"whole")
            assert pair.client.socket.recv(100) == b"whole"
        assert pair.relay.went["C"] == [stream[:3], stream[3:7], stream[7:8], stream[8:]]
        assert got[0] == stream[:3] and b"".join(got) == stream and took >= 0.1


def test_an_end_waits_for_what_is_delayed() -> None:
    with tcp(requests=Stream((Piece(2, 0.1),))) as pair:
        pair.client.send(b"abcd")
        pair.client.half_close()
        assert pair.heard() == b"abcd"


def test_a_direction_ends_early() -> None:
    with tcp(requests=Stream(end=End("FIN", 3))) as pair:
        pair.client.send(b"ab")
        pair.client.send(b"cdef")
        assert pair.heard() == b"abc"
        pair.server.sendall(b"but I go on")
        pair.server.shutdown(socket.SHUT_WR)
        assert pair.client.rest() == b"but I go on"
    assert b"".join(pair.relay.came["C"]) == b"abcdef"


@pytest.mark.parametrize("end", [End("RST", 3), None])
def test_a_reset_is_for_both(end: End | None) -> None:
    """By the relay, or by a peer."""
    with tcp(replies=Stream(end=end)) as pair:
        pair.server.sendall(b"abc")
        if end is None:
            assert pair.client.socket.recv(100) == b"abc"
            pair.client.reset()
        else:
            with pytest.raises(Reset):
                pair.client.rest()
        with pytest.raises(ConnectionResetError):
            pair.server.recv(100)
    assert "reset" in pair.relay.exchange.show()


def test_a_failure_shows_what_the_network_did() -> None:
    with udp(requests=Lane((LOST, Fate(behind=1), Fate((0.01,))))) as pair:
        pair.requests(*WORDS)
        assert pair.server.recv(100) == WORDS[2]
    shown = pair.relay.exchange.show(last=60)
    for text in "UdpSchedule(", "number 0 is lost", "number 1 waits", "number 2 goes on after 0.01 s", "'раз'":
        assert text in shown, shown


Drawn = TypeVar("Drawn", bound=Schedule)


def drawn(strategy: SearchStrategy[Drawn]) -> list[Drawn]:
    found: list[Drawn] = []

    @settings(max_examples=400, phases=[Phase.generate])
    @given(strategy)
    def collect(schedule: Drawn) -> None:
        found.append(schedule)

    collect()
    return found


def test_the_simplest_schedules_are_transparent() -> None:
    assert find(tcp_schedules(), lambda _: True) == TcpSchedule()
    assert find(udp_schedules("echo"), lambda _: True) == find(udp_schedules("time"), lambda _: True) == UdpSchedule()


@pytest.mark.parametrize("service", SERVICES)
def test_all_fates_are_drawn_and_few_holes(service: Service) -> None:
    schedules = drawn(udp_schedules(service))
    for lanes, holes in ([one.requests for one in schedules], 1), ([one.replies for one in schedules], 2):
        fates = {fate for lane in lanes for fate in lane.fates}
        assert fates >= {Fate(), LOST, Fate((0.0, 0.0)), Fate((0.12,)), Fate(behind=1)}
        assert {lane.rest for lane in lanes} == {Fate(), LOST}
        assert all(sum(not fate.delays or fate.behind > 0 for fate in lane.fates[:8]) <= holes for lane in lanes)


def test_all_ends_are_drawn_one_at_a_time() -> None:
    schedules = drawn(tcp_schedules())
    ends = [(one.requests.end, one.replies.end) for one in schedules]
    assert all(None in pair for pair in ends) and all(end.after >= 1 for pair in ends for end in pair if end)
    assert {end and end.how for pair in ends for end in pair} == {None, "FIN", "RST"}


def test_an_unexpected_error_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError), udp() as pair:
        monkeypatch.setattr(pair.relay.exchange, "add", lambda *_: 1 / 0)
        pair.client.send(b"a")
        with suppress(Silence):
            pair.client.reply(within=0.1)
