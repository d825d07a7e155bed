"""Servers over TCP that count their clients wrongly, or let one of them cost the others."""

import selectors
import socket
import time
from typing import Any

from conformance.broken import fault, patch, wrap
from conformance.broken.faults.server_tcp import at_end_of_stream
from impl_raw import tcp_server
from impl_raw.tcp_server import Connection, Server
from spec import session
from spec.codec import RECEIVE_BYTES
from spec.limits import UNSENT_BYTES
from spec.program import arguments
from spec.session import BUSY, Session, TimeSession


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
def serves_500_clients_by_default() -> None:
    """has a limit of 500 clients where --max-clients is not given"""
    patch(arguments, "CLIENTS_HERE", 500)


@fault("ERR-10", transport="tcp")
def is_busy_early() -> None:
    """keeps one in twenty connections in reserve"""

    @wrap(Server, "__init__")
    def init(good: Any, self: Server, options: Any, listener: socket.socket) -> None:
        good(self, options._replace(max_clients=options.max_clients - options.max_clients // 20), listener)


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
        if connection.unsent and not at_end_of_stream(connection):
            ahead.append(connection.sock.recv(RECEIVE_BYTES))
        else:
            good(self, connection, now)


@fault("LOAD-5", transport="tcp", service="echo")
def reads_on_with_a_pause() -> None:
    """reads on, into its memory, while replies wait to be sent, and stands still for half a second meanwhile"""
    reads_on()
    paused: list[Connection] = []

    @wrap(Server, "receive")
    def receive(good: Any, self: Server, connection: Connection, now: float) -> None:
        if connection.unsent and not paused:
            paused.append(connection)
            time.sleep(0.5)
        good(self, connection, now)


@fault("LOAD-5", transport="tcp")
def reads_on_up_to_4_mib() -> None:
    """reads on until 4 MiB of replies wait to be sent"""

    @wrap(Server, "send")
    def send(good: Any, self: Server, connection: Connection, data: bytes) -> None:
        good(self, connection, data if data is connection.unsent else connection.unsent + data)
        if 0 < len(connection.unsent) < 4 * UNSENT_BYTES and not at_end_of_stream(connection):
            self.selector.modify(connection.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, connection)
        elif connection.unsent:
            self.selector.modify(connection.sock, selectors.EVENT_WRITE, connection)


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


@fault("LOAD-4", transport="tcp", service="time")
def keeps_each_subscriber() -> None:
    """takes no subscriber for idle"""

    @wrap(TimeSession, "wake")
    def wake(good: Any, self: Any, now: float, utc: float, *, blocked: bool) -> Any:
        if self._schedule is not None:
            self._active = now
        return good(self, now, utc, blocked=blocked)


@fault("LOAD-4", transport="tcp", service="time")
def looks_for_idle_subscribers_at_ticks_alone() -> None:
    """looks only when a tick is due whether a subscriber is idle"""

    def deadline(self: Any) -> Any:
        return self._schedule.deadline if self._schedule else self._active + self._idle_timeout

    patch(TimeSession, "deadline", property(deadline))


@fault("SRV-6", transport="tcp", service="time")
def drops_idle_subscribers_without_a_word() -> None:
    """does not print that a subscriber left whose connection it closed as idle"""

    @wrap(TimeSession, "close")
    def close(good: Any, self: Any) -> None:
        if not self.expired:
            good(self)


@fault("ERR-10", transport="tcp")
def keeps_its_side_open_after_busy() -> None:
    """says busy, and shuts its side of the connection only when it closes it"""

    def refuse(sock: socket.socket) -> None:
        sock.send(BUSY)

    patch(tcp_server, "refuse", refuse)
