"""Client sockets of the judge: they send raw bytes, read replies by a deadline, and record every byte with its time."""

import contextlib
import errno
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar

from conformance.addresses import Address, show_address
from conformance.as_client.exchange import END_OF_STREAM, SHOWN_BYTES, Exchange, as_text
from conformance.as_client.observed import Ended, Malformed, Observed, Reply, Reset, Silence
from conformance.blame import blame
from conformance.inconclusive import Unjudged
from conformance.patience import SHORTEST, more_patience, note_answer, note_wait, patience, require_time
from conformance.targets.host import NO_PORT, local_ports
from conformance.targets.interrupts import ATTENTION, raise_if_interrupted
from conformance.targets.server import Server, server_at
from conformance.targets.terms import Transport
from conformance.timing import PATIENCE, SCALE, STUCK

if TYPE_CHECKING:
    from typing_extensions import Self


MOST_PORTS = local_ports() * 2 // 3
"""Ports that are not used a second time: beyond that a new one takes long to find."""


CONNECTING = 0.2 * SCALE
"""Seconds until a connection is tried anew, doubled each time. A system whose server has many that it has not accepted
yet answers none, and the kernel itself asks again after 1, 3 and 7 seconds."""

MOST_OF_A_REPLY = 1 << 20
"""Bytes, far more than the longest reply: an end that has not come by then is not waited for."""

SMALLEST_BUFFER = 1 << 12
"""SO_RCVBUF, in bytes, of a client for which a kernel takes the least while it does not read."""

MOST_UNREAD = 1 << 25
"""Bytes, more than all replies to what a check sends: so much of a stream is kept."""


class Peer:
    """A client's socket. `reply` and `ask` work alike over both transports."""

    transport: Transport

    def __init__(self, sock: socket.socket, address: Address, title: str) -> None:
        self.socket = sock
        self.address: Address = sock.getsockname()[:2]
        self._remote = address
        self.exchange = Exchange(title, self.transport, self.address, address)
        self.last_round_trip = 0.0
        """Seconds that the last `ask` took."""

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def server(self) -> Server | None:
        """The program at the other end now, if that is known: when it has ended, nothing is waited for."""
        return server_at(self.transport, self._remote)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def send(self, data: bytes) -> float:
        """Send bytes (TCP) or one datagram (UDP) as they are.

        Return the time just before, in seconds of ``time.monotonic``. Raises Reset, or Silence if nothing is taken.
        """
        at = self.exchange.add("C", data)
        self.socket.settimeout(within := patience())
        try:
            self.socket.sendall(data)
        except (ConnectionError, TimeoutError) as error:
            raise self._observe(error, within) from None
        return at

    def request(self, line: bytes) -> float:
        """Send a request, given without its last line end. Return the time just before, as `send` does."""
        raise NotImplementedError

    def reply(self, within: float | None = None) -> Reply:
        """Return the next reply, within so many seconds, by default PATIENCE. Raises Silence, Ended, Reset."""
        raise NotImplementedError

    def ask(self, line: bytes, within: float | None = None) -> Reply:
        """Send a request, given without its last line end, and return the next reply, as `reply` does."""
        asked = self.request(line)
        reply = self.reply(within)
        self.last_round_trip = reply.at - asked
        note_answer(self.last_round_trip)
        return reply

    def _receive(self, deadline: float, size: int) -> bytes:
        """Return the next bytes or datagram; empty: the end of a stream, or an empty datagram."""
        start = now = time.monotonic()
        while True:
            self.socket.settimeout(min(max(deadline - now, 1e-6), ATTENTION))
            try:
                return self.socket.recv(size)
            except (ConnectionError, TimeoutError) as error:
                now = time.monotonic()
                server = self.server
                has_ended = server is not None and not server.running
                if isinstance(error, TimeoutError) and now >= deadline > start + SHORTEST and self._is_starved():
                    deadline = now + more_patience()
                elif now >= deadline or has_ended or isinstance(error, ConnectionError):
                    raise self._observe(error, now - start) from None
            raise_if_interrupted()

    def _is_starved(self) -> bool:
        server = self.server
        return server is not None and server.is_starved()

    def _observe(self, error: OSError, waited: float) -> Observed:
        sent = (event.data for event in reversed(self.exchange.events) if event.side == "C")
        asked = next(sent, b"")[:SHOWN_BYTES]
        if isinstance(error, TimeoutError):
            note = f"nothing for {waited:.3f} s"
            note_wait(waited)
            observed: Observed = Silence(f"{note} after {as_text(asked)}")
        else:
            note = type(error).__name__
            observed = Reset(f"{note} after {as_text(asked)}")
        self.exchange.add("S", b"", note)
        return observed


class TcpPeer(Peer):
    """A client's connection."""

    transport = "tcp"

    def __init__(self, address: Address, *, receive_buffer: int | None = None) -> None:
        """Connect. `receive_buffer` is SO_RCVBUF in bytes, for a peer that does not read. Raises Reset."""
        start, within, turn = time.monotonic(), patience(), CONNECTING
        while True:
            left = start + within - time.monotonic()
            try:
                sock = _connected(address, min(turn, left), receive_buffer)
                break
            except OSError as error:
                if isinstance(error, TimeoutError):
                    if turn < left:
                        turn *= 2
                        continue
                    note_wait(within)
                if error.errno == errno.EADDRNOTAVAIL:
                    raise Unjudged(NO_PORT) from None
                raise Reset(f"cannot connect to {show_address(address)}: {error}") from None
        super().__init__(sock, address, f"TCP to {address[0]} port {address[1]}")
        self._buffer = bytearray()
        self._at = 0.0

    def send_cut(self, chunks: Iterable[bytes]) -> None:
        """Send each chunk as a segment of its own, as far as the kernel allows."""
        for chunk in chunks:
            self.send(chunk)

    def request(self, line: bytes) -> float:
        return self.send(line + b"\n")

    def reply(self, within: float | None = None) -> Reply:
        deadline = time.monotonic() + patience(within)
        while b"\n\n" not in self._buffer:
            if len(self._buffer) > MOST_OF_A_REPLY:
                raise Malformed(f"no reply ends within {MOST_OF_A_REPLY} bytes: {self._beginning()}…")
            try:
                is_open = self._read(deadline)
            except Observed as observed:
                raise self._without_end(observed) from None
            if not is_open:
                raise self._without_end(Ended("the server closed the connection"))
        end = self._buffer.index(b"\n\n") + 2
        raw = bytes(self._buffer[:end])
        del self._buffer[:end]
        return Reply(raw, self._at)

    def _without_end(self, observed: Observed) -> Observed:
        """Return what was observed, with what has come of a reply."""
        if not self._buffer:
            return observed
        came = f"{self._beginning()} came, which no empty line ends"
        told = type(observed)(f"{came}; then: {observed}")
        return blame(told, "REP-2" if b"\r\n\r\n" in self._buffer else "REP-1")

    def _beginning(self) -> str:
        return as_text(bytes(self._buffer[:SHOWN_BYTES]))

    def widen(self) -> None:
        """Get a large receive buffer in place of a small one, so that what waits comes in few segments."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        if sys.platform == "linux":  # tcp(7): else the window stays as narrow as the first buffer
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, 1 << 22)

    def rest(self, within: float | None = None) -> bytes:
        """Return all bytes that come until the server closes its side. Raises Silence if it does not, or Reset."""
        deadline = time.monotonic() + patience(within)
        try:
            while self._read(deadline):
                pass
        except Silence:
            last = as_text(bytes(self._buffer[-SHOWN_BYTES:]))
            raise Silence(f"no end of stream; the last that came: {last}") from None
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def pending(self) -> bytes:
        """Return the bytes that have come but were not read, without waiting."""
        with contextlib.suppress(Silence):
            while self._read(time.monotonic()):
                pass
        return bytes(self._buffer)

    def send_meanwhile(self, data: bytes) -> threading.Thread:
        """Send bytes and half-close in a thread, so that this thread can read the replies meanwhile."""

        def run() -> None:
            with self.socket.dup() as sock:
                sock.settimeout(PATIENCE)
                with contextlib.suppress(OSError):
                    sock.sendall(data)
                    sock.shutdown(socket.SHUT_WR)

        self.exchange.add("C", data, f"{len(data)} bytes and half-close")
        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def flood(self, data: bytes, limit: int, sent: int = 0) -> int:
        """Send `data` again and again without reading, until nothing is taken for `STUCK` seconds or `limit` is sent.

        `sent` bytes of it were sent before. Returns the number of all bytes sent.
        """
        view = memoryview(data)
        self.socket.settimeout(STUCK)
        with contextlib.suppress(TimeoutError, ConnectionError):
            while sent < limit:
                require_time()
                sent += self.socket.send(view[sent % len(data) :])
        self.exchange.add("C", data, f"{sent} bytes, without reading")
        return sent

    def push(self, data: bytes) -> None:
        """Send bytes while some are taken: with small buffers few are, where nobody reads the replies. Raises Reset."""
        self.exchange.add("C", data)
        self.socket.settimeout(STUCK)
        view = memoryview(data)
        try:
            while view:
                view = view[self.socket.send(view) :]
        except TimeoutError:
            pass
        except ConnectionError as error:
            raise self._observe(error, STUCK) from None

    def half_close(self) -> None:
        """Shut down the sending side. If the server has reset the connection, what reads next tells."""
        self.exchange.add("C", b"", "half-close")
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with a reset (RST)."""
        self.exchange.add("C", b"", "reset")
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def _read(self, deadline: float) -> bool:
        data = self._receive(deadline, 1 << 18)
        self._at = self.exchange.add("S", data, "" if data else END_OF_STREAM)
        self._buffer += data
        if len(self._buffer) > MOST_UNREAD:
            raise Malformed(f"the server sent more than {MOST_UNREAD} bytes: {self._beginning()}…")
        return bool(data)


def room() -> int:
    """Return how many bytes this kernel takes for a client on the loopback that reads nothing, with SMALLEST_BUFFER."""
    taken, at, chunk = 0, time.monotonic(), bytes(1 << 14)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        _connected(listener.getsockname(), PATIENCE, SMALLEST_BUFFER),
        listener.accept()[0] as sock,
    ):
        sock.setblocking(False)
        while time.monotonic() < at + STUCK:
            try:
                taken += sock.send(chunk)
                at = time.monotonic()
            except BlockingIOError:
                time.sleep(STUCK / 100)
    return taken


def _connected(address: Address, within: float, receive_buffer: int | None) -> socket.socket:
    """Return a socket that is connected to that address. Raises OSError."""
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(within)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


class UdpPeer(Peer):
    """A client's socket, connected, so that the kernel drops what any other address sends."""

    transport = "udp"
    _ports: ClassVar[set[int]] = set()
    """The ports of all peers so far: a server may still have a lease for one that has left."""

    def __init__(self, address: Address, *, source: Address | None = None) -> None:
        """Connect to a server from `source`, by default a free port that no peer of this process has had before."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        with contextlib.ExitStack() as passed_over:
            while True:
                sock = socket.socket(family, socket.SOCK_DGRAM)
                if source:
                    sock.bind(source)
                try:
                    sock.connect(address)
                except BlockingIOError:
                    sock.close()
                    raise Unjudged(NO_PORT) from None
                if source or sock.getsockname()[1] not in self._ports or len(self._ports) > MOST_PORTS:
                    break
                passed_over.enter_context(sock)
        self._ports.add(sock.getsockname()[1])
        super().__init__(sock, address, f"UDP to {address[0]} port {address[1]}")

    def request(self, line: bytes) -> float:
        return self.send(line)

    def reply(self, within: float | None = None) -> Reply:
        data = self._receive(time.monotonic() + patience(within), 1 << 16)
        return Reply(data, self.exchange.add("S", data))


def connect(server: Server) -> Peer:
    """Return a new client's socket to a server, over its transport."""
    return TcpPeer(server.address) if server.transport == "tcp" else UdpPeer(server.address)
