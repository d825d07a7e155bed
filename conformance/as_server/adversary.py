"""A server that is correct except for the misbehaviours of a scenario: clients are judged by how they cope.

`Adversary` has no I/O: it takes a request and returns what to send. `played` gives it a socket and a transcript.
"""

import re
import socket
import time
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from conformance import timing
from conformance.addresses import NEIGHBOUR
from conformance.as_server.misbehaviours import BAD, ODD, Misbehaviour, Scenario
from conformance.as_server.scripted import ClientLeft, ScriptedTcp, ScriptedUdp
from conformance.expected.replies import TOKEN, challenge, ok, tick
from conformance.expected.services import SERVICE_TABLE

MOST_REQUESTS = 100
"""How many requests are answered at most: more than any conversation needs, and a storm of requests must end."""

INTERVAL, INTERVAL_AFTER_RESTART = timing.interval(0.1), timing.interval(0.05)
UNASKED_TICKS = 5
"""How many more ticks a server over TCP sends than the client must print: some may not be newer."""


Via = Literal["client", "server", "single bytes", "another port", "another host", "finish", "reset"]
"""From where and how something is sent. `finish` (FIN) and `reset` (RST) end the connection."""


class Act(NamedTuple):
    """Something for the server to send."""

    data: bytes
    via: Via = "server"


class Event(NamedTuple):
    """A request that came, or an act of the server; `at` is in seconds of ``time.monotonic``."""

    at: float
    data: bytes
    via: Via


class Adversary:
    """The server of one conversation; without misbehaviours it is correct."""

    def __init__(self, case: Scenario) -> None:
        self._case = case
        self._count = 0  # of replies so far
        self._requests = 0
        self._done: set[int] = set()
        self._before = b""
        self._delayed: list[Act] = []
        self._overtaken: list[Act] = []
        self._tokens = iter([TOKEN, *(f"token-{n}" for n in range(MOST_REQUESTS + 1))])
        self._token = next(self._tokens)
        self._interval = INTERVAL
        self._seq = self._second = 0

    def answer(self, request: bytes) -> list[Act]:
        """Return what to send for a request: a datagram (UDP) or a line with its LF (TCP)."""
        self._requests += 1
        if self._requests > MOST_REQUESTS:
            return []
        acts, self._delayed = self._delayed, []
        for good in self._replies(request):
            acts += self._spoiled(good)
        return acts

    def _replies(self, request: bytes) -> Iterator[bytes]:
        """Yield the replies of a correct server."""
        service, transport = self._case[:2]
        line, _, fields = request.decode("utf-8", "backslashreplace").partition("\n")
        text = line.removeprefix(f"{SERVICE_TABLE[service].verb.decode()} ")
        if service == "echo":
            yield ok("echo", transport, text)
            return
        if transport == "udp" and not self._is_proved(fields):
            yield challenge(self._token)
            return
        yield ok("time", transport, text, self._interval)
        for _ in range(1 if transport == "udp" else self._case.ticks + UNASKED_TICKS):
            yield self._tick(text)

    def _is_proved(self, fields: str) -> bool:
        """Whether a TIME holds the present token; a misbehaviour may replace that token first."""
        if self._has_come("restarted"):
            self._token, self._interval, self._seq = next(self._tokens), INTERVAL_AFTER_RESTART, 0
        if self._has_come("the token expired"):
            self._token = next(self._tokens)
        if any(each.name == "challenges for ever" and each.reply <= self._count for each in self._case.misbehaviours):
            self._token = next(self._tokens)
            return False
        return f"token: {self._token}" in fields.splitlines()

    def _tick(self, name: str) -> bytes:
        present = {each.name for each in self._case.misbehaviours if each.reply == self._count}
        if "seq falls" in present:
            self._seq = max(0, self._seq - 2)
        self._seq += 1
        self._second += 10
        second = max(0, self._second - 15) if "the clock is set back" in present else self._second
        return tick(name, self._seq, second)

    def _has_come(self, name: str) -> bool:
        """Whether a misbehaviour of that name begins now; each begins once."""
        begun = {
            n
            for n, each in enumerate(self._case.misbehaviours)
            if each.name == name and each.reply <= self._count and n not in self._done
        }
        self._done |= begun
        return bool(begun)

    def _spoiled(self, reply: bytes) -> list[Act]:
        """Return what to send in place of a correct reply."""
        acts = [Act(reply)]
        overtaken, self._overtaken = self._overtaken, []
        last_words = ("silence", "endless") if self._case.transport == "tcp" else ("silence",)
        for each in self._case.misbehaviours:
            if each.reply == self._count:
                acts = self._spoil(each, reply, acts)
            elif each.name in last_words and each.reply < self._count:
                acts, overtaken = [], []
        self._count += 1
        self._before = reply
        return acts + overtaken

    def _spoil(self, misbehaviour: Misbehaviour, reply: bytes, acts: list[Act]) -> list[Act]:
        """Apply one misbehaviour to the acts for a correct reply, and return the new acts."""
        name, _, detail = misbehaviour
        if name in ODD:
            return acts[:-1] + [act._replace(data=ODD[name](act.data, detail)) for act in acts[-1:]]
        if name in BAD:
            bad = Act(BAD[name](reply, detail))
            return [bad, *acts] if self._case.transport == "udp" else [bad]
        if name == "forged":
            return [Act(_lie(reply), "another port" if detail == "another port" else "another host"), *acts]
        if name == "doubled":
            return acts + acts[-1:]
        if name == "the one before again":
            return [Act(self._before)] * bool(self._before) + acts
        if name == "single bytes":
            return [act._replace(via="single bytes") for act in acts]
        if name in ("finished in", "reset in"):
            size = {"nothing": 0, "half": len(reply) // 2, "all but 1": len(reply) - 1}[detail]
            return [Act(reply[:size]), Act(b"", "finish" if name == "finished in" else "reset")]
        if name == "delayed":
            self._delayed += acts
        elif name == "out of order":
            self._overtaken += acts
        return [] if name in ("lost", "silence", "delayed", "out of order") else acts


def _lie(reply: bytes) -> bytes:
    return re.sub(rb"\n(reversed|name|token|reason): [^\n]*", rb"\n\1: forged", reply)


class _Player:
    """Plays an adversary in the listening thread of a scripted server, and keeps the transcript."""

    def __init__(self, case: Scenario, perform: Callable[[Act], None]) -> None:
        self._adversary = Adversary(case)
        self._perform = perform
        self._ended = False
        self.transcript: list[Event] = []

    def take(self, request: bytes, at: float) -> None:
        self.transcript.append(Event(at, request, "client"))
        for act in self._adversary.answer(request):
            if self._ended:
                return
            before = time.monotonic()
            try:
                self._perform(act)
            except (ClientLeft, ConnectionError):
                self._ended = True
                return
            self.transcript.append(Event(before, *act))
            self._ended = act.via in ("finish", "reset")


class PlayedUdp(ScriptedUdp):
    """An adversary on a UDP socket."""

    def __init__(self, case: Scenario) -> None:
        self.player = _Player(case, self._act)
        super().__init__()

    def _readable(self, sock: socket.socket) -> None:
        super()._readable(sock)
        if len(self._requests) > self._taken:
            request = self.request()
            self.player.take(request.data, request.at)

    def _act(self, act: Act) -> None:
        if act.via == "server":
            self.send(act.data)
        else:
            self.send_from(self.host if act.via == "another port" else NEIGHBOUR, act.data)


class PlayedTcp(ScriptedTcp):
    """An adversary on a TCP socket."""

    def __init__(self, case: Scenario) -> None:
        self.player = _Player(case, self._act)
        super().__init__()

    def _readable(self, sock: socket.socket) -> None:
        super()._readable(sock)
        while len(self._requests) > self._taken:
            request = self.request()
            self.player.take(request.data, request.at)

    def _act(self, act: Act) -> None:
        if act.via == "finish":
            self.finish()
        elif act.via == "reset":
            self.reset()
        elif act.via == "single bytes":
            self.send(*(act.data[n : n + 1] for n in range(len(act.data))))
        else:
            self.send(act.data)


def played(case: Scenario) -> PlayedUdp | PlayedTcp:
    """Return a server that listens and plays the adversary of a scenario. Use it in a ``with`` block."""
    return PlayedUdp(case) if case.transport == "udp" else PlayedTcp(case)
