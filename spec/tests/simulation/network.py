"""The network: datagrams that are lost, doubled and overtaken, and streams that come in pieces."""

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from random import Random
from typing import NamedTuple

from spec.tests.simulation.loop import Loop


class Weather(NamedTuple):
    """How bad a network is. Shares are from 0 to 1, delays in seconds."""

    lost: float
    doubled: float
    late: float
    """The share of datagrams that take up to ``longest``; the others take a tenth of that at most."""
    longest: float
    overtaken: float = 0.0
    """The share of datagrams that take up to ``latest``, so that others overtake them."""
    latest: float = 0.0


def draw_weather(random: Random, longest: float, latest: float = 0.0) -> Weather:
    """Return weather whose longest delays are at most this many seconds."""
    return Weather(
        random.choice((0.0, 0.01, 0.05, 0.2)),
        random.choice((0.0, 0.05, 0.3)),
        random.choice((0.0, 0.05, 0.3)),
        longest * random.choice((0.01, 0.1, 1.0)),
        random.choice((0.0, 0.02)) if latest else 0.0,
        latest,
    )


class Fate(Enum):
    """What becomes of a datagram."""

    IN_TIME = auto()
    OVERTAKEN = auto()
    LOST = auto()


class Datagrams:
    """Carries datagrams between a server and its clients."""

    def __init__(self, loop: Loop, random: Random, weather: Weather) -> None:
        self.sent = self.lost = 0
        self.weather = weather
        self._loop = loop
        self._random = random

    def carry(self, arrive: Callable[..., object], *arguments: object) -> Fate:
        """Make the call when the datagram arrives: never, once or twice. Return what becomes of it."""
        random, weather = self._random.random, self.weather
        self.sent += 1
        if random() < weather.lost:
            self.lost += 1
            return Fate.LOST
        fate = Fate.IN_TIME
        for _ in range(1 + (random() < weather.doubled)):
            longest = weather.longest if random() < weather.late else weather.longest / 10
            if random() < weather.overtaken:
                fate, longest = Fate.OVERTAKEN, weather.latest
            self._loop.at(self._loop.now + random() * longest, arrive, *arguments)
        return fate


class Pipe:
    """One direction of a TCP connection: bytes keep their order, not their pieces. The end of the stream is b""."""

    def __init__(self, loop: Loop, random: Random, window: int, longest: float) -> None:
        """``window``: bytes that it holds until they are read. ``longest``: the delay of a segment, in seconds."""
        self.paused = False
        """Whether the receiver does not read."""
        self.arrive: Callable[[bytes], None] = lambda data: None
        """Takes the bytes that come; set by the receiver."""
        self.has_room: Callable[[], None] = lambda: None
        """Is called when the receiver has read; set by the sender."""
        self.closed = False
        self._loop = loop
        self._random = random
        self._room = window
        self._longest = longest
        self._sizes = random.choice(((1, 2, 7), (100, 1460), (1460, 16384), (16384,)))
        self._last = loop.now
        self._here: deque[bytes] = deque()

    def send(self, data: bytes) -> int:
        """Take bytes, as many as there is room for, and return how many."""
        taken, at = min(len(data), self._room), 0
        self._room -= taken
        while at < taken:
            size = min(self._random.choice(self._sizes), taken - at)
            self._carry(data[at : at + size])
            at += size
        return taken

    def end(self) -> None:
        """Send the end of the stream."""
        self._carry(b"")

    def close(self) -> None:
        """Carry nothing any more."""
        self.closed = True
        self._here.clear()

    def read(self) -> None:
        """Give the receiver what has come, as long as it reads."""
        while self._here and not self.paused and not self.closed:
            data = self._here.popleft()
            self._room += len(data)
            self.arrive(data)
            self.has_room()

    def _carry(self, data: bytes) -> None:
        self._last = max(self._last, self._loop.now + self._random.random() * self._longest)
        self._loop.at(self._last, self._come, data)

    def _come(self, data: bytes) -> None:
        if not self.closed:
            self._here.append(data)
            self.read()
