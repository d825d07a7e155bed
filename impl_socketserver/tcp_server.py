"""A TCP server on ``socketserver``: ``handle()`` runs in a thread of its own for each client."""

import math
import os
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from spec.address import format_address, format_url
from spec.codec import RECEIVE_BYTES
from spec.message import Message
from spec.options import UNREACHABLE, ServerOptions
from spec.program.arguments import parse_server_options
from spec.program.open_files import pause_if_exhausted
from spec.program.output import explain, fail, say
from spec.program.signals import on_first_signal
from spec.program.system import ATTENTION, KEEPS_AFTER_SHUT_RD, LONGEST_TIMEOUT, monotonic
from spec.session import BUSY, TURN_LINES, open_session

POLL_INTERVAL = 0.1  # seconds: how often serve_forever() looks whether it is to stop
SWITCH_INTERVAL = 0.1  # seconds; by default each waiting thread wakes every 5 ms, and thousands do nothing else
RECEIVE_TIMEOUT = math.inf if KEEPS_AFTER_SHUT_RD else ATTENTION  # seconds; where SHUT_RD ends recv(), none is needed
THREADS = 5000  # clients at most, whatever --max-clients says: with more, a stop may take over a second
LINGERING = 100  # refused connections that are waited for at a time
DRAIN_TIME = 0.5  # seconds for clients to take their last replies after a signal


class Handler(socketserver.BaseRequestHandler):
    """Serves one client until it leaves."""

    server: "Server"
    request: socket.socket

    def setup(self) -> None:
        client, refused = format_address(self.client_address), self.request not in self.server.clients
        self.session = open_session(self.server.options, client, monotonic(), self.server.announce, refused=refused)

    def handle(self) -> None:
        with suppress(OSError):  # the client has broken the connection, or takes nothing any more
            while not self.session.expired:
                now = monotonic()
                if self.session.deadline <= now:
                    self.request.setblocking(False)  # before the clocks are read: other threads may run meanwhile
                    self.send(self.session.wake(monotonic(), time.time(), blocked=False))
                    continue
                if self.session.behind:
                    with self.server.turn:
                        replies = self.session.receive(b"", now, time.time(), TURN_LINES)
                    self.send(replies)
                    continue
                self.request.settimeout(min(self.session.deadline - now, RECEIVE_TIMEOUT))
                try:
                    data = self.request.recv(RECEIVE_BYTES)
                except TimeoutError:
                    if self.server.stopping:
                        return
                    continue
                if not data:
                    return
                self.request.setblocking(False)
                self.send(self.session.receive(data, monotonic(), time.time(), TURN_LINES))

    def finish(self) -> None:
        self.server.forget(self.request)  # first: after the line "left", another client may connect at once
        self.session.close()

    def send(self, data: bytes) -> None:
        """Send all of it. Raises TimeoutError when the client takes nothing for the idle timeout."""
        unsent = memoryview(data)
        while unsent:
            try:
                unsent = unsent[self.request.send(unsent) :]
            except BlockingIOError:
                self.request.settimeout(min(self.server.options.idle_timeout, LONGEST_TIMEOUT))
                continue
            self.session.sent(monotonic())


class Server(socketserver.ThreadingTCPServer):
    """Accepts connections and gives each a thread."""

    allow_reuse_address = os.name == "posix"  # on Windows it would let two servers have one port
    daemon_threads = True  # at the end, do not wait for threads that still run
    request_queue_size = 1024  # the default, 5, turns away clients that come together

    def __init__(self, options: ServerOptions) -> None:
        """Listen on the first address of the host. Raises OSError."""
        self.options = options
        self.connections: set[socket.socket] = set()
        self.clients: set[socket.socket] = set()  # all of them but those that are refused
        self.changed = threading.Condition()
        self.turn = threading.Lock()  # of the clients that have pipelined thousands of lines, one at a time is answered
        self.idle = False
        self.stopping = self.stopped = False
        address: Any
        self.address_family, _, _, _, address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by each connection
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: for so many milliseconds a client may be out of reach
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self.options.idle_milliseconds)
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # "::" serves IPv4 too
        if self.options.reuse_port:  # from Python 3.11 on, allow_reuse_port says so
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

    def get_request(self) -> Any:
        try:
            return super().get_request()
        except OSError as error:
            pause_if_exhausted(error)
            raise

    def verify_request(self, request: Any, client_address: Any) -> bool:
        self.connections.add(request)
        if len(self.clients) < min(self.options.max_clients, THREADS):
            self.clients.add(request)
            return True
        self.refuse(request)
        return len(self.connections) - len(self.clients) <= LINGERING

    def process_request(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # the system has no more threads
            if request in self.clients:
                self.refuse(request)
            self.shutdown_request(request)

    def refuse(self, request: socket.socket) -> None:
        """Say ``busy``, and that no more follows. A thread, if there is one, waits until the client has seen it."""
        with suppress(OSError):
            request.setblocking(False)
            request.send(BUSY)
            request.shutdown(socket.SHUT_WR)
            request.recv(RECEIVE_BYTES)  # if it is closed now, unread bytes would turn FIN into RST

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.forget(request)

    def forget(self, connection: socket.socket) -> None:
        self.clients.discard(connection)
        self.connections.discard(connection)
        if not self.connections:  # only then: thousands that leave at once would wait for each other here
            with self.changed:
                self.changed.notify_all()

    def announce(self, line: str) -> None:
        """Print a line about a client; none after the server has stopped."""
        with self.changed:
            if not self.stopped:
                say(line)

    def drain(self) -> None:
        """Answer what has arrived already, for DRAIN_TIME at most."""
        drained = monotonic() + DRAIN_TIME
        self.timeout = 0
        while not self.idle and monotonic() < drained:  # connections that wait to be accepted
            self.handle_request()
        self.stopping = True
        for sock in list(self.connections) if KEEPS_AFTER_SHUT_RD else ():
            if monotonic() >= drained:
                break
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RD)  # the stream ends after the bytes that have arrived
        with self.changed:
            self.changed.wait_for(lambda: not self.connections, max(0.0, drained - monotonic()))
            self.stopped = True

    def handle_timeout(self) -> None:
        self.idle = True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server with these arguments (None: the process's own) and return the exit status."""
    options = parse_server_options(arguments, "tcp")
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        server = Server(options)
    except (OSError, UnicodeError) as error:
        fail(Message("cannot listen on {url}: {reason}", url=options.url, reason=explain(error)), UNREACHABLE)
    with server:
        signals: SimpleQueue[int] = SimpleQueue()

        def stop() -> None:
            signals.get()
            server.shutdown()  # which waits for serve_forever(), so it needs a thread of its own

        threading.Thread(target=stop, daemon=True).start()  # now: later the system may have no more threads
        on_first_signal(signals.put)
        say(Message("waiting for clients on {url}", url=format_url(options.service, "tcp", server.server_address)))
        server.serve_forever(POLL_INTERVAL)
        server.drain()
    say(Message("stopped"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
