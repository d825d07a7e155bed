"""Lines on standard output and standard error: SPEC.md, SRV-1, SRV-12, CLI-1 and CLI-10."""

import os
import sys
from errno import errorcode
from io import TextIOWrapper
from typing import NoReturn

from spec.options import UNREACHABLE
from spec.text import visible


def use_utf8() -> None:
    """Make standard output and error UTF-8, line-buffered, with LF as a line's end on Windows too (SRV-1).

    Open the null device for a closed stream.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed when the program started
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n", line_buffering=True)


def say(line: str) -> None:
    """Print a server's line on standard output; a line cannot be cut by another thread's.

    A server goes on when its output cannot be written: then this line and all later ones are lost.
    """
    try:
        sys.stdout.write(f"{line}\n")
    except OSError:  # the reader has gone, or the disk is full
        _discard_output()


def show(line: str) -> None:
    """Print a client's line on standard output. Exit with status 1 when it cannot be written."""
    try:
        sys.stdout.write(f"{line}\n")
    except BrokenPipeError:
        _discard_output()
        raise SystemExit(UNREACHABLE) from None
    except OSError as error:
        _discard_output()
        fail(f"cannot print: {explain(error)}", UNREACHABLE)


def _discard_output() -> None:
    """Send standard output to the null device, so that the interpreter's flush at its end does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(line: str) -> None:
    """Print an error as one line on standard error."""
    print(f"error: {visible(line)}", file=sys.stderr)


def fail(line: str, status: int) -> NoReturn:
    """Print an error as one line on standard error and exit with that status."""
    complain(line)
    raise SystemExit(status)


def explain(error: BaseException) -> str:
    """Return why a socket could not be opened or used, in words for the user."""
    if isinstance(error, UnicodeError):
        return "not a host name"
    reason = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    if sys.platform == "win32" and isinstance(error, OSError) and (name := errorcode.get(error.errno or 0)):
        return f"{reason} ({name})"  # there the reason is in the language of the system
    return reason
