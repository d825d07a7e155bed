"""Clients whose author read the sentences about the form of a reply too quickly."""

import re
from typing import Any

from conformance.broken import fault, patch, wrap
from spec import client, codec
from spec.client import Client
from spec.codec import Reply, ReplyError
from spec.datagram_client import DatagramClient, TimeDatagramClient
from spec.stream_client import StreamClient, TimeStreamClient


def _form(name: str, form: str) -> None:
    client._FORMS[name] = re.compile(form)


@fault("CLI-11", transport="udp", service="echo")
def takes_leading_zeros() -> None:
    """takes a length such as 007"""
    _form("length", "[0-9]{1,16}")


@fault("CLI-24", transport="tcp", service="echo")
def holds_a_length_of_nine_digits() -> None:
    """takes a length that a 32-bit integer may not hold for malformed"""
    _form("length", "0|[1-9][0-9]{0,8}")


@fault("CLI-24", transport="tcp", service="time")
def counts_a_name_in_utf_16() -> None:
    """counts the units of UTF-16 in a name, as Java and JavaScript do"""
    _form("name", "(?!.*[\U00010000-\U0010ffff]{33}).*")


@fault("CLI-11", transport="tcp", service="echo")
def takes_a_hash_in_capitals() -> None:
    """takes a hash in upper case"""
    _form("sha256", "[0-9a-fA-F]{64}")


@fault("CLI-11", transport="tcp", service="time")
def takes_tick_0() -> None:
    """takes a tick with the number 0"""
    _form("seq", "[0-9]{1,16}")


@fault("CLI-11", transport="udp", service="time")
def takes_an_interval_of_3_0() -> None:
    """takes an interval with zeros at its end"""
    _form("interval", r"[0-9]{1,9}(\.[0-9]{1,9})?")


@fault("CLI-11", transport="udp", service="time")
def takes_a_lease_of_any_form() -> None:
    """looks at no lease"""
    _form("lease", ".*")


@fault("CLI-11", transport="tcp", service="time")
def takes_an_offset_of_zero() -> None:
    """takes a time with +00:00 for Z"""
    _form("time", r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}(Z|\+00:00)")


@fault("CLI-11", transport="udp", service="time")
def takes_digits_of_a_second_as_they_come() -> None:
    """takes a time with six digits of a second's fraction"""
    _form("time", r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.([0-9]{3}|[0-9]{6})Z")


@fault("CLI-11", transport="tcp", service="time")
def takes_second_60() -> None:
    """takes second 60 for 59"""

    @wrap(client, "parse_tick")
    def parse(good: Any, reply: Reply) -> Any:
        fields = {**reply.fields}
        if "time" in fields:
            fields["time"] = re.sub(":60(?=[.])", ":59", fields["time"])
        return good(reply._replace(fields=fields))


@fault("CLI-11", transport="udp", service="time")
def takes_a_token_of_any_length() -> None:
    """takes a token of more than 20 characters"""
    _form("token", "[\x21-\x7e]+")


@fault("CLI-11", transport="udp", service="time")
def takes_a_token_of_any_text() -> None:
    """takes a token with characters beyond ASCII"""
    _form("token", ".{1,20}")


@fault("CLI-11", transport="tcp", service="time")
def takes_any_name() -> None:
    """takes a tick whose name has a space at its end"""
    patch(client, "_check_name", lambda name: None)


@fault("CLI-11", transport="tcp", service="time")
def takes_any_interval() -> None:
    """takes an interval out of its limits"""
    patch(client, "INTERVAL_MAX", 1e9)
    patch(client, "INTERVAL_MIN", 0.0)


@fault("CLI-11", transport="tcp", service="time")
def takes_a_second_ok() -> None:
    """takes a second OK to one TIME for a renewal"""

    @wrap(TimeStreamClient, "_take")
    def take(good: Any, self: Any, reply: Reply, now: float) -> None:
        if not (self.subscribed and reply.status == "OK"):
            good(self, reply, now)


@fault("CLI-11", transport="tcp", service="time")
def takes_a_tick_before_the_ok() -> None:
    """prints ticks that come before the OK over TCP too"""

    @wrap(TimeStreamClient, "_take")
    def take(good: Any, self: Any, reply: Reply, now: float) -> None:
        if reply.status == "TICK" and not self.subscribed:
            self._ticks.take(client.parse_tick(reply))
        else:
            good(self, reply, now)


@fault("CLI-11", transport="udp")
def takes_long_replies() -> None:
    """takes a datagram of more than 32,768 bytes"""
    patch(codec, "REPLY_BYTES", 65535)


@fault("CLI-11", transport="tcp")
def takes_crlf() -> None:
    """takes a reply whose lines end with CRLF"""

    @wrap(StreamClient, "receive")
    def receive(good: Any, self: Any, data: bytes, now: float) -> Any:
        return good(self, data.replace(b"\r\n", b"\n"), now)


@fault("CLI-11", transport="udp")
def needs_no_empty_line() -> None:
    """takes a datagram that lacks the empty line at its end"""

    @wrap(codec, "parse_reply")
    def parse(good: Any, reply: bytes) -> Any:
        return good(reply.rstrip(b"\n") + b"\n\n")


@fault("CLI-11", transport="tcp", service="time")
def passes_over_an_unknown_status() -> None:
    """passes over a reply with a status that it does not know"""

    @wrap(StreamClient, "receive")
    def receive(good: Any, self: Any, data: bytes, now: float) -> Any:
        known = re.sub(b"(?:^|(?<=\n\n))(?!OK|ERR|TICK|CHALL)[A-Z]+\n(?:.+\n)*\n", b"", data)
        return good(self, known, now) if known or not data else b""


@fault("CLI-11", transport="tcp", service="echo")
def repairs_bad_encoding() -> None:
    """puts U+FFFD for what is no UTF-8 in a reply"""

    @wrap(codec, "parse_reply")
    def parse(good: Any, reply: bytes) -> Any:
        return good(reply.decode(errors="replace").encode())


@fault("CLI-11", transport="udp", service="time")
def knows_seven_codes() -> None:
    """takes an ERR with another code than those of the document for malformed"""

    @wrap(Client, "_refuse")
    def refuse(good: Any, self: Any, reply: Reply) -> None:
        if reply.fields.get("code") not in codec.REASONS:
            raise ReplyError("no such code")
        good(self, reply)


@fault("CLI-11", transport="tcp", service="echo")
def measures_a_reason() -> None:
    """takes an ERR with a reason of more than 40 characters for malformed"""
    _form("reason", ".{1,40}")


@fault("CLI-11", transport="udp", service="echo")
def refuses_a_tab_in_a_reply() -> None:
    """takes a reply with a TAB for malformed"""

    @wrap(codec, "parse_reply")
    def parse(good: Any, reply: bytes) -> Any:
        if b"\t" in reply:
            raise ReplyError("a control character")
        return good(reply)


@fault("CLI-3", transport="tcp", service="echo")
def takes_an_empty_value_for_a_missing_one() -> None:
    """takes the reply to an empty message for malformed"""
    for name in "message", "reversed", "upper":
        _form(name, ".+")


@fault("CLI-11", transport="tcp", service="echo")
def knows_a_code_but_no_reason() -> None:
    """takes an ERR without a reason"""

    @wrap(Client, "_refuse")
    def refuse(good: Any, self: Any, reply: Reply) -> None:
        good(self, reply._replace(fields={"reason": "none", **reply.fields}))


@fault("CLI-23", transport="udp", service="time")
def says_nothing_of_an_empty_datagram() -> None:
    """drops an empty datagram in silence"""

    @wrap(DatagramClient, "receive")
    def receive(good: Any, self: DatagramClient, data: bytes, now: float) -> bytes:
        return bytes(good(self, data, now) if data else self.wake(now))


@fault("CLI-11", transport="udp", service="time")
def leaves_out_complaints_in_silence() -> None:
    """does not say how many malformed ticks it has not reported"""

    @wrap(DatagramClient, "_report")
    def report(good: Any, self: DatagramClient, *how: Any) -> None:
        good(self, *how)
        self._unreported = 0


@fault("CLI-24", transport="udp", service="time")
def waits_for_an_ok_to_its_own_name() -> None:
    """drops an OK with another name than its own"""

    @wrap(TimeDatagramClient, "_take")
    def take(good: Any, self: Any, reply: Reply, now: float) -> bytes:
        if reply.status == "OK" and reply.fields.get("name") != self._name:
            return b""
        return bytes(good(self, reply, now))


@fault("CLI-12", transport="udp", service="time")
def checks_a_field_of_another_reply() -> None:
    """takes an OK with a seq that is no number for malformed"""

    @wrap(TimeDatagramClient, "_take")
    def take(good: Any, self: Any, reply: Reply, now: float) -> bytes:
        if not re.fullmatch("[1-9][0-9]*", reply.fields.get("seq", "1")):
            raise ReplyError("bad seq")
        return bytes(good(self, reply, now))
