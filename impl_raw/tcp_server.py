"""A TCP server on plain sockets: one thread serves thousands of clients, each socket in turn when it is ready."""

import math
import selectors
import signal
import socket
import sys
import time
from collections.abc import Sequence

from spec.address import format_address, format_url
from spec.codec import RECEIVE_BYTES
from spec.commandline import UNREACHABLE, ServerOptions, explain, fail, ignore, parse_server_options, say
from spec.session import BUSY, Session, open_session
from spec.timers import Timers

STOPPING = signal.SIGINT, signal.SIGTERM
HEARTBEAT = 0.2  # seconds: how late a signal is noticed at the most
GRAIN = 0.002  # seconds: ticks that are due so soon after one another are sent together
DRAIN = 0.5  # seconds: how long clients may take what they are owed after a signal
BACKLOG = 1024  # connections that the kernel completes before they are accepted


class Connection:
    """A client's socket, its session, and the bytes that the socket has not taken yet."""

    def __init__(self, sock: socket.socket, session: Session) -> None:
        self.sock = sock
        self.session = session
        self.unsent = b""


class Server:
    """Accepts connections and carries bytes between them and their sessions."""

    def __init__(self, options: ServerOptions, listener: socket.socket) -> None:
        self.options = options
        self.listener = listener
        self.announce = ignore if options.quiet else say
        self.connections: set[Connection] = set()
        self.timers: Timers[Connection] = Timers()
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ)

    def serve(self, signals: Sequence[int]) -> None:
        """Serve until a signal comes, then let the clients take what they are owed."""
        while not signals:
            self.step(signals, math.inf)
        drained = time.monotonic() + DRAIN
        while time.monotonic() < drained and self.accept():
            pass
        self.selector.unregister(self.listener)
        self.listener.close()
        for connection in self.connections:
            shut_down_receiving(connection.sock)
        while self.connections and time.monotonic() < drained:
            self.step((), drained)

    def close(self) -> None:
        for connection in list(self.connections):
            self.drop(connection)
        self.selector.close()

    def step(self, signals: Sequence[int], end: float) -> None:
        """Wait for sockets or timers, and serve those that are ready, until a signal comes or it is that time."""
        deadline = self.timers.deadline
        wait = HEARTBEAT if deadline is None else min(max(0.0, deadline + GRAIN - time.monotonic()), HEARTBEAT)
        for key, events in self.selector.select(wait):
            now = time.monotonic()
            if signals or now >= end:
                return
            if deadline is not None and now >= deadline:
                deadline = self.wake(now)  # not only after all that are ready: that may take seconds
            if key.data is None:
                self.accept()
            elif events & selectors.EVENT_WRITE:
                self.send(key.data, key.data.unsent)
            else:
                self.receive(key.data, now)
        self.wake(time.monotonic())

    def wake(self, now: float) -> float | None:
        """Send what is due by time alone; return when the next is due."""
        utc = time.time()
        for connection in self.timers.due(now):
            self.send(connection, connection.session.wake(now, utc, blocked=bool(connection.unsent)))
        return self.timers.deadline

    def accept(self) -> bool:
        """Accept a connection; return whether one was waiting."""
        try:
            sock, address = self.listener.accept()
        except OSError:
            return False
        sock.setblocking(False)
        if len(self.connections) >= self.options.max_clients:
            refuse(sock)
            return True
        session = open_session(self.options, format_address(address), time.monotonic(), self.announce)
        connection = Connection(sock, session)
        self.selector.register(sock, selectors.EVENT_READ, connection)
        self.connections.add(connection)
        self.timers.arm(connection, session.deadline)
        return True

    def receive(self, connection: Connection, now: float) -> None:
        try:
            data = connection.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.send(connection, connection.session.receive(data, now, time.time()))
        else:
            self.drop(connection)

    def send(self, connection: Connection, data: bytes) -> None:
        """Send what the socket takes; while some is left, wait for the socket to take it and receive nothing."""
        if data:
            try:
                sent = connection.sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.drop(connection)
                return
            if connection.unsent and sent:
                connection.session.sent(time.monotonic())
            unsent = data[sent:]
            if bool(unsent) != bool(connection.unsent):
                interest = selectors.EVENT_WRITE if unsent else selectors.EVENT_READ
                self.selector.modify(connection.sock, interest, connection)
            connection.unsent = unsent
        if connection.session.expired:
            self.drop(connection)
        else:
            self.timers.arm(connection, connection.session.deadline)

    def drop(self, connection: Connection) -> None:
        if connection not in self.connections:
            return  # its timer has dropped it since its socket was seen to be ready
        try:
            self.selector.unregister(connection.sock)
            self.connections.remove(connection)
            self.timers.disarm(connection)
            connection.session.close()
        finally:
            connection.sock.close()


def listen(options: ServerOptions) -> socket.socket:
    """Return a socket that listens on the first address of the host. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by each connection
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # "::" serves IPv4 too
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def refuse(sock: socket.socket) -> None:
    """Tell a client that the server is at its limit. What it sent is read: unread bytes would turn FIN into RST."""
    try:
        sock.send(BUSY)
        sock.recv(RECEIVE_BYTES)
    except OSError:
        pass
    finally:
        sock.close()


def shut_down_receiving(sock: socket.socket) -> None:
    """Have the socket report the end of stream after what has come already."""
    try:
        sock.shutdown(socket.SHUT_RD)
    except OSError:
        pass


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_server_options(arguments, "tcp")
    signals: list[int] = []

    def note(number: int, _: object) -> None:
        signals.append(number)
        for each in STOPPING:
            signal.signal(each, signal.SIG_IGN)  # another one must not spoil the end

    for number in STOPPING:
        signal.signal(number, note)
    try:
        listener = listen(options)
    except (OSError, UnicodeError) as error:
        fail(f"cannot listen on {options.url}: {explain(error)}", UNREACHABLE)
    try:
        server = Server(options, listener)
        try:
            say(f"waiting for clients on {format_url(options.service, 'tcp', listener.getsockname())}")
            server.serve(signals)
        finally:
            server.close()
    finally:
        listener.close()
    say("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
