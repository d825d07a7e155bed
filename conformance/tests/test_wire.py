"""The judge's sockets: a stream is cut into replies, and each other observation has its own exception."""

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.as_client import shrinking
from conformance.as_client.peers import Ended, Malformed, Reply, Reset, Silence, TcpPeer, UdpPeer


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


def test_flood_stops_when_nothing_is_taken(tcp: tuple[TcpPeer, socket.socket]) -> None:
    peer, server = tcp
    sent = peer.flood(b"ab", 1 << 26)
    assert 0 < sent < 1 << 26
    server.settimeout(10)
    taken = 0
    while taken < sent:
        data = server.recv(1 << 20)
        assert data == (b"ab" * len(data))[taken % 2 :][: len(data)]
        taken += len(data)


def test_an_empty_datagram_is_a_reply() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        with UdpPeer(server.getsockname()) as peer:
            server.sendto(b"", peer.address)
            assert peer.reply().raw == b""


def test_the_exchange_is_shown(tcp: tuple[TcpPeer, socket.socket]) -> None:
    peer, server = tcp
    server.sendall("OK\nmessage: я\n\n".encode())
    peer.ask("ECHO я".encode())
    shown = peer.exchange.show().splitlines()
    assert shown[1].endswith(r"C 8 bytes: 'ECHO я\n'") and shown[2].endswith("45 43 48 4f 20 d1 8f 0a")
    assert shown[3].endswith(r"S 16 bytes: 'OK\nmessage: я\n\n'")
    times = [event.at for event in peer.exchange.events]
    assert times == sorted(times)


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
