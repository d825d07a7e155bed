"""Clients that get their command line, their streams or their exit status wrong."""

import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any

from conformance.broken import fault, patch, wrap
from impl_raw import tcp_client, udp_client
from spec import client, text
from spec.client import Client
from spec.codec import Reply
from spec.datagram_client import DatagramClient
from spec.options import REFUSED, UNREACHABLE, WRONG_USAGE
from spec.program import arguments, clients, language, output, signals, texts
from spec.stream_client import StreamClient


@fault("CLI-1")
def prints_the_host_as_it_was_given() -> None:
    """prints the host that it was given, not the address that it reached"""

    @wrap(Client, "__init__")
    def init(good: Any, self: Any, options: Any, url: str, *how: Any) -> None:
        good(self, options, options.url, *how)


@fault("CLI-1", service="time")
def keeps_lines_in_a_buffer() -> None:
    """writes its lines into a pipe only when there are many, or when it ends"""
    patch(output, "show", lambda line: sys.stdout.buffer.write(f"{line}\n".encode()))


@fault("CLI-1")
def speaks_the_language_of_the_locale() -> None:
    """speaks the language of the locale, whoever reads it"""
    patch(language, "language_for", lambda stream: language.language_of())


@fault("CLI-8", service="echo")
def fails_where_it_cannot_complain() -> None:
    """exits with 120 when standard error is full, as a Python program does that leaves that to the interpreter"""
    patch(output, "complain", lambda line: print(f"error: {line!r}", file=sys.stderr))


@fault("CLI-8", service="echo")
def waits_for_a_reader_of_its_errors() -> None:
    """waits until somebody reads standard error, if that is a full pipe"""

    def complain(line: str) -> None:
        with suppress(OSError):
            os.write(2, f"error: {line!r}\n".encode())

    patch(output, "complain", complain)


@fault("CLI-4", service="echo")
def takes_a_carriage_return_for_text() -> None:
    """takes the CR of a CRLF for a part of the message"""

    @wrap(texts, "_lines")
    def lines(good: Any, service: str) -> Iterator[bytes]:
        yield from (line.removesuffix(b"\n") for line in sys.stdin.buffer)


@fault("CLI-4", service="echo", transport="tcp")
def makes_a_connection_for_each_message() -> None:
    """makes a connection for each message"""

    @wrap(tcp_client, "converse")
    def converse(good: Any, sock: socket.socket, *how: Any) -> None:
        with socket.create_connection(sock.getpeername()) as another:
            good(another, *how)


@fault("CLI-4", service="time")
def takes_the_last_line_for_its_name() -> None:
    """takes the last line of standard input for its name"""

    @wrap(texts, "_lines")
    def lines(good: Any, service: str) -> Iterator[bytes]:
        yield sys.stdin.buffer.read().splitlines()[-1]


@fault("CLI-4", service="echo")
def keeps_the_last_carriage_return() -> None:
    """takes the CR of a last line that lacks its LF for a part of the message"""

    @wrap(texts, "_lines")
    def lines(good: Any, service: str) -> Iterator[bytes]:
        for line in sys.stdin.buffer:
            yield line.removesuffix(b"\n").removesuffix(b"\r") if line.endswith(b"\n") else line


def _prompts_if(wrongly: Any) -> None:
    @wrap(texts, "_lines")
    def lines(good: Any, service: str) -> Iterator[bytes]:
        if wrongly():
            print("your words: ", end="", flush=True)
        yield from good(service)


@fault("CLI-5")
def prompts_a_pipe() -> None:
    """prompts although standard input is no terminal"""
    _prompts_if(lambda: not sys.stdin.isatty())


@fault("CLI-5")
def prompts_into_a_pipe() -> None:
    """prompts although standard output is no terminal"""
    _prompts_if(lambda: sys.stdin.isatty() and not sys.stdout.isatty())


@fault("CLI-5", service="echo")
def takes_all_lines_of_a_terminal() -> None:
    """takes more than one line from a terminal where standard output is none"""

    @wrap(texts, "_lines")
    def lines(good: Any, service: str) -> Iterator[bytes]:
        if sys.stdin.isatty() and not sys.stdout.isatty():
            yield from (line.removesuffix(b"\n") for line in sys.stdin.buffer)
        else:
            yield from good(service)


@fault("CLI-6", service="time")
def fails_when_it_is_stopped() -> None:
    """takes a signal that stops a subscriber for an error"""
    patch(Client, "stop", lambda self: self.fail("stopped"))


@fault("CLI-6", service="time", transport="udp")
def takes_a_challenge_for_a_subscription() -> None:
    """exits with status 0 when it is stopped after a CHALLENGE or a TICK, before the OK"""

    @wrap(Client, "stop")
    def stop(good: Any, self: Client) -> None:
        if not self.connected:
            good(self)


@fault("CLI-6", service="time")
def dies_of_a_signal() -> None:
    """does not handle SIGTERM"""
    patch(signal, "signal", lambda number, handler: None)


@fault("CLI-6", service="time")
def counts_ticks_in_32_bits() -> None:
    """leaves after one tick if it is to print 4294967297"""

    @wrap(Client, "__init__")
    def init(good: Any, self: Any, options: Any, *how: Any) -> None:
        good(self, options._replace(ticks=options.ticks and options.ticks % 2**32), *how)


@fault("CLI-6")
def is_killed_by_the_second_signal() -> None:
    """lets a second signal kill it while it tidies up after the first"""

    @wrap(signals, "on_first_signal")
    def on_first_signal(good: Any, act: Any) -> None:
        def handle(number: int) -> None:
            for each in signal.SIGINT, signal.SIGTERM:
                signal.signal(each, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGTERM])
            time.sleep(0.05)
            act(number)

        good(handle)


@fault("CLI-6")
def looks_for_signals_now_and_then() -> None:
    """ends three seconds after the signal that stops it"""

    @wrap(signals, "on_first_signal")
    def on_first_signal(good: Any, act: Any) -> None:
        def handle(number: int) -> None:
            time.sleep(3)
            act(number)

        good(handle)


@fault("CLI-6")
def lingers_when_it_is_done() -> None:
    """ends three seconds after its last answer"""

    def linger(status: int) -> int:
        time.sleep(0 if status else 3)
        return status

    for program in tcp_client, udp_client:
        _wrap_main(program, linger)


@fault("CLI-6")
def is_killed_by_sighup() -> None:
    """lets SIGHUP kill it"""
    patch(signals, "_STOPPING", (signal.SIGINT, signal.SIGTERM))


@fault("CLI-6")
def succeeds_with_1() -> None:
    """exits with status 1 when it has done what it was asked for"""
    for program in tcp_client, udp_client:
        _wrap_main(program, lambda status: status or 1)


def _wrap_main(program: ModuleType, change: Callable[[int], int]) -> None:
    @wrap(program, "main")
    def main(good: Any, arguments: Sequence[str]) -> int:
        return change(good(arguments))


@fault("CLI-8")
def sends_what_a_server_would_refuse() -> None:
    """sends a message or name that breaks the rules"""
    patch(texts, "checked_text", lambda service, encoded: encoded.decode(errors="replace"))


@fault("CLI-6")
def takes_a_hyphen_for_standard_input() -> None:
    """reads standard input if its text is a lone hyphen"""

    @wrap(texts, "read_texts")
    def read_texts(good: Any, options: Any, *how: Any) -> Any:
        return good(options._replace(text=None if options.text == "-" else options.text), *how)


@fault("CLI-8")
def exits_with_1_on_wrong_usage() -> None:
    """exits with status 1 on wrong usage"""
    patch(arguments._Parser, "error", lambda self, message: output.fail(message, UNREACHABLE))


@fault("CLI-8")
def takes_any_number() -> None:
    """takes numbers that are not allowed, such as port 0"""

    @wrap(arguments, "_whole")
    def whole(good: Any, *limits: int) -> Any:
        return good(0)


@fault("CLI-8", service="echo")
def stops_at_a_bad_line() -> None:
    """does not go on with the next message after a bad one"""

    @wrap(Client, "reject")
    def reject(good: Any, self: Client, reason: str, status: int = WRONG_USAGE) -> None:
        good(self, reason, status)
        if status == WRONG_USAGE:
            raise SystemExit(status)


@fault("CLI-9")
def takes_a_refusal_for_an_outage() -> None:
    """exits with status 1 when the server answered ERR"""
    patch(client, "REFUSED", UNREACHABLE)


@fault("CLI-9")
def keeps_the_reason_to_itself() -> None:
    """prints the code of an ERR, but not the reason"""

    def refuse(self: Client, reply: Reply) -> None:
        self.connect()
        self.fail(f"the server answered {reply.fields['code']}", REFUSED)

    patch(Client, "_refuse", refuse)


@fault("CLI-9", service="echo")
def goes_on_with_a_busy_server() -> None:
    """sends the next message to a server that is busy"""

    @wrap(Client, "_refuse")
    def refuse(good: Any, self: Client, reply: Reply) -> None:
        good(self, reply)
        self.over = False


@fault("CLI-9", service="echo")
def exits_with_the_last_status() -> None:
    """exits with the status of the last error, not with that of the gravest"""

    @wrap(Client, "reject")
    def reject(good: Any, self: Client, reason: str, status: int = WRONG_USAGE) -> None:
        good(self, reason, status)
        self.status = status


@fault("CLI-9", service="echo")
def forgets_an_error_at_the_next_answer() -> None:
    """exits with status 0 when the last message was answered OK, though an earlier one was not"""

    @wrap(Client, "_answer")
    def answer(good: Any, self: Client, *how: Any) -> None:
        good(self, *how)
        self.status = 0


@fault("CLI-10")
def says_an_error_in_two_lines() -> None:
    """says an error in two lines"""

    @wrap(output, "complain")
    def complain(good: Any, line: str) -> None:
        good("what follows")
        good(line)


@fault("CLI-10", transport="tcp")
def leaves_errors_to_a_traceback() -> None:
    """ends with a traceback instead of a line"""

    def fail(self: StreamClient, reason: str, status: int = UNREACHABLE) -> None:
        raise RuntimeError(reason)

    patch(StreamClient, "fail", fail)


@fault("CLI-10")
def hides_its_errors() -> None:
    """says no error"""
    patch(output, "complain", lambda line: None)


@fault("CLI-7")
def tries_one_address_alone() -> None:
    """tries the first address of a name alone"""

    @wrap(socket, "getaddrinfo")
    def getaddrinfo(good: Any, *how: Any, **named: Any) -> Any:
        return good(*how, **named)[:1]


@fault("CLI-7", transport="udp")
def goes_on_with_its_times_at_the_next_address() -> None:
    """does not start the times of its repetitions anew at the next address of a name"""

    @wrap(clients.ClientRun, "open")
    def open_next(good: Any, self: Any, *how: Any) -> Any:
        before = self._clients
        client = good(self, *how)
        vars(client)["sent_before"] = sum(each._sendings for each in before)
        return client

    @wrap(DatagramClient, "_send_new")
    def send_new(good: Any, self: DatagramClient, request: bytes, now: float) -> Any:
        out = good(self, request, now)
        self._sendings += vars(self)["sent_before"]
        return out


@fault("CLI-22")
def knows_ipv4_alone() -> None:
    """finds IPv4 addresses only"""

    @wrap(socket, "getaddrinfo")
    def getaddrinfo(good: Any, host: str, port: int, family: int = 0, type: int = 0) -> Any:
        return good(host, port, socket.AF_INET, type)


@fault("SRV-14", service="time")
def prints_a_name_as_it_came() -> None:
    """lets a name with control and direction characters reach the terminal"""
    patch(text, "visible", lambda shown: shown)


@fault("SRV-14", service="time")
def shows_hidden_characters_only_beside_separators() -> None:
    """lets a name's direction characters through, but not where its pattern of a tick ends at U+2028"""

    @wrap(text, "visible")
    def visible(good: Any, shown: str) -> str:
        return str(good(shown)) if "\u2028" in shown else shown


@fault("SRV-14", service="time")
def doubles_a_backslash() -> None:
    """doubles the backslashes of a name"""

    @wrap(text, "visible")
    def visible(good: Any, shown: str) -> str:
        return str(good(shown.replace("\\", "\\\\")))


@fault("CLI-8")
def passes_over_a_word_behind_two_hyphens() -> None:
    """passes over a word that follows -- although it has its text already"""

    @wrap(arguments, "_unrecognized")
    def unrecognized(good: Any, words: str) -> None:
        if words.startswith("-"):
            good(words)


@fault("CLI-9", service="echo", transport="udp")
def forgets_its_status_at_the_next_address() -> None:
    """exits with status 0 when it has refused a message before it went on to the next address of a name"""

    @wrap(clients.ClientRun, "open")
    def open_(good: Any, self: Any, *how: Any) -> Any:
        opened = good(self, *how)
        opened.status = 0
        return opened


@fault("CLI-7", transport="tcp")
def waits_for_a_connection_for_a_second() -> None:
    """gives up after a second where the connection does not stand, whatever its timeout"""

    @wrap(clients, "run_client")
    def run_client(good: Any, options: Any, look_up: Any, talk: Any) -> Any:
        return good(options, look_up, lambda place, seconds, run: talk(place, min(seconds, 1), run))


@fault("CLI-4", service="echo")
def takes_no_empty_line_from_a_terminal() -> None:
    """takes an empty line that is typed for the end of its input"""

    @wrap(texts, "_lines")
    def lines(good: Any, service: str) -> Iterator[bytes]:
        return filter(None, good(service)) if sys.stdin.isatty() else good(service)


@fault("CLI-6")
def knows_milliseconds_alone() -> None:
    """takes no more than three digits behind the point of a timeout for a number"""
    patch(arguments, "_DURATION", re.compile(r"[0-9]{1,9}(\.[0-9]{1,3})?"))
