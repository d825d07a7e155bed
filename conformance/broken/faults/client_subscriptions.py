"""Clients over UDP that get the beginning of a subscription wrong, or a renewal."""

from typing import Any

from conformance.broken import fault, wrap
from spec.client import Tick
from spec.codec import Reply
from spec.datagram_client import TickOrder, TimeDatagramClient
from spec.limits import LEASE_INTERVALS


@fault("CLI-27", service="time", transport="udp")
def answers_a_late_challenge_with_a_repetition() -> None:
    """answers a CHALLENGE with its next repetition if anything else, or nothing for a while, has come before"""

    @wrap(TimeDatagramClient, "wake")
    def wake(good: Any, self: Any, now: float) -> bytes:
        out: bytes = good(self, now)
        self._may_answer_challenge = bool(out)
        return out


@fault("CLI-28", service="time", transport="udp")
def repeats_a_renewal_after_a_second() -> None:
    """repeats a renewal after a second, where half an interval is longer"""

    @wrap(TimeDatagramClient, "_pause")
    def pause(good: Any, self: Any) -> float:
        wait: float = good(self)
        return min(wait, 1.0) if self.subscribed else wait


@fault("CLI-20", service="time", transport="udp")
def forgets_the_last_of_the_first_ticks() -> None:
    """does not take the tick LEASE_INTERVALS for one of the first ones that were printed"""

    @wrap(TickOrder, "_fits")
    def fits(good: Any, self: Any, tick: Tick) -> bool:
        self._first_ticks = {(seq, time) for seq, time in self._first_ticks if seq < LEASE_INTERVALS}
        return bool(good(self, tick))


@fault("CLI-21", service="time", transport="udp")
def takes_an_equal_number_for_the_same_subscription() -> None:
    """does not see that a subscription is new whose first tick that comes has the number of the last one"""

    @wrap(TickOrder, "_begin")
    def begin(good: Any, self: Any, tick: Tick) -> None:
        if tick.seq != self.last:
            good(self, tick)

    @wrap(TickOrder, "is_newer")
    def is_newer(good: Any, self: Any, tick: Tick, last: Tick) -> bool:
        self.last = last.seq
        return bool(good(self, tick, last))


@fault("CLI-20", service="time", transport="udp")
def reckons_a_past_lease_by_the_present_interval() -> None:
    """asks of an OK with another interval whether the one before it is a lease of that interval ago"""

    @wrap(TickOrder, "renewed")
    def renewed(good: Any, self: Any, interval: float, **how: Any) -> None:
        self._lease = LEASE_INTERVALS * interval
        good(self, interval, **how)


@fault("CLI-1", service="time", transport="udp")
def says_nothing_at_a_tick() -> None:
    """does not say that it is connected when the first valid reply is a TICK"""

    @wrap(TimeDatagramClient, "_take")
    def take(good: Any, self: Any, reply: Reply, now: float) -> bytes:
        connected, self.connected = self.connected, self.connected or reply.status == "TICK"
        out: bytes = good(self, reply, now)
        self.connected = connected if reply.status == "TICK" else self.connected
        return out
