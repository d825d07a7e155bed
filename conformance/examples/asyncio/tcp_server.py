"""A TCP server on asyncio: a protocol for each connection, no task; one alarm for the deadlines of all."""

import asyncio
import socket
import sys
import time
from collections.abc import Awaitable, Sequence
from contextlib import suppress

from conformance.examples.asyncio.program import BACKLOG, DRAIN, Alarm, Run, run_server
from spec.address import Address, format_address
from spec.codec import RECEIVE_BYTES
from spec.options import ServerOptions
from spec.program.output import say
from spec.session import BUSY, TURN_LINES, open_session
from spec.timers import Timers

PIECE = 65536  # bytes of replies written at once, so that a slow reader's progress shows (LOAD-4)


class Connection(asyncio.BufferedProtocol):
    """Carries bytes between a transport and the client's session."""

    # Not a plain Protocol: for that one, asyncio allocates 256 KiB at each receive
    __slots__ = ("blocked", "server", "session", "sock", "transport", "unsent")

    def __init__(self, server: "Server", sock: socket.socket, client: str, *, refused: bool) -> None:
        self.server = server
        self.sock = sock
        self.session = open_session(server.options, client, time.monotonic(), say, refused=refused)
        self.blocked = False
        self.unsent = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        transport.set_write_buffer_limits(0)  # pause_writing() as soon as the socket has not taken all
        self.server.arm(self)
        if not self.session.counts:
            transport.write(BUSY)
            transport.write_eof()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.server.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.answer(bytes(self.server.buffer[:nbytes]))
        if self.session.behind:
            self.transport.pause_reading()
            self.go_on()

    def answer(self, data: bytes) -> None:
        """Send the replies to some lines."""
        self.send(self.session.receive(data, time.monotonic(), time.time(), TURN_LINES))
        self.server.arm(self)

    def go_on(self) -> None:
        """Answer further lines when the others have had their turn, or receive."""
        if self.blocked or self.transport.is_closing():
            return
        if self.session.behind:
            asyncio.get_running_loop().call_soon(self.take_turn)
        else:
            self.transport.resume_reading()

    def take_turn(self) -> None:
        if not self.blocked:
            self.answer(b"")
            self.go_on()

    def pause_writing(self) -> None:
        self.blocked = True
        self.transport.pause_reading()  # LOAD-5

    def resume_writing(self) -> None:
        self.blocked = False
        self.session.sent(time.monotonic())
        self.send(b"")
        self.go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.forget(self)
        self.session.close()

    def send(self, data: bytes) -> None:
        """Write replies; while the transport has not taken a piece, keep the rest."""
        self.unsent += data
        while self.unsent and not self.blocked and not self.transport.is_closing():
            piece, self.unsent = self.unsent[:PIECE], self.unsent[PIECE:]
            self.transport.write(piece)


class Server:
    """Accepts connections, and wakes each one at its deadline."""

    def __init__(self, options: ServerOptions, listener: socket.socket) -> None:
        self.options = options
        self.listener = listener
        self.buffer = memoryview(bytearray(RECEIVE_BYTES))  # each connection copies what is its own before the next
        self.connections: set[Connection] = set()
        self.room = options.max_clients  # for so many more clients
        self.opening: set[asyncio.Task[object]] = set()
        self.timers: Timers[Connection] = Timers()
        self.alarm = Alarm(self.wake)
        self.empty = asyncio.Event()

    def accept(self) -> None:
        """Accept the connections that are waiting."""
        for _ in range(BACKLOG):
            try:
                sock, address = self.listener.accept()
            except OSError:
                return
            self.open(sock, address)

    def open(self, sock: socket.socket, address: Address) -> None:
        """Let the event loop serve a connection."""
        sock.setblocking(False)
        connection = Connection(self, sock, format_address(address), refused=not self.room)
        self.connections.add(connection)
        self.room -= connection.session.counts
        loop = asyncio.get_running_loop()
        task = loop.create_task(loop.connect_accepted_socket(lambda: connection, sock))
        self.opening.add(task)  # the loop's own reference is weak
        task.add_done_callback(self.opening.discard)

    def arm(self, connection: Connection) -> None:
        """Wake the connection at its session's deadline or before."""
        self.timers.arm(connection, connection.session.deadline)
        self.alarm.set(self.timers.deadline)

    def wake(self) -> None:
        for connection in self.timers.due(time.monotonic()):
            connection.send(connection.session.wake(time.monotonic(), time.time(), blocked=connection.blocked))
            if connection.session.expired:
                connection.transport.abort()
            else:
                self.timers.arm(connection, connection.session.deadline)
        self.alarm.set(self.timers.deadline)

    def forget(self, connection: Connection) -> None:
        self.connections.remove(connection)
        self.room += connection.session.counts
        self.timers.disarm(connection)
        if not self.connections:
            self.empty.set()

    async def drain(self) -> None:
        """Stop accepting, and let the clients receive the replies that are left."""
        self.accept()
        self.listener.close()
        await asyncio.gather(*self.opening)
        for connection in self.connections:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RD)  # the end of stream follows what has come already
        if self.connections:
            self.empty.clear()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.empty.wait(), DRAIN)
        for connection in self.connections:
            connection.transport.abort()


async def serve(options: ServerOptions, listener: socket.socket, stopping: Awaitable[object]) -> None:
    """Serve until a signal comes, then let the clients receive the replies that are left."""
    server = Server(options, listener)
    loop = asyncio.get_running_loop()
    loop.add_reader(listener, server.accept)
    await stopping
    loop.remove_reader(listener)
    await server.drain()


def main(arguments: Sequence[str] | None = None, run: Run = asyncio.run) -> int:
    return run_server(serve, "tcp", arguments, run)


if __name__ == "__main__":
    sys.exit(main())
