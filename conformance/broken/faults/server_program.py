"""Servers that start, speak or stop in the wrong way."""

import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import chain, repeat
from typing import Any

from conformance.broken import fault, patch, wrap, wrap_handler
from impl_raw import udp_server
from spec import address, codec, endpoint, options
from spec.address import Address
from spec.endpoint import EchoEndpoint
from spec.program import arguments, language, lines, output, signals
from spec.session import EchoSession, Session, TimeSession


@fault("SRV-1")
def says_hello_first() -> None:
    """prints another line before the one that says where it waits"""

    @wrap(output, "say")
    def say(good: Any, line: str) -> None:
        if line.startswith("waiting"):
            good("starting")
        good(line)


@fault("SRV-1")
def keeps_lines_back() -> None:
    """writes its lines out only when there are many"""
    patch(output, "say", lambda line: sys.stdout.buffer.write(f"{line}\n".encode()))


@fault("SRV-1")
def speaks_the_language_of_the_locale() -> None:
    """speaks the language of the locale, whoever reads it"""
    patch(language, "language_for", lambda stream: language.language_of())


@fault("SRV-17")
def waits_for_its_reader() -> None:
    """waits until somebody reads its lines"""
    patch(lines.LineWriter, "post", lines.LineWriter.write)


@fault("SRV-17", service="time")
def waits_for_its_reader_at_the_end() -> None:
    """does not stop before somebody has read its lines"""
    patch(lines, "LAST_WAIT", 60)


@fault("SRV-17", service="time")
def drops_lines_in_silence() -> None:
    """does not say how many lines it has dropped"""

    @wrap(lines, "_encode")
    def encode(good: Any, line: str) -> Any:
        return b"" if line.startswith("lines dropped: ") else good(line)


@fault("SRV-18")
def shares_no_port() -> None:
    """takes the option --reuse-port and does nothing about it"""

    @wrap(arguments, "parse_server_options")
    def parse(good: Any, *how: Any) -> Any:
        return good(*how)._replace(reuse_port=False)


@fault("SRV-10")
def fails_where_it_cannot_complain() -> None:
    """exits with 120 when standard error is full, as a Python program does that leaves that to the interpreter"""
    patch(output, "complain", lambda line: print(f"error: {line!r}", file=sys.stderr))


@fault("SRV-10")
def waits_for_a_reader_of_its_errors() -> None:
    """waits until somebody reads standard error, if that is a full pipe"""

    def complain(line: str) -> None:
        with suppress(OSError):
            os.write(2, f"error: {line!r}\n".encode())

    patch(output, "complain", complain)


@fault("SRV-2")
def says_the_default_address() -> None:
    """says 127.0.0.1, wherever it listens"""

    @wrap(address, "format_url")
    def format_url(good: Any, service: str, transport: str, address: Address) -> Any:
        return good(service, transport, ("127.0.0.1", address[1]))


@fault("SRV-3")
def swaps_the_default_ports() -> None:
    """listens on the other service's default port"""
    patch(options, "DEFAULT_PORTS", {"echo": 7037, "time": 7007})


@fault("SRV-4", transport="tcp", service="echo")
def announces_at_the_first_request() -> None:
    """prints that an echo client connected when its first line has come"""
    silent: set[int] = set()

    @wrap(EchoSession, "__init__")
    def init(good: Any, self: Session, options: Any, client: str, now: float, announce: Any) -> None:
        good(self, options, client, now, lambda line: None)
        self._announce = announce
        silent.add(id(self))

    @wrap(Session, "receive")
    def receive(good: Any, self: Session, *arguments: Any) -> Any:
        if id(self) in silent:
            silent.remove(id(self))
            self._announce(f"client {self._client} connected")
        return good(self, *arguments)


@fault("SRV-4", transport="udp", service="echo")
def announces_each_datagram() -> None:
    """prints that an echo client connected at each datagram"""

    @wrap(EchoEndpoint, "_hear")
    def hear(good: Any, self: EchoEndpoint, address: Address, *arguments: Any) -> None:
        self._last_heard.pop(address, None)
        good(self, address, *arguments)


@fault("SRV-4", transport="udp", service="echo")
def announces_whom_it_does_not_answer() -> None:
    """prints that an echo client connected for a datagram that it does not answer"""

    @wrap(EchoEndpoint, "receive")
    def receive(good: Any, self: EchoEndpoint, datagram: bytes, address: Address, now: float, utc: float) -> Any:
        if self._announce is not None:
            self._hear(address, now, self._announce)
        return good(self, datagram, address, now, utc)


@fault("SRV-5", service="time", transport="tcp")
def announces_renewals() -> None:
    """prints that a time client connected at each TIME"""

    @wrap_handler(TimeSession, codec.TIME)
    def answer(good: Any, self: TimeSession, argument: str, *times: float) -> Any:
        again = argument == self._name
        reply = good(self, argument, *times)
        if again:
            self._announce(f"client {argument} ({self._client}) connected")
        return reply


@fault("SRV-6", transport="tcp")
def lets_clients_go_silently() -> None:
    """prints nothing when a client is gone"""
    patch(EchoSession, "close", lambda self: None)
    patch(TimeSession, "close", lambda self: None)


@fault("SRV-6", transport="udp", service="echo")
def never_misses_a_client() -> None:
    """prints nothing when an echo client was silent for the idle timeout"""

    @wrap(endpoint, "open_endpoint")
    def open_endpoint(good: Any, options: Any, *arguments: Any) -> Any:
        return good(options._replace(idle_timeout=1e9), *arguments)


@fault("SRV-7")
def is_never_quiet() -> None:
    """prints the lines about clients with --quiet too"""

    @wrap(arguments, "parse_server_options")
    def parse_server_options(good: Any, *arguments: Any) -> Any:
        return good(*arguments)._replace(quiet=False)


@fault("SRV-8")
def is_killed_by_sigterm() -> None:
    """lets SIGTERM kill it"""

    @wrap(signal, "signal")
    def handle(good: Any, number: int, handler: Any) -> None:
        if number != signal.SIGTERM:
            good(number, handler)


@fault("SRV-8")
def ends_without_a_word() -> None:
    """does not print stopped"""

    @wrap(output, "say")
    def say(good: Any, line: str) -> None:
        if line != "stopped":
            good(line)


@fault("SRV-8", transport="udp")
def waits_anew_after_each_signal() -> None:
    """begins to wait anew at each further signal"""
    patch(signal, "pthread_sigmask", lambda how, numbers: None)
    patch(udp_server, "MAX_WAIT", 0.9)


@fault("SRV-9")
def stops_at_once() -> None:
    """stops without a look at the requests that have come"""

    def stop(*_: object) -> None:
        output.say("stopped")
        os._exit(0)

    @wrap(signal, "signal")
    def handle(good: Any, number: int, handler: Any) -> None:
        good(number, stop)


@fault("SRV-9", transport="udp")
def answers_few_at_its_stop() -> None:
    """answers 32 of the datagrams that have come before it stops, and no more"""
    answered = []

    @wrap(udp_server, "answer")
    def answer(good: Any, sock: Any, *how: Any) -> bool:
        stopping = sock.gettimeout() == 0
        answered.extend([sock] * stopping)
        return len(answered) <= 32 and bool(good(sock, *how))


@fault("SRV-10")
def exits_1_on_wrong_usage() -> None:
    """exits with status 1 on wrong usage"""
    patch(options, "WRONG_USAGE", 1)


@fault("SRV-11")
def exits_2_without_a_socket() -> None:
    """exits with status 2 when it cannot listen"""
    patch(options, "UNREACHABLE", 2)


@fault("SRV-12")
def explains_at_length() -> None:
    """says in two lines why it exits"""

    @wrap(output, "complain")
    def complain(good: Any, line: str) -> None:
        good(line)
        good("try --help")


@fault("SRV-13")
def complains_about_requests() -> None:
    """prints each bad request on standard error"""

    @wrap(codec.RequestError, "__init__")
    def init(good: Any, self: Exception, code: str) -> None:
        good(self, code)
        print("bad request:", code, file=sys.stderr)


@fault("SRV-15")
def knows_ipv4_only() -> None:
    """looks for IPv4 addresses only"""

    @wrap(socket, "getaddrinfo")
    def getaddrinfo(good: Any, *arguments: Any, **named: Any) -> Any:
        return good(*arguments, family=socket.AF_INET, **named)


@fault("SRV-15", transport="tcp")
def turns_ipv4_away_at_the_wildcard() -> None:
    """serves IPv6 alone on ::"""

    class Ipv6Only(socket.socket):
        def setsockopt(self, level: int, option: int, value: Any, *more: Any) -> None:
            super().setsockopt(level, option, 1 if option == socket.IPV6_V6ONLY else value, *more)

    patch(socket, "socket", Ipv6Only)


@fault("SRV-16", transport="tcp")
def waits_for_its_port() -> None:
    """cannot listen on a port on which connections have not quite gone yet"""
    original = socket.socket.setsockopt

    def setsockopt(self: socket.socket, level: int, option: int, value: Any) -> None:
        if (level, option) != (socket.SOL_SOCKET, socket.SO_REUSEADDR):
            original(self, level, option, value)

    patch(socket.socket, "setsockopt", setsockopt)


@fault("SRV-8")
def is_killed_by_the_second_signal() -> None:
    """lets a second signal kill it while it stops"""

    def die(number: int) -> None:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    _after_the_first_signal(die)


@fault("SRV-8")
def complains_of_two_signals() -> None:
    """writes to standard error when two signals come together"""
    _after_the_first_signal(lambda number: print("again", file=sys.stderr, flush=True))


def _after_the_first_signal(act_again: Callable[[int], object]) -> None:
    """One handler for all: each signal that has come before it runs finds it, so the check needs no luck."""

    @wrap(signals, "on_first_signal")
    def on_first_signal(good: Any, act: Callable[[int], object]) -> None:
        good(act)
        acts = chain([act], repeat(act_again))
        for each in signal.SIGINT, signal.SIGTERM:
            signal.signal(each, lambda number, frame: next(acts)(number))


@fault("SRV-8")
def is_killed_by_sighup() -> None:
    """lets SIGHUP kill it"""
    patch(signals, "_STOPPING", (signal.SIGINT, signal.SIGTERM))


@fault("SRV-6", transport="tcp", service="time")
def says_that_a_stranger_left() -> None:
    """prints left for a connection that never had a name"""

    @wrap(TimeSession, "close")
    def close(good: Any, self: Any) -> None:
        good(self)
        if self._schedule is None:
            self._announce(f"client ({self._client}) left")


@fault("SRV-6", service="time")
def takes_names_that_differ_in_case_for_one() -> None:
    """prints nothing when a new name is the old one in other letters"""

    @wrap(lines.LineWriter, "post")
    def post(good: Any, self: Any, line: str) -> None:
        former, _, name = line.partition(" is now ")
        if not former.lower().startswith(f"client {name.lower()} ("):
            good(self, line)


@fault("SRV-10")
def passes_over_a_word_behind_two_hyphens() -> None:
    """passes over a word that follows --"""

    @wrap(arguments, "_unrecognized")
    def unrecognized(good: Any, words: str) -> None:
        if " " in words:
            good(words)


@fault("SRV-17", service="time")
def lets_lines_overtake_others() -> None:
    """writes a line at once if the pipe has room again, although earlier ones wait"""

    @wrap(lines.LineWriter, "post")
    def post(good: Any, self: Any, line: str) -> None:
        waits = self._at_once and (self._waiting or self._writing)
        if not (waits and self._at_once.write(f"{line}\n".encode())):
            good(self, line)


@fault("SRV-6", transport="udp", service="echo")
def replaces_one_client() -> None:
    """prints lines for the first address that takes the place of another, and then for none"""
    patch(endpoint, "REPLACED_AT_ONCE", 1)
    patch(endpoint, "REPLACED_A_SECOND", 1e-9)


@fault("SRV-10")
def knows_milliseconds_alone() -> None:
    """takes no more than three digits behind the point of a timeout for a number"""
    patch(arguments, "_DURATION", re.compile(r"[0-9]{1,9}(\.[0-9]{1,3})?"))


@fault("SRV-17", service="time")
def counts_dropped_lines_again() -> None:
    """says of the lines that it dropped earlier that they are missing, too, where later ones are"""

    def count(self: Any, dropped: int) -> None:
        self._counted = max(dropped, getattr(self, "_counted", 0))

    setattr(lines.LineWriter, "_dropped", property(lambda self: self._counted, count))  # noqa: B010 - mypy sees an int
