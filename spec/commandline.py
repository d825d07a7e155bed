"""The command line that all servers and all clients share: SPEC.md, sections 12 and 13."""

import argparse
import os
import re
import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from io import TextIOWrapper
from typing import Any, NamedTuple, NoReturn, TypeVar

from spec.address import format_url
from spec.codec import RequestError, check_message, check_name
from spec.limits import (
    CLIENTS_DEFAULT,
    ECHO_PORT,
    IDLE_DEFAULT,
    INTERVAL_DEFAULT,
    MESSAGE_BYTES,
    TIME_PORT,
    TIMEOUT_DEFAULT,
)
from spec.text import visible
from spec.ticks import parse_interval

UNREACHABLE = 1
WRONG_USAGE = 2
REFUSED = 3

_PORTS = {"echo": ECHO_PORT, "time": TIME_PORT}
_DURATION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_OTHER_FILES = 16  # listener, selector and the like
_Value = TypeVar("_Value")


class ServerOptions(NamedTuple):
    """What a server was asked for. Intervals and timeouts are in seconds."""

    service: str
    transport: str
    host: str = "127.0.0.1"
    port: int = 0
    interval: Decimal = Decimal(INTERVAL_DEFAULT)
    max_clients: int = CLIENTS_DEFAULT
    idle_timeout: float = IDLE_DEFAULT
    quiet: bool = False

    @property
    def url(self) -> str:
        """Where to listen; the host as it was given."""
        return format_url(self.service, self.transport, (self.host, self.port))


class ClientOptions(NamedTuple):
    """What a client was asked for; the timeout is in seconds, ``text`` the message or name, if one was given."""

    service: str
    transport: str
    host: str = "127.0.0.1"
    port: int = 0
    timeout: float = TIMEOUT_DEFAULT
    ticks: int | None = None
    text: str | None = None

    @property
    def url(self) -> str:
        """What to talk to; the host as it was given."""
        return format_url(self.service, self.transport, (self.host, self.port))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        fail(message, WRONG_USAGE)  # SRV-10, SRV-12, CLI-8, CLI-10


def say(line: str) -> None:
    """Print a server's line on standard output, whole from any thread. It serves on where it cannot be printed."""
    try:
        sys.stdout.write(f"{line}\n")
    except OSError:  # the reader has gone, or the disk is full
        _discard_output()


def show(line: str) -> None:
    """Print a client's line on standard output. Exits when its reader has gone: nobody is left to show anything."""
    try:
        sys.stdout.write(f"{line}\n")
    except BrokenPipeError:
        _discard_output()
        raise SystemExit(UNREACHABLE) from None
    except OSError as error:
        _discard_output()
        fail(f"cannot print: {explain(error)}", UNREACHABLE)


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def ignore(line: str) -> None:
    """Print nothing: what ``--quiet`` makes of the lines about clients (SRV-7)."""


def complain(line: str) -> None:
    """Print a line on standard error."""
    print(f"error: {visible(line)}", file=sys.stderr)


def fail(line: str, status: int) -> NoReturn:
    """Print a line on standard error and exit with that status."""
    complain(line)
    raise SystemExit(status)


def explain(error: BaseException) -> str:
    """Return why a socket could not be had, for a person."""
    if isinstance(error, UnicodeError):
        return "not a host name"
    return (isinstance(error, OSError) and error.strerror) or str(error) or "stopped"


def parse_server_options(arguments: Sequence[str] | None, transport: str) -> ServerOptions:
    """Return what the arguments (None: this process's own) ask for. Exits with status 2 on wrong usage."""
    _speak_utf8()
    parser = _parser(
        "%(prog)s {echo|time} [--host HOST] [--port N] [--interval S] [--max-clients N] [--idle-timeout S] [--quiet]",
        f"A server over {transport.upper()} that keeps sockspec's SPEC.md.",
        _whole(0, 65535),
    )
    parser.add_argument("--interval", type=_checked(parse_interval), default=Decimal(INTERVAL_DEFAULT), metavar="S")
    parser.add_argument("--max-clients", type=_whole(1), default=CLIENTS_DEFAULT, metavar="N")
    parser.add_argument("--idle-timeout", type=_seconds, default=IDLE_DEFAULT, metavar="S")
    parser.add_argument("--quiet", action="store_true", help="print no lines about clients")
    options = ServerOptions(transport=transport, **_parse(parser, arguments))
    if transport == "tcp":
        _allow_open_files(parser, options.max_clients)
    return options


def parse_client_options(arguments: Sequence[str] | None, transport: str) -> ClientOptions:
    """Return what the arguments (None: this process's own) ask for. Exits with status 2 on wrong usage."""
    _speak_utf8()
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
            given["text"] = _checked_text(given["service"], os.fsencode(given["text"]))
        except ValueError as error:
            parser.error(str(error))
    return ClientOptions(transport=transport, **given)


def read_texts(options: ClientOptions, reject: Callable[[str], object]) -> Iterator[str]:
    """Yield what to send: MESSAGE or NAME if given, else a terminal's answer or each line of standard input (CLI-4).

    A text that breaks the rules is told to ``reject`` and not yielded; so is the lack of any.
    """
    if options.text is not None:
        yield options.text
        return
    number = 0
    for number, line in enumerate(_lines(options.service), 1):
        try:
            yield _checked_text(options.service, line)
        except ValueError as error:
            reject(f"line {number}: {error}")
        if options.service == "time":
            return
    if not number:
        reject("no message" if options.service == "echo" else "no name")


def _lines(service: str) -> Iterator[bytes]:
    if not sys.stdin.isatty():
        yield from (line.removesuffix(b"\n").removesuffix(b"\r") for line in sys.stdin.buffer)
        return
    prompting = sys.stdout.isatty()  # CLI-5
    line = b""
    try:
        if prompting:
            print("your message: " if service == "echo" else "your name: ", end="", flush=True)
        line = sys.stdin.buffer.readline()
    finally:
        if prompting and not line:
            print()  # after Ctrl-C or Ctrl-D the cursor still stands behind the prompt
    if line:
        yield line.removesuffix(b"\n")


def _checked_text(service: str, encoded: bytes) -> str:
    """Return a message or name. Raises ValueError for one that a server would refuse."""
    if service == "echo" and len(encoded) > MESSAGE_BYTES:
        raise ValueError(f"a message is at most {MESSAGE_BYTES} bytes")
    try:
        text = encoded.decode()
        (check_message if service == "echo" else check_name)(text)
    except UnicodeDecodeError:
        raise ValueError("not well-formed UTF-8") from None
    except RequestError as error:
        raise ValueError(f"{error.code}: {error.reason}") from None
    return text


def _parser(usage: str, description: str, port: Callable[[str], int]) -> _Parser:
    parser = _Parser(usage=usage, description=description, allow_abbrev=False)
    parser.add_argument("service", choices=sorted(_PORTS))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=port, metavar="N", help="default: 7007 for echo, 7037 for time")
    return parser


def _parse(parser: _Parser, arguments: Sequence[str] | None) -> dict[str, Any]:
    words = list(sys.argv[1:] if arguments is None else arguments)
    end = words.index("--") if "--" in words else len(words)  # argparse would drop a message that is "--" itself
    given: dict[str, Any] = vars(parser.parse_intermixed_args(words[:end]))
    rest = words[end + 1 :]
    if rest and given.get("text", "") is None:
        given["text"] = rest.pop(0)
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if given["port"] is None:
        given["port"] = _PORTS[given["service"]]
    return given


def _allow_open_files(parser: _Parser, clients: int) -> None:
    """Raise the process's soft limit of open files, so that each client can have its socket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = clients + len(os.listdir("/dev/fd")) + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            parser.error(
                f"argument --max-clients: {clients} clients, but the limit of open files is {hard} (ulimit -Hn)"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _speak_utf8() -> None:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed when the program started
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # SRV-1


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
def _seconds(text: str) -> float:
    if not (_DURATION.fullmatch(text) and float(text) > 0):
        raise ValueError(f"{text!r} is no number of seconds above 0")
    return float(text)
