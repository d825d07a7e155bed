"""What a program prints on one stream, kept in bounded memory: the first lines and the last ones."""

import os
from collections import deque
from typing import IO, NamedTuple

FIRST_LINES = 25_000
FIRST_BYTES = 2 << 20
"""Bounds of the first lines. A server that announces 10,000 clients and that they left prints 20,001, of 1 MiB."""

LAST_BYTES = 1 << 18
LINE_BYTES = 1 << 16
"""A line is cut off there; the longest that an honest client prints is of a reply, 32 KiB."""

PIPE_CAPACITY = 1 << 16
"""Bytes: one reading takes all that a pipe holds."""

SHRUNK_LINES = 100
SHRUNK_BYTES = 1 << 16


class Line(NamedTuple):
    """A line of output without its LF, and when it was read, in seconds of ``time.monotonic``."""

    text: str
    at: float


class _Piece(NamedTuple):
    """Bytes as they were read, when, and how many lines end in them."""

    data: bytes
    at: float
    lines: int


class Output:
    """The lines of one stream. Where some are left out, a line in their place says how many."""

    def __init__(self) -> None:
        self._first: list[Line] = []
        self._first_bytes = 0
        self._is_full = False
        self._incomplete = b""
        self._cut = 0  # bytes that the incomplete line had beyond LINE_BYTES
        self._last: deque[_Piece] = deque()  # lines are made of them when one asks
        self._last_bytes = 0
        self._left_out_lines = 0
        self._left_out_bytes = 0

    def add(self, data: bytes, at: float) -> None:
        """Add what was read at a time of ``time.monotonic``."""
        if self._is_full:
            self._add_last(data, at)
            return
        *lines, rest = data.split(b"\n")
        for number, line in enumerate(lines):
            self._add_first(line, at)
            if len(self._first) >= FIRST_LINES or self._first_bytes >= FIRST_BYTES:
                self._is_full = True
                self._add_last(b"\n".join([*lines[number + 1 :], rest]), at)
                return
        self._incomplete += rest
        self._cut += max(0, len(self._incomplete) - LINE_BYTES)
        self._incomplete = self._incomplete[:LINE_BYTES]

    def end(self, at: float) -> None:
        """Take what came last without LF as a line."""
        if self._incomplete:
            self._add_first(b"", at)
        if self._last and not self._last[-1].data.endswith(b"\n"):
            self._add_last(b"\n", at)

    def _add_first(self, line: bytes, at: float) -> None:
        whole = self._incomplete + line
        self._first.append(Line(_text(whole, self._cut), at))
        self._first_bytes += min(len(whole), LINE_BYTES)
        self._incomplete, self._cut = b"", 0

    def _add_last(self, data: bytes, at: float) -> None:
        if data:
            self._last.append(_Piece(data, at, data.count(b"\n")))
            self._last_bytes += len(data)
        while self._last and self._last_bytes - len(self._last[0].data) >= LAST_BYTES:
            self._drop()

    def _drop(self) -> None:
        """Leave the oldest of the last pieces out, up to the end of a line if there is one."""
        piece = self._last.popleft()
        self._leave_out(piece.data)
        if self._last and not piece.data.endswith(b"\n") and self._last[0].lines:
            following = self._last.popleft()
            rest, _, kept = following.data.partition(b"\n")
            self._leave_out(rest + b"\n")
            self._last.appendleft(_Piece(kept, following.at, following.lines - 1))

    def _leave_out(self, data: bytes) -> None:
        self._last_bytes -= len(data)
        self._left_out_bytes += len(data)
        self._left_out_lines += data.count(b"\n")

    def since(self, number: int) -> tuple[int, list[Line]]:
        """Return the lines from that number on, from 0, and the number of the first of them; some may be left out."""
        if number < len(self._first) or not self._last:  # whoever looks on comes to the others later
            return number, self._first[number:]
        number = max(number, len(self._first) + self._left_out_lines)
        return number, self._last_lines(number - len(self._first) - self._left_out_lines)

    def lines(self) -> list[Line]:
        """Return all that is kept, with a line that says what is left out."""
        last = self._last_lines()
        if not self._left_out_bytes:
            return self._first + last
        at = self._first[-1].at if self._first else 0.0
        note = f"… {self._left_out_lines} lines, {self._left_out_bytes} bytes, are left out here …"
        return [*self._first, Line(note, at), *last]

    def _last_lines(self, start: int = 0) -> list[Line]:
        """Return the lines of the last pieces; with a start, without so many of the first."""
        lines: list[Line] = []
        incomplete = b""
        for data, at, count in self._last:
            if not lines and 0 < count <= start:
                start -= count
                incomplete = data.rpartition(b"\n")[2]
                continue
            *whole, rest = data.split(b"\n")
            for line in whole:
                lines.append(Line(_text(incomplete + line), at))
                incomplete = b""
            incomplete += rest
        return lines[start:]

    def shrink(self) -> None:
        """Keep less of an output of which much is left out anyway: a program that has ended is only told about."""
        if not self._left_out_bytes:
            return
        dropped = self._first[SHRUNK_LINES:]
        self._left_out_lines += len(dropped)
        self._left_out_bytes += sum(len(line.text) for line in dropped)
        del self._first[SHRUNK_LINES:]
        while self._last_bytes > SHRUNK_BYTES and len(self._last) > 1:
            self._drop()


class Pipe:
    """The end of a program's stream at which it is read."""

    def __init__(self, file: IO[bytes], output: Output) -> None:
        os.set_blocking(file.fileno(), False)
        self.file = file
        self.output = output
        self.ended = False

    def take(self) -> bytes:
        """Return what is there to be read."""
        try:
            data = os.read(self.file.fileno(), PIPE_CAPACITY)
        except BlockingIOError:
            return b""
        self.ended = not data
        return data


def _text(line: bytes, cut: int = 0) -> str:
    cut += max(0, len(line) - LINE_BYTES)
    text = line[:LINE_BYTES].decode("utf-8", "backslashreplace")
    return f"{text} … ({cut} bytes more)" if cut else text
