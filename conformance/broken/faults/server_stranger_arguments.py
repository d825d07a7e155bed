"""Servers whose author read the sentences about signals, the command line and exit statuses too quickly."""

import re
import signal
import socket
import struct
import sys
import time
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from conformance.broken import fault, patch, wrap
from conformance.broken.faults.server_stranger_program import _says
from impl_raw import tcp_server, udp_server
from impl_raw.tcp_server import Server
from spec import ticks
from spec.options import ServerOptions
from spec.program import arguments, open_files, output, signals


@fault("SRV-8", transport="udp", service="time")
def is_quiet_about_its_end() -> None:
    """does not print stopped with --quiet"""
    if "--quiet" in sys.argv:
        _says(lambda line: None if line == "stopped" else line)


@fault("SRV-8", transport="tcp", service="time")
def exits_with_the_signal() -> None:
    """exits with 130 or 143, as a shell says it of a signal"""

    @wrap(tcp_server, "main")
    def main(good: Any, given: Any) -> int:
        return good(given) or 128 + signal.SIGTERM


@fault("SRV-8", transport="udp", service="echo")
def ignores_sigint() -> None:
    """stops at SIGTERM alone"""
    patch(signals, "_STOPPING", signals._STOPPING[1:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@fault("SRV-8", transport="tcp", service="echo")
def waits_for_its_clients() -> None:
    """stops when its last client has left"""

    @wrap(Server, "serve")
    def serve(good: Any, self: Server, noted: Any) -> None:
        while not noted or self.connections:
            self.step((), time.monotonic() + 0.2)
        good(self, noted)


@fault("SRV-8", transport="udp", service="echo")
def looks_for_signals_every_two_seconds() -> None:
    """sees a signal up to two seconds late when nobody asks it anything"""
    patch(udp_server, "struct", SimpleNamespace(pack=lambda *_: struct.pack("@ll", 2, 0)))


@fault("SRV-8", transport="tcp", service="time")
def says_left_after_stopped() -> None:
    """prints which clients it still had after it has printed stopped"""
    held: list[str] = []
    signalled: list[Any] = []

    @wrap(Server, "serve")
    def serve(good: Any, self: Server, noted: Any) -> None:
        signalled.append(noted)
        good(self, noted)

    def later(line: str) -> str | None:
        if line == "stopped":
            return "\n".join([line, *held])
        if line.endswith(" left") and any(signalled):
            held.append(line)
            return None
        return line

    _says(later)


@fault("SRV-9", transport="udp", service="echo")
def answers_one_request_more() -> None:
    """answers one of the datagrams that had come when the signal came"""

    @wrap(udp_server, "answer")
    def answer(good: Any, sock: Any, endpoint: Any, flags: int = 0) -> Any:
        came = good(sock, endpoint, flags)
        return came and sock.gettimeout() != 0.0


@fault("SRV-9", transport="tcp", service="echo")
def forgets_unsent_replies_when_it_stops() -> None:
    """drops the replies that the sockets have not taken when the signal comes"""

    @wrap(Server, "serve")
    def serve(good: Any, self: Server, noted: Any) -> None:
        while not noted:
            self.step(noted, float("inf"))
        for connection in list(self.connections):
            if connection.unsent:
                self.drop(connection)
        good(self, noted)


def _parser_with(change: Any) -> None:
    @wrap(arguments, "_parser")
    def parser(good: Any, *how: Any) -> Any:
        made = good(*how)
        change(made)
        return made


@fault("SRV-10", transport="udp", service="time")
def takes_abbreviations() -> None:
    """takes --int for --interval"""
    _parser_with(lambda parser: setattr(parser, "allow_abbrev", True))


@fault("SRV-10", transport="tcp", service="time")
def takes_floats_for_intervals() -> None:
    """takes an interval such as 1e0, +1 or .5"""

    def parse(given: str) -> Decimal:
        if not 0.01 <= float(given) <= 86400:
            raise ValueError("out of its limits")
        return Decimal(str(float(given)))

    patch(arguments, "parse_interval", parse)


@fault("SRV-10", transport="udp", service="echo")
def does_not_check_what_it_has_no_use_for() -> None:
    """takes any value of --interval, since an echo server has no use for it"""
    patch(arguments, "parse_interval", lambda given: Decimal(3))


@fault("SRV-10", transport="tcp", service="time")
def takes_leading_zeros_for_octal() -> None:
    """reads a number with a leading zero as an octal one, as strtol does"""
    good = arguments._whole

    def whole(least: int, most: int | None = None) -> Any:
        return lambda given: good(least, most)(str(int(given, 8)) if given.startswith("0") else given)

    patch(arguments, "_whole", whole)


@fault("SRV-10", transport="udp", service="time")
def checks_the_last_port_alone() -> None:
    """checks, of two values of one option, that which counts"""

    @wrap(arguments, "_parse")
    def parse(good: Any, parser: Any, words: list[str] | None) -> Any:
        given = list(sys.argv[1:] if words is None else words)
        while given.count("--port") > 1:
            first = given.index("--port")
            del given[first : first + 2]
        return good(parser, given)


@fault("SRV-10", transport="tcp", service="echo")
def takes_digits_of_any_script() -> None:
    """takes Arabic digits for a number"""
    good = arguments._whole

    def whole(least: int, most: int | None = None) -> Any:
        return lambda given: good(least, most)(str(int(given)) if given.isdigit() else given)

    patch(arguments, "_whole", whole)


@fault("SRV-10", transport="udp", service="time")
def takes_an_interval_of_a_millisecond() -> None:
    """takes an interval below its limit"""
    patch(ticks, "INTERVAL_MIN", 0.001)


@fault("SRV-10", transport="tcp", service="time")
def takes_more_digits_of_fraction() -> None:
    """takes an interval with more than three digits of fraction"""
    patch(ticks, "_PLAIN_DECIMAL", re.compile(r"[0-9]+(\.[0-9]+)?"))


@fault("SRV-10", transport="tcp", service="echo")
def promises_more_clients_than_files() -> None:
    """starts with a limit of clients for which the system lets it open too few files"""
    patch(arguments, "allow_open_files", lambda clients: None)


@fault("SRV-10", transport="tcp", service="echo")
def forgets_the_files_of_its_own() -> None:
    """starts with as many clients as the system lets it open files, though it needs some itself"""
    patch(open_files, "_count_open_files", lambda: 0)
    patch(open_files, "_OTHER_FILES", 0)


@fault("SRV-10", transport="tcp", service="echo")
def takes_the_first_of_two_limits() -> None:
    """heeds the first --max-clients of several"""

    @wrap(arguments, "_parse")
    def parse(good: Any, parser: Any, given: Any) -> Any:
        words = list(sys.argv[1:] if given is None else given)
        limits = [word for word in words if word.startswith("--max-clients=")]
        return good(parser, [word for word in words if word not in limits[1:]])


@fault("SRV-11", transport="tcp", service="echo")
def looks_for_a_free_port() -> None:
    """listens on any free port when its own is in use"""

    @wrap(tcp_server, "listen")
    def listen(good: Any, options: ServerOptions) -> Any:
        try:
            return good(options)
        except OSError:
            return good(options._replace(port=0))


@fault("SRV-11", transport="udp", service="time")
def shares_its_port() -> None:
    """listens on a port on which another server of its kind listens already"""

    class Sharing(socket.socket):
        def bind(self, where: Any) -> None:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            super().bind(where)

    patch(socket, "socket", Sharing)


@fault("SRV-12", transport="udp", service="echo")
def says_why_on_standard_output() -> None:
    """says on standard output why it exits"""

    def fail(line: str, status: int) -> None:
        print(f"error: {line}")
        raise SystemExit(status)

    patch(output, "fail", fail)


@fault("SRV-12", transport="tcp", service="time")
def leaves_a_bad_name_to_a_traceback() -> None:
    """ends with a traceback for a host name that is too long to be one"""
    vars(tcp_server)["UnicodeError"] = ZeroDivisionError
