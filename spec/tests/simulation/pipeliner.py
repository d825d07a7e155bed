"""A client that sends lines in any pieces, reads when it likes, and knows the reply to each line."""

import re
from collections import deque
from random import Random
from typing import Protocol

from spec.limits import LINE_BYTES
from spec.tests.simulation.loop import Loop
from spec.tests.simulation.stream_host import Connection

_TICK = re.compile(rb"TICK\nname: (.*)\ntime: .*\nseq: (\d+)\n\n")


class World(Protocol):
    """What a client needs of the world that it is in."""

    random: Random
    loop: Loop
    service: str
    longest: float
    answers: int
    ticks: int

    def leave(self, connection: Connection) -> None:
        """End a client."""


def draw_line(random: Random, service: str) -> tuple[bytes, bytes]:
    """Return a line and how the reply to it begins."""
    match random.randrange(12):
        case 0:
            return b"\r\n", b"ERR\ncode: unknown-verb\n"
        case 1:
            return b"%s \xc3(\n" % service.upper().encode(), b"ERR\ncode: bad-encoding\n"
        case 2:
            return b"%s a\x00\n" % service.upper().encode(), b"ERR\ncode: bad-character\n"
        case 3 if random.random() < 0.1:
            return b"a" * (LINE_BYTES + random.choice((1, 2, 3, 50000))) + b"\n", b"ERR\ncode: too-long\n"
    text = f"{random.getrandbits(64):x} я".encode()
    end = random.choice((b"\n", b"\r\n"))
    if service == "time":
        return b"TIME " + text + end, b"OK\nname: " + text + b"\n"
    shown = b"OK\nmessage: %s\nreversed: %s\n" % (text, text.decode()[::-1].encode())
    return b"ECHO " + text + end, shown


class Pipeliner:
    """Holds TCP-1 to TCP-9, TIME-13 and TIME-17 as one client sees them."""

    def __init__(self, world: World, connection: Connection) -> None:
        self._world, self._loop, self._random = world, world.loop, world.random
        self._connection = connection
        self._lines = self._random.choice((1, 30, 30, 400))
        """How many lines are left to send."""
        self._expected: deque[bytes] = deque()
        self._unsent = self._received = b""
        self._replies = self._seq = 0
        self._subscribed = b""
        self._ended = False
        connection.down.arrive = self._take
        connection.up.has_room = self._push
        self._loop.at(self._loop.now, self._speak)

    def leave(self) -> None:
        """Close the client's end, whatever is on its way."""
        self._ended = True
        self._world.leave(self._connection)

    def _speak(self) -> None:
        """Add some lines, then pause, or stop reading for a while, or half-close."""
        if self._ended:
            return
        for _ in range(min(self._lines, self._random.choice((1, 10, 200)))):
            line, reply = draw_line(self._random, self._world.service)
            self._unsent += line
            self._expected.append(reply)
            self._lines -= 1
        if self._random.random() < 0.1:
            self._connection.down.paused = True
            self._loop.at(self._loop.now + self._random.choice((1, 20)), self._read_on)
        if self._lines:
            self._loop.at(self._loop.now + self._random.expovariate(1 / 5), self._speak)
        else:
            self._unsent += self._random.choice((b"", b"ECHO half", b"TIME half"))
            self._ended = True
        self._push()

    def _push(self) -> None:
        if not self._connection.down.closed:
            self._unsent = self._unsent[self._connection.up.send(self._unsent) :]
            if self._ended and not self._unsent:
                self._connection.up.end()
                self._connection.up.has_room = lambda: None

    def _read_on(self) -> None:
        self._connection.down.paused = False
        self._connection.down.read()

    def _take(self, data: bytes) -> None:
        if not data:
            self._end()
            return
        self._received += data
        *replies, self._received = self._received.split(b"\n\n")
        for reply in replies:
            self._judge(reply + b"\n\n")

    def _judge(self, reply: bytes) -> None:
        require = self._loop.require
        if reply.startswith(b"TICK\n"):
            match = _TICK.fullmatch(reply)
            require(match is not None and match[1] == self._subscribed, "a tick has the name", reply, self._subscribed)
            assert match
            seq = int(match[2])
            require(seq > self._seq and (self._seq > 0) == (seq > 1), "no tick comes twice (TIME-5, TIME-7)", seq)
            self._seq = seq
            self._world.ticks += 1
            return
        if self._connection.refused:
            require(reply.startswith(b"ERR\ncode: busy\n") and not self._replies, "a busy server says so once", reply)
        else:
            require(bool(self._expected), "nothing is answered twice (TCP-1)", reply)
            expected = self._expected.popleft()
            require(reply.startswith(expected), "each line has its reply, in order (TCP-1, TCP-2)", reply, expected)
            if reply.startswith(b"OK\nname: "):
                self._subscribed = reply.split(b"\n")[1].removeprefix(b"name: ")
        self._replies += 1
        self._world.answers += 1
        enough = self._replies <= self._connection.lines or self._connection.refused
        require(enough, "no line is answered before its end (TCP-4)", self._replies)

    def _end(self) -> None:
        """The server has closed: after a half-close it has answered all (TCP-8), and no half line (TCP-9)."""
        dropped = self._connection.refused or self._connection.expired
        done = self._ended and not self._unsent and not self._expected and not self._received
        self._loop.require(dropped or done, "all lines are answered before the end (TCP-8)", len(self._expected))
        self.leave()
