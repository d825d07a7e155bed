"""Servers whose author read the sentences about subscriptions too quickly."""

import time
from typing import Any

from conformance.broken import fault, wrap, wrap_handler
from impl_raw.tcp_server import Server
from spec import ticks
from spec.codec import RequestError
from spec.endpoint import TimeEndpoint
from spec.session import TimeSession
from spec.ticks import Schedule


@fault("TIME-14", transport="tcp", service="time")
def ends_a_subscription_with_an_error() -> None:
    """ends the subscription when it answers a TIME with ERR"""

    @wrap_handler(TimeSession, "TIME")
    def subscribe(good: Any, self: Any, *how: Any) -> Any:
        try:
            return good(self, *how)
        except RequestError:
            self._schedule = None
            raise


@fault("TIME-14", transport="udp", service="time")
def renews_the_lease_with_a_bad_name() -> None:
    """renews the lease before it looks at the name"""

    @wrap_handler(TimeEndpoint, b"TIME")
    def subscribe(good: Any, self: Any, name: str, fields: Any, address: Any, now: float, utc: float) -> Any:
        held = self._subscriptions.get(address)
        if held is not None and self._tokens.accepts(fields.get("token", ""), address, now):
            held.lease_end = now + 3 * self._interval_seconds
        return good(self, name, fields, address, now, utc)


@fault("TIME-15", transport="tcp", service="time")
def ticks_all_together() -> None:
    """gives all clients the schedule of the first"""
    starts: list[float] = []

    @wrap(Schedule, "__init__")
    def init(good: Any, self: Schedule, start: float, interval: float) -> None:
        starts.append(start)
        good(self, start, interval)
        if len(starts) > 1:
            self._start -= (start - starts[0]) % interval


@fault("TCP-2", transport="tcp", service="time")
def puts_a_tick_into_a_reply() -> None:
    """sends a tick although the socket has taken only a part of the reply before it"""

    @wrap(Server, "wake")
    def wake(good: Any, self: Server, now: float) -> Any:
        for connection in self.connections:
            schedule = connection.session._schedule  # type: ignore[attr-defined]
            if connection.unsent and schedule is not None and schedule.deadline <= now:
                tick = ticks.build_tick("late", time.time(), schedule._seq)
                connection.unsent = connection.unsent[:10] + tick + connection.unsent[10:]
        return good(self, now)


@fault("ERR-11", transport="udp", service="time")
def refuses_renewals_at_its_limit() -> None:
    """answers busy to a subscriber too, when it is at its limit of clients"""

    @wrap(TimeEndpoint, "_accept")
    def accept(good: Any, self: Any, name: str, address: Any, now: float, utc: float) -> Any:
        if len(self._subscriptions) >= self._max_clients:
            raise RequestError("busy")
        return good(self, name, address, now, utc)


@fault("ERR-11", transport="udp", service="time")
def never_counts_down() -> None:
    """counts all subscriptions since it started, those too that have ended"""
    begun: set[object] = set()

    @wrap(TimeEndpoint, "_accept")
    def accept(good: Any, self: Any, name: str, address: Any, now: float, utc: float) -> Any:
        if address not in begun and len(begun) >= self._max_clients:
            raise RequestError("busy")
        out = good(self, name, address, now, utc)
        begun.add(address)
        return out


@fault("ERR-11", transport="udp", service="time")
def subscribes_one_more() -> None:
    """subscribes one client more than its limit"""

    @wrap(TimeEndpoint, "__init__")
    def init(good: Any, self: Any, options: Any, *rest: Any) -> None:
        good(self, options._replace(max_clients=options.max_clients + 1), *rest)


@fault("TIME-15", transport="udp", service="time")
def tells_clients_apart_by_their_ports() -> None:
    """takes clients with the same port on two hosts for one"""

    @wrap(TimeEndpoint, "_accept")
    def accept(good: Any, self: Any, name: str, address: Any, *moment: Any) -> Any:
        known = next((each for each in self._subscriptions if each[1] == address[1]), address)
        return good(self, name, known, *moment)


@fault("TIME-4", transport="tcp", service="time")
def keeps_192_bytes_of_a_name() -> None:
    """has room for 64 characters of three bytes, and cuts what is longer in all ticks but the first"""

    @wrap(ticks, "build_tick")
    def build(good: Any, name: str, utc: float, seq: int) -> bytes:
        kept = name if seq == 1 else name.encode()[:192].decode()
        return bytes(good(kept, utc, seq))
