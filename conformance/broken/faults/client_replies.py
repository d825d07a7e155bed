"""Clients that take replies wrongly, over either transport, or give up at the wrong time."""

import math
import re
import socket
from typing import Any

from conformance.broken import fault, patch, wrap
from spec import client, codec, limits
from spec.address import format_url
from spec.client import Client, malformed, require, unexpected
from spec.codec import Reply, ReplyError
from spec.datagram_client import DatagramClient, EchoDatagramClient, TimeDatagramClient
from spec.options import UNREACHABLE
from spec.program import texts
from spec.replies import FIELDS, ReplyForm
from spec.stream_client import EchoStreamClient, StreamClient, TimeStreamClient


@fault("CLI-2", transport="udp")
def says_connected_before_an_answer() -> None:
    """says that it is connected as soon as it has sent its request"""

    @wrap(DatagramClient, "ask")
    def ask(good: Any, self: DatagramClient, text: str, now: float) -> Any:
        self.connect()
        return good(self, text, now)


@fault("CLI-2", transport="udp")
def says_connected_at_any_datagram() -> None:
    """says that it is connected when a malformed reply has come"""

    @wrap(DatagramClient, "receive")
    def receive(good: Any, self: DatagramClient, data: bytes, now: float) -> Any:
        self.connect()
        return good(self, data, now)


@fault("CLI-2", service="echo", transport="tcp")
def says_connected_before_it_connects() -> None:
    """says that it is connected before the connection stands"""

    @wrap(socket.socket, "connect")
    def connect(good: Any, self: socket.socket, address: tuple[str, int]) -> None:
        print(f"connected to {format_url('echo', 'tcp', address)}")
        good(self, address)

    @wrap(StreamClient, "__init__")
    def init(good: Any, self: StreamClient, options: Any, url: str, show: Any, complain: Any) -> None:
        good(self, options, url, lambda line: None, complain)
        self._show = show


@fault("CLI-3", service="echo")
def trims_its_message() -> None:
    """sends the message without the spaces at its ends"""

    @wrap(codec, "build_request")
    def build_request(good: Any, verb: str, message: str) -> bytes:
        return bytes(good(verb, message.strip()))


@fault("CLI-3", service="echo")
def leaves_a_field_out() -> None:
    """does not print the last field"""

    @wrap(Client, "_answer")
    def answer(good: Any, self: Client, reply: Reply, form: ReplyForm) -> None:
        require(reply, *form.fields)
        good(self, reply, ReplyForm(form.status, *form.fields[:-1]))


@fault("CLI-3", service="echo")
def works_the_answer_out_itself() -> None:
    """prints the reversed message that it made itself, not the reply's"""

    @wrap(Client, "_answer")
    def answer(good: Any, self: Client, reply: Reply, form: ReplyForm) -> None:
        own = {"reversed": reply.fields["message"][::-1]}
        good(self, reply._replace(fields=reply.fields | own), form)


@fault("CLI-7", transport="tcp")
def waits_anew_for_each_byte() -> None:
    """counts the timeout from the last byte, so that half a reply that drips in holds it up"""

    @wrap(StreamClient, "receive")
    def receive(good: Any, self: StreamClient, data: bytes, now: float) -> Any:
        self._give_up = now + self._options.timeout
        return good(self, data, now)


@fault("CLI-7", service="time")
def gives_up_between_two_ticks() -> None:
    """waits for the timeout alone where the interval is longer"""
    patch(client, "patience", lambda options, interval: options.timeout)


@fault("CLI-7", service="time", transport="udp")
def takes_a_challenge_for_an_answer() -> None:
    """counts the timeout from the last CHALLENGE"""

    @wrap(TimeDatagramClient, "_prove")
    def prove(good: Any, self: TimeDatagramClient, reply: Reply, now: float) -> Any:
        self._give_up = now + self._patience
        return good(self, reply, now)


@fault("CLI-7", service="echo", transport="udp")
def gives_up_at_an_unreachable_port() -> None:
    """gives up when the port is unreachable, although the server was there"""
    patch(DatagramClient, "unreachable", lambda self, error: self.fail(f"cannot reach the server: {error}"))


@fault("CLI-7", transport="tcp")
def takes_the_end_of_the_stream_for_success() -> None:
    """exits with status 0 when the server has closed the connection too early"""

    @wrap(StreamClient, "receive")
    def receive(good: Any, self: StreamClient, data: bytes, now: float) -> Any:
        if data:
            return good(self, data, now)
        self.waiting, self.over = False, True
        return b""


@fault("CLI-24")
def takes_a_value_of_any_form() -> None:
    """takes numbers, times, hashes and tokens of any form"""
    patch(client, "_FORMS", {name: re.compile(".*") for name in FIELDS})


@fault("CLI-11", transport="udp")
def gives_up_at_a_malformed_datagram() -> None:
    """gives up at a malformed datagram"""

    def receive(self: DatagramClient, data: bytes, now: float) -> bytes:
        try:
            return self._take(codec.parse_reply(data), now)
        except ReplyError as error:
            self.fail(malformed(error))
            return b""

    patch(DatagramClient, "receive", receive)


@fault("CLI-11", transport="udp")
def drops_malformed_datagrams_in_silence() -> None:
    """does not report a malformed datagram"""

    @wrap(DatagramClient, "receive")
    def receive(good: Any, self: DatagramClient, data: bytes, now: float) -> Any:
        complain, self._complain = self._complain, lambda line: None
        out = good(self, data, now)
        self._complain = complain
        return out


@fault("CLI-23", transport="tcp")
def has_no_limit_for_a_reply() -> None:
    """waits for the end of a reply of any size"""
    patch(limits, "REPLY_BYTES", 1 << 40)


@fault("CLI-25", service="echo", transport="udp")
def drops_replies_to_others_in_silence() -> None:
    """does not report a TICK or a CHALLENGE, for which an echo client never asks"""

    @wrap(EchoDatagramClient, "_take")
    def take(good: Any, self: EchoDatagramClient, reply: Reply, now: float) -> Any:
        return good(self, reply, now) if reply.status in ("OK", "ERR") else b""


@fault("CLI-26", service="echo", transport="tcp")
def takes_any_message_for_its_own() -> None:
    """takes an answer to another message for its own"""

    @wrap(EchoStreamClient, "_take")
    def take(good: Any, self: EchoStreamClient, reply: Reply, now: float) -> None:
        self._message = reply.fields.get("message", "")
        good(self, reply, now)


@fault("CLI-27", service="time", transport="udp")
def refuses_a_tick_that_overtakes_the_ok() -> None:
    """takes a TICK that comes before the OK for malformed"""

    @wrap(TimeDatagramClient, "_take")
    def take(good: Any, self: TimeDatagramClient, reply: Reply, now: float) -> Any:
        if reply.status == "TICK" and not self.subscribed:
            raise unexpected(reply)
        return good(self, reply, now)


@fault("CLI-12")
def refuses_an_unknown_field() -> None:
    """takes a reply with an unknown field for malformed"""

    @wrap(codec, "parse_reply")
    def parse_reply(good: Any, data: bytes) -> Reply:
        reply: Reply = good(data)
        if unknown := reply.fields.keys() - FIELDS:
            raise ReplyError(f"unknown fields {sorted(unknown)}")
        return reply


@fault("CLI-12", service="echo")
def checks_fields_of_other_replies() -> None:
    """takes a reply for malformed because of a field that belongs to another reply"""

    @wrap(codec, "parse_reply")
    def parse_reply(good: Any, data: bytes) -> Reply:
        reply: Reply = good(data)
        require(reply, *(name for name in FIELDS if name in reply.fields))
        return reply


@fault("REQ-6")
def uses_the_last_field_of_a_reply() -> None:
    """uses the last of several fields of one name"""

    @wrap(codec, "parse_reply")
    def parse_reply(good: Any, data: bytes) -> Reply:
        reply: Reply = good(data)
        _, *lines = data.decode().rstrip("\n").split("\n")
        return reply._replace(fields=dict(line.split(": ", 1) for line in lines))


@fault("CLI-23", transport="udp")
def takes_a_second_empty_line() -> None:
    """takes a datagram with two empty lines at its end"""

    @wrap(codec, "parse_reply")
    def parse_reply(good: Any, reply: bytes) -> Reply:
        return good(reply[:-1] if reply.endswith(b"\n\n\n") else reply)  # type: ignore[no-any-return]


@fault("CLI-24")
def wants_a_reason() -> None:
    """takes an ERR with an empty reason for malformed"""
    patch(client, "_FORMS", {**client._FORMS, "reason": re.compile("[^\t]+")})


@fault("CLI-24", service="time", transport="udp")
def wants_a_lease_that_lasts() -> None:
    """takes an OK with a lease of 0 for malformed"""
    patch(client, "_FORMS", {**client._FORMS, "lease": re.compile("[1-9][0-9]*")})


@fault("CLI-25", service="time", transport="tcp")
def takes_a_tick_before_the_ok() -> None:
    """prints a TICK that comes before the OK"""

    @wrap(TimeStreamClient, "_take")
    def take(good: Any, self: TimeStreamClient, reply: Reply, now: float) -> None:
        subscribed, self.subscribed = self.subscribed, self.subscribed or reply.status == "TICK"
        good(self, reply, now)
        self.subscribed = subscribed or reply.status == "OK"


@fault("CLI-27", service="time", transport="udp")
def takes_a_tick_for_the_ok() -> None:
    """does not repeat its request once a TICK has come"""

    @wrap(TimeDatagramClient, "_take")
    def take(good: Any, self: TimeDatagramClient, reply: Reply, now: float) -> Any:
        out = good(self, reply, now)
        if reply.status == "TICK" and not self.subscribed:
            self._send_again = math.inf
        return out


@fault("CLI-7", service="time", transport="udp")
def takes_a_challenge_for_a_sign_of_life() -> None:
    """starts the timeout of a subscription anew with each CHALLENGE"""

    @wrap(TimeDatagramClient, "_prove")
    def prove(good: Any, self: TimeDatagramClient, reply: Reply, now: float) -> Any:
        if self.subscribed:
            self._give_up = now + self._patience
        return good(self, reply, now)


@fault("CLI-7", service="echo", transport="tcp")
def takes_the_end_of_the_connection_for_an_error() -> None:
    """exits with status 1 when the server closes the connection after the last answer"""

    @wrap(texts, "read_texts")
    def read_texts(good: Any, options: Any, reject: Any) -> Any:
        yield from good(options, reject)
        reject("the server closed the connection", UNREACHABLE)


@fault("CLI-11", service="echo", transport="tcp")
def looks_behind_the_last_answer() -> None:
    """takes bytes behind its last answer for malformed"""

    @wrap(EchoStreamClient, "receive")
    def receive(good: Any, self: EchoStreamClient, data: bytes, now: float) -> Any:
        out = good(self, data, now)
        if not self.waiting and self._received:
            self.fail("a malformed reply: bytes behind it")
        return out


@fault("CLI-11", service="echo", transport="udp")
def repeats_nothing_after_a_malformed_datagram() -> None:
    """does not repeat its request once a malformed datagram has come"""

    @wrap(DatagramClient, "_report")
    def report(good: Any, self: DatagramClient, *how: Any) -> None:
        good(self, *how)
        self._send_again = math.inf


@fault("CLI-11", service="echo", transport="udp")
def keeps_silent_about_complaints_left_out() -> None:
    """does not say how many malformed datagrams it has not reported"""

    @wrap(DatagramClient, "_report")
    def report(good: Any, self: DatagramClient, *how: Any) -> None:
        good(self, *how)
        self._unreported = 0


@fault("CLI-24", service="time")
def takes_a_comma_for_a_point() -> None:
    """takes a time with a comma before its milliseconds"""
    patch(client, "_FORMS", {**client._FORMS, "time": re.compile(FIELDS["time"].replace(r"\.", "[.,]"))})

    @wrap(client, "parse_tick")
    def parse_tick(good: Any, reply: Reply) -> Any:
        fields = {name: value.replace(",", ".") if name == "time" else value for name, value in reply.fields.items()}
        return good(reply._replace(fields=fields))


@fault("CLI-24", service="time", transport="udp")
def takes_milliseconds_at_most() -> None:
    """takes an interval with more than three digits behind the point for malformed"""
    patch(client, "_FORMS", {**client._FORMS, "interval": re.compile(r"[0-9]+(\.[0-9]{1,3})?")})


@fault("CLI-24", service="time", transport="udp")
def takes_a_day_of_lease_at_most() -> None:
    """takes a lease of more than five digits before the point for malformed"""
    patch(client, "_FORMS", {**client._FORMS, "lease": re.compile(r"[0-9]{1,5}(\.[0-9]+)?")})


@fault("CLI-23", service="echo", transport="udp")
def cuts_a_datagram_to_the_longest_reply() -> None:
    """receives no more than REPLY_BYTES of a datagram, and does not look at the rest"""

    @wrap(DatagramClient, "receive")
    def receive(good: Any, self: Any, data: bytes, now: float) -> Any:
        return good(self, data[: limits.REPLY_BYTES], now)
