"""Servers over TCP that cut the stream wrongly, or let one client cost the others."""

import selectors
import socket
import time
from collections.abc import Sequence
from typing import Any

from conformance.broken import fault, patch, wrap
from impl_raw import tcp_server
from impl_raw.tcp_server import Connection, Server
from spec import session
from spec.codec import ERROR_REPLIES, RECEIVE_BYTES
from spec.limits import LINE_BYTES
from spec.session import BUSY, Session, TimeSession


def _at_end_of_stream(connection: Connection) -> bool:
    """Whether the client has shut down its sending side, and all that it sent was read."""
    try:
        return connection.sock.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return False


@fault("TCP-1", transport="tcp")
def passes_over_empty_lines() -> None:
    """does not answer an empty line"""

    @wrap(Session, "_reply")
    def reply(good: Any, self: Session, line: bytes, now: float, utc: float) -> Any:
        return good(self, line, now, utc) if line.strip() else b""


@fault("TCP-2", transport="tcp")
def answers_the_last_first() -> None:
    """answers the lines of one segment from the last to the first"""

    @wrap(Session, "receive")
    def receive(good: Any, self: Session, data: bytes, *how: Any) -> Any:
        *lines, partial = (self._partial + data).split(b"\n")
        self._partial = b""
        return good(self, b"\n".join([*lines[::-1], partial]), *how)


@fault("TCP-3", transport="tcp")
def decodes_each_segment() -> None:
    """takes a character that is cut between two segments for a wrong one"""

    @wrap(Session, "receive")
    def receive(good: Any, self: Session, data: bytes, *how: Any) -> Any:
        return good(self, data if data.endswith(b"\n") else data.decode(errors="replace").encode(), *how)


@fault("TCP-3", transport="tcp")
def forgets_half_a_line() -> None:
    """forgets half a line when nothing has come for 2 seconds"""
    heard: dict[int, float] = {}

    @wrap(Session, "receive")
    def receive(good: Any, self: Session, data: bytes, now: float, *how: Any) -> Any:
        if now - heard.get(id(self), now) > 2:
            self._partial = b""
        heard[id(self)] = now
        return good(self, data, now, *how)


@fault("TCP-4", transport="tcp")
def takes_a_segment_for_a_line() -> None:
    """answers what has come, with its LF or without"""

    @wrap(Session, "receive")
    def receive(good: Any, self: Session, data: bytes, *how: Any) -> Any:
        return good(self, data if data.endswith(b"\n") else data + b"\n", *how)


@fault("TCP-5", transport="tcp")
def answers_one_line_of_a_segment() -> None:
    """answers only the first line of a segment"""

    @wrap(Session, "receive")
    def receive(good: Any, self: Session, data: bytes, *how: Any) -> Any:
        return good(self, data[: data.find(b"\n") + 1] or data, *how)


@fault("TCP-5", transport="tcp", service="echo")
def sends_once() -> None:
    """forgets what the socket has not taken of its replies"""

    @wrap(Server, "send")
    def send(good: Any, self: Server, connection: Connection, data: bytes) -> None:
        good(self, connection, data)
        if connection.unsent:
            connection.unsent = b""
            self.selector.modify(connection.sock, selectors.EVENT_READ, connection)


@fault("TCP-6", transport="tcp")
def hangs_up_after_an_error() -> None:
    """closes the connection after an ERR"""

    @wrap(Server, "send")
    def send(good: Any, self: Server, connection: Connection, data: bytes) -> None:
        good(self, connection, data)
        if data.startswith(b"ERR\n") and connection in self.connections:
            self.drop(connection)


@fault("TCP-7", transport="tcp")
def takes_the_rest_for_a_line() -> None:
    """answers an overlong line when the limit is reached, and takes its rest for another line"""

    @wrap(Session, "receive")
    def receive(good: Any, self: Session, data: bytes, *how: Any) -> Any:
        replies = good(self, data, *how)
        if len(self._partial) > LINE_BYTES + 1:
            self._partial = b""
            replies += ERROR_REPLIES["too-long"]
        return replies


@fault("TCP-8", transport="tcp")
def never_hangs_up() -> None:
    """keeps the connection when the client has shut down its sending side"""
    kept = []

    @wrap(Server, "receive")
    def receive(good: Any, self: Server, connection: Connection, now: float) -> None:
        if _at_end_of_stream(connection):
            kept.append(connection.sock.dup())
        good(self, connection, now)


@fault("TCP-9", transport="tcp", service="echo")
def answers_an_unended_line() -> None:
    """answers a last line that has no LF"""

    @wrap(Server, "receive")
    def receive(good: Any, self: Server, connection: Connection, now: float) -> None:
        if connection.session._partial and _at_end_of_stream(connection):
            self.send(connection, connection.session.receive(b"\n", 0, 0))
        good(self, connection, now)


@fault("ERR-10", transport="tcp")
def refuses_without_a_word() -> None:
    """closes a connection over the limit of clients without saying busy"""
    patch(tcp_server, "refuse", lambda sock: sock.shutdown(socket.SHUT_RDWR))


@fault("ERR-10", transport="tcp")
def refuses_without_reading() -> None:
    """closes a connection over the limit of clients with its request unread, so that the reset overtakes the reply"""
    patch(tcp_server, "refuse", lambda sock: sock.send(BUSY))
    patch(session, "LINGER", 0)


@fault("ERR-10", transport="tcp")
def refuses_in_haste() -> None:
    """closes a connection over the limit of clients before its request can have come"""
    patch(session, "LINGER", 0)


@fault("ERR-10", transport="tcp")
def is_busy_early() -> None:
    """keeps one in twenty connections in reserve"""

    @wrap(Server, "__init__")
    def init(good: Any, self: Server, options: Any, listener: socket.socket) -> None:
        good(self, options._replace(max_clients=options.max_clients - options.max_clients // 20), listener)


@fault("SRV-9", transport="tcp")
def lets_nobody_in_any_more() -> None:
    """stops without the connections that it has not accepted when the signal comes"""

    @wrap(Server, "serve")
    def serve(good: Any, self: Any, signals: Sequence[int]) -> None:
        accept = self.accept
        self.accept = lambda: not signals and accept()
        good(self, signals)


@fault("LOAD-1", transport="tcp", service="echo")
def waits_for_who_does_not_read() -> None:
    """waits until a client has taken its replies"""

    @wrap(Server, "send")
    def send(good: Any, self: Server, connection: Connection, data: bytes) -> None:
        connection.sock.setblocking(True)
        connection.sock.sendall(data)
        connection.sock.setblocking(False)
        good(self, connection, b"")


@fault("LOAD-2", transport="tcp")
def waits_for_the_end_of_a_line() -> None:
    """waits until a client has ended its line"""

    @wrap(Server, "receive")
    def receive(good: Any, self: Server, connection: Connection, now: float) -> None:
        connection.sock.setblocking(True)
        while (data := connection.sock.recv(RECEIVE_BYTES, socket.MSG_PEEK)) and b"\n" not in data:
            connection.session.receive(connection.sock.recv(len(data)), 0, 0)
        connection.sock.setblocking(False)
        good(self, connection, now)


@fault("LOAD-2", transport="tcp")
def serves_a_hundred() -> None:
    """serves no more than a hundred connections, whatever its limit"""

    @wrap(Server, "__init__")
    def init(good: Any, self: Server, options: Any, listener: socket.socket) -> None:
        good(self, options._replace(max_clients=min(options.max_clients, 100)), listener)


@fault("LOAD-2", implementation="socketserver", transport="tcp")
def serves_one_at_a_time() -> None:
    """serves one connection after the other"""
    import socketserver

    patch(socketserver.ThreadingMixIn, "process_request", socketserver.BaseServer.process_request)


@fault("LOAD-3", transport="tcp")
def dies_of_a_reset() -> None:
    """dies when a client resets its connection"""

    @wrap(Server, "receive")
    def receive(good: Any, self: Server, connection: Connection, now: float) -> None:
        connection.sock.recv(1, socket.MSG_PEEK)
        good(self, connection, now)


@fault("LOAD-3", transport="tcp")
def never_closes_whom_it_refuses() -> None:
    """keeps the socket of each connection that it refuses"""
    kept = []

    @wrap(tcp_server, "refuse")
    def refuse(good: Any, sock: socket.socket) -> None:
        kept.append(sock.dup())
        good(sock)


@fault("LOAD-3", transport="tcp", service="echo")
def answers_all_lines_of_one_client_first() -> None:
    """answers all lines that one client has sent before it looks at the others"""
    patch(session, "TURN_LINES", -1)


@fault("LOAD-4", transport="tcp")
def keeps_idle_connections() -> None:
    """never closes an idle connection"""

    @wrap(session, "open_session")
    def open_session(good: Any, options: Any, *arguments: Any, **named: Any) -> Any:
        return good(options._replace(idle_timeout=1e9), *arguments, **named)


@fault("LOAD-4", transport="tcp", service="echo")
def counts_bytes_as_life() -> None:
    """takes a byte for a sign of life"""

    @wrap(Session, "receive")
    def receive(good: Any, self: Session, data: bytes, now: float, *how: Any) -> Any:
        self._active = now
        return good(self, data, now, *how)


@fault("LOAD-5", transport="tcp", service="echo")
def reads_on() -> None:
    """reads on, into its memory, while replies wait to be sent"""
    ahead = []

    @wrap(Server, "send")
    def send(good: Any, self: Server, connection: Connection, data: bytes) -> None:
        good(self, connection, data)
        if connection.unsent and connection in self.connections:
            self.selector.modify(connection.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, connection)

    @wrap(Server, "receive")
    def receive(good: Any, self: Server, connection: Connection, now: float) -> None:
        if connection.unsent and not _at_end_of_stream(connection):
            ahead.append(connection.sock.recv(RECEIVE_BYTES))
        else:
            good(self, connection, now)


@fault("LOAD-6", transport="tcp")
def keeps_a_line_to_its_end() -> None:
    """keeps all that has come of a line until it ends"""
    kept: list[bytes] = []

    @wrap(Session, "receive")
    def receive(good: Any, self: Session, data: bytes, *how: Any) -> Any:
        kept.append(data)
        if b"\n" in data:
            kept.clear()
        return good(self, data, *how)


@fault("TIME-16", transport="tcp", service="time")
def ticks_on_after_half_close() -> None:
    """sends ticks on when the client has shut down its sending side"""
    half_closed = set()

    @wrap(Server, "receive")
    def receive(good: Any, self: Server, connection: Connection, now: float) -> None:
        if _at_end_of_stream(connection):
            self.selector.unregister(connection.sock)
            half_closed.add(connection)
        else:
            good(self, connection, now)

    @wrap(Server, "drop")
    def drop(good: Any, self: Server, connection: Connection) -> None:
        if connection in half_closed:
            self.selector.register(connection.sock, selectors.EVENT_READ)
        good(self, connection)


@fault("TIME-17", transport="tcp", service="time")
def queues_ticks() -> None:
    """keeps the ticks for a client that does not read"""

    @wrap(TimeSession, "wake")
    def wake(good: Any, self: TimeSession, now: float, utc: float, *, blocked: bool) -> Any:
        return good(self, now, utc, blocked=False)

    @wrap(Server, "send")
    def send(good: Any, self: Server, connection: Connection, data: bytes) -> None:
        good(self, connection, data if data is connection.unsent else connection.unsent + data)


@fault("TIME-8", transport="tcp", service="time")
def reads_the_clocks_once_for_many_ticks() -> None:
    """takes the time before the first of the ticks that are due for the time of all"""
    times = []

    @wrap(Server, "wake")
    def wake_all(good: Any, self: Server, now: float) -> Any:
        times.append((now, time.time()))
        deadline = good(self, now)
        times.clear()
        return deadline

    @wrap(TimeSession, "wake")
    def wake(good: Any, self: TimeSession, now: float, utc: float, *, blocked: bool) -> Any:
        return good(self, *(times[0] if times else (now, utc)), blocked=blocked)


@fault("ERR-10", transport="tcp")
def keeps_refused_connections() -> None:
    """sends busy and shuts its side, but does not close the connection"""
    kept = []

    @wrap(tcp_server, "refuse")
    def refuse(good: Any, sock: socket.socket) -> None:
        kept.append(sock.dup())
        good(sock)


@fault("ERR-10", transport="tcp")
def counts_the_refused() -> None:
    """counts a connection that it has refused as a client, for ever"""

    @wrap(tcp_server, "refuse")
    def refuse(good: Any, sock: socket.socket) -> None:
        good(sock)
        for server in servers:
            server.room -= 1

    servers: list[Server] = []

    @wrap(Server, "__init__")
    def init(good: Any, self: Server, *how: Any) -> None:
        good(self, *how)
        servers.append(self)
