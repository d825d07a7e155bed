"""Servers whose leases end too early, too late or unseen, and the clocks and counts of long subscriptions."""

import time
from typing import Any

from conformance.broken import fault, wrap
from spec import endpoint, ticks
from spec.address import Address
from spec.codec import RequestError
from spec.endpoint import TimeEndpoint
from spec.limits import LEASE_INTERVALS
from spec.ticks import Schedule


@fault("LEASE-8", service="time", transport="udp")
def adds_renewals_up() -> None:
    """adds a whole lease to what is left of it at each renewal"""

    @wrap(TimeEndpoint, "_accept")
    def accept(good: Any, self: TimeEndpoint, name: str, address: Address, now: float, utc: float) -> Any:
        held = self._subscriptions.get(address)
        left = held.lease_end - now if held else 0
        replies = good(self, name, address, now, utc)
        self._subscriptions[address].lease_end += max(left, 0)
        return replies


@fault("LEASE-8", service="time", transport="udp")
def ends_a_lease_early() -> None:
    """lets a lease last two and a half intervals"""

    @wrap(TimeEndpoint, "_accept")
    def accept(good: Any, self: TimeEndpoint, name: str, address: Address, now: float, utc: float) -> Any:
        replies = good(self, name, address, now, utc)
        self._subscriptions[address].lease_end -= (LEASE_INTERVALS - 2.5) * self._interval_seconds
        return replies


@fault("LEASE-8", service="time", transport="udp")
def does_not_renew_under_a_new_name() -> None:
    """does not prolong the lease of a client that changes its name"""

    @wrap(TimeEndpoint, "_accept")
    def accept(good: Any, self: TimeEndpoint, name: str, address: Address, now: float, utc: float) -> Any:
        held = self._subscriptions.get(address)
        end, is_new = (held.lease_end, held.name != name) if held else (0.0, False)
        replies = good(self, name, address, now, utc)
        if held and is_new and end > now:
            held.lease_end = end
        return replies


@fault("TIME-14", service="time", transport="udp")
def renews_with_an_error() -> None:
    """prolongs the lease of a client whose request it refuses"""

    @wrap(endpoint, "check_name")
    def check_name(good: Any, name: str) -> None:
        try:
            good(name)
        except RequestError:
            for each in _endpoints:
                for held in each._subscriptions.values():
                    held.lease_end = time.monotonic() + LEASE_INTERVALS * each._interval_seconds
            raise

    @wrap(TimeEndpoint, "__init__")
    def init(good: Any, self: TimeEndpoint, *how: Any) -> None:
        good(self, *how)
        _endpoints.append(self)


_endpoints: list[TimeEndpoint] = []


@fault("SRV-6", service="time", transport="udp")
def notices_the_end_of_a_lease_late() -> None:
    """prints `left` a second after the lease has run out"""

    @wrap(TimeEndpoint, "_accept")
    def accept(good: Any, self: TimeEndpoint, name: str, address: Address, *times: float) -> Any:
        replies = good(self, name, address, *times)
        self._subscriptions[address].lease_end += 1
        return replies


@fault("TIME-12", service="time")
def sends_local_time() -> None:
    """sends the time of its own zone as if it were UTC"""

    @wrap(ticks, "build_tick")
    def build_tick(good: Any, name: str, utc: float, seq: int) -> Any:
        return good(name, utc + (time.localtime(utc).tm_gmtoff or 0), seq)


@fault("TIME-8", service="time", transport="tcp")
def drops_each_hundredth_tick() -> None:
    """does not send the ticks 100, 200 and so on"""

    @wrap(Schedule, "take")
    def take(good: Any, self: Schedule, now: float) -> Any:
        seq = good(self, now)
        return None if seq is not None and seq % 100 == 0 else seq


@fault("TIME-7", service="time")
def counts_in_a_byte() -> None:
    """starts `seq` anew after 255"""

    @wrap(ticks, "build_tick")
    def build_tick(good: Any, name: str, utc: float, seq: int) -> Any:
        return good(name, utc, seq % 256)


@fault("LEASE-11", transport="udp", service="time")
def keeps_the_schedule_of_a_lost_lease() -> None:
    """begins a new subscription with tick 1, and goes on with the schedule of the one before"""
    schedules: dict[Any, Any] = {}

    @wrap(TimeEndpoint, "_accept")
    def accept(good: Any, self: Any, name: str, address: Any, *times: float) -> Any:
        replies = good(self, name, address, *times)
        subscription = self._subscriptions[address]
        subscription.schedule = schedules.setdefault(address, subscription.schedule)
        return replies


@fault("LEASE-11", service="time", transport="udp")
def ends_a_new_subscription_with_the_old_lease() -> None:
    """ends a lease that ran out while it slept only after the same client has begun anew, and so the new one"""

    @wrap(TimeEndpoint, "_accept")
    def accept(good: Any, self: TimeEndpoint, name: str, address: Address, now: float, utc: float) -> Any:
        held = self._subscriptions.get(address)
        if held and held.lease_end <= now:
            del self._subscriptions[address]
        return good(self, name, address, now, utc)
