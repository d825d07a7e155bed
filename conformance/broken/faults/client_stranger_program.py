"""Clients whose author read the sentences about the program, its arguments and its streams too quickly."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from typing import Any

from conformance.broken import fault, patch, wrap
from spec import client, text
from spec.client import Client
from spec.codec import Reply
from spec.options import ClientOptions
from spec.program import arguments, lines, output, texts


def _shows(change: Any) -> None:
    """Have each line on standard output become what `change` makes of it, or be dropped for None."""

    @wrap(output, "show")
    def show(good: Any, line: str) -> None:
        changed = change(line)
        if changed is not None:
            good(changed)


@fault("CLI-1", transport="tcp", service="echo")
def says_where_it_is_on_standard_error() -> None:
    """prints on standard error that it is connected"""

    def change(line: str) -> str | None:
        if line.startswith("connected to "):
            print(line, file=sys.stderr)
            return None
        return line

    _shows(change)


@fault("CLI-1", transport="udp", service="echo")
def writes_ipv6_without_brackets() -> None:
    """says echo+udp://::1:7007"""
    _shows(lambda line: re.sub(r"[][]", "", line) if line.startswith("connected to ") else line)


@fault("CLI-1", transport="udp", service="time")
def is_not_connected_when_refused() -> None:
    """does not say that it is connected when the first valid reply is an ERR"""

    @wrap(Client, "_refuse")
    def refuse(good: Any, self: Any, reply: Reply) -> None:
        self.connected = True
        good(self, reply)


@fault("CLI-6", transport="udp", service="time")
def is_killed_by_sigpipe() -> None:
    """leaves SIGPIPE as the system has it, so that a broken standard output kills it"""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


@fault("CLI-1", transport="tcp", service="time")
def writes_in_the_encoding_of_the_locale() -> None:
    """writes its lines in the encoding that LC_ALL or LANG names"""

    if "UTF-8" not in os.environ.get("LC_ALL", "") + os.environ.get("LANG", ""):
        patch(lines, "_encode", lambda line: f"{line}\n".encode("ascii", "replace"))


@fault("CLI-6", transport="udp", service="time")
def knows_no_value_behind_equals() -> None:
    """takes the value of an option from the next word alone"""

    @wrap(arguments, "_parse")
    def parse(good: Any, parser: Any, words: list[str] | None) -> Any:
        given = list(sys.argv[1:] if words is None else words)
        return good(parser, [word.replace("=", " ") if word.startswith("--") else word for word in given])


@fault("CLI-3", transport="tcp", service="echo")
def prints_what_it_does_not_know() -> None:
    """prints the fields of a reply that this document does not name"""

    @wrap(Client, "_answer")
    def answer(good: Any, self: Any, reply: Reply, form: Any) -> None:
        good(self, reply, form)
        for name, value in reply.fields.items():
            if name not in form.fields:
                self._show(text.visible(f"{name}: {value}"))


@fault("CLI-3", transport="udp", service="echo")
def prints_in_the_order_of_the_reply() -> None:
    """prints the fields in the order in which they came"""

    @wrap(Client, "_answer")
    def answer(good: Any, self: Any, reply: Reply, form: Any) -> None:
        client.require(reply, *form.fields)
        self.connect()
        for name in reply.fields:
            if name in form.fields:
                self._show(text.visible(f"{name}: {reply.fields[name]}"))
        self.waiting = False


@fault("CLI-3", transport="tcp", service="echo")
def parts_replies_with_an_empty_line() -> None:
    """prints an empty line after each reply"""

    @wrap(Client, "_answer")
    def answer(good: Any, self: Any, *how: Any) -> None:
        good(self, *how)
        self._show("")


@fault("CLI-3", transport="udp", service="echo")
def trims_what_it_prints() -> None:
    """prints a line without the spaces at its end"""
    _shows(lambda line: line.rstrip(" "))


@fault("CLI-3", transport="udp", service="echo")
def takes_a_double_dash_for_a_message() -> None:
    """sends -- itself as its message, instead of what follows it"""

    @wrap(arguments, "_parse")
    def parse(good: Any, parser: Any, words: Any) -> Any:
        words = list(sys.argv[1:] if words is None else words)
        return good(parser, [*words[: words.index("--") + 1], "--"] if "--" in words else words)


def _reads(change: Any) -> None:
    """Have `change` stand for the lines of standard input: it gets the original and the service."""

    @wrap(texts, "_lines")
    def lines(good: Any, service: str) -> Iterator[bytes]:
        yield from change(lambda: good(service), service)


@fault("CLI-4", transport="tcp", service="echo")
def splits_lines_at_separators() -> None:
    """ends a message of standard input at U+2028 too"""
    _reads(lambda good, service: (part for line in good() for part in line.split(b"\xe2\x80\xa8")))


@fault("CLI-4", transport="udp", service="echo")
def skips_empty_lines() -> None:
    """passes over empty lines of standard input"""
    _reads(lambda good, service: (line for line in good() if line))


@fault("CLI-4", transport="tcp", service="echo")
def loses_the_last_line() -> None:
    """passes over a last line without LF"""
    _reads(lambda good, service: (line[:-1].removesuffix(b"\r") for line in sys.stdin.buffer if line.endswith(b"\n")))


@fault("CLI-4", transport="udp", service="time")
def keeps_the_cr_of_a_last_line() -> None:
    """takes a CR for a line's end only before LF"""
    _reads(lambda good, service: (line.replace(b"\r\n", b"\n").removesuffix(b"\n") for line in sys.stdin.buffer))


@fault("CLI-4", transport="udp", service="echo")
def waits_for_the_end_of_its_input() -> None:
    """sends its first message only when standard input has ended"""
    _reads(lambda good, service: list(good()))


@fault("CLI-4", transport="tcp", service="time")
def waits_for_the_end_although_it_needs_one_line() -> None:
    """subscribes only when standard input has ended"""
    _reads(lambda good, service: list(good()))


@fault("CLI-4", transport="tcp", service="echo")
def strips_every_cr() -> None:
    """takes any number of CRs before LF for the line's end"""
    _reads(lambda good, service: (line.rstrip(b"\r") for line in good()))


@fault("CLI-4", transport="udp", service="time")
def looks_for_a_name() -> None:
    """passes over empty lines before the name"""
    _reads(lambda good, service: (line for line in good() if line))


@fault("CLI-4", transport="tcp", service="echo")
def takes_an_empty_message_for_none() -> None:
    """reads standard input when the MESSAGE that it was given is empty"""

    @wrap(texts, "read_texts")
    def read_texts(good: Any, options: ClientOptions, reject: Any) -> Any:
        return good(options._replace(text=options.text or None), reject)


@fault("CLI-5", transport="tcp", service="echo")
def prompts_for_one_message_more() -> None:
    """asks again after each reply on a terminal, until the input ends"""

    def again(good: Any, service: str) -> Iterator[bytes]:
        if not sys.stdin.isatty():
            yield from good()
            return
        while lines := list(good()):
            yield from lines

    _reads(again)


@fault("CLI-6", transport="tcp", service="time")
def hears_no_signal_while_it_prints() -> None:
    """blocks signals while it waits for who reads its lines"""

    @wrap(lines, "_write")
    def write(good: Any, *how: Any) -> None:
        signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        good(*how)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
