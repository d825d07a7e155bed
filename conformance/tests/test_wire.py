"""The judge's sockets: a stream is cut into replies, and each other observation has its own exception."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socket import SOCK_DGRAM

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.as_client import shrinking
from conformance.as_client.conversation import Subscription
from conformance.as_client.exchange import (
    EVENT_BYTES,
    FIRST_BYTES,
    FIRST_EVENTS,
    LAST_BYTES,
    LAST_EVENTS,
    Exchange,
)
from conformance.as_client.observed import Ended, Malformed, Reply, Reset, Silence
from conformance.as_client.peers import TcpPeer, UdpPeer
from conformance.as_client.queues import queues_of
from conformance.as_server import scripted
from conformance.as_server.adversary import played
from conformance.as_server.misbehaviours import Scenario
from conformance.as_server.scripted import ScriptedTcp, ScriptedUdp
from conformance.blame import blamed
from conformance.running.cases import EVIDENCE, dump_exchanges, load_exchange
from conformance.targets.discovery import BUNDLED


@pytest.fixture
def tcp() -> Iterator[tuple[TcpPeer, socket.socket]]:
    """A peer, and the server's side of its connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener, TcpPeer(listener.getsockname()) as peer:
        connection, _ = listener.accept()
        with closing(connection):
            yield peer, connection


def test_replies_are_cut_at_empty_lines(tcp: tuple[TcpPeer, socket.socket]) -> None:
    peer, server = tcp
    server.sendall(b"OK\nmessage: \n\nERR\ncode: x\n\nTI")
    assert [peer.reply().raw, peer.reply().raw] == [b"OK\nmessage: \n\n", b"ERR\ncode: x\n\n"]
    assert peer.pending() == b"TI"
    server.sendall(b"CK\n\nrest")
    server.shutdown(socket.SHUT_WR)
    assert peer.reply().raw == b"TICK\n\n"
    assert peer.rest() == b"rest"


def test_observations(tcp: tuple[TcpPeer, socket.socket]) -> None:
    peer, server = tcp
    with pytest.raises(Silence):
        peer.reply(within=0.01)
    server.sendall(b"OK\n")
    server.shutdown(socket.SHUT_WR)
    with pytest.raises(Ended, match="OK"):
        peer.reply()


def test_a_reset_is_no_end(tcp: tuple[TcpPeer, socket.socket]) -> None:
    peer, server = tcp
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server.close()
    with pytest.raises(Reset):
        peer.rest()


def test_nobody_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(Reset):
            TcpPeer(unused.getsockname())
    with UdpPeer(("127.0.0.1", 1)) as peer, pytest.raises(Reset):
        peer.ask(b"ECHO")


def test_a_reply_without_end_is_not_kept(tcp: tuple[TcpPeer, socket.socket]) -> None:
    peer, server = tcp

    def send() -> None:
        with contextlib.suppress(OSError):
            while True:
                server.sendall(b"x" * (1 << 16))

    thread = threading.Thread(target=send)
    thread.start()
    with pytest.raises(Malformed, match="no reply ends within 1048576 bytes: 'xxx"):
        peer.reply()
    peer.close()
    thread.join()


def test_flood_stops_when_nothing_is_taken(tcp: tuple[TcpPeer, socket.socket]) -> None:
    peer, server = tcp
    data = bytes(range(251))
    sent = peer.flood(data, 1 << 26)
    assert 0 < sent < 1 << 26
    server.settimeout(10)
    taken = 0
    while taken < sent:
        came = server.recv(1 << 20)
        assert came == (data * (len(came) // len(data) + 2))[taken % len(data) :][: len(came)]
        taken += len(came)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="this system does not tell what its sockets hold")
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_what_the_kernel_holds(family: int) -> None:
    """Of a server at an IPv4 address, and of one at ``::`` that serves IPv4 too."""
    dual = family == socket.AF_INET6
    with (
        socket.create_server(("", 0), family=family, dualstack_ipv6=dual) as listener,
        TcpPeer(("127.0.0.1", listener.getsockname()[1])) as peer,
        closing(listener.accept()[0]) as server,
    ):
        address = "127.0.0.1", listener.getsockname()[1]
        assert queues_of(address, peer.address) == (0, 0)
        peer.send(b"ab" * 50)
        assert server.recv(100, socket.MSG_PEEK | socket.MSG_WAITALL) == b"ab" * 50
        server.recv(40)
        assert queues_of(address, peer.address) == (60, 0)
        sent = 0
        server.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                sent += server.send(bytes(1 << 14))
        there, here = queues_of(address, peer.address), queues_of(peer.address, address)  # bytes go from there to here
        assert there and here and there.unacknowledged + here.unread >= sent > there.unacknowledged
    assert queues_of(("127.0.0.1", 1), ("127.0.0.1", 2)) is None


def test_an_empty_datagram_is_a_reply() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        with UdpPeer(server.getsockname()) as peer:
            server.sendto(b"", peer.address)
            assert peer.reply().raw == b""


def test_a_tick_for_who_had_the_port_before_is_no_request() -> None:
    """A reply that comes from a client, as what it sends after its request, is one."""
    tick, request = b"TICK\nname: x\ntime: 2026-01-31T12:00:00.000Z\nseq: 3\n\n", b"ECHO x"
    with (
        ScriptedUdp() as server,
        UdpPeer(server.socket.getsockname()) as client,
        socket.socket(type=SOCK_DGRAM) as other,
    ):
        other.sendto(tick, server.socket.getsockname())
        for data in request, tick:
            client.send(data)
        assert [server.request().data, server.request().data] == [request, tick]


def test_nor_does_an_adversary_wait_for_one() -> None:
    with (
        played(Scenario("echo", "udp", ("a",), 0)) as server,
        UdpPeer(server.socket.getsockname()) as client,
        socket.socket(type=SOCK_DGRAM) as other,
    ):
        other.sendto(b"TICK\nname: x\n\n", server.socket.getsockname())
        assert client.ask(b"ECHO a\n").status == "OK"


def test_of_a_client_that_sends_on_and_on_little_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripted, "ENOUGH_REQUESTS", 2)
    monkeypatch.setattr(scripted, "KEPT_BYTES", 3)
    with ScriptedTcp() as server, TcpPeer(server.socket.getsockname()) as client:
        client.send(b"a\nb\nc\ndddd")
        server.wait_for(lambda: server.incomplete == b"ddd", "line")
        assert [request.data for request in server.requests] == [b"a\n", b"b\n"]


def test_a_client_that_sends_on_and_on_is_read_no_more() -> None:
    with ScriptedTcp() as server, TcpPeer(server.socket.getsockname()) as client:
        sent = client.flood(b"x" * 65536, 64 << 20)
        assert sent < 64 << 20
        with pytest.raises(AssertionError, match="sends on and on: 0 requests"):
            server.request()
        with pytest.raises(AssertionError, match="sends on and on"):
            server.wait_closed()
        server.reset()


def test_datagrams_on_and_on_are_read_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripted, "ENOUGH_BYTES", 5)
    with ScriptedUdp() as server, UdpPeer(server.socket.getsockname()) as client:
        for data in b"ECHO a", b"ECHO b":
            client.send(data)
        assert server.request().data == b"ECHO a"
        with pytest.raises(AssertionError, match="sends on and on: 1 requests, 6 bytes"):
            server.request()


def test_connections_on_and_on_are_accepted_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripted, "ENOUGH_CONNECTIONS", 1)
    with ScriptedTcp() as server, TcpPeer(server.socket.getsockname()), TcpPeer(server.socket.getsockname()):
        with pytest.raises(AssertionError, match="sends on and on"):
            server.request()
        assert server.connections == 1


def test_the_exchange_is_shown(tcp: tuple[TcpPeer, socket.socket]) -> None:
    peer, server = tcp
    server.sendall("OK\nmessage: я\n\n".encode())
    peer.ask("ECHO я".encode())
    shown = peer.exchange.show(hexadecimal=True).splitlines()
    assert shown[1].endswith(r"C 8 bytes: 'ECHO я\n'") and shown[2].endswith("45 43 48 4f 20 d1 8f 0a")
    assert shown[3].endswith(r"S 16 bytes: 'OK\nmessage: я\n\n'")
    times = [event.at for event in peer.exchange.events]
    assert times == sorted(times)


def test_a_long_exchange_is_kept_in_part() -> None:
    """Its beginning and its end, and how much there was between."""
    exchange = Exchange("long", "tcp", ("127.0.0.1", 1), ("127.0.0.1", 2))
    for number in range(100_000):
        exchange.add("S", b"%06d" % number)
    events = exchange.events
    left_out = 100_000 - FIRST_EVENTS - LAST_EVENTS
    assert [event.data for event in (events[0], events[FIRST_EVENTS - 1])] == [b"000000", b"%06d" % (FIRST_EVENTS - 1)]
    note = f"{left_out} events, {6 * left_out} bytes, are left out here"
    assert (events[FIRST_EVENTS].data, events[FIRST_EVENTS].note) == (b"", note)
    assert len(events) == FIRST_EVENTS + 1 + LAST_EVENTS and events[-1].data == b"099999"


def test_of_large_events_little_is_kept() -> None:
    exchange = Exchange("large", "tcp", ("127.0.0.1", 1), ("127.0.0.1", 2))
    for _ in range(100):
        exchange.add("S", b"x" * 1_000_000)
    assert sum(len(event.data) for event in exchange.events) <= FIRST_BYTES + LAST_BYTES
    assert exchange.events[-1].note == f"1000000 bytes, of which the first {EVENT_BYTES} are kept"
    assert "1000000 bytes, of which" in exchange.show(1) and "xxx" in exchange.show(1)


@pytest.mark.parametrize("size", [6, 5_000, 1_000_000])
def test_little_is_stored_of_much(size: int) -> None:
    """The evidence of one case; of several exchanges each has its part, and the small ones are whole."""
    exchanges = [Exchange(str(number), "tcp", ("127.0.0.1", 1), ("127.0.0.1", 2)) for number in range(8)]
    for exchange in exchanges[1:]:
        for _ in range(3000):
            exchange.add("S", b"x" * size)
        exchange.add("C", b"the end")
    exchanges[0].add("C", b"small")
    stored = dump_exchanges(exchanges)
    assert len(json.dumps(stored)) < EVIDENCE * 1.1
    assert [event["hex"] for event in stored[0]["events"]] == [b"small".hex()]
    for whole, exchange in zip(stored[1:], exchanges[1:], strict=True):
        assert len(whole["events"]) >= 3 and whole["events"][-1]["hex"] == b"the end".hex()
        assert any("left out of this file" in event["note"] for event in whole["events"])
        again = load_exchange(whole)
        assert [event.data.hex() for event in again.events] == [event["hex"] for event in whole["events"]]
        assert again.events[-1].at == pytest.approx(exchange.events[-1].at - exchange.start, abs=1e-5)


def test_a_little_exchange_is_stored_whole() -> None:
    exchange = Exchange("little", "tcp", ("127.0.0.1", 1), ("127.0.0.1", 2))
    exchange.add("C", b"x" * 20_000, at=exchange.start)
    exchange.add("S", b"", "reset", at=exchange.start + 1)
    (whole,) = dump_exchanges([exchange])
    assert whole["events"] == [
        {"at": 0.0, "from": "C", "hex": "78" * 20_000, "note": ""},
        {"at": 1.0, "from": "S", "hex": "", "note": "reset"},
    ]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"OK",
        b"OK\n",
        b"OK\n\n\n",
        b"ok\n\n",
        b"OK\r\n\r\n",
        b"OK\nX: y\n\n",
        b"OK\nx:y\n\n",
        b"OK\nx: \xff\n\n",
        b"HI\n\n",
    ],
)
def test_malformed_replies(raw: bytes) -> None:
    with pytest.raises(Malformed):
        Reply(raw, 0.0).parse()


def test_the_first_of_several_fields_counts() -> None:
    assert Reply(b"OK\nb: 1\na: \nb: 2\n\n", 0.0).parse() == ("OK", {"b": "1", "a": ""})


def test_shrinking_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis lets TimeIsUp through; the first failure is kept."""
    monkeypatch.setattr(shrinking, "SHRINKING", 0)
    shrinking.begin_check()
    tried = []

    @given(st.integers(5, 1000))
    def check(number: int) -> None:
        shrinking.begin_example()
        tried.append(number)
        try:
            assert number == 0
        except AssertionError as error:
            shrinking.keep_failure(error, {"number": number})
            raise

    with pytest.raises(shrinking.TimeIsUp):
        check()
    assert len(tried) == 1 and vars(shrinking.smallest_failure())["inputs"] == {"number": tried[0]}


def test_a_server_that_does_not_heed_its_interval_is_told_so() -> None:
    with BUNDLED["raw"].server("time", "tcp", "--interval", "5") as server, TcpPeer(server.address) as peer:
        assert Subscription(peer, "Анна").interval == 5
    with BUNDLED["raw"].server("time", "tcp", "--interval", "5") as server, TcpPeer(server.address) as peer:
        server._options = "--interval", "0.15"
        with pytest.raises(AssertionError, match=r"the interval is '5'; expected '0\.15' \(does it heed") as failed:
            Subscription(peer, "Анна")
    assert blamed(failed.value) == "TIME-3"
    with BUNDLED["raw"].server("time", "tcp", "--interval", "5") as server, TcpPeer(server.address) as peer:
        server._options = "--interval", "5.0000001"
        with pytest.raises(AssertionError, match=r"expected '5\.0000001' \(is it rounded\?\)"):
            Subscription(peer, "Анна")


def test_a_peer_knows_the_server_at_its_address() -> None:
    """Then it waits for none that has ended, and longer for one that gets no processor."""
    with BUNDLED["raw"].server("echo", "tcp") as server:
        with TcpPeer(server.address) as peer:
            assert peer.server is server
        with BUNDLED["raw"].server("echo", "udp") as other, UdpPeer(other.address) as peer:
            assert peer.server is other
    with socket.create_server(("127.0.0.1", 0)) as listener, TcpPeer(listener.getsockname()) as peer:
        assert peer.server is None


def test_a_peer_that_outlives_a_server_knows_the_next_one() -> None:
    with BUNDLED["raw"].server("echo", "udp") as server:
        peer = UdpPeer(server.address)
    with peer, BUNDLED["raw"].server("echo", "udp", "--port", str(server.port)) as other:
        assert peer.server is other


def test_a_peer_does_not_know_which_server_of_a_shared_port_answers() -> None:
    with BUNDLED["raw"].server("echo", "udp", "--reuse-port") as server, UdpPeer(server.address) as peer:
        assert peer.server is None
