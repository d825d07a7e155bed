"""A TCP server in ``with`` blocks: one thread serves thousands of clients, each socket in turn when it is ready."""

import math
import os
import selectors
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress

from spec.address import format_address, format_url
from spec.codec import RECEIVE_BYTES
from spec.message import Message
from spec.options import UNREACHABLE, ServerOptions
from spec.program.arguments import parse_server_options
from spec.program.open_files import SELECTOR_CAPACITY, pause_if_exhausted
from spec.program.output import explain, fail, say
from spec.program.signals import note_signals
from spec.program.system import monotonic
from spec.session import BUSY, TURN_LINES, Session, open_session
from spec.timers import Timers

MAX_WAIT = 0.2  # seconds: how often the server looks whether a signal has come
TICK_GRAIN = 0.001  # seconds: the shortest wait for a tick, so that those due until then are sent together
DRAIN_TIME = 0.5  # seconds for clients to take their last replies after a signal
BACKLOG = 1024  # connections that the kernel completes before they are accepted


class Connection:
    """A client's socket, its session, and the bytes that the socket has not taken yet."""

    def __init__(self, sock: socket.socket, session: Session) -> None:
        self.sock = sock
        self.session = session
        self.unsent = b""
        self.sending = False  # whether replies are left, to send or even to build: until then, nothing is received


class Server:
    """Accepts connections and carries bytes between them and their sessions."""

    def __init__(self, options: ServerOptions, listener: socket.socket) -> None:
        self.options = options
        self.listener = listener
        self.connections: set[Connection] = set()
        self.room = options.max_clients  # for so many more clients
        self.timers: Timers[Connection] = Timers()
        self.stopping = False
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ)

    def serve(self, signals: Sequence[int]) -> None:
        """Serve until a signal comes, then answer what has arrived by then, for DRAIN_TIME at most."""
        while not signals:
            self.step(signals, math.inf)
        drained = monotonic() + DRAIN_TIME
        while monotonic() < drained and self.accept():
            pass
        self.selector.unregister(self.listener)
        self.listener.close()
        self.stopping = True
        while monotonic() < drained:
            for connection in list(self.connections):
                if not connection.sending:
                    self.receive(connection, monotonic())
            if not self.connections:
                break
            self.step((), drained)

    def close(self) -> None:
        """Drop all connections."""
        with self.selector:
            for connection in list(self.connections):
                self.drop(connection)

    def step(self, signals: Sequence[int], end: float) -> None:
        """Wait for sockets or timers and serve those that are ready; return at a signal or at the time ``end``."""
        now, deadline = monotonic(), self.timers.deadline
        wait = MAX_WAIT if deadline is None else min(max(TICK_GRAIN, deadline - now), MAX_WAIT)
        for key, events in self.selector.select(min(wait, end - now)):
            now = monotonic()
            if signals or now >= end:
                return
            if deadline is not None and now >= deadline:
                deadline = self.wake(now)  # here too: to serve all ready sockets may take seconds
            if key.data is None:
                self.accept()
            elif events & selectors.EVENT_WRITE:
                self.send(key.data, key.data.unsent or key.data.session.receive(b"", now, time.time(), TURN_LINES))
            else:
                self.receive(key.data, now)
        self.wake(monotonic())

    def wake(self, now: float) -> float | None:
        """Send the ticks that are due and drop idle clients; return when that is next to be done (None: never)."""
        for connection in self.timers.due(now):
            # Not the times of the first one: to send to all of them takes long, and a pause may come in between
            self.send(connection, connection.session.wake(monotonic(), time.time(), blocked=bool(connection.unsent)))
        return self.timers.deadline

    def accept(self) -> bool:
        """Accept a connection; return whether there was one to accept."""
        try:
            sock, address = self.listener.accept()
        except OSError as error:
            pause_if_exhausted(error)
            return isinstance(error, ConnectionError)  # that one has left: there may be others
        with ExitStack() as stack:
            stack.enter_context(sock)
            sock.setblocking(False)
            if refused := not self.room:
                refuse(sock)
                if len(self.selector.get_map()) >= SELECTOR_CAPACITY:  # there is no room to linger
                    return True
            session = open_session(self.options, format_address(address), monotonic(), say, refused=refused)
            stack.callback(session.close)
            connection = Connection(sock, session)
            self.selector.register(sock, selectors.EVENT_READ, connection)
            self.connections.add(connection)
            self.room -= session.counts
            self.timers.arm(connection, session.deadline)
            stack.pop_all()  # it is among the clients: now drop() undoes all this
        return True

    def receive(self, connection: Connection, now: float) -> None:
        """Receive some bytes and send the replies to the lines that they complete."""
        try:
            data = connection.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            if not self.stopping:
                return
            data = b""  # all that had arrived is answered
        except OSError:
            data = b""
        if data:
            self.send(connection, connection.session.receive(data, now, time.time(), TURN_LINES))
        else:
            self.drop(connection)

    def send(self, connection: Connection, data: bytes) -> None:
        """Send what the socket takes, keep the rest. While replies are left, receive nothing from this client."""
        session = connection.session
        if data:
            try:
                sent = connection.sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.drop(connection)
                return
            if connection.unsent and sent:
                session.sent(monotonic())
            connection.unsent = data[sent:]
            sending = bool(connection.unsent) or session.behind
            if sending != connection.sending:
                connection.sending = sending
                interest = selectors.EVENT_WRITE if sending else selectors.EVENT_READ
                self.selector.modify(connection.sock, interest, connection)
        if session.expired:
            self.drop(connection)
        else:
            self.timers.arm(connection, session.deadline)

    def drop(self, connection: Connection) -> None:
        """Forget a connection and close it."""
        if connection not in self.connections:
            return  # dropped as idle after select() had found its socket ready
        with connection.sock:
            self.selector.unregister(connection.sock)
            self.connections.remove(connection)
            self.room += connection.session.counts
            self.timers.disarm(connection)  # which may keep the connection for a while, but not its bytes:
            connection.unsent = b""
            connection.session.close()


def listen(options: ServerOptions) -> socket.socket:
    """Return a socket that listens on the first address of the host. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family, kind, protocol))
        if os.name == "posix":  # on Windows it would let two servers have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by each connection
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: for so many milliseconds a client may be out of reach
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, options.idle_milliseconds)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # "::" serves IPv4 too
        if options.reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
        stack.pop_all()  # it listens: now the caller closes it
        return listener


def refuse(sock: socket.socket) -> None:
    """Say ``busy``, and that no more follows. To close it now would send RST if the client has sent a request."""
    with suppress(OSError):  # the client has gone already
        sock.send(BUSY)
        sock.shutdown(socket.SHUT_WR)
        sock.recv(RECEIVE_BYTES)  # if it is closed now, unread bytes would turn FIN into RST


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server with these arguments (None: the process's own) and return the exit status."""
    options = parse_server_options(arguments, "tcp")
    signals = note_signals()
    try:
        listener = listen(options)
    except (OSError, UnicodeError) as error:
        fail(Message("cannot listen on {url}: {reason}", url=options.url, reason=explain(error)), UNREACHABLE)
    with listener, closing(Server(options, listener)) as server:
        say(Message("waiting for clients on {url}", url=format_url(options.service, "tcp", listener.getsockname())))
        server.serve(signals)
    say(Message("stopped"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
