"""One TCP connection as a server sees it: SPEC.md, sections 5, 7, 8 and 11.

Bytes in, bytes out, time passed in: ``now`` is seconds on a monotonic clock, ``utc`` the wall clock's seconds since
1970.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeAlias

from spec import echo, ticks
from spec.codec import ECHO, ERROR_REPLIES, TIME, RequestError, check_name, parse_line
from spec.limits import LINE_BYTES
from spec.message import Message
from spec.options import ServerOptions
from spec.text import visible

BUSY = ERROR_REPLIES["busy"]
"""What to send to a connection over the limit of clients, before its sending side is shut down (ERR-10)."""

LINGER = 0.5
"""Seconds for which such a connection is received from: until then it may not have seen that it is refused."""

TURN_LINES = 64
"""Lines of one client to answer before the others have their turn, so that whoever pipelines thousands holds nobody up
(LOAD-3)."""

Announce = Callable[[str], object]
"""Takes a line about a client, for standard output (SRV-4 to SRV-6)."""


Handlers: TypeAlias = Mapping[str, Callable[..., bytes]]
"""A service: its verbs, each with the method that returns the reply or raises RequestError.

A handler gets the session, the argument, ``now`` and ``utc``.
"""


class Session(ABC):
    """One connection: bytes from the client in, bytes to send out.

    Send what ``receive`` and ``wake`` return, and do not receive from the client until all of it is sent. A thread that
    serves one client does it so::

        session = open_session(options, format_address(address), time.monotonic(), announce)
        while not session.expired:
            sock.settimeout(max(session.deadline - time.monotonic(), 0.001))
            try:
                data = sock.recv(RECEIVE_BYTES)
                if not data:
                    break
                out = session.receive(data, time.monotonic(), time.time())
            except TimeoutError:
                out = session.wake(time.monotonic(), time.time(), blocked=False)
            sock.settimeout(options.idle_timeout)
            sock.sendall(out)
        session.close()
    """

    handlers: ClassVar[Handlers]
    counts: ClassVar[bool] = True
    """Whether it is one of the clients that the limit is for."""

    def __init__(self, options: ServerOptions, client: str, now: float, announce: Announce) -> None:
        """``client`` is the client's address as ``format_address`` writes it, ``now`` when it was accepted."""
        self.expired = False
        """Whether the client was idle for the idle timeout: close the connection (LOAD-4)."""
        self.behind = False
        """Whether ``receive`` has left lines for the next turn: call it again, without bytes, before you receive."""
        self._client = client
        self._announce = announce
        self._idle_timeout = options.idle_timeout
        self._active = now
        self._partial = b""

    @property
    def deadline(self) -> float:
        """When to call ``wake`` next, on the clock of ``now``."""
        return self._active + self._idle_timeout

    def receive(self, data: bytes, now: float, utc: float, most: int = -1) -> bytes:
        """Return the replies to the lines that these bytes complete (TCP-1 to TCP-5): to all, or to so many at most."""
        *lines, rest = (self._partial + data).split(b"\n", most)
        self.behind = behind = len(lines) == most and b"\n" in rest
        # An overlong line stays overlong when its tail is dropped, though the last byte kept be a CR (TCP-7, LOAD-6)
        self._partial = rest if behind else rest[: LINE_BYTES + 2]
        if not lines:
            return b""
        self._active = now
        return b"".join([self._reply(line, now, utc) for line in lines])

    def wake(self, now: float, utc: float, *, blocked: bool) -> bytes:
        """Return the tick that is due, or no bytes. ``blocked``: earlier bytes are not sent yet."""
        self.expired = now >= self._active + self._idle_timeout
        return b""

    def sent(self, now: float) -> None:
        """Call this when bytes that the socket had not taken at first are sent: the client is not idle."""
        self._active = now

    @abstractmethod
    def close(self) -> None:
        """Call this once, when the connection is closed."""

    def _reply(self, line: bytes, now: float, utc: float) -> bytes:
        try:
            verb, argument = parse_line(line, self.handlers)
            return self.handlers[verb](self, argument, now, utc)
        except RequestError as error:
            return error.reply  # TCP-6


class EchoSession(Session):
    """A connection to the echo service."""

    def __init__(self, options: ServerOptions, client: str, now: float, announce: Announce) -> None:
        super().__init__(options, client, now, announce)
        announce(Message("client {client} connected", client=client))

    def close(self) -> None:
        self._announce(Message("client {client} left", client=self._client))

    def _echo(self, message: str, now: float, utc: float) -> bytes:
        return echo.echo_line(message)

    handlers: ClassVar[Handlers] = {ECHO: _echo}


class TimeSession(Session):
    """A connection to the time service, subscribed from its first accepted TIME until it is closed."""

    def __init__(self, options: ServerOptions, client: str, now: float, announce: Announce) -> None:
        super().__init__(options, client, now, announce)
        self._interval = options.interval
        self._name = ""
        self._schedule: ticks.Schedule | None = None

    @property
    def deadline(self) -> float:
        """When to call ``wake`` next: for the next tick or the idle timeout."""
        idle = self._active + self._idle_timeout
        return idle if self._schedule is None else min(idle, self._schedule.deadline)

    def wake(self, now: float, utc: float, *, blocked: bool) -> bytes:
        """Return the tick that is due; skip it if ``blocked`` (TIME-17)."""
        seq = None if self._schedule is None else self._schedule.take(now)
        if seq is None or blocked:
            return super().wake(now, utc, blocked=blocked)
        self._active = now
        return ticks.build_tick(self._name, utc, seq)

    def close(self) -> None:
        if self._schedule is not None:
            self._announce(Message("client {client} left", client=self._shown(self._name)))

    def _subscribe(self, name: str, now: float, utc: float) -> bytes:
        check_name(name)
        former, self._name = self._name, name
        subscribed = ticks.build_subscribed(name, self._interval)
        if self._schedule is not None:  # TIME-13
            if name != former:
                self._announce(Message("client {client} is now {name}", client=self._shown(former), name=visible(name)))
            return subscribed
        self._schedule = ticks.Schedule(now, float(self._interval))
        self._announce(Message("client {client} connected", client=self._shown(self._name)))
        return subscribed + self.wake(now, utc, blocked=False)  # TIME-5

    def _shown(self, name: str) -> str:
        return f"{visible(name)} ({self._client})"

    handlers: ClassVar[Handlers] = {TIME: _subscribe}


class RefusedSession(Session):
    """A connection over the limit of clients: nothing that comes is answered (ERR-10)."""

    handlers: ClassVar[Handlers] = {}
    counts = False

    def __init__(self, options: ServerOptions, client: str, now: float, announce: Announce) -> None:
        super().__init__(options._replace(idle_timeout=LINGER), client, now, announce)

    def receive(self, data: bytes, now: float, utc: float, most: int = -1) -> bytes:
        """Return no bytes."""
        return b""

    def close(self) -> None:
        """Announce nothing."""


def open_session(
    options: ServerOptions, client: str, now: float, announce: Announce, *, refused: bool = False
) -> Session:
    """Return the session of a connection that was just accepted. The other arguments are those of ``Session``."""
    kind = RefusedSession if refused else EchoSession if options.service == "echo" else TimeSession
    return kind(options, client, now, _announce_nothing if options.quiet else announce)


def _announce_nothing(line: str) -> None:
    """Take the place of ``announce`` when a server is quiet (SRV-7)."""
