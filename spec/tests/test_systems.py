"""What happens on Windows alone, made to happen here."""

import socket
from typing import Any

import pytest

import impl_raw.udp_server
import impl_socketserver.udp_server
import impl_with.udp_server
from spec.codec import RECEIVE_BUFFER_BYTES
from spec.options import ServerOptions
from spec.tests.support import an_endpoint

GONE = ConnectionResetError(10054, "An existing connection was forcibly closed by the remote host")
"""What recvfrom() raises when an earlier reply has found no one at its port."""


class Socket:
    """One whose client has gone."""

    def recvfrom(self, *_: object) -> object:
        raise GONE


@pytest.mark.parametrize("answer", [impl_raw.udp_server.answer, impl_with.udp_server.answer])
def test_a_client_that_is_gone_when_its_reply_comes(answer: Any) -> None:
    """LOAD-3; SRV-9: what has arrived after that is still answered."""
    assert answer(Socket(), an_endpoint("echo")) is True


def test_a_udp_server_has_a_large_buffer() -> None:
    """It asks for as much as another socket gets that asks for it."""
    options = ServerOptions("time", "udp")
    with socket.socket(type=socket.SOCK_DGRAM) as small, socket.socket(type=socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        usual, large = (sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) for sock in (small, other))
    assert usual < large
    for bind in impl_raw.udp_server.bind, impl_with.udp_server.bind:
        with bind(options) as sock:
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == large
    with impl_socketserver.udp_server.Server(options) as server:
        assert server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == large


def test_the_same_on_socketserver(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """LOAD-3, SRV-13."""
    options = ServerOptions("echo", "udp")
    with impl_socketserver.udp_server.Server(options) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        client.settimeout(20)
        monkeypatch.setattr(server, "get_request", Socket().recvfrom)
        server.process_request((b"ECHO a", server.socket), client.getsockname())
        client.sendto(b"ECHO b", server.server_address)
        server.handle_request()
        assert client.recv(100).startswith(b"OK\n")
        assert capsys.readouterr().err == ""
