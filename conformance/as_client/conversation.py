"""A client's conversation with a server, one step above bytes: good requests, subscriptions and ticks."""

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from conformance.addresses import show_address
from conformance.as_client import peers
from conformance.as_client.exchange import as_text
from conformance.as_client.judgement import require_reply
from conformance.as_client.observed import Observed, Reply, Silence
from conformance.as_client.peers import Peer
from conformance.as_client.silence import collect_datagrams
from conformance.blame import about
from conformance.clocks import wall_minus_monotonic
from conformance.expected.fields import OK_FIELDS, OTHER_FIELDS, Facts
from conformance.expected.oracle import CHALLENGE, expected_reply
from conformance.expected.oracle import reply as build_reply
from conformance.expected.services import SERVICE_TABLE
from conformance.patience import SHORTEST, note_wait, patience
from conformance.targets.interrupts import ATTENTION, raise_if_interrupted
from conformance.targets.server import Server
from conformance.targets.terms import Service

TURNS = 100


def good_request(service: Service) -> bytes:
    """Return the line of a good request, without its end."""
    return SERVICE_TABLE[service].good_request


def require_service(server: Server) -> None:
    """Raise AssertionError unless the server answers a good request of a new client as the oracle says."""
    request = good_request(server.service)
    try:
        with peers.connect(server) as peer:
            answer = peer.ask(request)
    except Observed as observed:
        raise AssertionError(f"a new client is not served: {observed}") from None
    interval = answer.fields.get("interval", "")
    expected = expected_reply(server.service, server.transport, request + b"\n", interval)
    require_reply(answer, expected, "a good request")


def require_reachable(server: Server) -> None:
    """Raise AssertionError unless somebody listens where the server says: whether it answers is another matter.

    Over TCP a connection stands; over UDP no ICMP message says that nobody has the port, which comes at once.
    """
    with peers.connect(server) as peer:
        if isinstance(peer, peers.UdpPeer):
            peer.send(b"")
            peer.socket.setblocking(False)
            try:
                peer.socket.recv(1)
            except BlockingIOError:
                pass
            except ConnectionError:
                raise AssertionError(f"nobody listens at {server.url}, which it printed") from None


def answering_stranger(server: Server, request: bytes) -> str | None:
    """Return the address from which a UDP request is answered, if that is not the server's; None: it is, or nothing is.

    The socket is not connected, so that it receives from anywhere. Nothing has come for long: this wait is short.
    """
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(SHORTEST / 2)
        sock.sendto(request, server.address)
        with contextlib.suppress(OSError):
            source = sock.recvfrom(1 << 16)[1][:2]
            return None if source == server.address else show_address(source)
    return None


@contextlib.contextmanager
def good_before_and_after(server: Server) -> Iterator[None]:
    """Raise AssertionError unless the server serves a new client before the block and after it."""
    require_service(server)
    yield
    require_service(server)


def answers(peer: Peer, service: Service, asked: list[bytes]) -> list[bytes]:
    """Send requests, given with their line ends, and return the replies to them, good or not."""
    if isinstance(peer, peers.TcpPeer):
        peer.send(b"".join(asked))
        peer.half_close()
        return split_replies(peer.rest())
    assert isinstance(peer, peers.UdpPeer)
    return [raw for raw in collect_datagrams(peer, service, asked) if raw is not None]


def take_turns(peer: peers.Peer) -> None:
    """Return when a server has had the time to read what other clients have sent: each request here takes a turn."""
    for _ in range(TURNS):
        peer.ask(b"ECHO a")


def let_arrive(peer: Peer) -> None:
    """Return when what clients have just sent has arrived: after as long as this one's last answer took."""
    wait_until(time.monotonic() + peer.last_round_trip)


def split_replies(stream: bytes) -> list[bytes]:
    """Cut a TCP server's stream into replies, each with its empty line. A last part without one comes last."""
    *replies, rest = stream.split(b"\n\n")
    return [reply + b"\n\n" for reply in replies] + [rest] * bool(rest)


class Tick(NamedTuple):
    """One tick."""

    name: str
    time: float
    """The field `time`, in seconds of the Unix epoch."""
    seq: int
    at: float
    """When it was read, in seconds of ``time.monotonic``."""
    wall: float
    """When it was read, in seconds of the Unix epoch, by the judge's wall clock."""


def read_tick(reply: Reply) -> Tick:
    """Return a reply as a tick. Raises AssertionError unless it has the fields of a tick, in their order and form."""
    wall = reply.at + wall_minus_monotonic()
    fields = reply.fields
    with about("TIME-4"):
        names = [field.name for field in OTHER_FIELDS["TICK"]]
        assert list(fields) == names and reply.raw == build_reply("TICK", **fields), f"no tick: {as_text(reply.raw)}"
    for field in OTHER_FIELDS["TICK"]:
        if not field.is_argument:
            with about(field.requirement):
                wanted = f"{field.name} is {fields[field.name]!r}; expected a value such as {field.sample(Facts())!r}"
                is_good = field.takes(fields[field.name]) and _can_be_read(field.name, fields[field.name])
                assert is_good, f"{wanted}: {as_text(reply.raw)}"
    return Tick(fields["name"], _moment(fields["time"]).timestamp(), int(fields["seq"]), reply.at, wall)


def _can_be_read(name: str, value: str) -> bool:
    """Whether a `time` that is in form is of a day that exists, and Python takes a `seq` of so many digits."""
    try:
        _moment(value) if name == "time" else int(value)
    except ValueError:
        return False
    return True


def _moment(value: str) -> datetime:
    return datetime.fromisoformat(value.replace("Z", "+00:00"))


def require_seqs(ticks: Sequence[Tick], expected: list[int]) -> None:
    """Raise AssertionError unless successive ticks have these numbers."""
    seqs = [tick.seq for tick in ticks]
    assert seqs == expected, f"seq is {seqs}; expected {expected}"


def require_growing_seqs(ticks: Sequence[Tick]) -> None:
    """Raise AssertionError unless the numbers of successive ticks grow."""
    seqs = [tick.seq for tick in ticks]
    assert seqs == sorted(set(seqs)), f"seq does not grow: {seqs}"


class Subscription:
    """A subscription, as its client knows it.

    The server subscribed the client (t0 of SPEC.md, section 8) between `sent` and `ok.at`.

    Attributes:
        sent: when the request that started it was sent, just before, in seconds of ``time.monotonic``
        ok: the reply to that request
        interval: the server's interval, in seconds
        token: over UDP, the last token that came; over TCP None
    """

    def __init__(self, peer: Peer, name: str) -> None:
        """Subscribe under a name; over UDP first get a token. Raises AssertionError if the server refuses."""
        self.peer = peer
        self.token: str | None = None
        if isinstance(peer, peers.UdpPeer):
            self.token = challenge(peer, name)
        self.sent = self.request(name)
        self.ok = peer.reply()
        assert self.ok.status == "OK", f"no subscription: {as_text(self.ok.raw)}"
        interval = next(field for field in OK_FIELDS["time"] if field.name == "interval")
        value = self.ok.fields.get(interval.name)
        with about("TIME-2"):
            assert value is not None, f"no interval: {as_text(self.ok.raw)}"
        with about(interval.requirement):
            wanted = f"{interval.name} is {value!r}; expected a value such as {interval.sample(Facts())!r}"
            assert interval.takes(value), f"{wanted}: {as_text(self.ok.raw)}"
        self.interval = float(value)
        option = server.option("--interval") if (server := peer.server) else None
        with about(interval.requirement):
            heeded = option is None or self.interval == float(option)
            rounded = option is not None and value == f"{float(option):g}"
            hint = "is it rounded?" if rounded else "does it heed --interval?"
            assert heeded, f"the interval is {value!r}; expected {option!r} ({hint})"

    def request(self, name: str) -> float:
        """Send a TIME, over UDP with the token. Return when, in seconds of ``time.monotonic``."""
        self.name = name
        line = SERVICE_TABLE["time"].request(name)
        return self.peer.request(line if self.token is None else line + b"\ntoken: " + self.token.encode())

    def renew(self, name: str) -> list[Tick]:
        """Send a TIME and wait for its `OK`. Return the ticks that came before that."""
        self.request(name)
        ticks, reply = skip_ticks(self.peer)
        assert reply.status == "OK" and reply.fields["name"] == name, f"no OK to {name}: {as_text(reply.raw)}"
        return [*map(read_tick, ticks)]

    def tick(self, within: float | None = None) -> Tick:
        """Return the next tick, within so many seconds. Raises AssertionError if another reply comes first."""
        return read_tick(self.peer.reply(within))

    def ticks(self, count: int) -> list[Tick]:
        """Return the next `count` ticks. Over UDP renew the lease after each, as a client does."""
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
        """Return the earliest time at which that tick can be due, in seconds of ``time.monotonic``."""
        return self.sent + (seq - 1) * self.interval

    def latest(self, seq: int) -> float:
        """Return the latest time at which that tick can become due, in seconds of ``time.monotonic``."""
        return self.ok.at + (seq - 1) * self.interval


def skip_ticks(peer: Peer, within: float | None = None) -> tuple[list[Reply], Reply]:
    """Return the ticks that come before the next other reply, and that reply.

    Raises what `Peer.reply` does, and Silence if nothing but ticks comes for so many seconds, by default PATIENCE.
    """
    within = patience(within)
    start, ticks = time.monotonic(), list[Reply]()
    while (reply := peer.reply(within)).status == "TICK":
        ticks.append(reply)
        if reply.at > start + within:
            note_wait(within)
            raise Silence(f"nothing but ticks for {within:g} s")
    return ticks, reply


def challenge(peer: Peer, name: str) -> str:
    """Send a TIME without a token; return the token of the `CHALLENGE`. Raises AssertionError at any other reply."""
    reply = peer.ask(SERVICE_TABLE["time"].request(name))
    require_reply(reply, CHALLENGE)
    return reply.fields["token"]


def wait_until(moment: float) -> None:
    """Sleep until a time, in seconds of ``time.monotonic``."""
    while (left := moment - time.monotonic()) > 0:
        time.sleep(min(left, ATTENTION))
        raise_if_interrupted()
