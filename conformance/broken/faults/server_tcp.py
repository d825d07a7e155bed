"""Servers over TCP that cut the stream wrongly."""

import selectors
import socket
import time
from collections.abc import Sequence
from typing import Any

from conformance.broken import fault, wrap
from impl_raw.tcp_server import Connection, Server
from spec.codec import ERROR_REPLIES
from spec.limits import LINE_BYTES
from spec.session import Session, TimeSession


def at_end_of_stream(connection: Connection) -> bool:
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
        if at_end_of_stream(connection):
            kept.append(connection.sock.dup())
        good(self, connection, now)


@fault("TCP-9", transport="tcp", service="echo")
def answers_an_unended_line() -> None:
    """answers a last line that has no LF"""

    @wrap(Server, "receive")
    def receive(good: Any, self: Server, connection: Connection, now: float) -> None:
        if connection.session._partial and at_end_of_stream(connection):
            self.send(connection, connection.session.receive(b"\n", 0, 0))
        good(self, connection, now)


@fault("SRV-9", transport="tcp")
def lets_nobody_in_any_more() -> None:
    """stops without the connections that it has not accepted when the signal comes"""

    @wrap(Server, "serve")
    def serve(good: Any, self: Any, signals: Sequence[int]) -> None:
        accept = self.accept
        self.accept = lambda: not signals and accept()
        good(self, signals)


@fault("TIME-16", transport="tcp", service="time")
def ticks_on_after_half_close() -> None:
    """sends ticks on when the client has shut down its sending side"""
    half_closed = set()

    @wrap(Server, "receive")
    def receive(good: Any, self: Server, connection: Connection, now: float) -> None:
        if at_end_of_stream(connection):
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
