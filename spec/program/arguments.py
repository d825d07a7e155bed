"""The command line that all servers and all clients share: SPEC.md, sections 12 and 13."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from spec.limits import CLIENTS_DEFAULT, IDLE_DEFAULT, INTERVAL_DEFAULT, TIMEOUT_DEFAULT
from spec.message import Message, message_of
from spec.options import DEFAULT_HOST, DEFAULT_PORTS, WRONG_USAGE, ClientOptions, ServerOptions
from spec.program.language import ENGLISH, language_for, set_language_of_argparse, translated, translator
from spec.program.open_files import CLIENTS_HERE, allow_open_files
from spec.program.output import fail, use_utf8
from spec.program.system import SHARES_PORTS
from spec.program.texts import checked_text
from spec.ticks import parse_interval

COMMAND_LINE = "/proc/self/cmdline"

HELP_COLUMNS = 78
"""Where help is wrapped; to ask how wide the terminal is, argparse would import ``shutil`` at each start: 3 ms."""

_DURATION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_Value = TypeVar("_Value")


class _Help(argparse.HelpFormatter):
    """Writes help in the language of the person who reads standard output."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=HELP_COLUMNS)

    def add_usage(self, usage: str | None, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, translator(sys.stdout)("usage: "))

    def start_section(self, heading: str | None) -> None:
        super().start_section(heading and translator(sys.stdout)(heading))

    def add_text(self, text: str | None) -> None:
        super().add_text(text and translated(text, translator(sys.stdout)))

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help and translator(sys.stdout)(action.help)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        if message.startswith("argument "):  # before Python 3.11 argparse has no translation of that word
            name, _, problem = message.removeprefix("argument ").partition(": ")
            wrong(name, problem)
        fail(message, WRONG_USAGE)  # SRV-10, SRV-12, CLI-8, CLI-10


def wrong(argument: str, problem: str) -> NoReturn:
    """Say what is wrong about an argument, and exit with status 2."""
    fail(Message("argument {argument}: {problem}", argument=argument, problem=problem), WRONG_USAGE)


def parse_server_options(arguments: Sequence[str] | None, transport: str) -> ServerOptions:
    """Return what the arguments (None: this process's own) ask for. Exits with status 2 on wrong usage."""
    use_utf8()
    parser = _parser(
        "%(prog)s {echo|time} [--host HOST] [--port N] [--interval S] [--max-clients N] [--idle-timeout S] [--quiet]"
        " [--reuse-port]",
        Message("A server over {transport} that keeps sockspec's SPEC.md.", transport=transport.upper()),
        _whole(0, 65535),
    )
    parser.add_argument("--interval", type=_checked(parse_interval), default=Decimal(INTERVAL_DEFAULT), metavar="S")
    parser.add_argument(
        "--max-clients", type=_whole(1), default=CLIENTS_HERE if transport == "tcp" else CLIENTS_DEFAULT, metavar="N"
    )
    parser.add_argument("--idle-timeout", type=_seconds, default=IDLE_DEFAULT, metavar="S")
    parser.add_argument("--quiet", action="store_true", help=Message("print no lines about clients"))
    parser.add_argument(
        "--reuse-port", action="store_true", help=Message("share the port with other servers that do so")
    )
    options = ServerOptions(transport=transport, **_parse(parser, arguments))
    if options.reuse_port and not SHARES_PORTS:
        wrong("--reuse-port", Message("this system lets no two servers share a port"))
    if transport == "tcp":
        try:
            allow_open_files(options.max_clients)
        except ValueError as error:
            wrong("--max-clients", message_of(error))
    return options


def parse_client_options(arguments: Sequence[str] | None, transport: str) -> ClientOptions:
    """Return what the arguments (None: this process's own) ask for. Exits with status 2 on wrong usage."""
    use_utf8()
    parser = _parser(
        "%(prog)s {echo|time} [--host HOST] [--port N] [--timeout S] [--ticks N] [MESSAGE|NAME]",
        Message("A client over {transport} that keeps sockspec's SPEC.md.", transport=transport.upper()),
        _whole(1, 65535),
    )
    parser.add_argument("--timeout", type=_seconds, default=TIMEOUT_DEFAULT, metavar="S")
    parser.add_argument("--ticks", type=_whole(1), metavar="N", help=Message("leave after so many ticks"))
    parser.add_argument("text", nargs="?", metavar="MESSAGE|NAME", help=Message("asked for if it is not given"))
    given = _parse(parser, arguments)
    if given["text"] is not None:
        try:
            encoded = given["text"].encode("utf-8", sys.getfilesystemencodeerrors())
            given["text"] = checked_text(given["service"], encoded)
        except ValueError as error:
            fail(message_of(error), WRONG_USAGE)
    return ClientOptions(transport=transport, **given)


def _parser(usage: str, description: str, port: Callable[[str], int]) -> _Parser:
    parser = _Parser(usage=usage, description=description, allow_abbrev=False, formatter_class=_Help)
    parser.add_argument("service", choices=sorted(DEFAULT_PORTS))
    parser.add_argument("--host", type=_host, default=DEFAULT_HOST)
    parser.add_argument("--port", type=port, metavar="N", help=Message("default: 7007 for echo, 7037 for time"))
    return parser


def _parse(parser: _Parser, arguments: Sequence[str] | None) -> dict[str, Any]:
    if (language := language_for(sys.stderr)) != ENGLISH:
        set_language_of_argparse(language)
    words = _own_words() if arguments is None else list(arguments)
    end = words.index("--") if "--" in words else len(words)  # argparse would drop a message that is "--" itself
    given: dict[str, Any] = vars(parser.parse_intermixed_args(words[:end]))
    rest = words[end + 1 :]
    if len(text := given.get("text") or "") > 1 and text.startswith("-"):
        _unrecognized(text)  # argparse takes -5 for a text
    if rest and given.get("text", "") is None:
        given["text"] = rest.pop(0)
    if rest:
        _unrecognized(" ".join(rest))
    if given["port"] is None:
        given["port"] = DEFAULT_PORTS[given["service"]]
    return given


def _own_words() -> list[str]:
    """Return this process's words, decoded as UTF-8 (CLI-8), whatever the locale says. Exits where that cannot be.

    Python decodes them as the locale says, and not each encoding gives back what came: EUC-JP does not.
    """
    words = sys.argv[1:]
    if sys.getfilesystemencoding() == "utf-8":
        return words
    try:
        own = _own_bytes(len(words)) or [os.fsencode(word) for word in words]
    except UnicodeEncodeError:
        fail(Message("not well-formed UTF-8"), WRONG_USAGE)
    return [word.decode("utf-8", "surrogateescape") for word in own]


def _own_bytes(count: int) -> list[bytes]:
    """Return the last words of the command line as they came, where Linux shows them; none elsewhere."""
    with suppress(OSError), open(COMMAND_LINE, "rb") as file:
        whole = file.read().split(b"\0")[:-1]
        if len(whole) == len(sys.orig_argv) and sys.orig_argv[len(whole) - count :] == sys.argv[1:]:
            return whole[len(whole) - count :]
    return []


def _unrecognized(words: str) -> NoReturn:
    fail(Message("unrecognized arguments: {words}", words=words), WRONG_USAGE)


def _checked(parse: Callable[[str], _Value]) -> Callable[[str], _Value]:
    """Let argparse print why a value is wrong, not only that it is."""

    def checked(text: str) -> _Value:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(translated(message_of(error), translator(sys.stderr))) from None

    return checked


def _whole(least: int, most: int | None = None) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) and (most is None or int(text) <= most)):
            if most is None:
                raise ValueError(Message("{text!r} is no whole number from {least}", text=text, least=least))
            raise ValueError(
                Message("{text!r} is no whole number from {least} to {most}", text=text, least=least, most=most)
            )
        return int(text)

    return _checked(parse)


@_checked
def _host(text: str) -> str:
    if text.startswith("-"):
        raise ValueError(Message("{text!r} is no host", text=text))  # but the next option, behind a forgotten value
    return text


@_checked
def _seconds(text: str) -> float:
    if not (_DURATION.fullmatch(text) and float(text) > 0):
        raise ValueError(Message("{text!r} is no number of seconds above 0", text=text))
    return float(text)
