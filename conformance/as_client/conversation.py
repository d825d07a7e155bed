"""What a client does with a server, one step above bytes: a good request, a subscription and its ticks."""

import contextlib
import re
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from conformance.as_client import peers
from conformance.as_client.judgement import require_reply
from conformance.as_client.peers import Peer, Reply
from conformance.blame import about
from conformance.clocks import wall_minus_monotonic
from conformance.expected import oracle
from conformance.expected.oracle import VERBS, masked, owed
from conformance.targets.interrupts import ATTENTION, raise_if_interrupted
from conformance.targets.server import Server
from conformance.targets.terms import Service

GOOD_ARGUMENT: dict[Service, str] = {"echo": "привет", "time": "Анна"}


def good_request(service: Service) -> bytes:
    """Return a good request's line, without its end."""
    return VERBS[service] + b" " + GOOD_ARGUMENT[service].encode()


def require_service(server: Server) -> None:
    """Let a new client send a good request: the server must answer it as the oracle says."""
    request = good_request(server.service)
    try:
        with peers.connect(server) as peer:
            answer = peer.ask(request)
    except peers.Observed as observed:
        raise AssertionError(f"a new client is not served: {observed}") from None
    interval = answer.fields.get("interval", "")
    expected = owed(server.service, server.transport, request + b"\n", interval)
    require_reply(answer, expected, "a good request")


@contextlib.contextmanager
def good_before_and_after(server: Server) -> Iterator[None]:
    """A block of bad requests: the server must serve a new client before it and after it."""
    require_service(server)
    yield
    require_service(server)


def require_silence(peer: peers.UdpPeer, service: Service) -> None:
    """Nothing may have come for what was sent so far. Two good requests with different replies must be answered next.

    Datagrams from one socket to another keep their order on the loopback, so an answer to what was sent before would
    come first; if it looks like the first answer, the second is out of step.
    """
    for probe in [b"ECHO first", b"ECHO second"] if service == "echo" else [b"TIME first", b"TIME"]:
        require_reply(peer.ask(probe), owed(service, "udp", probe), "something was sent where silence is due")


def collect_datagrams(peer: peers.UdpPeer, service: Service, datagrams: list[bytes]) -> list[bytes | None]:
    """Send datagrams, each when what is owed for the one before has come; return the replies, masked; None: silence."""
    replies: list[bytes | None] = []
    for datagram in datagrams:
        peer.send(datagram)
        replies.append(None if owed(service, "udp", datagram) is None else masked(peer.reply().raw))
    require_silence(peer, service)
    return replies


def answers(peer: Peer, service: Service, asked: list[bytes]) -> list[bytes]:
    """Return all that comes for these requests, given with their ends, whatever it is."""
    if isinstance(peer, peers.TcpPeer):
        peer.send(b"".join(asked))
        peer.half_close()
        return split_replies(peer.rest())
    assert isinstance(peer, peers.UdpPeer)
    return [raw for raw in collect_datagrams(peer, service, asked) if raw is not None]


def split_replies(stream: bytes) -> list[bytes]:
    """Cut a TCP server's stream after each empty line; what has none is the last element."""
    return re.findall(rb".*?\n\n|.+\Z", stream, re.DOTALL)


class Tick(NamedTuple):
    """One tick: its fields (`time` in seconds of the Unix epoch), and when it was read by both clocks."""

    name: str
    time: float
    seq: int
    at: float
    wall: float


def read_tick(reply: Reply) -> Tick:
    """Return a reply as a tick. Fails if it is none, or has other fields, another order or other forms than a tick."""
    wall = reply.at + wall_minus_monotonic()
    with about("TIME-4"):
        assert reply.status == "TICK" and list(reply.fields) == ["name", "time", "seq"], f"no tick: {reply.raw!r}"
    name, stamp, seq = reply.fields.values()
    with about("TIME-11"):
        assert b"\ntime: {time}\n" in masked(reply.raw), f"no date-time, or no seq: {reply.raw!r}"
    return Tick(name, datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp(), int(seq), reply.at, wall)


def require_seqs(ticks: Sequence[Tick], due: list[int]) -> None:
    """These must be the numbers of ticks that came one after the other."""
    seqs = [tick.seq for tick in ticks]
    assert seqs == due, f"seq is {seqs}; due is {due}"


def require_growing_seqs(ticks: Sequence[Tick]) -> None:
    """The numbers of ticks that came one after the other must grow."""
    seqs = [tick.seq for tick in ticks]
    assert seqs == sorted(set(seqs)), f"seq does not grow: {seqs}"


class Subscription:
    """A time client's subscription, seen from its side.

    `sent` is the time just before the request that started it, `ok` the reply; so t0 lies between `sent` and `ok.at`.
    Over UDP, `token` is the token that came last.
    """

    def __init__(self, peer: Peer, name: str) -> None:
        """Subscribe, over UDP by way of a challenge."""
        self.peer = peer
        self.token: str | None = None
        if isinstance(peer, peers.UdpPeer):
            self.token = challenge(peer, name)
        self.sent = self.request(name)
        self.ok = peer.reply()
        assert self.ok.status == "OK", f"no subscription: {self.ok.raw!r}"
        self.interval = float(self.ok.fields["interval"])

    def request(self, name: str) -> float:
        """Send a TIME, over UDP with the token; return when."""
        self.name = name
        line = b"TIME " + name.encode()
        return self.peer.request(line if self.token is None else line + b"\ntoken: " + self.token.encode())

    def renew(self, name: str) -> list[Tick]:
        """Send a TIME and wait for its `OK`; return the ticks that came before it."""
        self.request(name)
        ticks: list[Tick] = []
        while (reply := self.peer.reply()).status == "TICK":
            ticks.append(read_tick(reply))
        assert reply.status == "OK" and reply.fields["name"] == name, f"no OK to {name}: {reply.raw!r}"
        return ticks

    def tick(self, within: float | None = None) -> Tick:
        """Return the next tick. Fails if another reply comes before it."""
        return read_tick(self.peer.reply(within))

    def ticks(self, count: int) -> list[Tick]:
        """Return the next ticks; over UDP renew the lease after each, as a client does."""
        ticks: list[Tick] = []
        while len(ticks) < count:
            reply = self.peer.reply()
            if reply.status == "CHALLENGE":
                self.token = reply.fields["token"]
                self.request(self.name)
            elif reply.status != "OK" or self.token is None:
                ticks.append(read_tick(reply))
                if self.token is not None:
                    self.request(self.name)
        return ticks

    def earliest(self, seq: int) -> float:
        """Return a time before which that tick is surely not due."""
        return self.sent + (seq - 1) * self.interval

    def latest(self, seq: int) -> float:
        """Return a time at which that tick is surely due."""
        return self.ok.at + (seq - 1) * self.interval


def challenge(peer: Peer, name: str) -> str:
    """Send a TIME without a token; return the token that it is answered with."""
    reply = peer.ask(b"TIME " + name.encode())
    require_reply(reply, oracle.CHALLENGE)
    return reply.fields["token"]


def wait_until(moment: float) -> None:
    """Sleep until a time of ``time.monotonic``."""
    while (left := moment - time.monotonic()) > 0:
        time.sleep(min(left, ATTENTION))
        raise_if_interrupted()
