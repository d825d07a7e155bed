"""What happens on Windows alone, made to happen here."""

import socket
from types import SimpleNamespace
from typing import Any

import pytest

import impl_raw.udp_server
import impl_socketserver.tcp_server
import impl_socketserver.udp_server
import impl_with.udp_server
from spec.codec import RECEIVE_BUFFER_BYTES
from spec.options import ServerOptions
from spec.program import clients
from spec.tests.support import an_endpoint, client_options

UNREACHED = [
    ConnectionResetError(10054, "An existing connection was forcibly closed by the remote host"),
    OSError(10052, "The network dropped the connection on reset"),
]
"""What recvfrom() raises when an earlier reply has found no one at its port, or was too long on its way."""


class Socket:
    """One whose client a reply has not reached."""

    def __init__(self, error: OSError) -> None:
        self._error = error

    def recvfrom(self, *_: object) -> object:
        raise self._error


@pytest.mark.parametrize("error", UNREACHED)
@pytest.mark.parametrize("answer", [impl_raw.udp_server.answer, impl_with.udp_server.answer])
def test_a_client_that_a_reply_has_not_reached(answer: Any, error: OSError) -> None:
    """LOAD-3; SRV-9: what has arrived after that is still answered."""
    assert answer(Socket(error), an_endpoint("echo")) is True


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


@pytest.mark.parametrize("error", UNREACHED)
def test_the_same_on_socketserver(
    error: OSError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """LOAD-3, SRV-13."""
    options = ServerOptions("echo", "udp")
    with impl_socketserver.udp_server.Server(options) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        client.settimeout(20)
        monkeypatch.setattr(server, "get_request", Socket(error).recvfrom)
        server.process_request((b"ECHO a", server.socket), client.getsockname())
        client.sendto(b"ECHO b", server.server_address)
        server.handle_request()
        assert client.recv(100).startswith(b"OK\n")
        assert capsys.readouterr().err == ""


class SocketOfWindows:
    """One that takes no longer timeout than there: 2**31 - 1 milliseconds; its client takes nothing at first."""

    def __init__(self) -> None:
        self.is_full = True

    def settimeout(self, seconds: float) -> None:
        if seconds * 1000 >= 2**31:
            raise OverflowError("timeout doesn't fit into C timeval")

    def send(self, data: memoryview) -> int:
        if self.is_full:
            self.is_full = False
            raise BlockingIOError
        return len(data)


def test_an_idle_timeout_longer_than_a_socket_can_wait() -> None:
    handler: Any = object.__new__(impl_socketserver.tcp_server.Handler)
    handler.request = SocketOfWindows()
    handler.server = SimpleNamespace(options=ServerOptions("echo", "tcp", idle_timeout=999_999_999))
    handler.session = SimpleNamespace(sent=lambda now: None)
    handler.send(b"OK\n")
    assert not handler.request.is_full


def test_a_timeout_longer_than_a_socket_can_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLI-7."""
    monkeypatch.setattr(clients, "stop_on_signal", lambda: None)

    def connect(place: str, seconds: float, run: clients.ClientRun) -> int:
        SocketOfWindows().settimeout(seconds)
        return 0

    assert clients.run_client(client_options("echo", text="hi", timeout=999_999_999), lambda: ["a"], connect) == 0
