"""A server's UDP socket and all its clients: SPEC.md, sections 6 to 9 and 11.

Datagrams in, datagrams out, time passed in: ``now`` is seconds on a monotonic clock, ``utc`` the wall clock's seconds
since 1970.
"""

import math
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Mapping
from itertools import islice
from typing import ClassVar, TypeAlias

from spec import echo, ticks
from spec.address import Address, format_address
from spec.codec import ECHO, TIME, RequestError, check_name, parse_datagram
from spec.limits import LEASE_INTERVALS, REPLACED_A_SECOND, REPLACED_AT_ONCE
from spec.message import Message
from spec.options import ServerOptions
from spec.replies import CHALLENGE
from spec.text import visible
from spec.timers import Timers
from spec.tokens import Tokens

TICKS_AT_ONCE = 64
"""Ticks that one ``wake`` returns at most: they have one time, and so many are sent within a millisecond (TIME-12)."""

Announce = Callable[[str], object]
"""Takes a line about a client, for standard output (SRV-4 to SRV-6)."""


Handlers: TypeAlias = Mapping[bytes, Callable[..., list[bytes]]]
"""A service: its verbs, each with the method that returns the replies or raises RequestError.

A handler gets the endpoint, the argument, the fields, the address, ``now`` and ``utc``.
"""


class Endpoint(ABC):
    """One UDP socket and its clients: datagrams in, datagrams to send out.

    A server with one thread does it so::

        endpoint = open_endpoint(options, secrets.token_bytes(32), announce)
        while not stopped():
            deadline = endpoint.deadline
            sock.settimeout(None if deadline is None else max(deadline - time.monotonic(), 0.001))
            try:
                datagram, address = sock.recvfrom(DATAGRAM_BYTES)
                for reply in endpoint.receive(datagram, address, time.monotonic(), time.time()):
                    sock.sendto(reply, address)
            except TimeoutError:
                pass
            for datagram, address in endpoint.wake(time.monotonic(), time.time()):
                sock.sendto(datagram, address)
    """

    handlers: ClassVar[Handlers]

    def __init__(self, announce: Announce | None) -> None:
        """``announce`` is None for a quiet server (SRV-7)."""
        self._announce = announce

    @property
    @abstractmethod
    def deadline(self) -> float | None:
        """When to call ``wake`` next, on the clock of ``now``; None: not before the next ``receive``."""

    def receive(self, datagram: bytes, address: Address, now: float, utc: float) -> list[bytes]:
        """Return the datagrams to send to the address from which this one came: none, one or two."""
        handlers = self.handlers
        try:
            request = parse_datagram(datagram, handlers)
            if request is None:
                return []  # UDP-2, UDP-3
            verb, argument, fields = request
            replies = handlers[verb](self, argument, fields, address, now, utc)
        except RequestError as error:
            replies = [error.reply]
        if self._announce is not None:
            self._hear(address, now, self._announce)
        return replies

    def _hear(self, address: Address, now: float, announce: Announce) -> None:  # noqa: B027 - some need none
        """Take note of an address that is answered."""

    @abstractmethod
    def wake(self, now: float, utc: float) -> list[tuple[bytes, Address]]:
        """Return ticks that are due, each with its address, and end what has run out.

        There may be more: then ``deadline`` has passed still.
        """


class EchoEndpoint(Endpoint):
    """The echo service. To announce its clients, it remembers when it last heard from each, and nothing else."""

    def __init__(self, options: ServerOptions, announce: Announce | None) -> None:
        super().__init__(announce)
        self._max_clients = options.max_clients
        self._idle_timeout = options.idle_timeout
        self._last_heard: OrderedDict[Address, float] = OrderedDict()  # the longest silent first
        self._replaceable, self._refilled = 0.0, -math.inf

    @property
    def deadline(self) -> float | None:
        if not self._last_heard:
            return None
        return next(iter(self._last_heard.values())) + self._idle_timeout

    def wake(self, now: float, utc: float) -> list[tuple[bytes, Address]]:
        while self._announce is not None and self.deadline is not None and self.deadline <= now:
            self._forget_longest_silent(self._announce)
        return []

    def _hear(self, address: Address, now: float, announce: Announce) -> None:
        if address not in self._last_heard:
            if len(self._last_heard) >= self._max_clients:
                if not self._may_replace(now):
                    return
                self._forget_longest_silent(announce)
            announce(Message("client {client} connected", client=format_address(address)))
        self._last_heard[address] = now
        self._last_heard.move_to_end(address)

    def _may_replace(self, now: float) -> bool:
        """Return whether a new address may take the place of another, which makes two lines (SRV-6)."""
        more = (now - self._refilled) * REPLACED_A_SECOND
        self._replaceable, self._refilled = min(self._replaceable + more, REPLACED_AT_ONCE), now
        if self._replaceable < 1:
            return False
        self._replaceable -= 1
        return True

    def _forget_longest_silent(self, announce: Announce) -> None:
        address, _ = self._last_heard.popitem(last=False)
        announce(Message("client {client} left", client=format_address(address)))

    def _echo(self, message: str, fields: Mapping[str, str], address: Address, now: float, utc: float) -> list[bytes]:
        return [echo.echo_datagram(message)]

    handlers: ClassVar[Handlers] = {ECHO.encode(): _echo}


class _Subscription:
    """The subscription of a client that has proved its address."""

    __slots__ = ("address", "lease_end", "name", "schedule")

    def __init__(self, address: Address, name: str, schedule: ticks.Schedule, lease_end: float) -> None:
        self.address = address
        self.name = name
        self.schedule = schedule
        self.lease_end = lease_end

    @property
    def deadline(self) -> float:
        return min(self.schedule.deadline, self.lease_end)


class TimeEndpoint(Endpoint):
    """The time service: it asks for proof of an address, then leases a subscription."""

    def __init__(self, options: ServerOptions, secret: bytes, announce: Announce | None) -> None:
        """``secret`` is 16 or more random bytes; whoever knows them can forge tokens."""
        super().__init__(announce)
        self._interval = options.interval
        self._interval_seconds = float(options.interval)
        self._max_clients = options.max_clients
        self._tokens = Tokens(secret, self._interval_seconds)
        self._subscriptions: OrderedDict[Address, _Subscription] = OrderedDict()  # the longest not renewed first
        self._timers: Timers[_Subscription] = Timers()

    @property
    def deadline(self) -> float | None:
        return self._timers.deadline

    def wake(self, now: float, utc: float) -> list[tuple[bytes, Address]]:
        out = []
        for subscription in islice(self._timers.due(now), TICKS_AT_ONCE):
            if subscription.lease_end <= now:
                self._end(subscription)  # LEASE-9
                continue
            seq = subscription.schedule.take(now)
            if seq is not None:
                out.append((ticks.build_tick(subscription.name, utc, seq), subscription.address))
            self._timers.arm(subscription, subscription.deadline)
        return out

    def _subscribe(self, name: str, fields: Mapping[str, str], address: Address, now: float, utc: float) -> list[bytes]:
        check_name(name)
        if not self._tokens.accepts(fields.get("token", ""), address, now):
            return [CHALLENGE.build(self._tokens.issue(address, now))]  # LEASE-1, LEASE-10
        return self._accept(name, address, now, utc)

    handlers: ClassVar[Handlers] = {TIME.encode(): _subscribe}

    def _accept(self, name: str, address: Address, now: float, utc: float) -> list[bytes]:
        lease_end = now + LEASE_INTERVALS * self._interval_seconds  # LEASE-8
        leased = ticks.build_leased(name, self._interval)
        subscription = self._subscriptions.get(address)
        if subscription is not None and subscription.lease_end <= now:
            self._end(subscription)  # LEASE-11: wake() has not ended it yet
            subscription = None
        if subscription is not None:
            if name != subscription.name:
                self._say(subscription, "client {client} is now {name}", name=visible(name))
            subscription.name = name  # TIME-13
            subscription.lease_end = lease_end
            self._subscriptions.move_to_end(address)
            return [leased]
        if len(self._subscriptions) >= self._max_clients:
            self._end_leases(now)
            if len(self._subscriptions) >= self._max_clients:
                raise RequestError("busy")  # ERR-11
        schedule = ticks.Schedule(now, self._interval_seconds)
        subscription = self._subscriptions[address] = _Subscription(address, name, schedule, lease_end)
        self._say(subscription, "client {client} connected")
        first = ticks.build_tick(name, utc, schedule.take(now) or 1)
        self._timers.arm(subscription, subscription.deadline)
        return [leased, first]  # TIME-5

    def _end_leases(self, now: float) -> None:
        while self._subscriptions and (oldest := next(iter(self._subscriptions.values()))).lease_end <= now:
            self._end(oldest)

    def _end(self, subscription: _Subscription) -> None:
        self._timers.disarm(subscription)
        del self._subscriptions[subscription.address]
        self._say(subscription, "client {client} left")

    def _say(self, subscription: _Subscription, template: str, **values: str) -> None:
        if self._announce is not None:
            client = f"{visible(subscription.name)} ({format_address(subscription.address)})"
            self._announce(Message(template, client=client, **values))


def open_endpoint(options: ServerOptions, secret: bytes, announce: Announce) -> Endpoint:
    """Return the endpoint of a socket that was just bound. ``secret``: as for ``TimeEndpoint``."""
    heard = None if options.quiet else announce
    return EchoEndpoint(options, heard) if options.service == "echo" else TimeEndpoint(options, secret, heard)
