"""The time service over UDP: one server, and clients that come, sleep, leave and are replaced."""

import re
from collections.abc import Callable
from decimal import Decimal
from random import Random

from spec.address import Address
from spec.datagram_client import TimeDatagramClient
from spec.endpoint import TimeEndpoint
from spec.limits import LATE_SECONDS, LEASE_INTERVALS, TOKEN_INTERVALS
from spec.tests.simulation.loop import LAG, Alarm, Loop
from spec.tests.simulation.network import Datagrams, Fate, draw_weather
from spec.tests.simulation.report import Report
from spec.tests.simulation.time_judge import Count, Judge, Watched
from spec.tests.support import NOW, client_options, server_options

INTERVALS = ("0.3", "0.5", "3", "7.3", "20", "60")
NAMES = ("Анна", "Борис", "a", "я" * 64)
_SHOWN_TICK = re.compile(r".+ \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d")


class Subscriber:
    """A client's process, from its start to its end."""

    def __init__(self, world: "TimeWorld", address: Address) -> None:
        random, loop = world.random, world.loop
        patience = random.choice((10, 60, 86400))
        ticks = random.choice((None, None, None, 1, 100))
        options = client_options("time", timeout=patience, ticks=ticks)
        self.lines = 0
        self.here = True
        self.asleep_until = 0.0
        self.watched = Watched(address, loop.now)
        self.client = TimeDatagramClient(options, "time+udp://127.0.0.1:7037", self._show, self._complain)
        self.alarm = Alarm(loop, lambda: max(self.client.deadline, self.asleep_until), self._wake)
        self._world = world

    def start(self, name: str) -> None:
        """Ask for ticks."""
        self._send(self.client.ask(name, self._world.loop.now))

    def take(self, datagram: bytes, tick: Count | None) -> None:
        """Take a datagram from the server; of a tick it is known which it is."""
        world = self._world
        if world.loop.now < self.asleep_until:
            return
        before = self.lines
        out = self.client.receive(datagram, world.loop.now)
        if tick is not None:
            world.judge.handed(self.watched, tick, self.lines - before)
        elif datagram.startswith(b"OK\n"):
            world.judge.accepted(self.watched)
        self._send(out)

    def sleep(self) -> None:
        """Sleep as a laptop does: its timers stand still, and what is sent to it is lost."""
        world, random = self._world, self._world.random
        if world.loop.now < self.asleep_until:
            return
        self.asleep_until = (
            world.loop.now + random.choice((2, 10, 100, random.uniform(100, 3000))) * world.interval_seconds
        )
        world.loop.at(self.asleep_until, self._awake)

    def _awake(self) -> None:
        self._world.judge.away(self.watched)

    def _wake(self) -> None:
        self._world.judge.listen(self.watched)
        self._send(self.client.wake(self._world.loop.now))

    def _send(self, datagram: bytes) -> None:
        if datagram:
            self.client.sent(self._world.loop.now)
            self._world.to_server(self, datagram)
        if not self.client.waiting:
            self._world.leave(self)
        self.alarm.look()

    def _show(self, line: str) -> None:
        self.lines += _SHOWN_TICK.fullmatch(line) is not None

    def _complain(self, line: str) -> None:
        known = ("no answer", "the server answered busy: ")
        self._world.loop.require(line.startswith(known), "a client has nothing to complain about", line)


class TimeWorld:
    """A server, its clients and the network between them, all drawn from a seed."""

    def __init__(self, seed: int, clients: int, interval: str | None = None) -> None:
        self.random = random = Random(f"time over UDP, {seed}")
        self.loop = loop = Loop()
        self.interval = Decimal(interval or random.choice(INTERVALS))
        self.interval_seconds = float(self.interval)
        max_clients = random.choice((clients, clients, max(1, clients * 3 // 4)))
        self._options = server_options("time", interval=self.interval, max_clients=max_clients)
        self.judge = Judge(loop, self.interval_seconds, max_clients)
        self.network = Datagrams(
            loop, random, draw_weather(random, min(self.interval_seconds / 5, 4.0), self._latest())
        )
        self.stay = self.interval_seconds * random.choice((20, 400, 4000))
        """How long clients stay, on average, in seconds."""
        self._pool = [("127.0.0.1", port) for port in random.sample(range(1024, 65536), clients + 3000)]
        self._here: dict[Address, Subscriber] = {}
        self._seen: tuple[bytes, Address] | tuple[()] = ()
        self._closing = False
        self.restarts = self.came = 0
        self._open()
        for _ in range(clients):
            loop.at(loop.now + random.random() * 2 * self.interval_seconds, self._join)
        loop.at(loop.now, self._audit)
        self._some_time(5000, self._restart)
        self._some_time(200 * self.interval_seconds, self._put_to_sleep)
        self._some_time(20 * self.interval_seconds, self._replay)

    def run(self, hours: float) -> Report:
        """Run for so many hours; then all leave, and what is left is judged."""
        loop = self.loop
        loop.run(NOW + hours * 3600)
        self._closing = True
        for subscriber in list(self._here.values()):
            self.leave(subscriber)
        if not self._up:
            self._begin_anew()
        loop.run(loop.now + (LEASE_INTERVALS + 1) * self.interval_seconds + 2 * LATE_SECONDS)
        sent = self.network.sent
        loop.run(loop.now + 100 * self.interval_seconds)
        loop.require(self.network.sent == sent, "nobody is left to send to (LEASE-9)", self.network.sent - sent)
        loop.require(self._endpoint.deadline is None, "nothing is left to be done (LEASE-7)", self._endpoint.deadline)
        self.judge.audit(self._endpoint)
        weather, judge, network = self.network.weather, self.judge, self.network
        what = (
            f"interval {self.interval} s, {weather}, {self.came} clients came, {self.restarts} restarts, "
            f"{network.lost} of {network.sent} datagrams lost, {judge.shown} of {judge.ticks} ticks shown, "
            f"the longest silence {judge.longest_silence:.1f} s"
        )
        return Report(what, loop.calls)

    def to_server(self, subscriber: Subscriber, datagram: bytes) -> None:
        """Carry a datagram to the server."""
        address = subscriber.watched.address
        if b"\ntoken: " in datagram:
            self._seen = datagram, address
        self._fared(self.network.carry(self._serve, datagram, address), address)

    def leave(self, subscriber: Subscriber) -> None:
        """End a client, without a word to the server, and let another one come, maybe with the same port."""
        if subscriber.here:
            subscriber.here = False
            subscriber.alarm.stop()
            address = subscriber.watched.address
            del self._here[address]
            self._pool.append(address)
            self.loop.at(self.loop.now + self.random.expovariate(1 / (8 * self.interval_seconds)), self._join)

    def _join(self) -> None:
        if not self._closing:
            self.came += 1
            address = self._pool.pop(self.random.choice((-1, self.random.randrange(len(self._pool)))))
            subscriber = self._here[address] = Subscriber(self, address)
            self.loop.at(self.loop.now + self.random.expovariate(1 / self.stay), self.leave, subscriber)
            subscriber.start(self.random.choice(NAMES))

    def _open(self) -> None:
        secret = self.random.randbytes(16)
        self._up = True
        self._endpoint = TimeEndpoint(self._options, secret, self.judge.announced)
        self._alarm = Alarm(self.loop, lambda: self._endpoint.deadline, self._wake, lambda: self.random.random() * LAG)

    def _restart(self) -> None:
        if self._closing:
            return
        self.restarts += 1
        self._up = False
        self._alarm.stop()
        self.loop.at(self.loop.now + self.random.choice((0.1, 3, 600, 1800)), self._up_again)

    def _up_again(self) -> None:
        if not self._closing:
            self._begin_anew()
            self._some_time(5000, self._restart)

    def _begin_anew(self) -> None:
        self.interval = min(self.interval * self.random.choice((1, 1, 2)), Decimal(60))
        self.interval_seconds = float(self.interval)
        self._options = self._options._replace(interval=self.interval)
        self.judge.restarted(self.interval_seconds)
        self._open()
        for subscriber in self._here.values():
            self.judge.away(subscriber.watched)

    def _put_to_sleep(self) -> None:
        if self._closing:
            return
        for subscriber in self.random.sample([*self._here.values()], len(self._here) // 4):
            subscriber.sleep()
        self._some_time(200 * self.interval_seconds, self._put_to_sleep)

    def _replay(self) -> None:
        """Let somebody who has seen a datagram with a token send it again, after up to 64 times a token's life."""
        if self._closing:
            return
        if self._seen:
            age = self.random.random() * 64 * TOKEN_INTERVALS * self.interval_seconds
            self.loop.at(self.loop.now + age, self._arrive_again, *self._seen)
        self._some_time(20 * self.interval_seconds, self._replay)

    def _arrive_again(self, datagram: bytes, address: Address) -> None:
        if not self._closing:
            if address in self._here:
                self.judge.disturbed(self._here[address].watched)
            self._serve(datagram, address)

    def _some_time(self, mean: float, event: Callable[[], None]) -> None:
        self.loop.at(self.loop.now + self.random.expovariate(1 / mean), event)

    def _serve(self, datagram: bytes, address: Address) -> None:
        if self._up:
            replies = self._endpoint.receive(datagram, address, self.loop.now, self.loop.utc)
            ticks = self.judge.answered(datagram, address, replies)
            for reply, tick in zip(replies, ticks, strict=True):
                self._to_client(reply, address, tick)
            self._alarm.look()
        elif address in self._here:
            self.judge.away(self._here[address].watched)

    def _wake(self) -> None:
        for datagram, address in self._endpoint.wake(self.loop.now, self.loop.utc):
            self._to_client(datagram, address, self.judge.ticked(datagram, address))

    def _to_client(self, datagram: bytes, address: Address, tick: Count | None) -> None:
        self._fared(self.network.carry(self._arrive, datagram, address, tick), address)

    def _fared(self, fate: Fate, address: Address) -> None:
        if fate is not Fate.IN_TIME and address in self._here:
            client = self._here[address].watched
            self.judge.lost(client)
            if fate is Fate.OVERTAKEN:
                self.loop.at(self.loop.now + self.network.weather.latest, self.judge.disturbed, client)

    def _latest(self) -> float:
        """Return the delay, in seconds, that CLI-20 bears: below a lease and LATE_SECONDS."""
        return min((LEASE_INTERVALS - 1) * self.interval_seconds, 0.9 * LATE_SECONDS)

    def _arrive(self, datagram: bytes, address: Address, tick: Count | None) -> None:
        if address in self._here:
            self._here[address].take(datagram, tick)

    def _audit(self) -> None:
        if not self._closing and self._up:
            self.judge.audit(self._endpoint)
        if not self._closing:
            self.loop.at(self.loop.now + 10 * self.interval_seconds, self._audit)
