"""Clients whose author read the sentences about exit statuses and errors too quickly."""

import argparse
import re
import signal
import socket
from typing import Any

from conformance.broken import fault, patch, wrap
from impl_raw import tcp_client, udp_client
from spec import client, codec, text
from spec.client import Client
from spec.codec import Reply
from spec.limits import MESSAGE_BYTES
from spec.options import UNREACHABLE, WRONG_USAGE, ClientOptions
from spec.program import arguments, clients, output, signals, texts
from spec.stream_client import StreamClient


@fault("CLI-6", transport="tcp", service="time")
def prints_one_tick_more() -> None:
    """leaves after one tick more than it was asked for"""

    @wrap(Client, "__init__")
    def init(good: Any, self: Any, options: ClientOptions, *rest: Any) -> None:
        good(self, options._replace(ticks=options.ticks + 1 if options.ticks else None), *rest)


@fault("CLI-6", transport="udp", service="time")
def counts_ticks_that_it_does_not_print() -> None:
    """counts duplicates and late ticks to those of --ticks"""

    @wrap(client.TickPrinter, "take")
    def take(good: Any, self: Any, tick: Any) -> None:
        before = self.printed
        good(self, tick)
        self.printed = before + 1


@fault("CLI-6", transport="udp", service="time")
def exits_with_130() -> None:
    """exits with 130 when SIGINT stops a subscriber, as a shell says it"""

    @wrap(Client, "stop")
    def stop(good: Any, self: Any) -> None:
        good(self)
        raise SystemExit(130)


@fault("CLI-6", transport="tcp", service="echo")
def is_content_when_stopped() -> None:
    """exits with 0 when it is stopped before its message was answered"""
    patch(Client, "stop", lambda self: None)


@fault("CLI-6", transport="udp", service="time")
def stops_at_sigint_alone() -> None:
    """lets SIGTERM kill it"""
    patch(signals, "_STOPPING", (signal.SIGINT,))


@fault("CLI-7", transport="tcp", service="echo")
def takes_an_unknown_host_for_wrong_usage() -> None:
    """exits with 2 for a host name that does not resolve"""

    @wrap(tcp_client, "main")
    def main(good: Any, given: Any) -> Any:
        try:
            socket.getaddrinfo(arguments.parse_client_options(given, "tcp").host, None)
        except (OSError, UnicodeError) as error:
            output.fail(str(error), WRONG_USAGE)
        return good(given)


@fault("CLI-8", transport="tcp", service="echo")
def counts_the_characters_of_a_message() -> None:
    """sends a message of up to 4,096 characters, whatever its bytes"""

    @wrap(texts, "checked_text")
    def checked(good: Any, service: str, encoded: bytes) -> Any:
        said = encoded.decode(errors="replace")
        if len(encoded) > MESSAGE_BYTES >= len(said) and "\ufffd" not in said:
            return said
        return good(service, encoded)


@fault("CLI-8", transport="udp", service="time")
def trims_a_name() -> None:
    """sends a name without the spaces at its ends instead of refusing it"""

    @wrap(texts, "checked_text")
    def checked(good: Any, service: str, encoded: bytes) -> Any:
        return good(service, encoded.strip(b" "))


@fault("CLI-8", transport="udp", service="echo")
def takes_no_line_for_nothing_to_do() -> None:
    """exits with 0 when standard input has no line at all"""

    @wrap(Client, "reject")
    def reject(good: Any, self: Any, reason: str, *status: int) -> None:
        if reason not in ("no message", "no name"):
            good(self, reason, *status)


@fault("CLI-8", transport="udp", service="echo")
def replaces_what_is_no_utf_8() -> None:
    """sends U+FFFD for bytes of its MESSAGE that are not UTF-8"""

    @wrap(texts, "checked_text")
    def checked(good: Any, service: str, encoded: bytes) -> Any:
        return good(service, encoded.decode(errors="replace").encode())


@fault("CLI-8", transport="tcp", service="echo")
def passes_over_superfluous_words() -> None:
    """sends the first of several messages on its command line"""

    @wrap(argparse.ArgumentParser, "parse_intermixed_args")
    def parse(good: Any, self: Any, words: Any) -> Any:
        return self.parse_known_intermixed_args(words)[0]


@fault("CLI-8", transport="tcp", service="echo")
def refuses_a_tab() -> None:
    """takes a message with a TAB for wrong usage"""

    @wrap(codec, "check_message")
    def check(good: Any, message: str) -> None:
        good(message.replace("\t", "\0"))


@fault("CLI-9", transport="udp", service="echo")
def exits_with_the_greatest_status() -> None:
    """exits with 3 although 1 or 2 applies too"""
    patch(client, "_GRAVITY", (0, UNREACHABLE, WRONG_USAGE, 3))


@fault("CLI-9", transport="tcp", service="echo")
def stops_at_a_refusal() -> None:
    """does not go on with the next message after an ERR"""

    @wrap(Client, "_refuse")
    def refuse(good: Any, self: Any, reply: Reply) -> None:
        good(self, reply)
        self.over = True


@fault("CLI-9", transport="udp", service="time")
def says_the_code_on_standard_output() -> None:
    """prints code and reason of an ERR on standard output"""
    _errors_to_output()


def _errors_to_output() -> None:
    patch(output, "complain", lambda line: print(f"error: {text.visible(line)}"))


@fault("CLI-10", transport="tcp", service="time")
def says_errors_on_standard_output() -> None:
    """prints its errors on standard output"""
    _errors_to_output()


@fault("CLI-10", transport="tcp", service="echo")
def says_each_error_twice() -> None:
    """says once for the exchange and once for the program that the server has gone"""

    @wrap(StreamClient, "unreachable")
    def unreachable(good: Any, self: Any, reason: str) -> None:
        self._complain(reason)
        good(self, reason)

    @wrap(clients.ClientRun, "ask")
    def run(good: Any, self: Any, asked: Any, *how: Any) -> Any:
        status = good(self, asked, *how)
        if status == UNREACHABLE:
            asked._complain("giving up")
        return status


@fault("SRV-14", transport="udp", service="echo")
def shows_an_echo_as_it_is() -> None:
    """prints the fields of an echo with all their control and direction characters"""
    patch(client, "visible", lambda given: given)


@fault("SRV-14", transport="tcp", service="time")
def forgets_separators() -> None:
    """prints U+2028 and U+2029 as they are"""
    patch(text, "_HIDDEN", re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"))


@fault("CLI-22", transport="udp", service="echo")
def takes_addresses_for_pairs() -> None:
    """dies of an IPv6 address, which has four parts"""

    @wrap(udp_client, "connect")
    def connect(good: Any, *how: Any) -> Any:
        sock = good(*how)
        _host, _port = sock.getpeername()
        return sock
