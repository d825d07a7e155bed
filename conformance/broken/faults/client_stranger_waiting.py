"""Clients whose author read the sentences about waiting, repeating, leases and ticks too quickly."""

import math
from typing import Any

from conformance.broken import fault, patch, wrap
from spec import client, datagram_client
from spec.client import Client
from spec.codec import TIME, Reply, build_request
from spec.datagram_client import DatagramClient, EchoDatagramClient, TimeDatagramClient
from spec.options import ClientOptions


@fault("CLI-7", transport="udp", service="echo")
def waits_anew_for_each_sending() -> None:
    """counts the timeout from the last sending of its request"""

    @wrap(DatagramClient, "sent")
    def sent(good: Any, self: Any, now: float) -> None:
        self._asking = True
        good(self, now)


@fault("CLI-7", transport="udp", service="echo")
def takes_a_malformed_datagram_for_a_sign_of_life() -> None:
    """counts the timeout from the last datagram, malformed or not"""

    @wrap(DatagramClient, "receive")
    def receive(good: Any, self: Any, data: bytes, now: float) -> Any:
        self._give_up = now + self._options.timeout
        return good(self, data, now)


@fault("CLI-18", transport="udp", service="time")
def renews_at_the_interval_of_the_first_ok() -> None:
    """keeps the interval that the first OK has"""

    @wrap(TimeDatagramClient, "_renewed")
    def renewed(good: Any, self: Any, reply: Reply, now: float) -> None:
        first = self._interval
        good(self, reply, now)
        self._interval = first or self._interval


@fault("CLI-18", transport="udp", service="time")
def puts_off_a_renewal_by_a_longer_interval() -> None:
    """renews an interval after each OK that has a new one, though a renewal was due before"""

    @wrap(TimeDatagramClient, "_renewed")
    def renewed(good: Any, self: Any, reply: Reply, now: float) -> None:
        former = self._interval
        good(self, reply, now)
        if former not in (0.0, self._interval):
            self._send_again = self._renewal = now + self._interval


@fault("CLI-7", transport="tcp", service="echo")
def has_one_timeout_for_all_messages() -> None:
    """gives up when the timeout has passed since it started, whatever was answered"""

    @wrap(Client, "ask")
    def ask(good: Any, self: Any, text: str, now: float) -> Any:
        self._first = getattr(self, "_first", now)
        return good(self, text, now)

    @wrap(Client, "sent")
    def sent(good: Any, self: Any, now: float) -> None:
        good(self, now)
        self._give_up = self._first + self._options.timeout


@fault("CLI-7", transport="tcp", service="time")
def waits_for_the_intervals_alone() -> None:
    """waits for three intervals once subscribed, though the timeout is longer"""
    patch(client, "patience", lambda options, interval: 3 * interval)


@fault("CLI-7", transport="udp", service="time")
def waits_for_two_intervals() -> None:
    """waits for two intervals once subscribed, or for the timeout"""
    patch(client, "patience", lambda options, interval: max(options.timeout, 2 * interval))


@fault("CLI-7", transport="udp", service="time")
def takes_no_tick_for_an_answer() -> None:
    """gives up when no OK comes any more, although ticks do"""

    @wrap(TimeDatagramClient, "_take")
    def take(good: Any, self: Any, reply: Reply, now: float) -> Any:
        until = self._give_up
        out = good(self, reply, now)
        if reply.status == "TICK":
            self._give_up = until
        return out


@fault("CLI-7", transport="udp", service="time")
def waits_for_a_host_that_is_not_there() -> None:
    """waits for twice the timeout"""

    @wrap(Client, "__init__")
    def init(good: Any, self: Any, options: ClientOptions, *rest: Any) -> None:
        good(self, options._replace(timeout=2 * options.timeout), *rest)


def _pauses(pause: Any) -> None:
    """Have `pause` say how long a time client that is not subscribed waits after so many sendings."""
    patch(TimeDatagramClient, "_pause", lambda self: self._interval if self.subscribed else pause(self._sendings))


@fault("CLI-13", transport="udp", service="time")
def gives_up_sending_after_four_requests() -> None:
    """sends a TIME four times and then waits, as an echo client does"""
    _pauses(lambda sendings: (1, 2, 4, math.inf)[min(sendings, 4) - 1])


@fault("CLI-13", transport="udp", service="time")
def doubles_on() -> None:
    """waits 8 and 16 seconds where every 4 are due"""
    _pauses(lambda sendings: 2 ** (sendings - 1))


@fault("CLI-13", transport="udp", service="echo")
def sends_an_echo_every_four_seconds() -> None:
    """goes on sending its message every 4 seconds, as a time client does"""
    patch(EchoDatagramClient, "_pause", lambda self: (1, 2, 4)[min(self._sendings, 3) - 1])


@fault("CLI-13", transport="udp", service="echo")
def counts_from_the_first_sending() -> None:
    """sends again 1, 2 and 4 seconds after the first sending"""
    patch(datagram_client, "RETRANSMISSIONS", (1, 1, 2))


@fault("CLI-13", transport="udp", service="time")
def does_not_start_anew_with_a_token() -> None:
    """waits for the answer to its token as long as the request without one had come to"""

    def send_new(self: DatagramClient, request: bytes, now: float) -> bytes:
        self._request = request
        return self._send(now)

    patch(TimeDatagramClient, "_send_new", send_new)


@fault("CLI-13", transport="udp", service="echo")
def waits_a_tenth_longer_each_time() -> None:
    """waits 1, 2.5 and 6 seconds"""
    patch(datagram_client, "RETRANSMISSIONS", (1, 2.5, 6))


def _proves(change: Any) -> None:
    """Have each token become what `change` makes of it before it is sent back."""

    @wrap(client, "challenge_token")
    def token(good: Any, reply: Reply) -> Any:
        return change(good(reply))


@fault("CLI-16", transport="udp", service="time")
def lowers_a_token() -> None:
    """sends the token back in lower case"""
    _proves(str.lower)


@fault("CLI-16", transport="udp", service="time")
def has_room_for_19_characters() -> None:
    """cuts the longest token by its last character"""
    _proves(lambda token: token[:19])


@fault("CLI-16", transport="udp", service="time")
def quotes_a_token() -> None:
    """escapes the characters of a token that a URL may not hold"""
    from urllib.parse import quote

    _proves(lambda token: quote(token, safe=""))


@fault("CLI-17", transport="udp", service="time")
def answers_again_after_each_reply() -> None:
    """answers a CHALLENGE at once again when a tick or an OK has come in between"""

    @wrap(TimeDatagramClient, "_take")
    def take(good: Any, self: Any, reply: Reply, now: float) -> Any:
        if reply.status != "CHALLENGE":
            self._may_answer_challenge = True
        return good(self, reply, now)


@fault("CLI-17", transport="udp", service="time")
def answers_two_challenges() -> None:
    """answers two CHALLENGEs at once between two requests of its own"""

    @wrap(TimeDatagramClient, "_prove")
    def prove(good: Any, self: Any, reply: Reply, now: float) -> Any:
        fresh = self._may_answer_challenge
        out = good(self, reply, now)
        self._may_answer_challenge = fresh and not getattr(self, "_second", False)
        self._second = fresh
        return out


@fault("CLI-18", transport="udp", service="time")
def renews_at_each_tick_too() -> None:
    """sends its TIME again at each tick"""

    @wrap(TimeDatagramClient, "_take")
    def take(good: Any, self: Any, reply: Reply, now: float) -> Any:
        out = good(self, reply, now)
        return self._request if reply.status == "TICK" and self.subscribed and self.waiting else out


@fault("CLI-18", transport="udp", service="time")
def renews_twice_an_interval() -> None:
    """sends its TIME again every half interval"""
    _pause_once_subscribed(0.5)


@fault("CLI-18", transport="udp", service="time")
def renews_after_half_the_lease() -> None:
    """sends its TIME again when half the lease is over, every one and a half intervals"""
    _pause_once_subscribed(1.5)


def _pause_once_subscribed(share: float) -> None:
    @wrap(TimeDatagramClient, "_pause")
    def pause(good: Any, self: Any) -> Any:
        return share * self._interval if self.subscribed else good(self)

    @wrap(TimeDatagramClient, "_renewed")
    def renewed(good: Any, self: Any, reply: Reply, now: float) -> None:
        good(self, reply, now)
        self._send_again = now + share * self._interval


@fault("CLI-18", transport="udp", service="time")
def renews_three_seconds_apart() -> None:
    """renews every 3 seconds, whatever the interval"""

    @wrap(TimeDatagramClient, "_renewed")
    def renewed(good: Any, self: Any, reply: Reply, now: float) -> None:
        good(self, reply, now)
        self._interval, self._send_again = 3.0, now + 3


@fault("CLI-21", transport="udp", service="time")
def subscribes_again_under_no_name() -> None:
    """answers a CHALLENGE after a restart with the name of the last tick"""

    @wrap(TimeDatagramClient, "_prove")
    def prove(good: Any, self: Any, *how: Any) -> Any:
        self._name = self._ticks._last.name if self._ticks._last else self._name
        return good(self, *how)


@fault("CLI-21", transport="udp", service="time")
def keeps_its_old_token() -> None:
    """renews with the token that it got first, whatever comes later"""

    @wrap(TimeDatagramClient, "_prove")
    def prove(good: Any, self: Any, *how: Any) -> Any:
        self._first = getattr(self, "_first", None) or client.challenge_token(how[0])
        good(self, *how)
        self._request = build_request(TIME, self._name, token=self._first)
        return self._request


@fault("CLI-7", transport="tcp", service="time")
def waits_for_whole_seconds() -> None:
    """rounds what it waits for up to whole seconds, as alarm() takes them"""

    @wrap(client, "patience")
    def patience(good: Any, *how: Any) -> float:
        return float(math.ceil(good(*how)))
