"""Servers whose author read the sentences about how names are shown, and about IPv6, too quickly."""

import re
from typing import Any

from conformance.broken import fault, patch, wrap
from spec import text
from spec.endpoint import EchoEndpoint, TimeEndpoint
from spec.message import Message
from spec.session import TimeSession
from spec.text import visible


@fault("SRV-14", transport="udp", service="time")
def writes_capital_digits() -> None:
    """writes hexadecimal digits in upper case"""
    patch(text, "visible", lambda given: text._HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04X}", given))


@fault("SRV-14", transport="tcp", service="time")
def forgets_isolates() -> None:
    """prints U+2066 to U+2069 as they are"""
    patch(text, "_HIDDEN", re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e]"))


@fault("SRV-14", transport="udp", service="time")
def forgets_the_arabic_mark() -> None:
    """prints U+061C as it is"""
    patch(text, "_HIDDEN", re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]"))


@fault("SRV-14", transport="tcp", service="time")
def shows_a_new_name_as_it_is() -> None:
    """shows a new name as it came in the line that says of the change"""
    handler = TimeSession.handlers["TIME"]

    def subscribe(self: Any, name: str, now: float, utc: float) -> Any:
        announce = self._announce
        self._announce = lambda line: announce(
            f"{line.rpartition(' is now ')[0]} is now {name}" if " is now " in line else line
        )
        try:
            return handler(self, name, now, utc)
        finally:
            self._announce = announce

    patch(TimeSession, "handlers", {"TIME": subscribe})


@fault("SRV-15", transport="udp", service="echo")
def takes_addresses_for_pairs() -> None:
    """dies of an IPv6 client, whose address has four parts"""

    @wrap(EchoEndpoint, "receive")
    def receive(good: Any, self: Any, datagram: bytes, peer: Any, *rest: Any) -> Any:
        _host, _port = peer
        return good(self, datagram, peer, *rest)


@fault("SRV-15", transport="udp", service="time")
def shows_a_subscriber_as_the_kernel_does() -> None:
    """shows a subscriber that came over IPv4 to :: as ::ffff:127.0.0.1"""

    @wrap(TimeEndpoint, "_say")
    def say(_: Any, self: Any, subscription: Any, template: str, **values: str) -> None:
        host, port = subscription.address[:2]
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if self._announce is not None:
            self._announce(Message(template, client=f"{visible(subscription.name)} ({shown})", **values))
