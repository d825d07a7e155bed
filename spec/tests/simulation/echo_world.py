"""The echo service over UDP: one server that remembers addresses, and clients that ask and go."""

import re
from random import Random

from spec.address import Address
from spec.datagram_client import EchoDatagramClient
from spec.endpoint import EchoEndpoint
from spec.tests.simulation.loop import ROUNDING, Alarm, Loop, kept_by
from spec.tests.simulation.network import Datagrams, draw_weather
from spec.tests.simulation.report import Report
from spec.tests.support import NOW, client_options, server_options

TIMEOUT = 10
_LINE = re.compile(r"client 127\.0\.0\.1:(\d+) (connected|left)")


class Asker:
    """A client's process: it asks some messages, one after the other."""

    def __init__(self, world: "EchoWorld", address: Address) -> None:
        options = client_options("echo", timeout=TIMEOUT)
        self.address = address
        self._world = world
        self._left = world.random.choice((1, 5, 40))
        self._shown: list[str] = []
        self._asked = ""
        self._client = EchoDatagramClient(options, "url", self._shown.append, self._complain)
        self._alarm = Alarm(world.loop, self._deadline, self._wake)

    def ask(self) -> None:
        """Ask the next message, or leave after the last."""
        world = self._world
        if not self._left or world.closing:
            world.leave(self)
            return
        self._left -= 1
        self._asked = f"{world.random.getrandbits(64):x} я"
        self._shown.clear()
        self._send(self._client.ask(self._asked, world.loop.now))

    def take(self, datagram: bytes) -> None:
        """Take a datagram from the server; what answers the message must be shown at once (CLI-14)."""
        if not self._client.waiting:
            return
        self._send(self._client.receive(datagram, self._world.loop.now))
        answers = datagram.startswith(f"OK\nmessage: {self._asked}\n".encode())
        shown = [line for line in self._shown if line.startswith("message: ")]
        expected = [f"message: {self._asked}"] if answers else []
        self._world.loop.require(
            shown == expected, "each answer shown is that to the message (CLI-14)", shown, datagram
        )
        if answers:
            self._world.answers += 1
            self._world.loop.at(self._world.loop.now + self._world.random.expovariate(1 / self._world.pause), self.ask)

    def _deadline(self) -> float | None:
        return self._client.deadline if self._client.waiting else None

    def _wake(self) -> None:
        self._send(self._client.wake(self._world.loop.now))
        if not self._client.waiting:
            self._world.leave(self)

    def _send(self, datagram: bytes) -> None:
        if datagram:
            self._client.sent(self._world.loop.now)
            self._world.to_server(datagram, self.address)
        self._alarm.look()

    def _complain(self, line: str) -> None:
        self._world.loop.require(line.startswith("no answer"), "a client has nothing to complain about", line)


class EchoWorld:
    """A server, its clients and the network between them, all drawn from a seed."""

    def __init__(self, seed: int, clients: int) -> None:
        self.random = random = Random(f"echo over UDP, {seed}")
        self.loop = loop = Loop()
        self.closing = False
        self.answers = self._came = 0
        self.pause = random.choice((1, 30, 600))
        """Seconds between two messages of a client, on average."""
        self._limit = random.choice((clients, max(1, clients // 2)))
        self._idle = random.choice((5, 300))
        options = server_options("echo", max_clients=self._limit, idle_timeout=self._idle)
        self._endpoint = EchoEndpoint(options, self._announced)
        self._alarm = Alarm(loop, lambda: self._endpoint.deadline, self._wake)
        self.network = Datagrams(loop, random, draw_weather(random, 4.0))
        self._pool: list[Address] = [("127.0.0.1", port) for port in random.sample(range(1024, 65536), 2 * clients)]
        self._here: dict[Address, Asker] = {}
        self._heard: dict[str, float] = {}
        for _ in range(clients):
            loop.at(loop.now + random.random() * self.pause, self._come)

    def run(self, hours: float) -> Report:
        """Run for so many hours; then all leave, and what is left is judged."""
        loop = self.loop
        loop.run(NOW + hours * 3600)
        self.closing = True
        loop.run(loop.now + 20 * self.pause + self._idle + 100)
        loop.require(not self._here and not self._heard, "all have left (SRV-6)", self._heard)
        self._hold_memory()
        what = (
            f"echo over UDP, {self.network.weather}, idle timeout {self._idle} s, {self._came} clients came, "
            f"{self.network.lost} of {self.network.sent} datagrams lost, {self.answers} answers"
        )
        return Report(what, loop.calls)

    def to_server(self, datagram: bytes, address: Address) -> None:
        """Carry a datagram to the server."""
        self.network.carry(self._serve, datagram, address)

    def leave(self, asker: Asker) -> None:
        """End a client, and let another one come."""
        del self._here[asker.address]
        self._pool.append(asker.address)
        self.loop.at(self.loop.now + self.random.expovariate(1 / self.pause), self._come)

    def _come(self) -> None:
        if not self.closing:
            self._came += 1
            address = self._pool.pop(self.random.randrange(len(self._pool)))
            asker = self._here[address] = Asker(self, address)
            asker.ask()

    def _serve(self, datagram: bytes, address: Address) -> None:
        replies = self._endpoint.receive(datagram, address, self.loop.now, self.loop.utc)
        self._heard[str(address[1])] = self.loop.now
        message = datagram.removeprefix(b"ECHO ").removesuffix(b"\n")
        answered = len(replies) == 1 and replies[0].startswith(b"OK\nmessage: " + message + b"\n")
        self.loop.require(answered, "each message is answered, once (UDP-5)", datagram, replies)
        self.network.carry(self._arrive, replies[0], address)
        self._alarm.look()
        if self._came % 100 == 0:
            self._hold_memory()

    def _arrive(self, datagram: bytes, address: Address) -> None:
        if address in self._here:
            self._here[address].take(datagram)

    def _wake(self) -> None:
        self._endpoint.wake(self.loop.now, self.loop.utc)

    def _announced(self, line: str) -> None:
        """Hold that an address is there from its first datagram to its idle timeout, or until it has to make room."""
        match = _LINE.fullmatch(line)
        self.loop.require(match is not None, "a line about a client has its form", line)
        assert match
        port, what = match.groups()
        self.loop.require(
            (what == "left") == (port in self._heard), "a client comes once and leaves once (SRV-4)", line
        )
        if what == "connected":
            self._heard[port] = self.loop.now
            self.loop.require(len(self._heard) <= self._limit, "the limit of clients is kept (SRV-6)", len(self._heard))
        else:
            silent = self.loop.now - self._heard.pop(port)
            full = len(self._heard) == self._limit - 1 and silent >= self.loop.now - min(
                self._heard.values(), default=0
            )
            in_time = abs(silent - self._idle) <= ROUNDING
            self.loop.require(in_time or full, "who is silent has left, and nobody else (SRV-6)", line, silent)

    def _hold_memory(self) -> None:
        objects = kept_by(self._endpoint)
        self.loop.require(objects <= 300 + 10 * len(self._heard), "nothing is kept of those who left", objects)
