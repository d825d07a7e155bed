"""The time service over UDP in virtual time: several clients on one server against a model, and a bad network.

Time is counted in ticks of 1/64 second, which floats hold exactly, so that the model needs whole numbers alone.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from heapq import heappop, heappush
from itertools import count, cycle, pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from spec.address import Address
from spec.codec import ERROR_REPLIES
from spec.datagram_client import TimeDatagramClient
from spec.endpoint import TimeEndpoint
from spec.limits import LEASE_INTERVALS, TOKEN_INTERVALS, TOKEN_INTERVALS_END, TOKEN_SECONDS, TOKEN_SECONDS_END
from spec.tests.support import NOW, UTC, client_options, code_of, datagrams, rfc3339, server_options, token_of
from spec.text import visible

SECOND = 64
CLIENTS: dict[Address, str] = {
    ("127.0.0.1", 50001): "127.0.0.1:50001",
    ("127.0.0.1", 50002): "127.0.0.1:50002",
    ("127.0.0.2", 50001): "127.0.0.2:50001",
    ("::1", 50001, 0, 0): "[::1]:50001",
}
MAX_CLIENTS = 2
INTERVALS = {"0.125": "0.5", "0.5": "2", "3": "12"}
"""Each with its lease, as both are written."""

addresses = st.sampled_from([*CLIENTS])
names = st.sampled_from(["Анна", "Борис", "a\u2028b"])


@dataclass
class Subscription:
    """What the model knows of a subscriber; moments in 1/64 s."""

    name: str
    start: int
    lease_end: int
    seq: int = 1


class TimeServer(RuleBasedStateMachine):
    """A model that predicts each datagram of a TimeEndpoint, and each line about its clients."""

    @initialize(interval=st.sampled_from([*INTERVALS]))
    def start(self, interval: str) -> None:
        self.interval_text, self.interval = interval, int(Decimal(interval) * SECOND)
        self.now = 0
        self.secrets = count()
        self.expected_lines: list[str] = []
        self.restart()

    @rule()
    def restart(self) -> None:
        """LEASE-6: with a new secret, and no memory."""
        self.subscriptions: dict[Address, Subscription] = {}
        self.issued = {} if not hasattr(self, "issued") else dict.fromkeys(self.issued, -math.inf)
        self.announced: list[str] = []
        self.expected_lines = []
        options = server_options("time", interval=Decimal(self.interval_text), max_clients=MAX_CLIENTS)
        self.endpoint = TimeEndpoint(options, next(self.secrets).to_bytes(16, "big"), self.announced.append)

    issued: dict[tuple[Address, str], float]
    """When a token was last sent to an address; in the time before this server: never."""

    @rule(address=addresses, name=names)
    def ask(self, address: Address, name: str) -> None:
        """LEASE-1, LEASE-10."""
        self.challenged(address, self.send(address, f"TIME {name}"))

    @precondition(lambda self: self.issued)
    @rule(address=addresses, name=names, data=st.data())
    def prove(self, address: Address, name: str, data: st.DataObject) -> None:
        """With any token that was ever sent to anybody, most often with one's own newest."""
        own = [token for receiver, token in self.issued if receiver == address]
        token = data.draw(st.sampled_from(own[-1:] or [""]) | st.sampled_from([token for _, token in self.issued]))
        out = self.send(address, f"TIME {name}", f"token: {token}")
        age = self.now - self.issued.get((address, token), -math.inf)
        if age > max(TOKEN_INTERVALS * self.interval, TOKEN_SECONDS) and (
            age >= max(TOKEN_INTERVALS_END * self.interval, TOKEN_SECONDS_END) or code_of(out[0]) == "CHALLENGE"
        ):
            self.challenged(address, out)  # LEASE-4, LEASE-6; in between the server is free
        else:
            assert out == self.accepted(address, name)

    @rule(
        address=addresses,
        name=names,
        token=st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=22),
    )
    def forge(self, address: Address, name: str, token: str) -> None:
        """LEASE-1."""
        self.challenged(address, self.send(address, f"TIME {name}", f"token: {token}"))

    @precondition(lambda self: self.issued)
    @rule(
        name_and_code=st.sampled_from(
            [("", "bad-name"), (" a", "bad-name"), ("я" * 65, "bad-name"), ("a\tb", "bad-character")]
        ),
        data=st.data(),
    )
    def err(self, name_and_code: tuple[str, str], data: st.DataObject) -> None:
        """TIME-14: a fault, although the token may be good."""
        address, token = data.draw(st.sampled_from([*self.issued]))
        name, code = name_and_code
        assert self.send(address, f"TIME {name}", f"token: {token}") == [ERROR_REPLIES[code]]

    @rule(address=addresses, datagram=datagrams.filter(lambda datagram: not datagram.startswith(b"TIME")))
    def disturb(self, address: Address, datagram: bytes) -> None:
        """UDP-2."""
        assert self.endpoint.receive(datagram, address, *self.clocks()) == []

    @rule(intervals=st.integers(0, 12), more=st.integers(0, 3 * SECOND))
    def wait(self, intervals: int, more: int) -> None:
        """Nobody wakes the server meanwhile; datagrams may come before somebody does."""
        self.now += intervals * self.interval + more

    @rule(intervals=st.integers(1, 4))
    def wait_exactly(self, intervals: int) -> None:
        """To the very moment when a tick is due or a lease runs out, if there is a subscriber."""
        starts = [subscription.start for subscription in self.subscriptions.values()] or [self.now]
        self.now += intervals * self.interval - (self.now - starts[0]) % self.interval

    @rule()
    def wake(self) -> None:
        """TIME-6 to TIME-8, LEASE-9."""
        expected: Counter[tuple[bytes, Address]] = Counter()
        for address, subscription in [*self.subscriptions.items()]:
            if subscription.lease_end <= self.now:
                self.left(address)
                continue
            seq = (self.now - subscription.start) // self.interval + 1
            if seq > subscription.seq:
                subscription.seq = seq
                expected[self.tick(subscription), address] += 1
        assert Counter(self.endpoint.wake(*self.clocks())) == expected
        assert sorted(self.announced) == sorted(self.expected_lines)  # SRV-5, SRV-6
        assert self.endpoint.wake(*self.clocks()) == []
        assert (self.endpoint.deadline is None) == (not self.subscriptions)  # LEASE-7

    @invariant()
    def wakes_in_time(self) -> None:
        """TIME-9: the deadline is never later than what is due next."""
        due = [
            min(subscription.start + subscription.seq * self.interval, subscription.lease_end)
            for subscription in self.subscriptions.values()
            if subscription.lease_end > self.now
        ]
        if due:
            assert self.endpoint.deadline is not None and (self.endpoint.deadline - NOW) * SECOND <= min(due)

    def send(self, address: Address, *lines: str) -> list[bytes]:
        return self.endpoint.receive("\n".join(lines).encode(), address, *self.clocks())

    def clocks(self) -> tuple[float, float]:
        return NOW + self.now / SECOND, UTC + self.now / SECOND

    def challenged(self, address: Address, out: list[bytes]) -> None:
        self.issued[address, token_of(out)] = self.now

    def accepted(self, address: Address, name: str) -> list[bytes]:
        subscription = self.subscriptions.get(address)
        if subscription is not None and subscription.lease_end <= self.now:
            self.left(address)
            subscription = None
        lease_end = self.now + LEASE_INTERVALS * self.interval
        ok = f"OK\nname: {name}\ninterval: {self.interval_text}\nlease: {INTERVALS[self.interval_text]}\n\n".encode()
        if subscription is not None:
            if name != subscription.name:
                self.line(address, subscription.name, f"is now {visible(name)}")
            subscription.name, subscription.lease_end = name, lease_end
            return [ok]
        if sum(subscription.lease_end > self.now for subscription in self.subscriptions.values()) >= MAX_CLIENTS:
            return [ERROR_REPLIES["busy"]]
        subscription = self.subscriptions[address] = Subscription(name, self.now, lease_end)
        self.line(address, name, "connected")
        return [ok, self.tick(subscription)]

    def tick(self, subscription: Subscription) -> bytes:
        time = rfc3339(round(UTC) * 1000 + self.now * 1000 // SECOND)
        return f"TICK\nname: {subscription.name}\ntime: {time}\nseq: {subscription.seq}\n\n".encode()

    def left(self, address: Address) -> None:
        self.line(address, self.subscriptions.pop(address).name, "left")

    def line(self, address: Address, name: str, what: str) -> None:
        self.expected_lines.append(f"client {visible(name)} ({CLIENTS[address]}) {what}")


TimeServer.TestCase.settings = settings(max_examples=80, stateful_step_count=30)
test_time_server = TimeServer.TestCase


class Network:
    """Clients and a server in virtual time, with the datagrams between them.

    While it is bad, each datagram takes the next of the fates: the delays, in 1/64 s, with which its copies arrive.
    """

    def __init__(self, interval: str, clients: int, fates: list[list[int]], bad: range) -> None:
        self.now = 0
        self._bad = bad
        self._fates = cycle(fates)
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._options = server_options("time", interval=Decimal(interval))
        self._secrets = count()
        self.restart()
        self.printed: list[list[tuple[int, str]]] = [[] for _ in range(clients)]
        self.clients = [self._client(number) for number in range(clients)]
        for number, client in enumerate(self.clients):
            self._to_server(number, client.ask(f"Анна{number}", self._seconds()))

    def _client(self, number: int) -> TimeDatagramClient:
        def show(line: str) -> None:
            self.printed[number].append((self.now, line))

        def complain(line: str) -> None:
            raise AssertionError(line)

        return TimeDatagramClient(client_options("time", timeout=1e6), "time+udp://127.0.0.1:7037", show, complain)

    def restart(self) -> None:
        self.server = TimeEndpoint(self._options, next(self._secrets).to_bytes(16, "big"), None)

    def run(self, until: int) -> None:
        while True:
            due = self._next_due()
            if due > until:
                break
            self.now = max(self.now, due)
            if self._events and self._events[0][0] <= self.now:
                heappop(self._events)[2]()
                continue
            for datagram, (_, number) in self.server.wake(self._seconds(), UTC + self._seconds()):
                self._to_client(number, datagram)
            for number, client in enumerate(self.clients):
                self._to_server(number, client.wake(self._seconds()))
        self.now = until

    def _next_due(self) -> int:
        deadlines = [client.deadline for client in self.clients]
        if self.server.deadline is not None:
            deadlines.append(self.server.deadline)
        return min([math.ceil(deadline * SECOND) for deadline in deadlines] + [event[0] for event in self._events[:1]])

    def _seconds(self) -> float:
        return self.now / SECOND

    def _to_server(self, number: int, datagram: bytes) -> None:
        def arrive() -> None:
            for reply in self.server.receive(datagram, ("127.0.0.1", number), self._seconds(), UTC + self._seconds()):
                self._to_client(number, reply)

        if datagram:
            self._deliver(arrive)

    def _to_client(self, number: int, datagram: bytes) -> None:
        self._deliver(lambda: self._to_server(number, self.clients[number].receive(datagram, self._seconds())))

    def _deliver(self, arrive: Callable[[], None]) -> None:
        for delay in next(self._fates) if self.now in self._bad else [1]:
            heappush(self._events, (self.now + delay, next(self._order), arrive))


LONGEST_DELAY = 5 * SECOND
fates = st.lists(st.lists(st.sampled_from([1, 1, 8, 40, 200, LONGEST_DELAY]), max_size=3), min_size=1, max_size=30)


@given(
    st.sampled_from(["0.125", "0.5", "3"]),
    st.integers(1, 2),
    fates,
    st.integers(0, 60 * SECOND),
    st.integers(0, 20 * SECOND),
    st.booleans(),
)
@example("3", 1, [[1]], 0, 10 * SECOND, True)
@example("0.125", 1, [[1], [], [1, 40]], 0, 10 * SECOND, True)
@example("3", 1, [[]], 20 * SECOND, 12 * SECOND, False)  # the lease runs out, the token does not
@example("0.5", 2, [[200], [1, 40], [], [], [], [1], [1], *5 * [[]]], 2, 194, True)  # a late tick of an older count
@settings(max_examples=60)
def test_a_bad_network_harms_only_while_it_lasts(
    interval: str, clients: int, fates: list[list[int]], breaks: int, lasts: int, restarts: bool
) -> None:
    """CLI-13, CLI-16 to CLI-18, CLI-20, CLI-21: each tick shows at most once, in order; and ticks come again.

    After the last stray datagram a client sends within a pause or an interval, is challenged twice at most, and has
    its OK.
    """
    heals = breaks + lasts
    network = Network(interval, clients, fates, range(breaks, heals))
    step = int(Decimal(interval) * SECOND)
    if restarts:
        network.run(breaks + lasts // 2)
        network.restart()
    recovered = heals + LONGEST_DELAY + 2 * max(4 * SECOND, step) + step + 16
    network.run(recovered + 20 * step)
    for number, lines in enumerate(network.printed):
        assert lines[0][1].startswith("connected to ")
        times = [line.removeprefix(f"Анна{number} ") for _, line in lines[1:]]
        assert times == sorted(set(times)), "one tick twice, or out of order"
        printed_at = [recovered, *(at for at, _ in lines[1:] if at > recovered)]
        assert max(b - a for a, b in pairwise(printed_at)) <= step + 2
        assert len(printed_at) >= 19
