"""Programs that ended with an error: the error, and what it says of a program with sockets."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from conformance.labs.console import Console
from conformance.labs.ladder import shown
from conformance.languages.texts import mark, say
from conformance.languages.told import told

TRACEBACK = "Traceback (most recent call last)"
_FRAME = re.compile(r'^ *File "([^"<]+)", line (\d+)', re.MULTILINE)
_LIBRARIES = {"site-packages", "dist-packages"}
"""Directories that a program's own files are not in."""

IN_USE = re.compile(r"Address already in use|WinError 10048")

_ADVICE = {
    r"bytes-like object is required, not 'tuple'": mark(
        "sendto(data, address) takes bytes, then a pair; recvfrom() returns both, as a pair"
    ),
    r"bytes-like object is required|'bytes' object has no attribute 'encode'|'str' object has no attribute 'decode'"
    r"|can only concatenate str \(not \"bytes\"\)|can't concat str": mark(
        "a socket carries bytes: encode() the text that goes, decode() the bytes that come"
    ),
    r"missing \d required positional arguments: 'request'": mark(
        "the server takes the class itself, without brackets behind it: Server(ADDRESS, Handler)"
    ),
    r"can only concatenate|unsupported operand type\(s\) for \+.*'str'": mark(
        'text is joined with text alone: f"{name} {now}" takes values of all kinds'
    ),
    r"'\w*Handler' object has no attribute '(send|sendall|sendto|recv|recvfrom|makefile|rfile|wfile)'": mark(
        "in handle() the connection is self.request; StreamRequestHandler has self.rfile and self.wfile, too"
    ),
    r"'tuple' object has no attribute": mark(
        "it is a pair, as what accept() and recvfrom() return, and self.request of a UDP server: take its parts"
    ),
    r"cannot unpack non-iterable socket": mark(
        "in handle() of a TCP server self.request is the connection: recv() and sendall() are its methods"
    ),
    r"No module named": mark(
        "this module is neither beside the program nor a part of Python here: hand it in, install it, or do without"
    ),
    r"\[Errno (95|102)\]": mark("over UDP nothing listens or accepts: recvfrom() comes after bind()"),
    r"changed size during iteration": mark(
        "another thread changes what this loop goes over: loop over a copy, for … in list(clients)"
    ),
    r"module 'datetime' has no attribute|'datetime\.datetime' has no attribute 'datetime'": mark(
        "datetime is a module and a class in it: from datetime import datetime, then datetime.now()"
    ),
    r"\[Errno 22\]": mark("a TCP server calls listen() after bind(), before accept()"),
    r"'raw_input' is not defined": mark("raw_input() was in Python 2; it is input() now"),
    r"\b[A-Z]\w*\.\w+\(\) takes 0 positional": mark("a method has self before all else: def handle(self)"),
    r"takes \d+ positional arguments? but|missing \d+ required positional argument|must be an iterable": mark(
        "these are too many arguments, or too few; one argument for a thread needs a comma: args=(address,)"
    ),
    r"\[Errno 9\]|closed file|file descriptor: -1": mark(
        "the socket was closed before: use it in its with block, indented, and before close()"
    ),
    r"cannot be interpreted as an integer|address must be tuple|\w\(\) takes exactly one argument"
    r"|port must be 0-65535": mark('an address is a pair, and its port a number up to 65535: ("localhost", 5000)'),
    r"\[Errno (99|49|101|51|113|65)\]|\bgaierror\b": mark(
        'no way leads to that host from here: "localhost" or "127.0.0.1" is this machine, for the server and the client'
    ),
    IN_USE.pattern: mark("the port is bound already: the server alone binds it, once; a client needs no bind()"),
    r"\[Errno (107|57)\]": mark(
        "send and receive with the socket that accept() has returned, not with the listening one"
    ),
    r"\[Errno (89|39)\]": mark("over UDP send() knows no address: use sendto(data, address)"),
}
"""What an error says, as a pattern, and what it comes from."""


def last_error(console: Console) -> str:
    """Return why a program was ended, or its last error, or its last line on standard error, or all it printed.

    Of one that ended and printed nothing: its exit status, or the signal that ended it.
    """
    if console.program.ended_because:
        return told(console.program.ended_because)
    lines = [line for line in console.errors if line.strip()]
    tracebacks = [number for number, line in enumerate(lines) if TRACEBACK in line]
    # What follows a traceback may be a line that socketserver draws, or a prompt.
    ends = [line for line in lines[tracebacks[-1] + 1 :] if not line.startswith(" ")] if tracebacks else []
    if not lines and not console.text.strip() and not console.running:
        return told(console.program.ending)
    return (ends[0] if ends else lines[-1]) if lines else console.text


def shown_error(console: Console) -> str:
    """Return a program's last error as it is shown in a verdict, with its place if that is in the program's files."""
    error, place = shown(last_error(console)), _place(console)
    return say("{error} ({file}, line {line})", error=error, file=place[0], line=place[1]) if place else error


def _place(console: Console) -> tuple[str, int] | None:
    """Return where in the program the last traceback comes from: the file's name and the line; None: it is not told."""
    if console.program.ended_because or not any(TRACEBACK in line for line in console.errors):
        return None
    _, _, traceback = "\n".join(console.errors).rpartition(TRACEBACK)
    directory = console.file.parent
    for name, line in reversed(_FRAME.findall(traceback)):
        if _is_own(file := Path(directory, name), directory):
            return file.name, int(line)
    return None


def _line_of_an_error(console: Console) -> str:
    """Return the line of the program that its last traceback shows; empty: it shows none."""
    lines = own_part(console.errors, console.file.parent)
    return lines[-2] if len(lines) > 1 else ""


def own_part(lines: Sequence[str], directory: Path) -> list[str]:
    """Return what of a program's lines on standard error is about its own files, those in that directory.

    Of the last traceback that comes through one of them it is their frames and the error, and nothing else; without
    such a traceback it is all lines.
    """
    starts = [number for number, line in enumerate(lines) if TRACEBACK in line]
    for start, end in zip(reversed(starts), [len(lines), *reversed(starts)], strict=False):
        own, is_own = list[str](), False
        for line in lines[start + 1 : end]:
            if not line.startswith(" "):
                if own:
                    return [*own, line]
                break
            if frame := _FRAME.match(line):
                is_own = _is_own(Path(directory, frame[1]), directory)
                line = line.replace(f"{directory.resolve()}{os.sep}", "")
            if is_own and line.strip(" ^~"):
                own.append(line)
    return [*lines]


def _is_own(file: Path, directory: Path) -> bool:
    file, directory = file.resolve(), directory.resolve()
    return file.is_relative_to(directory) and not _LIBRARIES & {*file.relative_to(directory).parts}


def failed(console: Console, after: int = 0) -> bool:
    """Return whether a program printed a traceback, and not because it was interrupted; `after` that many lines."""
    has_one = any(TRACEBACK in line for line in console.errors[after:])
    return has_one and "KeyboardInterrupt" not in last_error(console)


def cause_of_an_error(console: Console, file: Path) -> str:
    """Return what a program's last error comes from, in the reader's language; empty: nothing is known of it."""
    if not failed(console):
        return ""
    error = last_error(console)
    if "values to unpack" in error and ".recv(" in _line_of_an_error(console):
        return say("recv() returns the bytes alone; a pair of them and an address is what recvfrom() returns")
    advice = next((advice for pattern, advice in _ADVICE.items() if re.search(pattern, error)), "")
    return _namesake(error, file) or (say(advice) if advice else "")


def told_error(console: Console, file: Path) -> str:
    """Return that a server ended with an error, and what that comes from, in the reader's language."""
    ended, advice = say("the server ended with {error}", error=shown_error(console)), cause_of_an_error(console, file)
    return f"{ended}: {advice}" if advice else ended


def _namesake(error: str, file: Path) -> str:
    """Return which file beside a program that has failed is imported for one of Python's modules; empty: none."""
    for other in sorted(file.parent.glob("*.py")):
        name = other.stem
        if name in sys.stdlib_module_names and name not in sys.builtin_module_names and f"'{name}'" in error:
            return say(
                "{file} stands in the way of Python's own module {name}: give the file another name",
                file=other.name,
                name=name,
            )
    return ""
