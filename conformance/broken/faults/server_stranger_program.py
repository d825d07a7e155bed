"""Servers whose author read the sentences about its lines on standard output too quickly."""

import os
import re
import signal
import socket
import sys
import time
from typing import Any

from conformance.broken import fault, patch, wrap
from impl_raw.tcp_server import Server
from spec import address, session, text
from spec.endpoint import EchoEndpoint, TimeEndpoint
from spec.options import ServerOptions
from spec.program import lines, output
from spec.session import TimeSession


def _says(change: Any) -> None:
    """Have each line on standard output become what `change` makes of it, or be dropped for None."""

    @wrap(output, "say")
    def say(good: Any, line: str) -> None:
        changed = change(line)
        if changed is not None:
            good(changed)


@fault("SRV-1", transport="tcp", service="echo")
def says_that_it_waits_before_it_listens() -> None:
    """says that it waits a quarter of a second before it listens"""
    listen = socket.socket.listen
    patch(socket.socket, "listen", lambda self, backlog: None)

    @wrap(Server, "serve")
    def serve(good: Any, self: Server, noted: Any) -> None:
        time.sleep(0.25)
        listen(self.listener, 1024)
        good(self, noted)


@fault("SRV-17", transport="tcp", service="echo")
def is_killed_by_sigpipe() -> None:
    """leaves SIGPIPE as the system has it, so that a broken standard output kills it"""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


@fault("SRV-1", transport="udp", service="time")
def is_quiet_altogether() -> None:
    """prints nothing at all with --quiet"""
    if "--quiet" in sys.argv:
        _says(lambda line: None)


@fault("SRV-1", transport="udp", service="time")
def writes_in_the_encoding_of_the_locale() -> None:
    """writes its lines in the encoding that LC_ALL or LANG names"""

    if "UTF-8" not in os.environ.get("LC_ALL", "") + os.environ.get("LANG", ""):
        patch(lines, "_encode", lambda line: f"{line}\n".encode("ascii", "replace"))


@fault("SRV-2", transport="tcp", service="echo")
def says_the_host_that_it_was_given() -> None:
    """says localhost when it was started with it"""
    host = sys.argv[sys.argv.index("--host") + 1] if "--host" in sys.argv else "127.0.0.1"
    if ":" not in host:
        _says(lambda line: re.sub("(on .*://)[^:]*", rf"\g<1>{host}", line) if line.startswith("waiting") else line)


@fault("SRV-2", transport="udp", service="echo")
def writes_ipv6_without_brackets() -> None:
    """says echo+udp://::1:7007"""
    _says(lambda line: line.replace("[", "").replace("]", "") if line.startswith("waiting") else line)


@fault("SRV-4", transport="tcp", service="echo")
def shows_mapped_addresses() -> None:
    """shows an IPv4 client of a server on :: as [::ffff:127.0.0.1]"""
    patch(address, "_IPV4_MAPPED", "nothing")


@fault("SRV-4", transport="udp", service="echo")
def announces_each_address_once() -> None:
    """does not print that a client connected which has left and come again"""
    printed = set()

    def once(line: str) -> str | None:
        if line.startswith("client") and line in printed and line.endswith(" connected"):
            return None
        printed.add(line)
        return line

    _says(once)


@fault("SRV-4", transport="udp", service="echo")
def announces_good_requests_alone() -> None:
    """does not take an address whose first request is answered with ERR for a client"""

    @wrap(EchoEndpoint, "receive")
    def receive(good: Any, self: Any, *how: Any) -> Any:
        announce, self._announce = self._announce, None
        try:
            replies = good(self, *how)
        finally:
            self._announce = announce
        if announce is not None and replies and replies[0].startswith(b"OK"):
            self._hear(how[1], how[2], announce)
        return replies


@fault("SRV-5", transport="udp", service="time")
def announces_whom_it_challenges() -> None:
    """prints that a client connected when it sends the CHALLENGE, and not when the subscription starts"""
    known = set()

    @wrap(TimeEndpoint, "receive")
    def receive(good: Any, self: Any, datagram: bytes, peer: Any, *rest: Any) -> Any:
        replies = good(self, datagram, peer, *rest)
        if self._announce and replies and replies[0].startswith(b"CHALLENGE") and peer not in known:
            known.add(peer)
            name = datagram.split(b"\n")[0].decode().removeprefix("TIME ").rstrip("\r")
            self._announce(f"client {text.visible(name)} ({address.format_address(peer)}) connected")
        return replies

    _wrap_time(lambda what: None if what.endswith("connected") else what)


def _wrap_time(change: Any) -> None:
    @wrap(TimeEndpoint, "_say")
    def say(good: Any, self: Any, subscription: Any, what: str, **values: str) -> None:
        if change(what) is not None:
            good(self, subscription, what, **values)


@fault("SRV-5", transport="tcp", service="time")
def writes_names_in_ascii() -> None:
    """prints every letter beyond ASCII of a name as a backslash, u and digits"""
    _says(lambda line: line.encode("ascii", "backslashreplace").decode())


@fault("SRV-5", service="time")
def leaves_the_name_out() -> None:
    """prints `client ADDRESS connected` for a client of the time service too"""
    _says(lambda line: re.sub(r"^client .* \((.*)\) connected$", r"client \1 connected", line))


@fault("SRV-6", transport="udp", service="echo")
def hears_good_requests_alone() -> None:
    """takes an address for silent that sends requests which are answered with ERR"""

    @wrap(EchoEndpoint, "receive")
    def receive(good: Any, self: EchoEndpoint, datagram: bytes, client: address.Address, *times: float) -> Any:
        heard = self._last_heard.get(client)
        replies = good(self, datagram, client, *times)
        if heard is not None and any(reply.startswith(b"ERR") for reply in replies):
            self._last_heard[client] = heard
        return replies


@fault("SRV-6", transport="udp", service="time")
def says_nothing_of_a_new_name() -> None:
    """prints nothing when a client changes its name"""
    _wrap_time(lambda what: None if "is now" in what else what)


@fault("SRV-6", transport="tcp", service="time")
def lets_the_old_name_leave() -> None:
    """prints left with the name that came first"""

    @wrap(TimeSession, "close")
    def close(good: Any, self: Any) -> None:
        self._name = first.pop(id(self), self._name)
        good(self)

    first: dict[int, str] = {}

    def note(self: Any, name: str, now: float, utc: float) -> Any:
        out = handler(self, name, now, utc)
        first.setdefault(id(self), name)
        return out

    handler = TimeSession.handlers["TIME"]
    patch(TimeSession, "handlers", {"TIME": note})


@fault("SRV-6", transport="tcp", service="time")
def says_a_new_name_that_is_the_old_one() -> None:
    """prints is now also when the name stays the same"""
    handler = TimeSession.handlers["TIME"]

    def subscribe(self: Any, name: str, now: float, utc: float) -> Any:
        again = self._schedule is not None and self._name == name
        out = handler(self, name, now, utc)
        if again:
            self._announce(f"client {text.visible(name)} ({self._client}) is now {text.visible(name)}")
        return out

    patch(TimeSession, "handlers", {"TIME": subscribe})


@fault("SRV-6", transport="udp", service="echo")
def forgets_the_longest_known() -> None:
    """forgets the address that it has known longest for a new one, not the longest silent"""

    @wrap(EchoEndpoint, "_hear")
    def hear(good: Any, self: Any, peer: Any, now: float, announce: Any) -> None:
        if peer in self._last_heard:
            self._last_heard[peer] = now
        else:
            good(self, peer, now, announce)


@fault("SRV-6", transport="udp", service="echo")
def forgets_at_the_first_silence() -> None:
    """counts the idle timeout of an address from its first datagram"""

    @wrap(EchoEndpoint, "_hear")
    def hear(good: Any, self: Any, peer: Any, now: float, announce: Any) -> None:
        if peer not in self._last_heard:
            good(self, peer, now, announce)


@fault("SRV-6", transport="udp", service="time")
def says_left_when_somebody_comes() -> None:
    """prints that a client has left only when the next datagram comes"""
    held: list[str] = []

    def later(line: str) -> str | None:
        if line.endswith(" left"):
            held.append(line)
            return None
        return line

    _says(later)

    @wrap(TimeEndpoint, "receive")
    def receive(good: Any, *how: Any) -> Any:
        while held:
            print(held.pop(0), flush=True)
        return good(*how)


@fault("SRV-7", transport="tcp", service="time")
def says_who_left_though_quiet() -> None:
    """prints with --quiet too that a client has left or changed its name"""

    @wrap(session, "open_session")
    def open_session(good: Any, options: ServerOptions, client: str, now: float, announce: Any, **named: Any) -> Any:
        def half(line: str) -> None:
            if not options.quiet or not line.endswith(" connected"):
                announce(line)

        return good(options._replace(quiet=False), client, now, half, **named)


@fault("SRV-17", transport="udp", service="time")
def keeps_a_mebibyte_and_drops_in_silence() -> None:
    """keeps some 7000 lines that nobody reads, and does not say how many came after them"""
    patch(lines, "WAITING_LINES", 7000)

    @wrap(lines.LineWriter, "post")
    def post(good: Any, self: Any, line: str) -> None:
        good(self, line)
        self._dropped = 0
