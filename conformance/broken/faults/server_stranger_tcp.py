"""Servers whose author read the sentences about streams too quickly."""

import socket
import struct
import time
from contextlib import suppress
from typing import Any

from conformance.broken import fault, patch, wrap
from impl_raw.tcp_server import Connection, Server
from spec.codec import ERROR_REPLIES
from spec.limits import LINE_BYTES
from spec.session import EchoSession, Session


def _receives(change: Any) -> None:
    """Have `change` stand for a session's receive: it gets the original for these bytes, the session and the bytes."""

    @wrap(Session, "receive")
    def receive(good: Any, self: Session, data: bytes, *how: Any) -> Any:
        return change(lambda given: good(self, given, *how), self, data)


@fault("TCP-1", transport="tcp", service="echo")
def says_goodbye() -> None:
    """sends an ERR before it closes an idle connection"""

    @wrap(Session, "wake")
    def wake(good: Any, self: Session, *how: Any, **named: Any) -> Any:
        good(self, *how, **named)
        return ERROR_REPLIES["busy"] if self.expired else b""


@fault("TCP-1", transport="tcp")
def greets() -> None:
    """sends OK when a connection has been accepted, before any request"""

    @wrap(Server, "accept")
    def accept(good: Any, self: Server) -> Any:
        before = set(self.connections)
        accepted = good(self)
        for connection in set(self.connections) - before:
            self.send(connection, b"OK\n\n")
        return accepted


@fault("TCP-3", transport="tcp", service="echo")
def strips_the_cr_of_a_segment() -> None:
    """drops a CR at the end of what it has received, wherever that was cut"""
    _receives(lambda good, self, data: good(data.removesuffix(b"\r")))


@fault("TCP-3", transport="tcp", service="time")
def strips_a_segment() -> None:
    """drops spaces at the beginning of what it has received, wherever that was cut"""
    _receives(lambda good, self, data: good(data.lstrip(b" ")))


@fault("TCP-4", transport="tcp", service="echo")
def takes_a_pause_for_an_end() -> None:
    """takes half a line after which nothing has come for half a second for a whole one"""

    def deadline(self: Any) -> float:
        return time.monotonic() + 0.5 if self._partial else self._active + self._idle_timeout

    patch(EchoSession, "deadline", property(deadline))

    @wrap(EchoSession, "wake")
    def wake(good: Any, self: Any, now: float, utc: float, *, blocked: bool) -> Any:
        return self.receive(b"\n", now, utc) if self._partial else good(self, now, utc, blocked=blocked)


@fault("TCP-5", transport="tcp", service="echo")
def leaves_the_rest_of_a_read() -> None:
    """answers fifty lines of one read, and the rest when more bytes come"""

    def receive(good: Any, self: Session, data: bytes) -> Any:
        lines = (self._partial + data).split(b"\n")
        self._partial = b""
        replies = good(b"\n".join(lines[:50]) + b"\n" * (len(lines) > 50))
        self._partial += b"\n".join(lines[50:])
        return replies

    _receives(receive)


@fault("TCP-6", transport="tcp", service="echo")
def hangs_up_after_three_errors() -> None:
    """closes a connection after three faulty requests"""
    errors: dict[int, int] = {}

    @wrap(Server, "send")
    def send(good: Any, self: Server, connection: Connection, data: bytes) -> None:
        good(self, connection, data)
        errors[id(connection)] = errors.get(id(connection), 0) + data.count(b"ERR\n")
        if errors[id(connection)] >= 3:
            del errors[id(connection)]
            self.drop(connection)


@fault("TCP-6", transport="tcp", service="time")
def hangs_up_on_an_overlong_line() -> None:
    """closes a connection after the answer too-long"""

    @wrap(Server, "send")
    def send(good: Any, self: Server, connection: Connection, data: bytes) -> None:
        good(self, connection, data)
        if b"code: too-long\n" in data:
            self.drop(connection)


@fault("TCP-7", transport="tcp", service="echo")
def keeps_the_end_of_an_overlong_line() -> None:
    """keeps the last bytes of a line that is too long, and takes them for the line"""

    def receive(good: Any, self: Session, data: bytes) -> Any:
        head, newline, rest = (self._partial + data).partition(b"\n")
        self._partial = b""
        if newline:
            return good(head[-LINE_BYTES:] + newline + rest) if len(head) > 65536 else good(head + newline + rest)
        self._partial = head[-65537 - LINE_BYTES :]
        return b""

    _receives(receive)


@fault("TCP-7", transport="tcp", service="echo")
def loses_the_line_after_an_overlong_one() -> None:
    """drops what came in one segment with the end of a line that is too long"""

    def receive(good: Any, self: Session, data: bytes) -> Any:
        if len(self._partial) > LINE_BYTES and b"\n" in data:
            data = data[: data.index(b"\n") + 1]
        return good(data)

    _receives(receive)


@fault("TCP-7", transport="tcp", service="time")
def answers_each_64_kib() -> None:
    """answers a line that is too long once more for each 65,536 bytes of it"""
    seen: dict[int, int] = {}

    def receive(good: Any, self: Session, data: bytes) -> Any:
        skipped = 0 if b"\n" in data else seen.get(id(self), 0) + len(data)
        seen[id(self)] = skipped % 65536
        return good(data) + ERROR_REPLIES["too-long"] * (skipped // 65536)

    _receives(receive)


@fault("TCP-8", transport="tcp", service="echo")
def forgets_what_is_unsent_at_the_end() -> None:
    """closes when the client has shut down its sending side, although replies wait to be sent"""

    @wrap(Server, "send")
    def send(good: Any, self: Server, connection: Connection, data: bytes) -> None:
        good(self, connection, data)
        if connection.unsent and connection in self.connections:
            with suppress(OSError):
                if not connection.sock.recv(1, socket.MSG_PEEK):
                    self.drop(connection)


@fault("TCP-8", transport="tcp", service="echo")
def closes_with_a_reset() -> None:
    """resets a connection instead of closing it, so that its last replies may be lost"""

    @wrap(Server, "drop")
    def drop(good: Any, self: Server, connection: Connection) -> None:
        with suppress(OSError):
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        good(self, connection)
