"""Loads of a time server: many subscribers, whose ticks are due at once or spread evenly over the interval.

A tick's lateness is measured against the subscriber's own schedule: arrival minus (seq - 1) x interval, minus the least
of these values. Two intervals are measured: leases over UDP last four, so no renewal comes between, and the CPU time
is that of ticks alone.
"""

import re
import selectors
import socket
import time
from contextlib import ExitStack
from time import perf_counter_ns

from conformance.comparison.figures import LoadError, Sample, lateness
from conformance.comparison.life import time_to_stop
from conformance.comparison.machine import Usage, without_collector
from conformance.comparison.model import Load
from conformance.expected.services import SERVICE_TABLE
from conformance.targets.server import Server
from conformance.timing import PATIENCE, SCALE

INTERVALS = 2
"""How many intervals are measured."""

SETTING_UP = 30 * SCALE
"""Seconds for connecting and subscribing, at most."""

UNANSWERED = 64
"""How many requests are unanswered at a time while clients connect and subscribe: so many fit in any buffer."""

RESENT = 0.5 * SCALE
"""Seconds without any progress after which unanswered datagrams are sent again."""

STUCK = 3 * SCALE
"""Seconds without any progress after which a server over TCP counts as stuck."""

GRACE = 0.25
"""Intervals to wait for late ticks after the measured intervals."""

_SEQ = re.compile(rb"\nseq: (\d+)\Z")
_TOKEN = re.compile(rb"CHALLENGE\ntoken: (\S+)\n\n")


def _request(number: int, token: bytes = b"") -> bytes:
    """Return the TIME of a client, with a token if there is one."""
    line = SERVICE_TABLE["time"].request(f"клиент {number}") + b"\n"
    return line + b"token: " + token + b"\n" if token else line


class Subscribers:
    """The sockets of all clients, by their number, and all that they have received since they subscribed."""

    def __init__(self, server: Server, clients: int, stack: ExitStack) -> None:
        """Connect all clients, in groups, so that no buffer and no backlog overflows. Raises LoadError, OSError."""
        self.transport = server.transport
        self.requests = [_request(number) for number in range(clients)]
        self.sockets: list[socket.socket] = []
        self.answered: set[int] = set()
        self.arrivals: list[tuple[int, int, bytes]] = []
        """The time (nanoseconds of ``perf_counter_ns``), the client's number, the bytes."""
        self.selector = stack.enter_context(selectors.DefaultSelector())
        self.deadline = time.monotonic() + SETTING_UP
        kind = socket.SOCK_STREAM if server.transport == "tcp" else socket.SOCK_DGRAM
        family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
        for number in range(clients):
            sock = stack.enter_context(socket.socket(family, kind))
            self.sockets.append(sock)
            sock.settimeout(RESENT if server.transport == "udp" else PATIENCE)
            try:
                sock.connect(server.address)
                if number % UNANSWERED == UNANSWERED - 1 or number == clients - 1:
                    self._greet(range(number - number % UNANSWERED, number + 1))
            except OSError as error:
                raise self._gave_up(number, f"{error}") from None
        for number, sock in enumerate(self.sockets):
            sock.setblocking(False)
            self.selector.register(sock, selectors.EVENT_READ, number)

    def _gave_up(self, clients: int, why: str) -> LoadError:
        return LoadError(f"gave up at {clients} clients: {why}", {"served": clients})

    def _greet(self, group: range) -> None:
        """Wait until a group is accepted (TCP: in order, so the last client is enough), or has its tokens (UDP)."""
        if self.transport == "tcp":
            self.sockets[group[-1]].sendall(b"?\n")
            answer = self.sockets[group[-1]].recv(4096)
            if b"\ncode: unknown-verb\n" not in answer:
                raise self._gave_up(group[0], f"it answers {answer!r}")
            return
        for number in group:
            self.sockets[number].send(self.requests[number])
        for number in group:
            self.requests[number] = _request(number, self._token(number))

    def _token(self, number: int) -> bytes:
        while time.monotonic() < self.deadline:
            try:
                answer = self.sockets[number].recv(4096)
            except TimeoutError:
                self.sockets[number].send(self.requests[number])
                continue
            if token := _TOKEN.fullmatch(answer):
                return token[1]
        raise self._gave_up(number, "no token")

    def subscribe(self, spread: float) -> int:
        """Subscribe all clients, evenly over so many seconds or, if that is 0, as fast as they are answered.

        Return when that began, in nanoseconds of ``perf_counter_ns``. Raises LoadError, OSError.
        """
        start = progress = perf_counter_ns()
        gap = int(spread * 1e9 / len(self.sockets))
        sent = 0
        while len(self.answered) < len(self.sockets):
            now = perf_counter_ns()
            while sent - len(self.answered) < UNANSWERED and sent < len(self.sockets) and start + sent * gap <= now:
                self.sockets[sent].send(self.requests[sent])
                sent += 1
            answered = len(self.answered)
            self.receive(0 if sent < len(self.sockets) else 0.01)
            if len(self.answered) > answered or sent == answered:
                progress = now
            elif time.monotonic() > self.deadline or (self.transport == "tcp" and now - progress > STUCK * 1e9):
                raise self._gave_up(answered, "the next ones get no answer to TIME")
            elif self.transport == "udp" and now - progress > RESENT * 1e9:
                for number in {*range(sent)} - self.answered:
                    self.sockets[number].send(self.requests[number])
                progress = now
        return start

    def receive(self, wait: float) -> None:
        """Receive all that comes within so many seconds. Raises LoadError."""
        for key, _ in self.selector.select(wait):
            number: int = key.data
            try:
                data = self.sockets[number].recv(4096)
            except OSError:
                data = b""
            self.arrivals.append((perf_counter_ns(), number, data))
            if data[:4] != b"TICK":
                if data[:3] == b"OK\n":
                    self.answered.add(number)
                elif token := _TOKEN.fullmatch(data):  # the first one has expired
                    self.requests[number] = _request(number, token[1])
                    self.sockets[number].send(self.requests[number])
                elif data[:3] == b"ERR":
                    raise self._gave_up(len(self.answered), f"it answers {data!r}")
                elif not data:
                    self.selector.unregister(self.sockets[number])

    def receive_until(self, end: int) -> None:
        """Receive all that comes until that time, in nanoseconds of ``perf_counter_ns``."""
        while (left := end - perf_counter_ns()) > 0:
            self.receive(left / 1e9)

    def ticks(self) -> list[dict[int, int]]:
        """Return, for each client, when each tick came (nanoseconds of ``perf_counter_ns``), by its `seq`."""
        rest: dict[int, bytes] = {}
        ticks: list[dict[int, int]] = [{} for _ in self.sockets]
        for at, number, data in self.arrivals:
            *whole, rest[number] = (rest.get(number, b"") + data).split(b"\n\n")
            for reply in whole:
                if match := _SEQ.search(reply):
                    ticks[number][int(match[1])] = at
        return ticks


def ticks(server: Server, load: Load, usage: Usage) -> Sample:
    """Return the figures of one sample; at its end, stop the server with all subscribers. Raises LoadError, OSError."""
    assert load.interval
    interval = int(load.interval * 1e9)
    with ExitStack() as stack:
        empty = usage.memory()
        subscribers = Subscribers(server, load.clients, stack)
        stack.enter_context(without_collector())
        start = subscribers.subscribe(load.interval if load.pattern == "spread" else 0)
        passed = max(1, round((perf_counter_ns() - start) / interval))
        if load.transport == "udp" and passed > 1:
            raise LoadError(f"{load.clients} subscriptions took it more than an interval", {"served": load.clients})
        start += passed * interval
        subscribers.receive_until(start)
        server_before, generator_before, began = usage.cpu(), time.thread_time(), perf_counter_ns()
        subscribers.receive_until(start + INTERVALS * interval)
        server_cpu, generator, ended = (
            usage.cpu() - server_before,
            time.thread_time() - generator_before,
            perf_counter_ns(),
        )
        subscribers.receive_until(ended + int(GRACE * interval))
        full = usage.memory()
        stop = time_to_stop(server)
    arrived = subscribers.ticks()
    late = [each for ticks in arrived if ticks for each in _lateness(ticks, start, interval)]
    sent = sum(began <= at < ended for ticks in arrived for at in ticks.values())
    if not sent:
        raise LoadError("no ticks came", {"served": 0})
    return {
        "server_cpu": 1e6 * server_cpu / sent,
        **lateness(late),
        "memory": (full - empty) / load.clients,
        "served": sum(len(ticks) > 0 and len(_lateness(ticks, start, interval)) == INTERVALS for ticks in arrived),
        "stop": 1e3 * stop,
        "generator_cpu": 100 * generator / ((ended - began) / 1e9),
    }


def _lateness(ticks: dict[int, int], start: int, interval: int) -> list[int]:
    """Return the lateness, in nanoseconds, of one client's ticks that were due in the measured intervals."""
    base = min(at - (seq - 1) * interval for seq, at in ticks.items())
    first = (start - base + interval - 1) // interval + 1
    return [ticks[seq] - (seq - 1) * interval - base for seq in range(max(first, 1), first + INTERVALS) if seq in ticks]
