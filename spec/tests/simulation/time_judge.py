"""What must hold between a time server over UDP and all its clients: SPEC.md, sections 8, 9 and CLI-20.

The judge sees each datagram when it is handed to the server, sent by it, and handed to a client. It keeps its own
account of subscriptions and tokens, and asks the core for nothing.
"""

import re
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from spec.address import Address
from spec.limits import (
    LEASE_INTERVALS,
    TOKEN_INTERVALS,
    TOKEN_INTERVALS_END,
    TOKEN_SECONDS,
    TOKEN_SECONDS_END,
)
from spec.tests.simulation.loop import LAG, ROUNDING, Loop, kept_by
from spec.tests.support import rfc3339

_TICK = re.compile(rb"TICK\nname: (.*)\ntime: (.*)\nseq: (\d+)\n\n")
_TOKEN = re.compile(rb"\ntoken: (.*)\n")
_LINE = re.compile(r"client .* \(([^()]*)\) (connected|left|is now .+)")


class Count(NamedTuple):
    """Which tick it is: the number of its subscription, of all in a run, and its ``seq``; and its time as sent."""

    subscription: int
    seq: int
    time: bytes


NONE = Count(0, 0, b"")
"""Before the first."""


@dataclass
class Lease:
    """What a server has granted to an address."""

    number: int
    start: float
    end: float
    seq: int = 1


@dataclass
class Watched:
    """A client, as the judge sees it."""

    address: Address
    calm_since: float
    """When it came, its last datagram was lost, or its server or itself was last away."""
    newest: Count = NONE
    """The newest tick that was shown."""
    subscribed: bool = False
    """Whether it has had an OK."""
    first: int = 0
    """The number of the subscription of which the first tick was shown."""
    shown: int = 0
    shown_at: float | None = None
    losses: "deque[float]" = field(default_factory=lambda: deque(maxlen=LEASE_INTERVALS))
    excused_until: float = 0.0
    """Until then it or its server was away."""


class Judge:
    """Holds the promises of a run."""

    def __init__(self, loop: Loop, interval: float, max_clients: int) -> None:
        self.longest_silence = 0.0
        self.ticks = self.shown = 0
        self._loop = loop
        self._interval = self._slowest = interval
        self._max_clients = max_clients
        self._leases: dict[Address, Lease] = {}
        self._ended: dict[str, float] = {}
        self._announced: set[str] = set()
        self._tokens: dict[tuple[Address, bytes], float] = {}
        self._numbers = 0

    def restarted(self, interval: float) -> None:
        """Take note that the server has lost all it knew, and now has this interval."""
        self._leases.clear()
        self._announced.clear()
        self._ended.clear()
        self._tokens.clear()
        self._interval = interval
        self._slowest = max(self._slowest, interval)

    def announced(self, line: str) -> None:
        """Take a line that the server prints (SRV-5, SRV-6)."""
        match = _LINE.fullmatch(line)
        self._loop.require(match is not None, "a line about a client has its form", line)
        assert match
        there = match[1] in self._announced
        comes = match[2] == "connected"
        self._loop.require(comes != there, "a client comes once and leaves once (SRV-5, SRV-6)", line)
        if comes or match[2] == "left":
            self._announced ^= {match[1]}

    def answered(self, datagram: bytes, address: Address, replies: list[bytes]) -> list[Count | None]:
        """Judge the replies to a TIME with a good name; return for each which tick it is, None if it is none."""
        now, require = self._loop.now, self._loop.require
        lease = self._live(address)
        token = match[1] if (match := _TOKEN.search(datagram)) else b""
        age = now - self._tokens.get((address, token), float("-inf"))
        first = replies[0] if replies else b""
        if first.startswith(b"CHALLENGE\n"):
            require(len(replies) == 1, "a CHALLENGE comes alone (UDP-5)", replies)
            good_for = max(TOKEN_INTERVALS * self._interval, TOKEN_SECONDS)
            require(age > good_for - ROUNDING, "a token is good for its time (LEASE-5)", address, age)
            self._tokens[address, first[len(b"CHALLENGE\ntoken: ") : -2]] = now
            return [None]
        ends = max(TOKEN_INTERVALS_END * self._interval, TOKEN_SECONDS_END)
        require(age < ends + ROUNDING, "an old or foreign token is not good (LEASE-4, LEASE-6)", address, token, age)
        if first.startswith(b"ERR\ncode: busy\n"):
            live = sum(each.end > now for each in self._leases.values())
            require(lease is None and live == self._max_clients, "busy means no room (ERR-11)", address, live)
            return [None]
        require(first.startswith(b"OK\n"), "a TIME is answered", datagram, replies)
        if lease is not None:
            require(len(replies) == 1, "a renewal has one answer (TIME-13)", replies)
        else:
            require(len(replies) == 2, "tick 1 follows the OK of a new subscription (TIME-5, LEASE-11)", replies)
            live = sum(each.end > now for each in self._leases.values())
            require(live < self._max_clients, "the limit of clients is kept (ERR-11)", live)
            self._numbers += 1
            lease = self._leases[address] = Lease(self._numbers, now, 0.0, 0)
        lease.end = now + LEASE_INTERVALS * self._interval
        return [None, *(self.ticked(tick, address) for tick in replies[1:])]

    def ticked(self, datagram: bytes, address: Address) -> Count:
        """Judge a tick that the server sends, and return which it is."""
        now, utc, require = self._loop.now, self._loop.utc, self._loop.require
        lease, match = self._leases.get(address), _TICK.fullmatch(datagram)
        require(match is not None, "a tick has its form (TIME-4)", datagram)
        assert match
        self.ticks += 1
        if lease is None or lease.end <= now:
            require(False, "no tick after the lease has run out (LEASE-9)", address, lease)
        assert lease
        seq, due = int(match[3]), lease.start + lease.seq * self._interval
        require(seq == lease.seq + 1, "each tick is sent, and once (TIME-7, TIME-8)", address, seq, lease)
        require(now >= due - ROUNDING, "no tick is early (TIME-6, TIME-10)", address, seq, now - due)
        require(now <= due + LAG + ROUNDING, "no tick is late (TIME-9, TIME-10)", address, seq, now - due)
        require(
            match[2] == rfc3339(int(utc) * 1000 + int(utc % 1 * 1000)).encode(),
            "a tick tells the time (TIME-12)",
            match[2],
        )
        lease.seq = seq
        return Count(lease.number, seq, match[2])

    def handed(self, client: Watched, tick: Count, lines: int) -> None:
        """Judge what a client shows when it gets a tick: it, if it is the newest, and else nothing (CLI-20)."""
        newer = tick[:2] > client.newest[:2]
        if newer and tick.time <= client.newest.time:
            newer = lines == 1  # within one millisecond nobody can tell
        if not newer and tick.subscription < client.newest.subscription == client.first and lines == 1:
            return  # CLI-20: before its first subscription there is none for it
        self._loop.require(lines == newer, "each newer tick shows once, and no other (CLI-20)", client, tick, lines)
        if newer:
            self.listen(client)
            client.newest = tick
            client.first = client.first or tick.subscription
            client.shown += 1
            client.shown_at = self._loop.now
            self.shown += 1

    def lost(self, client: Watched) -> None:
        """Take note that a datagram to or from a client is lost."""
        client.calm_since = self._loop.now
        client.losses.append(self._loop.now)

    def accepted(self, client: Watched) -> None:
        """Take note that a client has had an OK; until the first one it asks every 4 seconds alone (CLI-13)."""
        if not client.subscribed:
            client.subscribed = True
            self.away(client)

    def disturbed(self, client: Watched) -> None:
        """Take note that a datagram may come until now which others have overtaken."""
        client.calm_since = self._loop.now

    def away(self, client: Watched) -> None:
        """Take note that the client, or its server, is away until now."""
        client.calm_since = client.excused_until = self._loop.now

    def listen(self, client: Watched) -> None:
        """Hold that a subscribed client does not wait for a tick longer than its lease, whatever was lost before.

        It sends again within an interval, half of one if it has no answer; is challenged, proves its address, and has
        a tick at once, or is still subscribed, and then the next tick is due within an interval. A datagram takes a
        fifth of an interval at most, and there are five of them: 1 + 1/2 + 1 + 5/5 intervals are less than 4.

        And before a silence of a whole lease, four ticks in a row must be lost, or three renewals and what repeats
        them.
        """
        now = self._loop.now
        if client.shown_at is None or not client.subscribed:
            return
        lease = LEASE_INTERVALS * self._slowest
        calm = now - max(client.shown_at, client.calm_since)
        self._loop.require(calm <= lease, "nobody is without ticks for longer than a lease", client, calm)
        silence = now - max(client.shown_at, client.excused_until)
        self.longest_silence = max(self.longest_silence, silence)
        if silence > lease + self._slowest / 5 + LAG:
            enough = len(client.losses) == LEASE_INTERVALS and client.losses[0] >= client.shown_at - lease
            self._loop.require(enough, "it takes four losses to keep a client waiting", client, silence)

    def audit(self, kept: object) -> None:
        """Hold that no tick that is due is missing, the lines agree, and nothing is kept of those who left."""
        now, require = self._loop.now, self._loop.require
        for address, lease in list(self._leases.items()):
            owed = min(now, lease.end - ROUNDING) - (lease.start + lease.seq * self._interval)
            require(owed <= LAG + ROUNDING, "each tick that is due is sent (TIME-8, LEASE-8)", address, lease)
            if lease.end <= now:
                self._ended[_shown(address)] = lease.end
                del self._leases[address]
        live = set(map(_shown, self._leases))
        late = {each for each in self._announced - live if self._ended.get(each, 0.0) < now - LAG - ROUNDING}
        require(live <= self._announced and not late, "lines tell who is there (SRV-5, SRV-6)", late)
        self._ended = {address: end for address, end in self._ended.items() if address in self._announced}
        objects = kept_by(kept)
        require(objects <= 500 + 40 * len(live), "nothing is kept of those who left (LEASE-7)", objects, len(live))

    def _live(self, address: Address) -> Lease | None:
        lease = self._leases.get(address)
        return lease if lease is not None and lease.end > self._loop.now else None


def _shown(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
