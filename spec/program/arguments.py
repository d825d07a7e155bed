"""The command line that all servers and all clients share: SPEC.md, sections 12 and 13."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from spec.limits import CLIENTS_DEFAULT, IDLE_DEFAULT, INTERVAL_DEFAULT, TIMEOUT_DEFAULT
from spec.options import DEFAULT_HOST, DEFAULT_PORTS, WRONG_USAGE, ClientOptions, ServerOptions
from spec.program.open_files import CLIENTS_HERE, allow_open_files
from spec.program.output import fail, use_utf8
from spec.program.system import SHARES_PORTS
from spec.program.texts import checked_text
from spec.ticks import parse_interval

_DURATION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_Value = TypeVar("_Value")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        fail(message, WRONG_USAGE)  # SRV-10, SRV-12, CLI-8, CLI-10


def parse_server_options(arguments: Sequence[str] | None, transport: str) -> ServerOptions:
    """Return what the arguments (None: this process's own) ask for. Exits with status 2 on wrong usage."""
    use_utf8()
    parser = _parser(
        "%(prog)s {echo|time} [--host HOST] [--port N] [--interval S] [--max-clients N] [--idle-timeout S] [--quiet]"
        " [--reuse-port]",
        f"A server over {transport.upper()} that keeps sockspec's SPEC.md.",
        _whole(0, 65535),
    )
    parser.add_argument("--interval", type=_checked(parse_interval), default=Decimal(INTERVAL_DEFAULT), metavar="S")
    parser.add_argument(
        "--max-clients", type=_whole(1), default=CLIENTS_HERE if transport == "tcp" else CLIENTS_DEFAULT, metavar="N"
    )
    parser.add_argument("--idle-timeout", type=_seconds, default=IDLE_DEFAULT, metavar="S")
    parser.add_argument("--quiet", action="store_true", help="print no lines about clients")
    parser.add_argument("--reuse-port", action="store_true", help="share the port with other servers that do so")
    options = ServerOptions(transport=transport, **_parse(parser, arguments))
    if options.reuse_port and not SHARES_PORTS:
        parser.error("argument --reuse-port: this system lets no two servers share a port")
    if transport == "tcp":
        try:
            allow_open_files(options.max_clients)
        except ValueError as error:
            parser.error(f"argument --max-clients: {error}")
    return options


def parse_client_options(arguments: Sequence[str] | None, transport: str) -> ClientOptions:
    """Return what the arguments (None: this process's own) ask for. Exits with status 2 on wrong usage."""
    use_utf8()
    parser = _parser(
        "%(prog)s {echo|time} [--host HOST] [--port N] [--timeout S] [--ticks N] [MESSAGE|NAME]",
        f"A client over {transport.upper()} that keeps sockspec's SPEC.md.",
        _whole(1, 65535),
    )
    parser.add_argument("--timeout", type=_seconds, default=TIMEOUT_DEFAULT, metavar="S")
    parser.add_argument("--ticks", type=_whole(1), metavar="N", help="leave after so many ticks")
    parser.add_argument("text", nargs="?", metavar="MESSAGE|NAME", help="asked for if it is not given")
    given = _parse(parser, arguments)
    if given["text"] is not None:
        try:
            given["text"] = checked_text(given["service"], os.fsencode(given["text"]))
        except ValueError as error:
            parser.error(str(error))
    return ClientOptions(transport=transport, **given)


def _parser(usage: str, description: str, port: Callable[[str], int]) -> _Parser:
    parser = _Parser(usage=usage, description=description, allow_abbrev=False)
    parser.add_argument("service", choices=sorted(DEFAULT_PORTS))
    parser.add_argument("--host", type=_host, default=DEFAULT_HOST)
    parser.add_argument("--port", type=port, metavar="N", help="default: 7007 for echo, 7037 for time")
    return parser


def _parse(parser: _Parser, arguments: Sequence[str] | None) -> dict[str, Any]:
    words = list(sys.argv[1:] if arguments is None else arguments)
    end = words.index("--") if "--" in words else len(words)  # argparse would drop a message that is "--" itself
    given: dict[str, Any] = vars(parser.parse_intermixed_args(words[:end]))
    rest = words[end + 1 :]
    if len(text := given.get("text") or "") > 1 and text.startswith("-"):
        parser.error(f"unrecognized arguments: {text}")  # argparse takes -5 for a text
    if rest and given.get("text", "") is None:
        given["text"] = rest.pop(0)
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if given["port"] is None:
        given["port"] = DEFAULT_PORTS[given["service"]]
    return given


def _checked(parse: Callable[[str], _Value]) -> Callable[[str], _Value]:
    """Let argparse print why a value is wrong, not only that it is."""

    def checked(text: str) -> _Value:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked


def _whole(least: int, most: int | None = None) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) and (most is None or int(text) <= most)):
            raise ValueError(f"{text!r} is no whole number from {least}" + (f" to {most}" if most is not None else ""))
        return int(text)

    return _checked(parse)


@_checked
def _host(text: str) -> str:
    if text.startswith("-"):
        raise ValueError(f"{text!r} is no host")  # but the next option, behind a forgotten value
    return text


@_checked
def _seconds(text: str) -> float:
    if not (_DURATION.fullmatch(text) and float(text) > 0):
        raise ValueError(f"{text!r} is no number of seconds above 0")
    return float(text)
