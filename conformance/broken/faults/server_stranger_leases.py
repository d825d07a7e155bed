"""Servers whose author read the sentences about tokens and leases too quickly."""

import hmac
from collections.abc import Callable
from typing import Any

from conformance.broken import fault, wrap, wrap_handler
from spec import codec
from spec.codec import RequestError
from spec.endpoint import TimeEndpoint
from spec.tokens import Tokens


def _accepts_with(accepts: Any) -> None:
    """Have `accepts` say whether a token is valid; it gets the original and its arguments."""
    wrap(Tokens, "accepts")(accepts)


@fault("LEASE-1", transport="udp", service="time")
def trims_a_token() -> None:
    """takes a token with spaces around it"""
    _accepts_with(lambda good, self, token, *rest: good(self, token.strip(" "), *rest))


@fault("LEASE-1", transport="udp", service="time")
def ignores_the_case_of_a_token() -> None:
    """takes a token in capital letters"""
    _accepts_with(lambda good, self, token, *rest: good(self, token.lower(), *rest))


@fault("LEASE-1", transport="udp", service="time")
def dies_of_a_token_that_is_not_ascii() -> None:
    """compares tokens as text, which fails for letters beyond ASCII"""
    _accepts_with(lambda good, self, token, *rest: hmac.compare_digest(token, "") or good(self, token, *rest))


@fault("LEASE-1", transport="udp", service="time")
def leaves_a_bad_token_unanswered() -> None:
    """does not answer a TIME with a token that is not valid"""

    @wrap_handler(TimeEndpoint, b"TIME")
    def subscribe(good: Any, self: Any, name: str, fields: Any, *rest: Any) -> Any:
        replies = good(self, name, fields, *rest)
        return [] if fields.get("token") and replies[0].startswith(b"CHALLENGE") else replies


def _is_busy_for(unproved: Callable[[dict[str, str]], bool]) -> None:
    @wrap_handler(TimeEndpoint, b"TIME")
    def subscribe(good: Any, self: Any, argument: Any, fields: dict[str, str], *how: Any) -> Any:
        replies = good(self, argument, fields, *how)
        is_full = len(self._subscriptions) >= self._max_clients
        if replies[0].startswith(b"CHALLENGE") and is_full and unproved(fields):
            raise RequestError("busy")
        return replies


@fault("LEASE-1", transport="udp", service="time")
def challenges_nobody_at_its_limit() -> None:
    """answers busy instead of CHALLENGE at its limit of clients"""
    _is_busy_for(lambda fields: True)


@fault("LEASE-1", transport="udp", service="time")
def challenges_no_bad_token_at_its_limit() -> None:
    """answers busy instead of CHALLENGE at its limit of clients when the token is not valid"""
    _is_busy_for(lambda fields: "token" in fields)


@fault("REQ-6", transport="udp", service="time")
def tries_each_token() -> None:
    """takes a request of which any field called token is valid"""

    @wrap(codec, "_parse_lines")
    def parse(good: Any, datagram: bytes, start: int) -> Any:
        argument, fields = good(datagram, start)
        tokens = [line[7:] for line in datagram.decode().replace("\r", "").split("\n") if line.startswith("token: ")]
        return argument, {**fields, "token": "\n".join(tokens)}

    def any_of(good: Any, self: Any, token: str, *rest: Any) -> bool:
        return any(good(self, each, *rest) for each in token.split("\n"))

    _accepts_with(any_of)


@fault("LEASE-2", transport="udp", service="time")
def groups_the_digits_of_a_token() -> None:
    """writes a token in groups, with spaces between them"""

    @wrap(Tokens, "issue")
    def issue(good: Any, *how: Any) -> str:
        token: str = good(*how)
        return " ".join([token[:8], token[8:]])

    _accepts_with(lambda good, self, token, *rest: good(self, token.replace(" ", ""), *rest))


@fault("LEASE-4", transport="udp", service="time")
def forgets_tokens_when_another_asks() -> None:
    """remembers one token for each host, so that a second client there takes the first one's away"""
    last: dict[str, Any] = {}

    @wrap(Tokens, "issue")
    def issue(good: Any, self: Any, address: Any, now: float) -> Any:
        last[address[0]] = address
        return good(self, address, now)

    _accepts_with(
        lambda good, self, token, address, now: last.get(address[0]) == address and good(self, token, address, now)
    )


@fault("LEASE-5", transport="udp", service="time")
def forgets_a_token_when_it_makes_the_next() -> None:
    """takes the last token alone that it sent to an address"""
    made: dict[Any, int] = {}

    @wrap(Tokens, "issue")
    def issue(good: Any, self: Any, address: Any, now: float) -> Any:
        made[address] = made.get(address, 0) + 1
        return f"{good(self, address, now)[:12]}{made[address] % 1000:03}"

    def accepts(good: Any, self: Any, token: str, address: Any, now: float) -> bool:
        slot = self._slot(now)
        numbered = [f"{self._token(address, each)[:12]}{made.get(address, 0) % 1000:03}" for each in (slot, slot - 1)]
        return token in numbered

    _accepts_with(accepts)


@fault("LEASE-6", transport="udp", service="time")
def keeps_two_former_slots() -> None:
    """takes a token for up to 30 intervals"""
    _accepts_with(
        lambda good, self, token, address, now: (
            good(self, token, address, now) or token == self._token(address, self._slot(now) - 2)
        )
    )


@fault("LEASE-6", transport="udp", service="time")
def measures_a_slot_in_seconds() -> None:
    """takes a token for 40 to 80 seconds, whatever the interval"""

    @wrap(Tokens, "__init__")
    def init(good: Any, self: Any, secret: bytes, interval: float) -> None:
        good(self, secret, 1.0)


def _lease_with(change: Any) -> None:
    """Have `change` set the lease of a subscription after a TIME: it gets it, its former end and the time."""

    @wrap(TimeEndpoint, "_accept")
    def accept(good: Any, self: Any, name: str, address: Any, now: float, utc: float) -> Any:
        held = self._subscriptions.get(address)
        former = (held.lease_end, held.name) if held and held.lease_end > now else None
        out = good(self, name, address, now, utc)
        change(self._subscriptions[address], former, now, self._interval_seconds)
        return out


@fault("LEASE-8", transport="udp", service="time")
def adds_a_lease_to_what_is_left() -> None:
    """lets each renewal prolong the lease by three intervals, whatever is left of it"""

    def change(held: Any, former: Any, now: float, interval: float) -> None:
        held.lease_end = former[0] + 3 * interval if former else held.lease_end

    _lease_with(change)


@fault("LEASE-8", transport="udp", service="time")
def renews_for_a_new_name_alone() -> None:
    """does not renew the lease when the name is the same"""

    def change(held: Any, former: Any, now: float, interval: float) -> None:
        if former and former[1] == held.name:
            held.lease_end = former[0]

    _lease_with(change)


@fault("LEASE-9", transport="udp", service="time")
def lets_a_lease_last_for_one_more_tick() -> None:
    """sends one tick more, at the end of a lease"""

    def change(held: Any, former: Any, now: float, interval: float) -> None:
        held.lease_end += 0.5 * interval

    _lease_with(change)


@fault("LEASE-9", transport="udp", service="time")
def lets_a_lease_last_9_seconds() -> None:
    """lets a lease last 9 seconds, whatever the interval"""

    def change(held: Any, former: Any, now: float, interval: float) -> None:
        held.lease_end = now + 9

    _lease_with(change)


@fault("LEASE-10", transport="udp", service="time")
def ends_a_subscription_with_a_challenge() -> None:
    """ends a running subscription when it answers its client with CHALLENGE"""

    @wrap_handler(TimeEndpoint, b"TIME")
    def subscribe(good: Any, self: Any, name: str, fields: Any, address: Any, *rest: Any) -> Any:
        replies = good(self, name, fields, address, *rest)
        if replies[0].startswith(b"CHALLENGE") and address in self._subscriptions:
            self._end(self._subscriptions[address])
        return replies


@fault("LEASE-11", transport="udp", service="time")
def challenges_whom_it_has_lost() -> None:
    """takes no token of a client whose lease has run out, but sends it a new one that is the same"""
    lost = set()

    @wrap(TimeEndpoint, "_end")
    def end(good: Any, self: Any, subscription: Any) -> None:
        lost.add(subscription.address)
        good(self, subscription)

    def accepts(good: Any, self: Any, token: str, address: Any, now: float) -> bool:
        if address in lost:
            lost.remove(address)
            return False
        return bool(good(self, token, address, now))

    _accepts_with(accepts)
