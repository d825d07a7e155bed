"""Lines on standard output and standard error: SPEC.md, SRV-1, SRV-12, CLI-1 and CLI-10."""

import os
import sys
from errno import EBADF, errorcode
from functools import cache
from io import TextIOWrapper
from typing import NoReturn, TextIO

from spec.message import Message, message_of
from spec.options import UNREACHABLE
from spec.program.language import translated
from spec.program.lines import LineWriter
from spec.text import visible

_closed: set[TextIO] = set()
"""What stands for the streams that were closed when the program started."""


def use_utf8() -> None:
    """Make standard output and error UTF-8, line-buffered, with LF as a line's end on Windows too (SRV-1).

    Open the null device for a closed stream.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed when the program started
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
            _closed.add(getattr(sys, name))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n", line_buffering=True)


def say(line: str) -> None:
    """Print a server's line on standard output, and do not wait for its reader (SRV-17).

    A line cannot be cut by another thread's. A server goes on when its output cannot be written: then this line and
    all later ones are lost.
    """
    _writer(sys.stdout).post(line)


def show(line: str) -> None:
    """Print a client's line on standard output. Exit with status 1 when it cannot be written (CLI-6)."""
    try:
        if sys.stdout in _closed:
            raise OSError(EBADF, os.strerror(EBADF))
        _writer(sys.stdout).write(line)
    except BrokenPipeError:
        raise SystemExit(UNREACHABLE) from None
    except OSError as error:
        fail(Message("cannot print: {reason}", reason=explain(error)), UNREACHABLE)


def complain(line: str) -> None:
    """Print an error as one line on standard error, and do not wait for its reader. It may be lost, as with `say`."""
    writer = _writer(sys.stderr)
    writer.post(visible(translated(Message("error: {line}", line=line), writer.translate)))


@cache
def _writer(stream: TextIO) -> LineWriter:
    return LineWriter(stream)


def fail(line: str, status: int) -> NoReturn:
    """Print an error as one line on standard error and exit with that status."""
    complain(line)
    raise SystemExit(status)


def explain(error: BaseException) -> str:
    """Return why a socket could not be opened or used, in words for the user."""
    if isinstance(error, UnicodeError):
        return Message("not a host name")
    reason = (isinstance(error, OSError) and error.strerror) or message_of(error) or type(error).__name__
    if sys.platform == "win32" and isinstance(error, OSError) and (name := errorcode.get(error.errno or 0)):
        return f"{reason} ({name})"  # there the reason is in the language of the system
    return Message(reason)  # many of the system's reasons have a translation
