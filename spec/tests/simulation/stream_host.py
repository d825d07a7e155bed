"""A TCP server around the core's sessions, as the programs are: one thread, buffers, a limit of clients."""

import re
from collections.abc import Callable
from random import Random

from spec.options import ServerOptions
from spec.session import BUSY, TURN_LINES, open_session
from spec.tests.simulation.loop import LAG, ROUNDING, Alarm, Loop
from spec.tests.simulation.network import Pipe
from spec.timers import Timers

_SEQ = re.compile(rb"\nseq: (\d+)\n\n")


class Connection:
    """Both directions of a connection, and the server's end of it."""

    def __init__(self, host: "Host", address: str, random: Random, longest: float) -> None:
        loop = host.loop
        self.up = Pipe(loop, random, 65536, longest)
        """What the client sends."""
        self.down = Pipe(loop, random, random.choice((500, 20000, 1 << 20)), longest)
        """What the server sends."""
        self.here = True
        """Whether the server has not closed it."""
        self.expired = False
        """Whether the server has dropped it as idle."""
        self.idle_since = loop.now
        """When the server last got the end of a line, or something that it sends was taken."""
        self.lines = 0
        """How many ends of lines the server has got."""
        self.refused = not host.room
        self._host = host
        self._unsent = b""
        self._turn_is_due = False
        self._subscribed_at = 0.0
        self.session = open_session(host.options, address, loop.now, host.announce, refused=self.refused)
        host.room -= self.session.counts
        self.up.arrive = self._receive
        self.down.has_room = self._flush
        if self.refused:
            self.down.send(BUSY)
            self.down.end()
        host.arm(self)

    def close(self) -> None:
        """Close the server's end: the client gets what was sent, then the end of the stream."""
        if self.here:
            self.here = False
            self._host.room += self.session.counts
            self._host.timers.disarm(self)
            self.session.close()
            self.up.close()
            if not self.refused:
                self.down.end()

    def _receive(self, data: bytes) -> None:
        now, utc = self._host.loop.now, self._host.loop.utc
        if not data:
            self.close()
            return
        if b"\n" in data:
            self.idle_since = now
        self.lines += data.count(b"\n")
        self._send(self.session.receive(data, now, utc, TURN_LINES))

    def _flush(self) -> None:
        """Send on, or build the replies that were left: the client has read, or the others have had their turn."""
        if self.here and (self._unsent or self.session.behind):
            loop = self._host.loop
            self._send(self._unsent or self.session.receive(b"", loop.now, loop.utc, TURN_LINES))

    def _turn(self) -> None:
        self._turn_is_due = False
        if not self._unsent:
            self._flush()

    def wake(self) -> None:
        """Send the tick that is due, or drop an idle client."""
        loop = self._host.loop
        out = self.session.wake(loop.now, loop.utc, blocked=bool(self._unsent))
        if match := _SEQ.search(out):
            late = loop.now - self._subscribed_at - (int(match[1]) - 1) * float(self._host.options.interval)
            loop.require(-ROUNDING <= late <= LAG + ROUNDING, "no tick is early or late (TIME-6, TIME-9)", out, late)
        self._send(out)
        if self.session.expired:
            self.expired = True
            self._host.expired(self)
            self.close()

    def _send(self, data: bytes) -> None:
        """Send what the transport takes; while something is left, read nothing."""
        if data:
            if b"\nseq: 1\n\n" in data and not self._subscribed_at:
                self._subscribed_at = self._host.loop.now
            taken = self.down.send(data)
            if taken:
                self.idle_since = self._host.loop.now
                if self._unsent:
                    self.session.sent(self._host.loop.now)
            self._unsent = data[taken:]
        left = bool(self._unsent) or self.session.behind
        if self.session.behind and not self._unsent and not self._turn_is_due:
            self._turn_is_due = True
            self._host.loop.at(self._host.loop.now, self._turn)
        was_paused, self.up.paused = self.up.paused, left
        if was_paused and not left:
            self._host.loop.at(self._host.loop.now, self.up.read)
        if self.here:
            self._host.arm(self)


class Host:
    """The server."""

    def __init__(self, loop: Loop, random: Random, options: ServerOptions, announce: Callable[[str], None]) -> None:
        self.loop = loop
        self.options = options
        self.announce = announce
        self.room = options.max_clients
        """For so many more clients."""
        self.timers: Timers[Connection] = Timers()
        self._alarm = Alarm(loop, lambda: self.timers.deadline, self._wake, lambda: random.random() * LAG)

    def arm(self, connection: Connection) -> None:
        """Wake the connection at its deadline."""
        self.timers.arm(connection, connection.session.deadline)
        self._alarm.look()

    def _wake(self) -> None:
        for connection in self.timers.due(self.loop.now):
            connection.wake()

    def expired(self, connection: Connection) -> None:
        """Hold that a connection which is dropped as idle was idle (LOAD-4)."""
        idle = self.loop.now - connection.idle_since
        if not connection.refused:
            limit = self.options.idle_timeout
            in_time = limit - ROUNDING <= idle < 2 * limit
            self.loop.require(in_time, "who is idle, and nobody else, is dropped (LOAD-4)", idle)
