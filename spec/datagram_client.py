"""Clients over UDP: SPEC.md, sections 6, 9 and 13. They repeat lost requests and bear duplicate and late replies."""

import math
from abc import abstractmethod
from datetime import datetime, timezone

from spec.client import (
    Client,
    Print,
    Tick,
    TickPrinter,
    challenge_token,
    malformed,
    parse_tick,
    patience,
    require,
    subscribed_interval,
    unexpected,
)
from spec.codec import ECHO, TIME, Reply, ReplyError, build_request, parse_reply
from spec.limits import COMPLAINTS_A_SECOND, LATE_SECONDS, LEASE_INTERVALS
from spec.message import Message
from spec.options import ClientOptions
from spec.replies import ECHOED_OVER_UDP, SUBSCRIBED_OVER_UDP

RETRANSMISSIONS = (1, 2, 4)
"""Seconds between two sendings of a request (CLI-13)."""


class DatagramClient(Client):
    """A client on a connected UDP socket."""

    def __init__(self, options: ClientOptions, url: str, show: Print, complain: Print) -> None:
        super().__init__(options, url, show, complain)
        self._request = b""
        self._sendings = 0
        self._send_again = math.inf
        self._complaints = self._unreported = 0
        self._second = -math.inf

    @property
    def deadline(self) -> float:
        return min(self._give_up, self._send_again)

    def sent(self, now: float) -> None:
        super().sent(now)
        self._plan(now)  # CLI-13

    def receive(self, data: bytes, now: float) -> bytes:
        """Take one datagram, which is one reply. Then do what is due: there may be another datagram at once."""
        out = b""
        try:
            out = self._take(parse_reply(data), now)
        except ReplyError as error:
            self._report(error, now)  # CLI-11: and wait on
        return out or self.wake(now)

    def _report(self, error: ReplyError, now: float) -> None:
        """Report a malformed reply; of very many in a second, only how many there were."""
        if now >= self._second + 1:
            if self._unreported:
                self._complain(Message("{count} more malformed replies", count=self._unreported))
            self._complaints = self._unreported = 0
            self._second = now
        if self._complaints < COMPLAINTS_A_SECOND:
            self._complaints += 1
            self._complain(malformed(error))
        else:
            self._unreported += 1

    def wake(self, now: float) -> bytes:
        super().wake(now)
        if not self.waiting or now < self._send_again:
            return b""
        return self._send(now)

    def unreachable(self, error: OSError) -> None:
        """Raise the error, which the socket has reported, if the server has not shown that it is there (CLI-7).

        Another address may be that of a server. One that was there may come back.
        """
        if not self.connected:
            raise error

    def _send_new(self, request: bytes, now: float) -> bytes:
        self._request = request
        self._sendings = 0
        return self._send(now)

    def _send(self, now: float) -> bytes:
        self._sendings += 1
        self._plan(now)
        return self._request

    def _plan(self, now: float) -> None:
        """Set when to send the request again; it was sent last at ``now``."""
        self._send_again = now + self._pause()

    @abstractmethod
    def _pause(self) -> float:
        """Return the seconds between the last sending of the request and the next; ``_sendings`` counts them."""

    @abstractmethod
    def _take(self, reply: Reply, now: float) -> bytes:
        """Take one reply and return what to send. Raises ReplyError if it is malformed."""


class EchoDatagramClient(DatagramClient):
    """Sends messages, one after the other."""

    def __init__(self, options: ClientOptions, url: str, show: Print, complain: Print) -> None:
        super().__init__(options, url, show, complain)
        self._message = ""

    def _request_for(self, text: str, now: float) -> bytes:
        self._message = text
        return self._send_new(build_request(ECHO, text), now)

    def _pause(self) -> float:
        return RETRANSMISSIONS[self._sendings - 1] if self._sendings <= len(RETRANSMISSIONS) else math.inf

    def _take(self, reply: Reply, now: float) -> bytes:
        if reply.status == "ERR":
            self._refuse(reply)
        elif reply.status != "OK":
            raise unexpected(reply)
        elif require(reply, "message") == [self._message]:  # CLI-14
            self._answer(reply, ECHOED_OVER_UDP)
        return b""


class TickOrder:
    """Tells which ticks are newer: CLI-20. ``now`` is seconds on a monotonic clock, and set by the caller."""

    def __init__(self) -> None:
        self.now = 0.0
        self._lease = 0.0
        self._renewed = math.inf
        self._latest = datetime.min.replace(tzinfo=timezone.utc)
        self._first_ticks: set[tuple[int, datetime]] = set()
        self._settled = self._may_begin_until = -math.inf

    def renewed(self, interval: float, *, challenged: bool) -> None:
        """Take note of an OK. ``challenged``: whether a CHALLENGE has come since the last one."""
        is_first = self._renewed == math.inf
        if not is_first and (challenged or self.now - self._renewed >= self._lease):
            self._may_begin_until = self.now + LEASE_INTERVALS * interval
        self._renewed = self.now
        self._lease = LEASE_INTERVALS * interval

    def is_newer(self, tick: Tick, last: Tick) -> bool:
        """Return whether a tick is newer than the last one printed; if so, it is printed."""
        self._latest = max(self._latest, last.time)
        if last.seq <= LEASE_INTERVALS:
            self._first_ticks.add((last.seq, last.time))
        if tick.time > self._latest:
            if tick.seq <= last.seq:
                self._begin(tick)
            return True
        if self.now < self._settled:
            return False  # it is a late one of the subscription before
        if tick.seq > last.seq:
            return True
        if self.now >= self._may_begin_until or tick.seq > LEASE_INTERVALS or self._fits(tick):
            return False
        self._begin(tick)
        return True

    def _begin(self, tick: Tick) -> None:
        """Take note that a new subscription has begun; this is the first tick of it that has come."""
        self._latest = tick.time
        self._first_ticks.clear()
        self._settled = self.now + max(self._lease, LATE_SECONDS)
        self._may_begin_until = -math.inf

    def _fits(self, tick: Tick) -> bool:
        """Return whether the tick may be of the present subscription: a duplicate, or late."""
        return (tick.seq, tick.time) in self._first_ticks or all(
            seq != tick.seq and (seq < tick.seq) == (time < tick.time) for seq, time in self._first_ticks
        )


class TimeDatagramClient(DatagramClient):
    """Proves its address, subscribes under a name, renews the lease and prints ticks."""

    def __init__(self, options: ClientOptions, url: str, show: Print, complain: Print) -> None:
        super().__init__(options, url, show, complain)
        self._name = ""
        self._interval = 0.0
        self._patience = options.timeout
        self._renewal = math.inf
        self._may_answer_challenge = True
        self._challenged = False
        self._order = TickOrder()
        self._ticks = TickPrinter(show, self._order.is_newer)

    def _request_for(self, text: str, now: float) -> bytes:
        self._name = text
        return self._send_new(build_request(TIME, text), now)

    def wake(self, now: float) -> bytes:
        if now >= self._renewal:
            self._sendings = 0  # what is sent next is a renewal, not a repetition of the last one
        out = super().wake(now)
        self._may_answer_challenge = self._may_answer_challenge or bool(out)
        return out

    def _plan(self, now: float) -> None:
        super()._plan(now)
        if self.subscribed:
            if self._sendings == 1:
                self._renewal = now + self._interval  # CLI-18
            self._send_again = min(self._send_again, self._renewal)

    def _pause(self) -> float:
        if self.subscribed:
            return self._interval / 2  # CLI-28
        return RETRANSMISSIONS[min(self._sendings, len(RETRANSMISSIONS)) - 1]

    def _take(self, reply: Reply, now: float) -> bytes:
        self._order.now = now
        if reply.status == "ERR":
            self._refuse(reply)
        elif reply.status == "CHALLENGE":
            return self._prove(reply, now)
        elif reply.status == "OK":
            self._renewed(reply, now)
        else:
            tick, printed = parse_tick(reply), self._ticks.printed
            self.connect()
            self._ticks.take(tick)
            self.waiting = self._ticks.printed != self._options.ticks
            if self._ticks.printed == printed:
                return b""  # CLI-7: a duplicate is no sign of life
        self._give_up = now + self._patience
        return b""

    def _prove(self, reply: Reply, now: float) -> bytes:
        token = challenge_token(reply)
        self.connect()
        self._challenged = True
        self._request = build_request(TIME, self._name, token=token)
        if not self._may_answer_challenge:  # CLI-17
            return b""
        self._may_answer_challenge = False
        return self._send_new(self._request, now)  # CLI-16

    def _renewed(self, reply: Reply, now: float) -> None:
        self._interval = subscribed_interval(reply, SUBSCRIBED_OVER_UDP)
        self.connect()
        self._patience = patience(self._options, self._interval)
        self._order.renewed(self._interval, challenged=self._challenged)
        self._challenged = False
        # A server may come back with a shorter interval (CLI-21)
        self._send_again = self._renewal = min(self._renewal, now + self._interval)
        self.subscribed = True


def open_datagram_client(options: ClientOptions, url: str, show: Print, complain: Print) -> DatagramClient:
    """Return the client for a socket that was just connected. The arguments are those of ``Client``."""
    kind = EchoDatagramClient if options.service == "echo" else TimeDatagramClient
    return kind(options, url, show, complain)
