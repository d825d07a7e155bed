"""Servers whose author read the sentences about limits and idle clients too quickly."""

import socket
import sys
import time
from contextlib import suppress
from typing import Any

from conformance.broken import fault, patch, wrap
from impl_raw import tcp_server
from impl_raw.tcp_server import Connection, Server
from spec.session import BUSY, EchoSession, Session, TimeSession


@fault("ERR-10", transport="tcp", service="echo")
def never_counts_connections_down() -> None:
    """counts all connections since it started, those too that have been closed"""
    accepted: list[int] = []

    @wrap(tcp_server, "open_session")
    def open_session(good: Any, options: Any, *rest: Any, **named: Any) -> Any:
        accepted.append(1)
        return good(options, *rest, **named)

    @wrap(Server, "accept")
    def accept(good: Any, self: Server) -> Any:
        if len(accepted) < self.options.max_clients:
            return good(self)
        room, self.room = self.room, 0
        try:
            return good(self)
        finally:
            self.room += room


@fault("ERR-10", transport="tcp", service="time")
def admits_one_more() -> None:
    """admits one connection more than its limit"""

    @wrap(Server, "__init__")
    def init(good: Any, self: Server, options: Any, listener: socket.socket) -> None:
        good(self, options._replace(max_clients=options.max_clients + 1), listener)


@fault("ERR-10", transport="tcp", service="echo")
def keeps_whom_it_refuses() -> None:
    """says busy, but leaves the connection open for a minute"""
    kept: list[tuple[float, socket.socket]] = []

    def refuse(sock: socket.socket) -> None:
        with suppress(OSError):
            sock.send(BUSY)
        while kept and kept[0][0] < time.monotonic():
            kept.pop(0)[1].close()
        kept.append((time.monotonic() + 60, sock.dup()))

    patch(tcp_server, "refuse", refuse)


@fault("LOAD-4", transport="tcp", service="echo")
def counts_the_age_of_a_connection() -> None:
    """closes a connection when the idle timeout has passed since it was accepted, idle or not"""

    @wrap(EchoSession, "__init__")
    def init(good: Any, self: Any, options: Any, client: str, now: float, *rest: Any) -> None:
        good(self, options, client, now, *rest)
        self._accepted = now

    @wrap(Session, "wake")
    def wake(good: Any, self: Any, now: float, *how: Any, **named: Any) -> Any:
        self._active = self._accepted
        return good(self, now, *how, **named)

    patch(EchoSession, "deadline", property(lambda self: self._accepted + self._idle_timeout))


@fault("LOAD-4", transport="tcp", service="time")
def takes_a_subscriber_for_idle() -> None:
    """closes the connection of a subscriber who takes its ticks and sends nothing"""

    @wrap(TimeSession, "wake")
    def wake(good: Any, self: Any, now: float, utc: float, *, blocked: bool) -> Any:
        active = self._active
        out = good(self, now, utc, blocked=blocked)
        self._active = active
        self.expired = now >= active + self._idle_timeout
        return out


@fault("LOAD-4", transport="tcp", service="echo")
def takes_a_slow_reader_for_idle() -> None:
    """does not count the bytes of a reply that a client takes as a sign of life"""
    patch(Session, "sent", lambda self, now: None)


@fault("LOAD-4", transport="tcp", service="time")
def closes_late() -> None:
    """closes an idle connection after three times the idle timeout"""

    @wrap(Session, "__init__")
    def init(good: Any, self: Any, options: Any, *rest: Any) -> None:
        good(self, options._replace(idle_timeout=3 * options.idle_timeout), *rest)


@fault("LOAD-4", transport="tcp", service="echo")
def has_an_idle_timeout_of_whole_seconds() -> None:
    """cuts the idle timeout to whole seconds, so that it closes too early"""

    @wrap(Session, "__init__")
    def init(good: Any, self: Any, options: Any, *rest: Any) -> None:
        good(self, options._replace(idle_timeout=int(options.idle_timeout)), *rest)


@fault("LOAD-4", transport="tcp", service="echo")
def has_timers_of_32_bits() -> None:
    """counts the idle timeout in milliseconds of 32 bits, and drops clients at once if it has no room there"""

    @wrap(Session, "__init__")
    def init(good: Any, self: Any, options: Any, *rest: Any) -> None:
        fits = options.idle_timeout * 1000 < 1 << 31
        good(self, options if fits else options._replace(idle_timeout=0.001), *rest)


@fault("LOAD-3", transport="tcp", service="echo")
def leaks_a_socket_at_each_reset() -> None:
    """keeps the file of each connection that was reset, until it has no file left"""
    kept: list[socket.socket] = []

    @wrap(Server, "receive")
    def receive(good: Any, self: Server, connection: Connection, now: float) -> None:
        try:
            connection.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            pass
        except OSError:
            kept.append(connection.sock.dup())
        good(self, connection, now)


@fault("SRV-13", transport="tcp", service="time")
def logs_a_reset() -> None:
    """prints on standard error that a client has reset its connection"""

    @wrap(Server, "receive")
    def receive(good: Any, self: Server, connection: Connection, now: float) -> None:
        try:
            connection.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            pass
        except OSError as error:
            print(error, file=sys.stderr)
            self.drop(connection)
        good(self, connection, now)
