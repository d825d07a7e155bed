"""A scripted server and the client that talks to it: the judge's side of a client check.

The check is the script. It takes the client's requests one by one and answers each as it likes: with any bytes, cut
anywhere, from another address, or not at all. A thread records what arrives, with its time, also while the check looks
elsewhere.
"""

import contextlib
import re
import selectors
import socket
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from subprocess import PIPE
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from conformance.citations import about, blame
from conformance.profiles import Profile
from conformance.programs import OWN_HOST, ProgramError
from conformance.targets import Service, Target, Transport, show_address
from conformance.timing import CLOCK_GRAIN, JUDGE_LATENESS, PATIENCE
from conformance.wire import Exchange
from spec.limits import TIMEOUT_DEFAULT

if TYPE_CHECKING:
    from typing_extensions import Self

LOOPBACK = "127.0.0.1"

RETRANSMITTED = 0.9
"""Seconds. The same request so long after the last may be a retransmission; only the checks of CLI-13 mind."""

SO_TIMESTAMPNS = 35
"""Linux: has the kernel tell when something arrived; the judge's thread may look much later."""
_TIMESPEC = struct.Struct("@ll")

LATENESS = 2 * JUDGE_LATENESS
"""What a client and the judge may add to a time, in seconds."""

TOKEN = "!~:token-of-20-chars"
LONG = "3600"
"""An interval in which no check ends, so that no renewal comes between."""

LONGER = 3 * PATIENCE
"""A timeout, in seconds, in which a check fails before the client gives up."""

STATUSES = {0: "CLI-6", 3: "CLI-9"}
"""What a wrong exit status is about, where this one was due; 1 and 2 have several reasons."""

HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What SRV-14 keeps from a terminal."""

Fields = Sequence[tuple[str, str]]
Item = TypeVar("Item")


class Request(NamedTuple):
    """A datagram, or a line of a stream with its LF; when it was complete (``time.monotonic``); who sent it."""

    data: bytes
    at: float
    peer: tuple[str, int]

    def __repr__(self) -> str:
        return repr(self.data.decode("utf-8", "backslashreplace"))

    @property
    def lines(self) -> list[bytes]:
        """The request's lines without their ends, LF or CRLF; over UDP the last may lack it."""
        return re.sub(rb"\r?\n", b"\n", self.data).removesuffix(b"\n").split(b"\n")


class ClientLeft(AssertionError):
    """The client has closed its connection, and so cannot be sent anything."""


class ScriptedServer(ABC):
    """What both transports share: a record of all that came and went, and waiting. Use it in a ``with`` block."""

    transport: Transport

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.host: str
        self.port: int
        self.host, self.port = sock.getsockname()[:2]
        title = f"{self.transport.upper()}: the client is C, the judge is S"
        self.exchange = Exchange(title, self.transport, (self.host, 0), (self.host, self.port))
        self._changed = threading.Condition()
        self._requests: list[Request] = []
        self._taken = 0
        self._selector = selectors.DefaultSelector()
        self._waker, self._wakened = socket.socketpair()
        self._selector.register(self._wakened, selectors.EVENT_READ)
        self._selector.register(sock, selectors.EVENT_READ, self._readable)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _listen(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                with self._changed:
                    key.data(key.fileobj)
                    self._changed.notify_all()

    @abstractmethod
    def _readable(self, sock: socket.socket) -> None:
        """Take what has arrived on a socket; called with the lock held."""

    def url(self, service: Service) -> str:
        """The URL of this server, as SRV-1 and CLI-1 write it."""
        return f"{service}+{self.transport}://{show_address((self.host, self.port))}"

    @property
    def requests(self) -> list[Request]:
        """All requests so far."""
        with self._changed:
            return list(self._requests)

    @property
    def untaken(self) -> list[Request]:
        """The requests that no `request` has returned, those left out that may be retransmissions of the one before."""
        requests = self.requests
        return [
            request
            for before, request in list(zip([None, *requests], requests, strict=False))[self._taken :]
            if not (before and before.data == request.data and request.at - before.at > RETRANSMITTED)
        ]

    def request(self, within: float = PATIENCE) -> Request:
        """Return the next request. Raises AssertionError if none comes within that many seconds."""
        self.wait_for(lambda: len(self._requests) > self._taken, "request", within)
        self._taken += 1
        return self._requests[self._taken - 1]

    def wait_for(self, condition: Callable[[], bool], what: str, within: float = PATIENCE) -> None:
        """Return as soon as the condition holds. Raises AssertionError if it does not within that many seconds."""
        with self._changed:
            assert self._changed.wait_for(condition, within), f"the scripted server saw no {what} within {within:g} s"

    @abstractmethod
    def send(self, *chunks: bytes) -> None:
        """Send each chunk on its own, to the client whose request was taken last (UDP) or who connected last (TCP)."""

    def close(self) -> None:
        """Stop listening and close all sockets; once more does no harm. The record stays."""
        self._waker.close()
        self._thread.join()
        self._selector.close()
        self._wakened.close()
        self.socket.close()


class ScriptedUdp(ScriptedServer):
    """A server over UDP."""

    transport: Transport = "udp"

    def __init__(self, host: str = LOOPBACK, port: int = 0) -> None:
        sock = _bound(host, port)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        super().__init__(sock)

    def _readable(self, sock: socket.socket) -> None:
        data, at, peer = _receive(sock)
        self.exchange.client = peer[:2]
        self._requests.append(Request(data, self.exchange.add("C", data, at=at), peer))

    def send(self, *chunks: bytes) -> None:
        self._send(self.socket, chunks)

    def send_from(self, host: str, *chunks: bytes) -> None:
        """The same from another socket: another port of the same host, or another host."""
        with _bound(host, 0) as stranger:
            self._send(stranger, chunks, f"from {host} port {stranger.getsockname()[1]}")

    def _send(self, sock: socket.socket, chunks: Iterable[bytes], note: str = "") -> None:
        for chunk in chunks:
            self.exchange.add("S", chunk, note and f"{chunk!r} {note}")
            sock.sendto(chunk, self._requests[self._taken - 1].peer)


class ScriptedTcp(ScriptedServer):
    """A server over TCP. It speaks on the connection that was accepted last, and hears all."""

    transport: Transport = "tcp"

    def __init__(self, host: str = LOOPBACK, port: int = 0) -> None:
        self._connections: dict[socket.socket, tuple[str, int]] = {}
        self._incomplete: dict[socket.socket, bytes] = {}
        self._closed = 0
        listener = socket.create_server((host, port), family=_family(host))
        listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)  # for all that it accepts
        super().__init__(listener)

    def _readable(self, sock: socket.socket) -> None:
        if sock is self.socket:
            connection, peer = sock.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.exchange.client = peer[:2]
            self.exchange.add("C", b"", "connected")
            self._connections[connection] = peer[:2]
            self._incomplete[connection] = b""
            self._selector.register(connection, selectors.EVENT_READ, self._readable)
            return
        try:
            data, at, _ = _receive(sock)
        except ConnectionError:
            data, at = b"", None
        at = self.exchange.add("C", data, "" if data else "end of stream", at=at)
        if not data:
            self._closed += 1
            self._selector.unregister(sock)
            return
        *lines, self._incomplete[sock] = (self._incomplete[sock] + data).split(b"\n")
        self._requests += [Request(line + b"\n", at, self._connections[sock]) for line in lines]

    @property
    def connections(self) -> int:
        """How many connections were accepted."""
        return len(self._connections)

    @property
    def incomplete(self) -> bytes:
        """What came after the last LF, on all connections."""
        return b"".join(self._incomplete.values())

    def send(self, *chunks: bytes) -> None:
        connection = self._connection()
        for chunk in chunks:
            self.exchange.add("S", chunk)
            try:
                connection.sendall(chunk)
            except ConnectionError as error:
                raise ClientLeft(f"the client has closed its connection: {type(error).__name__}") from None

    def finish(self) -> None:
        """Shut down the sending side, so that the client reads an end of stream (FIN)."""
        connection = self._connection()
        self.exchange.add("S", b"", "end of stream")
        connection.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close the connection with a reset (RST)."""
        connection = self._connection()
        with self._changed:
            self.exchange.add("S", b"", "reset")
            self._selector.unregister(connection)
            self._closed += 1
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    def wait_closed(self, within: float = PATIENCE) -> None:
        """Return when the client has closed all its connections. Raises AssertionError after that many seconds."""
        self.wait_for(lambda: self._closed == len(self._connections), "end of stream", within)

    def close(self) -> None:
        super().close()
        for connection in self._connections:
            connection.close()

    def _connection(self) -> socket.socket:
        self.wait_for(lambda: bool(self._connections), "connection")
        return list(self._connections)[-1]


def scripted(transport: Transport, host: str = LOOPBACK, port: int = 0) -> ScriptedServer:
    """Return a scripted server on that address; port 0: any free one."""
    return ScriptedUdp(host, port) if transport == "udp" else ScriptedTcp(host, port)


class Talk:
    """A client under judgement and the scripted server that it is started against. Use it in a ``with`` block."""

    def __init__(
        self,
        target: Target,
        service: Service,
        transport: Transport,
        *arguments: str,
        host: str = OWN_HOST,
        port: int = 0,
        where: Sequence[str] = ("--host", "{host}", "--port", "{port}"),
        timeout: float | None = PATIENCE,
        absent: bool = False,
        stdin: str | bytes | int | None = "",
        stdout: int = PIPE,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start the client with further `arguments`; its streams and `env` as `Program` takes them.

        The server listens on `host` and `port`; `where` are the options that lead the client there. `timeout` in
        seconds; None: the client's default. With `absent` the server has stopped listening before.
        """
        self.service: Service = service
        self.timeout = TIMEOUT_DEFAULT if timeout is None else timeout
        self._last: Request | None = None
        self.server = scripted(transport, host, port)
        if absent:
            self.server.close()
        where = [word.format(host=host, port=self.server.port) for word in where]
        patience = [] if timeout is None else ["--timeout", f"{timeout:g}"]
        self.program = target.program(
            transport,
            "client",
            service,
            *where,
            *patience,
            *arguments,
            stdin=stdin,
            stdout=stdout,
            env={"TZ": "UTC", **(env or {})},
        )

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.program.kill()
        self.server.close()

    @property
    def udp(self) -> ScriptedUdp:
        """The server, over UDP."""
        assert isinstance(self.server, ScriptedUdp)
        return self.server

    @property
    def tcp(self) -> ScriptedTcp:
        """The server, over TCP."""
        assert isinstance(self.server, ScriptedTcp)
        return self.server

    @property
    def connected(self) -> str:
        """The line of CLI-1."""
        return f"connected to {self.server.url(self.service)}"

    def request(self, *lines: str) -> Request:
        """Return the next request, whatever it is; a failure says that these lines were due."""
        try:
            return self.server.request()
        except AssertionError as error:
            due = f", {lines} was due" if lines else ""
            raise AssertionError(self.program.describe(f"{error}{due}")) from None

    def expect(self, *lines: str) -> Request:
        """Return the next request, which must have just these lines. Retransmissions are passed over."""
        before, request = self._last, self.request(*lines)
        while before and before.data == request.data and request.at - before.at > RETRANSMITTED:
            before, request = request, self.request(*lines)
        self._last = request
        told = self.program.describe(f"not the request {lines}: {request}")
        assert request.lines == [line.encode() for line in lines], told
        return request

    def send(self, *chunks: bytes) -> None:
        """Let the server send each chunk on its own."""
        self.server.send(*chunks)

    def subscribe(self, name: str, interval: str = LONG) -> None:
        """Play a time server's part up to and with the `OK`."""
        transport = self.server.transport
        self.expect(f"TIME {name}")
        if transport == "udp":
            self.send(reply("CHALLENGE", ("token", TOKEN)))
            with about("CLI-16"):
                self.expect(f"TIME {name}", f"token: {TOKEN}")
        self.send(reply("OK", *subscribed_fields(name, interval, transport)))

    def restart(self, outage: float, meanwhile: str = "") -> None:
        """Close the server's UDP socket, and open it again after that many seconds, in which the client must go on.

        `meanwhile` is written to its standard input while nobody listens.
        """
        self.server.close()
        if meanwhile:
            self.program.write(meanwhile)
            self.program.close_stdin()
        self.program.wait_until(lambda: False, outage)
        assert self.program.running, self.program.describe("it gave up while the server restarted")
        self.server = ScriptedUdp(self.server.host, self.server.port)

    def expect_errors(self, count: int, case: str) -> None:
        """Wait for as many lines on standard error in all; `case` says for what the last of them is due."""
        program = self.program
        assert program.wait_until(lambda: len(program.errors) >= count), program.describe(f"{case}: not reported")
        with about("CLI-10"):
            assert len(program.errors) == count, program.describe(f"{case}: not one line on standard error")

    def expect_no_answer(self) -> None:
        """Nothing of what the server sent so far may have been taken for an answer."""
        output = self.program.output
        assert not self._answers(output), self.program.describe("took one of them for an answer")
        with about("CLI-2"):
            assert not output, self.program.describe("connected before a valid reply has come")

    def ends(
        self,
        status: int,
        output: Sequence[str],
        errors: Sequence[str] | None = (),
        *,
        renewing: bool = False,
        case: str = "",
    ) -> None:
        """Judge the client by its end: the exit status, its whole output, and what else the server saw: nothing.

        Each of `errors` is a regular expression for one line of standard error, in order; there must be no others. None
        leaves them free. If it was `renewing` its lease, more requests like the last one are expected. `case` opens a
        failure's message.
        """
        program, server, ended = self.program, self.server, None
        with contextlib.suppress(ProgramError):  # while it runs on, what it has done wrong tells more
            ended = program.wait()
        patterns = [""] * len(program.errors) if errors is None else errors

        def judge(right: object, problem: str, id_: str | None = None) -> None:
            if not right:
                due = f"status {status}, errors {patterns} and output {output} were due"
                error = AssertionError(program.describe(f"{case}: {problem}: {due}".removeprefix(": ")))
                if id_:
                    blame(error, id_)
                raise error

        told = program.output + program.errors
        judge(not any(map(HIDDEN.search, told)), "a control or direction character", "SRV-14")
        judge(self._answers(program.output) == self._answers(output), "wrong output")
        judge(patterns or not program.errors, "an error where none is")
        last = self._last.data if renewing and self._last else None
        more = [request for request in server.untaken if request.data != last]
        judge(not more, f"it also sent {more}")
        judge(ended == status, "wrong exit status", STATUSES.get(status))
        judge(len(program.errors) == len(patterns), "not one line on standard error for each error", "CLI-10")
        judge(all(map(re.search, patterns, program.errors)), "code or reason not told", "CLI-9")
        judge(program.output == output, "wrong first line", "CLI-1" if self.connected in output else "CLI-2")
        if isinstance(server, ScriptedTcp):
            server.wait_closed()
            judge(server.connections <= 1, f"it made {server.connections} connections", "CLI-4")
            judge(not server.incomplete, "it sent half a line")

    def _answers(self, output: Sequence[str]) -> list[str]:
        return [line for line in output if line != self.connected]


def reply(status: str, *fields: tuple[str, str]) -> bytes:
    """Return a reply with exactly these fields, good or not."""
    return "".join([f"{status}\n", *(f"{name}: {value}\n" for name, value in fields), "\n"]).encode()


def with_unknown_fields(known: bytes) -> bytes:
    """Return a reply with fields more that no client knows: first, in between, and last (CLI-12)."""
    status, field, *fields, end = known.decode().split("\n")[:-1]
    return "\n".join([status, "x-1: ", field, "future: a: б\u3000в", *fields, "message-2: OK", end, ""]).encode()


def echo_fields(message: str, transport: Transport) -> list[tuple[str, str]]:
    """Return the fields of an OK to ECHO. All but `message` are not what a client could work out itself."""
    fields = [("message", message), ("reversed", f"r{message}"), ("upper", f"u{message}"), ("length", "90")]
    return fields + ([("bytes", "91"), ("sha256", "0123456789abcdef" * 4)] if transport == "tcp" else [])


def subscribed_fields(name: str, interval: str, transport: Transport) -> list[tuple[str, str]]:
    """Return the fields of an OK to TIME; the lease over UDP is longer than any check."""
    return [("name", name), ("interval", interval), *([("lease", "60")] if transport == "udp" else [])]


def tick_fields(name: str, seq: int, second: int | None = None) -> list[tuple[str, str]]:
    """Return the fields of a TICK; its time is that second of an hour, by default `seq`, and 250 milliseconds."""
    moment = seq if second is None else second
    return [("name", name), ("time", f"2026-11-23T09:{moment // 60:02}:{moment % 60:02}.250Z"), ("seq", str(seq))]


def tick(name: str, seq: int, second: int | None = None) -> bytes:
    """Return a TICK with the fields that `tick_fields` makes."""
    return reply("TICK", *tick_fields(name, seq, second))


def tick_lines(name: str, seconds: Iterable[int]) -> list[str]:
    """Return the lines that a time client prints for ticks of these seconds, in UTC."""
    return [f"{name} 2026-11-23T09:{second // 60:02}:{second % 60:02}.250+00:00" for second in seconds]


def replaced(fields: Fields, name: str, *values: str) -> list[tuple[str, str]]:
    """Return the fields with other values for one of them; no value: without it."""
    return [(each, value) for each, old in fields for value in (values if each == name else [old])]


def shown(fields: Fields) -> list[str]:
    """Return the lines that an echo client prints for the fields of an OK."""
    return [HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", f"{name}: {value}") for name, value in fields]


def took(seconds: Sequence[float], due: Sequence[float]) -> bool:
    """Whether each of several waits took the time that was due, or little more."""
    return len(seconds) == len(due) and all(
        least - CLOCK_GRAIN <= each <= least + LATENESS for each, least in zip(seconds, due, strict=True)
    )


def batches(items: Iterable[Item], profile: Profile, size: int = 6) -> Iterator[list[Item]]:
    """Yield the profile's share of the items in lists of so many: as many programs as may well start at once."""
    rest = profile.select(items)
    while rest:
        yield rest[:size]
        del rest[:size]


def _receive(sock: socket.socket) -> tuple[bytes, float | None, tuple[str, int]]:
    """Return what has come, when the kernel got it (``time.monotonic``; None if it does not say), and from whom."""
    data, extra, _, peer = sock.recvmsg(1 << 16, socket.CMSG_SPACE(_TIMESPEC.size))
    for level, kind, stamp in extra:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = _TIMESPEC.unpack(stamp)
            return data, float(seconds + nanoseconds / 1e9 - time.time() + time.monotonic()), peer
    return data, None, peer


def _bound(host: str, port: int) -> socket.socket:
    sock = socket.socket(_family(host), socket.SOCK_DGRAM)
    sock.bind((host, port))
    return sock


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
