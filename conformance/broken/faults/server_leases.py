"""Servers over UDP whose tokens prove nothing, or whose leases are wrong."""

import math
from typing import Any

from conformance.broken import fault, wrap
from spec import endpoint, ticks
from spec.address import Address
from spec.codec import RequestError
from spec.endpoint import TimeEndpoint
from spec.limits import LEASE_INTERVALS, TOKEN_INTERVALS, TOKEN_SECONDS
from spec.tokens import Tokens


@fault("LEASE-1", service="time", transport="udp")
def refuses_bad_tokens() -> None:
    """answers a token that is not valid with ERR"""

    @wrap(Tokens, "accepts")
    def accepts(good: Any, self: Tokens, token: str, *of: Any) -> Any:
        valid = good(self, token, *of)
        if token and not valid:
            raise RequestError("bad-request")
        return valid


def _accepts_if(same: Any) -> None:
    @wrap(Tokens, "accepts")
    def accepts(good: Any, self: Tokens, token: str, address: Address, now: float) -> bool:
        slot = self._slot(now)
        issued = [self._token(address, each) for each in (slot, slot - 1)]
        return any(len(token) == len(each) and same(token, each) for each in issued)


@fault("LEASE-1", service="time", transport="udp")
def compares_the_beginning_of_a_token() -> None:
    """takes a token whose last character is wrong"""
    _accepts_if(lambda token, issued: token[:-1] == issued[:-1])


@fault("LEASE-1", service="time", transport="udp")
def compares_the_end_of_a_token() -> None:
    """takes a token whose first character is wrong"""
    _accepts_if(lambda token, issued: token[1:] == issued[1:])


@fault("LEASE-2", service="time", transport="udp")
def makes_tokens_too_long() -> None:
    """makes tokens of 32 characters"""

    @wrap(Tokens, "_token")
    def token(good: Any, self: Tokens, *of: Any) -> Any:
        return good(self, *of) * 2


@fault("LEASE-4", service="time", transport="udp")
def accepts_tokens_from_any_port() -> None:
    """takes a token that was sent to another port of the host"""

    @wrap(Tokens, "_token")
    def token(good: Any, self: Tokens, address: Address, slot: int) -> Any:
        return good(self, (address[0], 0), slot)


@fault("LEASE-4", service="time", transport="udp")
def accepts_tokens_from_any_host() -> None:
    """takes a token that was sent to the same port of another host"""

    @wrap(Tokens, "_token")
    def token(good: Any, self: Tokens, address: Address, slot: int) -> Any:
        return good(self, ("", address[1]), slot)


@fault("LEASE-5", service="time", transport="udp")
def forgets_tokens_with_the_slot() -> None:
    """takes a token in the slot alone in which it was made"""

    @wrap(Tokens, "accepts")
    def accepts(good: Any, self: Tokens, token: str, address: Address, now: float) -> bool:
        return token == self.issue(address, now)


@fault("LEASE-5", service="time", transport="udp")
def accepts_tokens_once() -> None:
    """takes a token once"""
    used = set()

    @wrap(Tokens, "accepts")
    def accepts(good: Any, self: Tokens, token: str, address: Address, now: float) -> bool:
        if not good(self, token, address, now) or token in used:
            return False
        used.add(token)
        return True


@fault("LEASE-5", service="time", transport="udp")
def has_slots_that_are_too_short() -> None:
    """has slots that are a fifth too short, so that some tokens last no longer"""

    @wrap(Tokens, "__init__")
    def init(good: Any, self: Tokens, secret: bytes, interval: float) -> None:
        good(self, secret, interval)
        self._slot_seconds *= 0.8


@fault("LEASE-5", service="time", transport="udp")
def makes_tokens_short_at_short_intervals() -> None:
    """makes tokens that last for forty intervals, however short these are"""

    @wrap(Tokens, "__init__")
    def init(good: Any, self: Tokens, secret: bytes, interval: float) -> None:
        good(self, secret, interval)
        self._slot_seconds = TOKEN_INTERVALS * interval


@fault("LEASE-5", service="time", transport="udp")
def makes_all_tokens_last_equally_long() -> None:
    """makes tokens that last for two seconds, whatever the interval"""

    @wrap(Tokens, "__init__")
    def init(good: Any, self: Tokens, secret: bytes, interval: float) -> None:
        good(self, secret, interval)
        self._slot_seconds = TOKEN_SECONDS


@fault("LEASE-6", service="time", transport="udp")
def accepts_tokens_for_ever() -> None:
    """makes tokens that never run out"""

    @wrap(Tokens, "_slot")
    def slot(good: Any, self: Tokens, now: float) -> int:
        return 0


@fault("LEASE-6", service="time", transport="udp")
def knows_tokens_of_a_former_life() -> None:
    """makes tokens under a secret that stays the same"""

    @wrap(Tokens, "__init__")
    def init(good: Any, self: Tokens, secret: bytes, interval: float) -> None:
        good(self, bytes(32), interval)


@fault("LEASE-7", service="time", transport="udp")
def counts_who_proved_nothing() -> None:
    """takes everybody that it challenges for a client"""

    @wrap(TimeEndpoint, "receive")
    def receive(good: Any, self: TimeEndpoint, *arguments: Any) -> Any:
        replies = good(self, *arguments)
        self._max_clients -= sum(reply.startswith(b"CHALLENGE") for reply in replies)
        return replies


@fault("LEASE-8", service="time", transport="udp")
def does_not_prolong_a_lease() -> None:
    """answers a renewal OK, but lets the lease end all the same"""

    @wrap(TimeEndpoint, "_accept")
    def accept(good: Any, self: TimeEndpoint, name: str, address: Address, now: float, utc: float) -> Any:
        held = self._subscriptions.get(address)
        end = held and held.lease_end
        replies = good(self, name, address, now, utc)
        if held and end and end > now:
            held.lease_end = end
        return replies


@fault("LEASE-9", service="time", transport="udp")
def never_ends_a_lease() -> None:
    """sends ticks for ever"""

    @wrap(TimeEndpoint, "_accept")
    def accept(good: Any, self: TimeEndpoint, name: str, address: Address, *times: float) -> Any:
        replies = good(self, name, address, *times)
        self._subscriptions[address].lease_end = math.inf
        return replies


@fault("LEASE-10", service="time", transport="udp")
def renews_with_a_challenge() -> None:
    """renews the lease of a subscriber that it challenges"""

    @wrap(TimeEndpoint, "receive")
    def receive(good: Any, self: TimeEndpoint, datagram: bytes, address: Address, now: float, utc: float) -> Any:
        replies = good(self, datagram, address, now, utc)
        if replies and replies[0].startswith(b"CHALLENGE") and address in self._subscriptions:
            self._subscriptions[address].lease_end = now + LEASE_INTERVALS * self._interval_seconds
        return replies


@fault("LEASE-11", service="time", transport="udp")
def revives_a_lease() -> None:
    """goes on with a lease that has run out"""

    @wrap(TimeEndpoint, "_accept")
    def accept(good: Any, self: TimeEndpoint, name: str, address: Address, *times: float) -> Any:
        if address in self._subscriptions:
            self._subscriptions[address].lease_end = math.inf
        return good(self, name, address, *times)


@fault("LEASE-11", service="time", transport="udp")
def goes_on_counting() -> None:
    """numbers the ticks of a new subscription on from those of the last"""
    schedules: dict[Address, Any] = {}

    @wrap(TimeEndpoint, "_accept")
    def accept(good: Any, self: TimeEndpoint, name: str, address: Address, now: float, utc: float) -> list[bytes]:
        replies: list[bytes] = good(self, name, address, now, utc)
        held = self._subscriptions[address]
        former = schedules.setdefault(address, held.schedule)
        if former is not held.schedule:
            held.schedule = former
            replies[1:] = [ticks.build_tick(name, utc, former.take(now))]
        return replies


@fault("ERR-11", service="time", transport="udp")
def subscribes_less_than_its_limit() -> None:
    """keeps one in twenty subscriptions in reserve"""

    @wrap(endpoint, "open_endpoint")
    def open_endpoint(good: Any, options: Any, *arguments: Any) -> Any:
        return good(options._replace(max_clients=options.max_clients - options.max_clients // 20), *arguments)


@fault("ERR-11", service="time", transport="udp")
def subscribes_without_limit() -> None:
    """subscribes more clients than its limit"""

    @wrap(endpoint, "open_endpoint")
    def open_endpoint(good: Any, options: Any, *arguments: Any) -> Any:
        return good(options._replace(max_clients=1 << 20), *arguments)
