"""A relay between a client and a server on the loopback: it loses, doubles, delays, cuts and breaks.

A schedule says what it does, see ``schedules``.
"""

import contextlib
import heapq
import selectors
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from conformance.addresses import OWN_HOST, Address, show_address
from conformance.as_client.exchange import Exchange
from conformance.as_network.schedules import End, Fate, Lane, Schedule, Stream, TcpSchedule, UdpSchedule
from conformance.targets.terms import Service, Transport
from conformance.timing import PATIENCE

if TYPE_CHECKING:
    from typing_extensions import Self

Side = Literal["C", "S"]
"""The sender: the client or the server."""


class Relay:
    """Carries bytes between one client and a server. Use it in a ``with`` block.

    `came` has what each side sent to the relay, and `went` what the relay sent on: datagrams, or pieces of a stream.
    Read them after the block, when the relay has stopped.
    """

    transport: Transport

    def __init__(self, front: socket.socket, schedule: Schedule) -> None:
        """The client connects to the socket `front`, at `host` and `port`."""
        self.host: str
        self.port: int
        self.host, self.port = front.getsockname()[:2]
        self.source: Address | None = None
        """The address from which the server hears the client, when one has come."""
        self.exchange = Exchange(
            f"{self.transport.upper()}, through {schedule}", self.transport, (self.host, 0), (self.host, self.port)
        )
        self.came: dict[Side, list[bytes]] = {"C": [], "S": []}
        self.went: dict[Side, list[bytes]] = {"C": [], "S": []}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._delayed = 0
        self._selector = selectors.DefaultSelector()
        self._waker, self._wakened = socket.socketpair()
        self._selector.register(self._wakened, selectors.EVENT_READ)
        self._sockets = [front, self._waker, self._wakened]
        self._executor = ThreadPoolExecutor(1)

    def __enter__(self) -> "Self":
        self._ran = self._executor.submit(self._run)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._waker.close()
        self._executor.shutdown()
        self._selector.close()
        for sock in self._sockets:
            sock.close()
        self._ran.result()

    def url(self, service: Service) -> str:
        """The URL that a client prints for this relay (CLI-1)."""
        return f"{service}+{self.transport}://{show_address((self.host, self.port))}"

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select(max(self._due[0][0] - time.monotonic(), 0) if self._due else None):
                if key.data is None:
                    return
                key.data()
            while self._due and self._due[0][0] <= time.monotonic():
                heapq.heappop(self._due)[2]()

    def _listen(self, sock: socket.socket, readable: Callable[[], None]) -> None:
        self._selector.register(sock, selectors.EVENT_READ, readable)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something after so many seconds. Of two actions that are due at once, the earlier one goes first."""
        self._delayed += 1
        heapq.heappush(self._due, (time.monotonic() + seconds, self._delayed, action))

    def _take(self, side: Side, data: bytes) -> None:
        self.exchange.add(side, data)
        self.came[side].append(data)

    def _send(self, side: Side, data: bytes, send: Callable[[bytes], object], note: str = "") -> None:
        """Send on data of that side. A receiver that has gone is no error."""
        self.went[side].append(data)
        if note:
            self.exchange.add(side, data, note)
        try:
            send(data)
        except OSError as error:
            self.exchange.add(side, b"", f"nobody takes it: {type(error).__name__}")


class UdpRelay(Relay):
    """A relay for the datagrams of the one client that sent first."""

    transport: Transport = "udp"

    def __init__(self, server: Address, schedule: UdpSchedule) -> None:
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        self._front, self._back = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)
        # An address of its own, or a server that still ticks for a former peer with this port is taken for the client
        self._front.bind((server[0] if ":" in server[0] else OWN_HOST, 0))
        self._back.connect(server)
        self._back.setblocking(False)
        super().__init__(self._front, schedule)
        self._sockets.append(self._back)
        self._lanes: dict[Side, Lane] = {"C": schedule.requests, "S": schedule.replies}
        self._held: dict[Side, list[tuple[int, bytes, Fate]]] = {"C": [], "S": []}
        self._client: Address | None = None
        self._listen(self._front, self._request)
        self._listen(self._back, self._reply)

    def _request(self) -> None:
        data, client = self._front.recvfrom(1 << 16)
        if self._client is None:
            self._client, self.source = client, self._back.getsockname()[:2]
        if client == self._client:
            self._pass("C", data, self._back.send)

    def _reply(self) -> None:
        try:
            data = self._back.recv(1 << 16)
        except OSError as error:  # an ICMP message; if `send` raised for it, there is nothing to receive
            self.exchange.add("S", b"", f"nobody answers: {type(error).__name__}")
            return
        if self._client:
            self._pass("S", data, partial(self._to_client, self._client))

    def _to_client(self, client: Address, data: bytes) -> None:
        self._front.sendto(data, client)

    def _pass(self, side: Side, data: bytes, send: Callable[[bytes], object]) -> None:
        lane = self._lanes[side]
        number = len(self.came[side])  # from 0
        fate = lane.fates[number] if number < len(lane.fates) else lane.rest
        self._take(side, data)
        held = self._held[side]
        if fate.behind:
            held.append((number + fate.behind, data, fate))
            self.exchange.add(side, data, f"number {number} waits for {fate.behind} later")
        else:
            self._go(side, data, fate, number, send)
        for waiting in [waiting for waiting in held if waiting[0] <= number]:
            held.remove(waiting)
            last, data, fate = waiting
            self._go(side, data, fate, last - fate.behind, send)

    def _go(self, side: Side, data: bytes, fate: Fate, number: int, send: Callable[[bytes], object]) -> None:
        if not fate.delays:
            self.exchange.add(side, data, f"number {number} is lost")
        for delay in fate.delays:
            if delay:
                note = f"number {number} goes on after {delay:g} s"
                self._later(delay, partial(self._send, side, data, send, note))
            else:
                self._send(side, data, send, "" if fate == Fate() else f"number {number} goes on")


class _Half:
    """One direction of a connection that goes through a relay."""

    def __init__(self, path: Stream, source: socket.socket, sink: socket.socket) -> None:
        self.source, self.sink = source, sink
        self.held = b""
        self.gone = 0
        self.paused = False
        self.ended = False
        """Whether the source has ended its stream."""
        self.closed = False
        """Whether nothing is sent on any more."""
        self.end = path.end
        ends = accumulate(piece.size for piece in path.pieces)
        self.cuts = deque(zip(ends, (piece.pause for piece in path.pieces), strict=True))

    @property
    def limit(self) -> int:
        """How many of the held bytes may be sent on together."""
        bounds = [at for at, _ in [*self.cuts][:1]] + ([self.end.after] if self.end else [])
        return min([len(self.held), *(bound - self.gone for bound in bounds)])


class TcpRelay(Relay):
    """A relay for one connection."""

    transport: Transport = "tcp"

    def __init__(self, server: Address, schedule: TcpSchedule) -> None:
        self._server = server
        self._schedule = schedule
        self._halves: dict[Side, _Half] = {}
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        self._listener = socket.create_server((server[0], 0), family=family)
        super().__init__(self._listener, schedule)
        self._listen(self._listener, self._accept)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        self._selector.unregister(self._listener)
        self._listener.close()
        self._sockets.append(client)
        try:
            server = socket.create_connection(self._server, PATIENCE)
        except OSError as error:
            self.exchange.add("S", b"", f"nobody listens: {type(error).__name__}")
            client.close()
            return
        self._sockets.append(server)
        self.source = server.getsockname()[:2]
        for sock in client, server:
            sock.settimeout(PATIENCE)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._halves = {
            "C": _Half(self._schedule.requests, client, server),
            "S": _Half(self._schedule.replies, server, client),
        }
        for side, half in self._halves.items():
            self._listen(half.source, partial(self._readable, side))

    def _readable(self, side: Side) -> None:
        half = self._halves[side]
        if half.source.fileno() < 0:  # closed by what was ready just before
            return
        try:
            data = half.source.recv(1 << 16)
        except ConnectionError:
            self._reset(side, "reset")
            return
        if data:
            self._take(side, data)
            half.held += data
        else:
            self._selector.unregister(half.source)
            half.ended = True
            self.exchange.add(side, b"", "end of stream")
        self._go_on(side)

    def _go_on(self, side: Side, *, rested: bool = False) -> None:
        """Send on the bytes that may go on now."""
        half = self._halves[side]
        half.paused = half.paused and not rested
        while half.held and not half.paused and not half.closed:
            data, half.held = half.held[: half.limit], half.held[half.limit :]
            half.gone += len(data)
            self._send(side, data, half.sink.sendall, f"{len(data)} bytes go on" if half.cuts or half.end else "")
            if half.end and half.gone == half.end.after:
                self._end(side, half.end)
            elif half.cuts and half.gone == half.cuts[0][0]:
                _, pause = half.cuts.popleft()
                half.paused = pause > 0
                if half.paused:
                    self._later(pause, partial(self._go_on, side, rested=True))
        if half.ended and not half.held and not half.paused and not half.closed:
            self._finish(half)

    def _end(self, side: Side, end: End) -> None:
        if end.how == "RST":
            self._reset(side, f"the relay resets after {end.after} bytes")
        else:
            self.exchange.add(side, b"", f"the relay ends the stream after {end.after} bytes")
            self._finish(self._halves[side])

    def _finish(self, half: _Half) -> None:
        half.closed = True
        with contextlib.suppress(OSError):  # the peer may have reset
            half.sink.shutdown(socket.SHUT_WR)

    def _reset(self, side: Side, note: str) -> None:
        self.exchange.add(side, b"", note)
        for half in self._halves.values():
            half.closed = True
            with contextlib.suppress(KeyError):  # its stream has ended
                self._selector.unregister(half.source)
            half.source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            half.source.close()


def relay(server: Address, schedule: Schedule) -> Relay:
    """Return a relay to a server, not yet running."""
    return UdpRelay(server, schedule) if isinstance(schedule, UdpSchedule) else TcpRelay(server, schedule)
