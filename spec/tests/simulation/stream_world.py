"""Both services over TCP: one server, clients of the core, and clients that pipeline, stop reading and vanish."""

import gc
import re
import weakref
from decimal import Decimal
from random import Random

from spec.session import Session
from spec.stream_client import StreamClient, open_stream_client
from spec.tests.simulation.loop import Alarm, Loop
from spec.tests.simulation.pipeliner import Pipeliner
from spec.tests.simulation.report import Report
from spec.tests.simulation.stream_host import Connection, Host
from spec.tests.support import NOW, SERVICES, client_options, server_options

INTERVALS = ("0.5", "3", "20", "60")
NAMES = ("Анна", "Борис", "a")
_LINE = re.compile(r"client (?:.* \()?(127\.0\.0\.1:\d+)\)? (connected|left|is now .+)")


class Visitor:
    """A client of the core on a connection: it asks some messages, or waits for ticks."""

    def __init__(self, world: "StreamWorld", connection: Connection) -> None:
        random, self._loop = world.random, world.loop
        ticks = random.choice((None, 1, 50))
        options = client_options(world.service, "tcp", timeout=10, ticks=ticks)
        self._world = world
        self._connection = connection
        self._lines: list[str] = []
        self._shown: set[str] = set()
        self._asked = ""
        self._left = random.choice((1, 5, 40))
        self._client: StreamClient = open_stream_client(options, "url", self._lines.append, self._complain)
        self._alarm = Alarm(world.loop, lambda: self._client.deadline if self._client.waiting else None, self._wake)
        connection.down.arrive = self._take
        world.loop.at(world.loop.now, self._ask)

    def leave(self) -> None:
        """Close the client's end."""
        self._left = 0
        self._alarm.stop()
        self._world.leave(self._connection)

    def _ask(self) -> None:
        if self._left:
            self._left -= 1
            random = self._world.random
            self._asked = random.choice(NAMES) if self._world.service == "time" else f"{random.getrandbits(80)} я"
            self._lines.clear()
            self._send(self._client.ask(self._asked, self._loop.now))

    def _take(self, data: bytes) -> None:
        if not self._client.waiting and not data:
            self.leave()  # closed between two messages
            return
        self._send(self._client.receive(data, self._loop.now))
        if self._world.service == "time":
            for line in self._lines:
                self._loop.require(line not in self._shown, "no tick shows twice (CLI-20)", line)
                self._shown.add(line)
            self._world.ticks += len(self._lines)
            self._lines.clear()
        elif not self._client.waiting and not self._client.status:
            shown = [line for line in self._lines if line.startswith("message: ")]
            self._world.answers += 1
            self._loop.require(shown == [f"message: {self._asked}"], "the answer is that to the message", shown)
            self._loop.at(self._loop.now + self._world.random.expovariate(1 / 60), self._ask)

    def _wake(self) -> None:
        self._send(self._client.wake(self._loop.now))

    def _send(self, data: bytes) -> None:
        if data:
            self._client.sent(self._loop.now)
            self._connection.up.send(data)
        if not self._client.waiting and (self._client.over or self._world.service == "time" or not self._left):
            self.leave()
        elif self._client.waiting:
            self._alarm.look()

    def _complain(self, line: str) -> None:
        dropped = line.startswith("the server closed") and not self._connection.here
        busy = line.startswith("the server answered busy") and self._connection.refused
        self._loop.require(dropped or busy, "a client has nothing to complain about", line)


class StreamWorld:
    """A server and its clients, all drawn from a seed."""

    def __init__(self, seed: int, clients: int, interval: str | None = None) -> None:
        self.random = random = Random(f"over TCP, {seed}")
        self.loop = loop = Loop()
        self.service = random.choice(SERVICES)
        self.interval = Decimal(interval or random.choice(INTERVALS))
        limit = random.choice((clients, max(1, clients * 3 // 4)))
        options = server_options(
            self.service, "tcp", interval=self.interval, max_clients=limit, idle_timeout=random.choice((40, 300))
        )
        self.host = Host(loop, random, options, self._announced)
        self.longest = random.choice((0.001, 0.1, 2))
        """The longest delay of a segment, in seconds."""
        self.stay = random.choice((60, 600, 6000))
        """How long clients stay at most, on average, in seconds."""
        self.answers = self.ticks = self._came = 0
        self._here: dict[Connection, Visitor | Pipeliner] = {}
        self._there: set[str] = set()
        self._closing = False
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()
        for _ in range(clients):
            loop.at(loop.now + random.random() * 20, self._come)

    def run(self, hours: float) -> Report:
        """Run for so many hours; then all leave, and what is left is judged."""
        loop, options = self.loop, self.host.options
        loop.run(NOW + hours * 3600)
        self._closing = True
        while self._here:
            next(iter(self._here.values())).leave()
        loop.run(loop.now + 3 * options.idle_timeout + 100 * self.stay)
        loop.require(not self._there, "who has left is said to have left (SRV-6)", self._there)
        loop.require(self.host.room == options.max_clients, "who has left has made room (ERR-10)", self.host.room)
        gc.collect()
        loop.require(not self._sessions, "nothing is kept of those who left", len(self._sessions))
        what = (
            f"{self.service} over TCP, interval {self.interval} s, delays up to {self.longest} s, "
            f"{self._came} connections, {self.answers} answers and {self.ticks} ticks"
        )
        return Report(what, loop.calls)

    def leave(self, connection: Connection) -> None:
        """End a client: close its end, and let another one come."""
        if self._here.pop(connection, None):
            connection.down.close()
            connection.up.end()
            self.loop.at(self.loop.now + self.random.expovariate(1 / 20), self._come)

    def _come(self) -> None:
        if self._closing:
            return
        self._came += 1
        connection = Connection(self.host, f"127.0.0.1:{self._came}", self.random, self.longest)
        self._sessions.add(connection.session)
        client = (Visitor if self.random.random() < 0.5 else Pipeliner)(self, connection)
        self._here[connection] = client
        self.loop.at(self.loop.now + self.random.expovariate(1 / self.stay), client.leave)

    def _announced(self, line: str) -> None:
        match = _LINE.fullmatch(line)
        self.loop.require(match is not None, "a line about a client has its form", line)
        assert match
        comes = match[2] == "connected"
        self.loop.require(
            comes != (match[1] in self._there), "a client comes once and leaves once (SRV-4 to SRV-6)", line
        )
        if comes or match[2] == "left":
            self._there ^= {match[1]}
        self.loop.require(len(self._there) <= self.host.options.max_clients, "the limit of clients is kept (ERR-10)")
