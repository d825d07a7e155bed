"""Clients that get UDP wrong: retransmission, strangers, tokens, leases, restarts."""

import math
import socket
from typing import Any

from conformance.broken import fault, patch, wrap
from spec import datagram_client
from spec.client import require
from spec.codec import TIME, Reply, build_request
from spec.datagram_client import DatagramClient, EchoDatagramClient, TickOrder, TimeDatagramClient
from spec.limits import LEASE_INTERVALS
from spec.stream_client import TimeStreamClient


@fault("CLI-13", transport="udp")
def sends_its_request_once() -> None:
    """never sends a request again"""
    patch(datagram_client, "RETRANSMISSIONS", (math.inf,))


@fault("CLI-13", transport="udp")
def never_slows_down() -> None:
    """sends its request again every second"""
    patch(datagram_client, "RETRANSMISSIONS", (1,) * 10)


@fault("CLI-13", service="echo", transport="udp")
def does_not_start_anew() -> None:
    """waits for the second message as long as the first had come to"""

    def send_new(self: DatagramClient, request: bytes, now: float) -> bytes:
        self._request = request
        return self._send(now)

    patch(DatagramClient, "_send_new", send_new)


@fault("CLI-13", service="time", transport="udp")
def sends_again_although_subscribed() -> None:
    """sends its request once more after it has been answered"""

    @wrap(TimeDatagramClient, "_renewed")
    def renewed(good: Any, self: TimeDatagramClient, reply: Reply, now: float) -> None:
        planned = self._send_again
        good(self, reply, now)
        self._send_again = min(planned, self._send_again)


@fault("CLI-7", service="time")
def takes_a_duplicate_for_a_sign_of_life() -> None:
    """starts its timeout anew with each TICK, though it is not newer"""
    for kind in (TimeDatagramClient, TimeStreamClient):

        @wrap(kind, "_take")
        def take(good: Any, self: Any, reply: Reply, now: float) -> Any:
            out = good(self, reply, now)
            if reply.status == "TICK":
                self._give_up = now + self._patience
            return out


@fault("CLI-14", service="echo", transport="udp")
def takes_any_answer() -> None:
    """takes an answer to another message for its own"""

    @wrap(EchoDatagramClient, "_take")
    def take(good: Any, self: EchoDatagramClient, reply: Reply, now: float) -> Any:
        self._message = reply.fields.get("message", "")
        return good(self, reply, now)


@fault("CLI-14", service="echo", transport="udp")
def reports_a_late_answer() -> None:
    """reports an answer to another message, instead of dropping it in silence"""

    @wrap(EchoDatagramClient, "_take")
    def take(good: Any, self: EchoDatagramClient, reply: Reply, now: float) -> Any:
        if reply.status == "OK" and require(reply, "message") != [self._message]:
            self._complain("an answer to another message")
        return good(self, reply, now)


@fault("CLI-2", service="echo", transport="udp")
def is_proved_by_an_answer_to_another_message() -> None:
    """prints `connected` when the answer to another message comes"""

    @wrap(EchoDatagramClient, "_take")
    def take(good: Any, self: EchoDatagramClient, reply: Reply, now: float) -> Any:
        if reply.status == "OK" and reply.fields.get("message", self._message) != self._message:
            self.connect()
        return good(self, reply, now)


class _Unconnected(socket.socket):
    def connect(self, address: Any) -> None:
        self._server = address

    def getpeername(self) -> Any:
        return self._server

    def send(self, data: Any, flags: int = 0) -> int:
        return self.sendto(data, flags, self._server)


@fault("CLI-15", transport="udp")
def listens_to_strangers() -> None:
    """does not connect its socket, and takes what anybody sends"""
    patch(socket, "socket", _Unconnected)


@fault("CLI-15", transport="udp")
def listens_to_all_ports_of_the_servers_host() -> None:
    """does not connect its socket, and looks only at the host from which a datagram comes"""

    class OfOneHost(_Unconnected):
        def recv(self, size: int, flags: int = 0) -> bytes:
            while True:
                data, address = self.recvfrom(size, flags)
                if address[0] == self._server[0]:
                    return data

    patch(socket, "socket", OfOneHost)


@fault("CLI-16", service="time", transport="udp")
def keeps_the_token_to_itself() -> None:
    """answers a CHALLENGE without the token"""
    patch(datagram_client, "build_request", lambda verb, name, token=None: build_request(verb, name))


@fault("CLI-16", service="time", transport="udp")
def cuts_a_token_at_a_colon() -> None:
    """returns the token only up to a colon"""

    @wrap(datagram_client, "challenge_token")
    def challenge_token(good: Any, reply: Reply) -> str:
        return str(good(reply)).partition(":")[0]


@fault("CLI-17", service="time", transport="udp")
def answers_every_challenge() -> None:
    """answers every CHALLENGE at once"""

    @wrap(TimeDatagramClient, "_prove")
    def prove(good: Any, self: TimeDatagramClient, reply: Reply, now: float) -> Any:
        self._may_answer_challenge = True
        return good(self, reply, now)


@fault("CLI-17", service="time", transport="udp")
def forgets_further_tokens() -> None:
    """sends the first token again when further ones have come"""

    @wrap(TimeDatagramClient, "_prove")
    def prove(good: Any, self: TimeDatagramClient, reply: Reply, now: float) -> Any:
        return good(self, reply, now) if self._may_answer_challenge else b""


@fault("CLI-17", service="time", transport="udp")
def keeps_the_oldest_token_that_waits() -> None:
    """sends the oldest of the tokens that had to wait"""

    @wrap(TimeDatagramClient, "_prove")
    def prove(good: Any, self: TimeDatagramClient, reply: Reply, now: float) -> Any:
        waits = not self._may_answer_challenge
        if waits and vars(self).get("waiting_token"):
            return b""
        vars(self)["waiting_token"] = waits
        return good(self, reply, now)


@fault("CLI-18", service="time", transport="udp")
def renews_only_after_an_answer() -> None:
    """renews no more once a renewal got lost"""

    @wrap(TimeDatagramClient, "_plan")
    def plan(good: Any, self: TimeDatagramClient, now: float) -> None:
        good(self, now)
        if self.subscribed:
            self._send_again = self._renewal = math.inf


@fault("CLI-28", service="time", transport="udp")
def repeats_no_renewal() -> None:
    """does not repeat a renewal that has no answer"""

    @wrap(TimeDatagramClient, "_pause")
    def pause(good: Any, self: TimeDatagramClient) -> Any:
        return self._interval if self.subscribed else good(self)


@fault("CLI-18", service="time", transport="udp")
def repeats_renewals_that_have_an_answer() -> None:
    """sends a renewal every half interval, whether or not the last was answered"""

    @wrap(TimeDatagramClient, "_renewed")
    def renewed(good: Any, self: TimeDatagramClient, reply: Reply, now: float) -> None:
        planned = self._send_again
        good(self, reply, now)
        self._send_again = min(planned, self._send_again)


@fault("CLI-18", service="time", transport="udp")
def renews_every_second_interval() -> None:
    """renews every second interval"""

    @wrap(datagram_client, "subscribed_interval")
    def subscribed_interval(good: Any, *how: Any) -> float:
        return 2 * float(good(*how))


@fault("CLI-18", service="time", transport="udp")
def renews_without_the_token() -> None:
    """renews its lease without the token"""

    @wrap(TimeDatagramClient, "_renewed")
    def renewed(good: Any, self: TimeDatagramClient, *how: Any) -> None:
        good(self, *how)
        self._request = build_request(TIME, self._name)


@fault("CLI-18", service="time", transport="udp")
def puts_the_renewal_off_at_each_answer() -> None:
    """renews an interval after the last `OK`, not after the last renewal"""

    @wrap(TimeDatagramClient, "_renewed")
    def renewed(good: Any, self: TimeDatagramClient, reply: Reply, now: float) -> None:
        good(self, reply, now)
        self._send_again = self._renewal = now + self._interval


@fault("CLI-13", service="time", transport="udp")
def starts_anew_with_a_token_that_had_to_wait() -> None:
    """takes a repetition that carries a token which had to wait for a new request"""

    @wrap(TimeDatagramClient, "_prove")
    def prove(good: Any, self: TimeDatagramClient, reply: Reply, now: float) -> Any:
        out = good(self, reply, now)
        if not out:
            self._sendings = 0
        return out


@fault("CLI-21", service="time", transport="udp")
def gives_up_while_the_server_restarts() -> None:
    """gives up when the port is unreachable, although the server was there"""
    patch(DatagramClient, "unreachable", lambda self, error: self.fail(f"cannot reach the server: {error}"))


@fault("CLI-21", service="time", transport="udp")
def ignores_a_challenge_once_subscribed() -> None:
    """knows no CHALLENGE any more once it has subscribed"""

    @wrap(TimeDatagramClient, "_prove")
    def prove(good: Any, self: TimeDatagramClient, reply: Reply, now: float) -> Any:
        return b"" if self.subscribed else good(self, reply, now)


@fault("CLI-21", service="time", transport="udp")
def keeps_its_first_interval() -> None:
    """renews at the interval that the first OK named, whatever the next one names"""

    @wrap(TimeDatagramClient, "_renewed")
    def renewed(good: Any, self: TimeDatagramClient, *how: Any) -> None:
        subscribed, interval, planned = self.subscribed, self._interval, self._renewal
        good(self, *how)
        if subscribed:
            self._interval, self._renewal, self._send_again = interval, planned, planned


@fault("CLI-17", service="time", transport="udp")
def answers_another_challenge_after_a_reply() -> None:
    """answers another CHALLENGE at once when an OK or a TICK has come"""

    @wrap(TimeDatagramClient, "_take")
    def take(good: Any, self: TimeDatagramClient, reply: Reply, now: float) -> Any:
        out = good(self, reply, now)
        self._may_answer_challenge |= reply.status in ("OK", "TICK")
        return out


@fault("CLI-7", service="time", transport="udp")
def takes_only_ticks_for_answers() -> None:
    """counts its patience from the last TICK, whatever else comes"""

    @wrap(TimeDatagramClient, "_take")
    def take(good: Any, self: TimeDatagramClient, reply: Reply, now: float) -> Any:
        before = self._give_up
        out = good(self, reply, now)
        if reply.status == "OK" and self._ticks.printed:
            self._give_up = before
        return out


@fault("CLI-9", service="time", transport="udp")
def ignores_an_error_once_subscribed() -> None:
    """takes no notice of an ERR once it has subscribed"""

    @wrap(TimeDatagramClient, "_take")
    def take(good: Any, self: TimeDatagramClient, reply: Reply, now: float) -> Any:
        return b"" if self.subscribed and reply.status == "ERR" else good(self, reply, now)


@fault("CLI-20", service="time", transport="udp")
def takes_no_clock_that_is_behind() -> None:
    """prints nothing of a new subscription until the wall clock has caught up"""

    @wrap(TickOrder, "renewed")
    def renewed(good: Any, self: TickOrder, interval: float, *, challenged: bool) -> None:
        good(self, interval, challenged=False)


@fault("CLI-20", service="time", transport="udp")
def takes_each_low_number_for_a_new_subscription() -> None:
    """prints the first ticks again that come late after a CHALLENGE"""
    patch(TickOrder, "_fits", lambda self, tick: False)


@fault("CLI-20", service="time", transport="udp")
def takes_each_ok_for_a_new_subscription() -> None:
    """prints an old low number after any OK but the first, challenged or not"""

    @wrap(TickOrder, "renewed")
    def renewed(good: Any, self: TickOrder, interval: float, *, challenged: bool) -> None:
        good(self, interval, challenged=True)


@fault("CLI-20", service="time", transport="udp")
def expects_a_new_subscription_after_a_challenge_alone() -> None:
    """hides a new subscription that began without a CHALLENGE, a lease after the last OK, on a clock that is behind"""

    @wrap(TickOrder, "renewed")
    def renewed(good: Any, self: TickOrder, interval: float, *, challenged: bool) -> None:
        self._renewed = max(self._renewed, self.now)  # inf before the first
        good(self, interval, challenged=challenged)


@fault("CLI-20", service="time", transport="udp")
def expects_a_new_subscription_for_ever() -> None:
    """prints an old low number although the OK that may have begun a new subscription came more than a lease ago"""

    @wrap(TickOrder, "renewed")
    def renewed(good: Any, self: TickOrder, interval: float, *, challenged: bool) -> None:
        good(self, interval, challenged=challenged)
        if self._may_begin_until != -math.inf:
            self._may_begin_until = math.inf


@fault("CLI-20", service="time", transport="udp")
def fears_late_ticks_for_a_lease_alone() -> None:
    """prints late ticks of the subscription before when a short lease is over, long before LATE_SECONDS are"""

    @wrap(TickOrder, "_begin")
    def begin(good: Any, self: TickOrder, tick: Any) -> None:
        good(self, tick)
        self._settled = self.now + self._lease


@fault("CLI-20", service="time", transport="udp")
def takes_each_unseen_number_for_a_late_one() -> None:
    """hides a first tick whose number is new, though its time does not fit between those of the others"""

    @wrap(TickOrder, "_fits")
    def fits(good: Any, self: TickOrder, tick: Any) -> bool:
        return good(self, tick) or all(seq != tick.seq for seq, _ in self._first_ticks)


@fault("CLI-20", service="time", transport="udp")
def compares_with_lower_numbers_alone() -> None:
    """hides a first tick that is later than one with a higher number"""

    @wrap(TickOrder, "_fits")
    def fits(good: Any, self: TickOrder, tick: Any) -> bool:
        return good(self, tick) or all(
            seq > tick.seq or (seq < tick.seq and time < tick.time) for seq, time in self._first_ticks
        )


@fault("CLI-20", service="time", transport="udp")
def takes_the_last_first_tick_for_none() -> None:
    """hides a new subscription whose first tick that comes has the seq LEASE_INTERVALS"""

    @wrap(TickOrder, "_fits")
    def fits(good: Any, self: TickOrder, tick: Any) -> bool:
        return tick.seq >= LEASE_INTERVALS or bool(good(self, tick))


@fault("CLI-7", service="echo", transport="udp")
def counts_the_timeout_from_the_first_message() -> None:
    """counts the timeout of each message from the first one"""

    @wrap(EchoDatagramClient, "sent")
    def sent(good: Any, self: EchoDatagramClient, now: float) -> None:
        first = vars(self).setdefault("first", now)
        good(self, now)
        self._give_up = first + self._options.timeout
