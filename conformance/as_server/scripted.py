"""A scripted server: it answers a client with any bytes, cut anywhere, from another address, or not at all.

The script is a check or an adversary. A thread records what arrives, with its time, whatever the script does meanwhile.
"""

import re
import selectors
import socket
import struct
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from conformance.addresses import OWN_HOST, show_address
from conformance.as_client.exchange import END_OF_STREAM, Exchange, as_text
from conformance.clocks import wall_minus_monotonic
from conformance.targets.interrupts import ATTENTION, raise_if_interrupted
from conformance.targets.terms import Service, Transport
from conformance.timing import PATIENCE

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike
    from typing_extensions import Self

RETRANSMITTED = 0.9
"""Seconds after which the same request may be a retransmission. Only the checks of CLI-13 judge retransmissions."""

ENOUGH_CONNECTIONS, ENOUGH_REQUESTS, ENOUGH_BYTES = 1000, 10_000, 4 << 20
"""A client that has made or sent so many goes on and on. Nothing more is taken from it."""

KEPT_BYTES = 1 << 16
"""So many bytes are kept of a line without its LF."""

_REPLY = re.compile(rb"(OK|ERR|TICK|CHALLENGE)\n.*\n\n", re.DOTALL)

SO_TIMESTAMPNS = 35
"""Linux: the kernel notes when data arrived; the judge's thread may read it much later."""
_TIMESPEC = struct.Struct("@ll")


class Request(NamedTuple):
    """One request of a client."""

    data: bytes
    """A datagram, or a line of a stream with its LF."""
    at: float
    """When it was complete, in seconds of ``time.monotonic``."""
    peer: tuple[str, int]

    def __repr__(self) -> str:
        return as_text(self.data)

    @property
    def lines(self) -> list[bytes]:
        """The lines of the request without their ends, LF or CRLF; over UDP the last one may lack its end."""
        return re.sub(rb"\r?\n", b"\n", self.data).removesuffix(b"\n").split(b"\n")


class ClientLeft(AssertionError):
    """Nothing can be sent: the client has closed its connection."""


class ScriptedServer(ABC):
    """The base of both transports: a record of all bytes, and waiting for them. Use it in a ``with`` block."""

    transport: Transport

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.host: str
        self.port: int
        self.host, self.port = sock.getsockname()[:2]
        title = f"{self.transport.upper()}: the client is C, the judge is S"
        self.exchange = Exchange(title, self.transport, (self.host, 0), (self.host, self.port))
        self._changed = threading.Condition()
        self._requests: list[Request] = []
        self._taken = self._received = 0
        self._selector = selectors.DefaultSelector()
        self._waker, self._wakened = socket.socketpair()
        self._selector.register(self._wakened, selectors.EVENT_READ)
        self._selector.register(sock, selectors.EVENT_READ, self._readable)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _listen(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                with self._changed:
                    key.data(key.fileobj)
                    if self._has_enough():
                        self._read_no_more(key.fileobj)
                    self._changed.notify_all()

    def _has_enough(self) -> bool:
        return self._received > ENOUGH_BYTES or len(self._requests) >= ENOUGH_REQUESTS

    def _read_no_more(self, sock: "FileDescriptorLike") -> None:
        with suppress(KeyError):
            self._selector.unregister(sock)

    @abstractmethod
    def _readable(self, sock: socket.socket) -> None:
        """Take what has arrived on a socket; called with the lock held."""

    def url(self, service: Service) -> str:
        """The URL of this server, as SRV-1 and CLI-1 write it."""
        return f"{service}+{self.transport}://{show_address((self.host, self.port))}"

    @property
    def requests(self) -> list[Request]:
        """All requests so far."""
        with self._changed:
            return list(self._requests)

    @property
    def untaken(self) -> list[Request]:
        """The requests that `request` has not returned yet, without possible retransmissions."""
        requests = self.requests
        return [
            request
            for before, request in list(zip([None, *requests], requests, strict=False))[self._taken :]
            if not (before and before.data == request.data and request.at - before.at > RETRANSMITTED)
        ]

    def request(self, within: float = PATIENCE) -> Request:
        """Return the next request. Raises AssertionError if none comes within so many seconds."""
        self.wait_for(lambda: len(self._requests) > self._taken, "request", within)
        self._taken += 1
        return self._requests[self._taken - 1]

    def wait_for(self, condition: Callable[[], bool], what: str, within: float = PATIENCE) -> None:
        """Wait until the condition holds. Raises AssertionError, which names `what`, after so many seconds.

        So it does at once where the client sends on and on.
        """
        deadline = time.monotonic() + within
        with self._changed:
            while not self._changed.wait_for(
                lambda: condition() or self._has_enough(), min(deadline - time.monotonic(), ATTENTION)
            ):
                raise_if_interrupted()
                assert time.monotonic() < deadline, f"no {what} reached the scripted server within {within:g} s"
            assert condition(), f"the client sends on and on: {len(self._requests)} requests, {self._received} bytes"

    @abstractmethod
    def send(self, *chunks: bytes) -> None:
        """Send each chunk on its own, to the sender of the last request taken (UDP) or on the last connection (TCP)."""

    def close(self) -> None:
        """Stop listening and close all sockets. A second call does nothing. The record stays."""
        self._waker.close()
        self._thread.join()
        self._selector.close()
        self._wakened.close()
        self.socket.close()


class ScriptedUdp(ScriptedServer):
    """A server over UDP."""

    transport: Transport = "udp"

    def __init__(self, host: str = OWN_HOST, port: int = 0) -> None:
        super().__init__(_with_times(_bound(host, port)))

    def _readable(self, sock: socket.socket) -> None:
        data, at, peer = _receive(sock)
        if _REPLY.fullmatch(data) and all(peer != known.peer for known in self._requests):
            return  # of a server, which still has a lease for whoever had this port before
        self.exchange.client = peer[:2]
        at = self.exchange.add("C", data, at=at)
        self._received += len(data)
        self._requests.append(Request(data, at, peer))

    def send(self, *chunks: bytes) -> None:
        self._send(self.socket, chunks)

    def send_from(self, host: str, *chunks: bytes) -> None:
        """Send each chunk from another socket: another port of the same host, or another host."""
        with _bound(host, 0) as stranger:
            self._send(stranger, chunks, f"from {host} port {stranger.getsockname()[1]}")

    def flood(self, chunk: bytes, seconds: float) -> None:
        """Send a chunk again and again for so many seconds, faster than a client reads. It is recorded once."""
        self.exchange.add("S", chunk, f"{as_text(chunk)}, again and again for {seconds:g} s")
        peer, end = self._requests[self._taken - 1].peer, time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(100):
                self.socket.sendto(chunk, peer)

    def _send(self, sock: socket.socket, chunks: Iterable[bytes], note: str = "") -> None:
        for chunk in chunks:
            self.exchange.add("S", chunk, note and f"{as_text(chunk)} {note}")
            sock.sendto(chunk, self._requests[self._taken - 1].peer)


class ScriptedTcp(ScriptedServer):
    """A server over TCP. It sends on the connection that was accepted last, and receives from all."""

    transport: Transport = "tcp"

    def __init__(self, host: str = OWN_HOST, port: int = 0) -> None:
        self._connections: dict[socket.socket, tuple[str, int]] = {}
        self._incomplete: dict[socket.socket, bytes] = {}
        self._closed = 0
        super().__init__(_with_times(socket.create_server((host, port), family=_family(host))))

    def _readable(self, sock: socket.socket) -> None:
        if sock is self.socket:
            connection, peer = sock.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.exchange.client = peer[:2]
            self.exchange.add("C", b"", "connected")
            self._connections[connection] = peer[:2]
            self._incomplete[connection] = b""
            self._selector.register(connection, selectors.EVENT_READ, self._readable)
            return
        try:
            data, at, _ = _receive(sock)
        except ConnectionError:
            data, at = b"", None
        at = self.exchange.add("C", data, "" if data else END_OF_STREAM, at=at)
        if not data:
            self._closed += 1
            self._read_no_more(sock)
            return
        self._received += len(data)
        *lines, rest = (self._incomplete[sock] + data).split(b"\n")
        self._incomplete[sock] = rest[:KEPT_BYTES]
        kept = lines[: ENOUGH_REQUESTS - len(self._requests)]
        self._requests += [Request(line + b"\n", at, self._connections[sock]) for line in kept]

    def _has_enough(self) -> bool:
        return super()._has_enough() or len(self._connections) >= ENOUGH_CONNECTIONS

    @property
    def connections(self) -> int:
        """How many connections were accepted."""
        return len(self._connections)

    @property
    def incomplete(self) -> bytes:
        """The bytes after the last LF, on all connections."""
        return b"".join(self._incomplete.values())

    def send(self, *chunks: bytes) -> None:
        connection = self._connection()
        for chunk in chunks:
            self.exchange.add("S", chunk)
            try:
                connection.sendall(chunk)
            except ConnectionError as error:
                raise ClientLeft(f"the client has closed its connection: {type(error).__name__}") from None

    def finish(self) -> None:
        """Shut down the sending side, so that the client reads an end of stream (FIN)."""
        connection = self._connection()
        self.exchange.add("S", b"", END_OF_STREAM)
        connection.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close the connection with a reset (RST)."""
        connection = self._connection()
        with self._changed:
            self.exchange.add("S", b"", "reset")
            self._read_no_more(connection)
            self._closed += 1
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    def wait_closed(self, within: float = PATIENCE) -> None:
        """Wait until the client has closed all its connections. Raises AssertionError after so many seconds."""
        self.wait_for(lambda: self._closed == len(self._connections), END_OF_STREAM, within)

    def close(self) -> None:
        super().close()
        for connection in self._connections:
            connection.close()

    def _connection(self) -> socket.socket:
        self.wait_for(lambda: bool(self._connections), "connection")
        return list(self._connections)[-1]


def scripted(transport: Transport, host: str = OWN_HOST, port: int = 0) -> ScriptedServer:
    """Return a scripted server on that address; port 0: any free one."""
    return ScriptedUdp(host, port) if transport == "udp" else ScriptedTcp(host, port)


def _with_times(sock: socket.socket) -> socket.socket:
    """Have the kernel note when data arrives at a socket, and at all that it accepts, where it can."""
    if sys.platform == "linux":
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    return sock


def _receive(sock: socket.socket) -> tuple[bytes, float | None, tuple[str, int]]:
    """Return the data, when the kernel got it (seconds of ``time.monotonic``; None: unknown), and the sender."""
    data, extra, _, peer = sock.recvmsg(1 << 16, socket.CMSG_SPACE(_TIMESPEC.size))
    for level, kind, stamp in extra:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = _TIMESPEC.unpack(stamp)
            return data, seconds + nanoseconds / 1e9 - wall_minus_monotonic(), peer
    return data, None, peer


def _bound(host: str, port: int) -> socket.socket:
    sock = socket.socket(_family(host), socket.SOCK_DGRAM)
    sock.bind((host, port))
    return sock


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
