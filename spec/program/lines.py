"""Lines on a stream: written by one who waits for whoever reads them, or by one who never does (SPEC.md, SRV-17)."""

import atexit
import os
import stat
import sys
import threading
import time
from contextlib import suppress
from io import RawIOBase
from typing import TextIO

from spec.message import Message
from spec.program.language import translated, translator

WAITING_LINES = 4096
"""How many lines are kept for a reader who is slow; any further ones are dropped."""
LAST_WAIT = 0.2
"""Seconds that the end of the program waits for such a reader, well below STOP_SECONDS."""
PAUSE = 0.01
"""Seconds until a stream that took nothing is tried again, where the system cannot wait for it."""


class LineWriter:
    """Writes whole lines to a stream, in their order, each at once: nothing stays in a buffer of Python's.

    ``write`` waits until the stream has taken the line; ``post`` does not, and may be called in any thread. What
    the stream does not take at once is written by a thread. After an OSError ``post`` writes nothing more. Of the two
    methods use one for a stream.
    """

    def __init__(self, stream: TextIO) -> None:
        """Take a stream of UTF-8, as standard output or error. One that is no file of the system never waits."""
        buffer = getattr(stream, "buffer", None)
        raw = getattr(buffer, "raw", buffer)  # with python -u there is no buffer in between
        self.translate = translator(stream)
        """What translates templates of messages for whoever reads the stream."""
        self._stream = stream
        self._raw = raw if isinstance(raw, RawIOBase) else None
        self._at_once = _open_at_once(self._raw) if self._raw else None
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None  # one for all lines: to start a thread takes long on Windows
        self._waiting: list[bytes] = []
        self._writing = False  # whether the thread has lines that the stream has not taken yet
        self._dropped = 0
        self._broken = False
        atexit.register(self._end)

    def write(self, line: str) -> None:
        """Write a line, and wait as long as that takes. Raises OSError."""
        line = translated(line, self.translate)
        if self._raw:
            _write(self._raw, _encode(line))
        else:
            self._stream.write(f"{line}\n")

    def post(self, line: str) -> None:
        """Write a line as soon as the stream takes it, and do not wait for that."""
        line = translated(line, self.translate)
        with self._lock:
            if self._broken:
                return
            if self._raw is None:
                self._stream.write(f"{line}\n")
                return
            rest = _encode(line)
            if self._at_once and not self._waiting and not self._writing:
                try:
                    rest = rest[self._at_once.write(rest) or 0 :]  # a pipe takes all or nothing, up to PIPE_BUF
                except OSError:  # the reader has gone, or the disk is full
                    self._broken = True
                    return
            if not rest:
                return
            if len(self._waiting) < WAITING_LINES:
                self._waiting.append(rest)
            else:
                self._dropped += 1
            if self._thread:
                self._changed.notify_all()
            else:
                self._start()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._write_waiting, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # there can be no more threads now: the next line tries again
            self._thread = None

    def _write_waiting(self) -> None:
        """Write the lines that wait, whenever there are some; after them, how many were dropped."""
        assert self._raw
        while not self._broken:
            with self._lock:
                self._changed.wait_for(lambda: self._waiting)
                lines, self._waiting = self._waiting, []
                self._writing = True
                if self._dropped:
                    dropped = Message("lines dropped: {count}", count=self._dropped)
                    lines.append(_encode(translated(dropped, self.translate)))
                    self._dropped = 0
            try:
                for line in lines:
                    _write(self._raw, line)
            except OSError:
                self._broken = True
            with self._lock:
                self._writing = False
                self._changed.notify_all()

    def _end(self) -> None:
        with self._lock:
            if self._thread:
                self._changed.wait_for(lambda: self._broken or not (self._waiting or self._writing), LAST_WAIT)


def _open_at_once(file: RawIOBase) -> RawIOBase | None:
    """Return the file as one that takes what it can at once; None if the system cannot open it so."""
    number = file.fileno()
    mode = os.fstat(number).st_mode
    if stat.S_ISREG(mode) or (stat.S_ISCHR(mode) and not os.isatty(number)):
        return file  # nobody who reads is waited for
    if sys.platform == "linux" and not stat.S_ISSOCK(mode):
        # A pipe or terminal, opened anew: O_NONBLOCK is for this opening alone, not for others who have it open
        with suppress(OSError):  # it belongs to another user
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
            return open(f"/proc/self/fd/{number}", "wb", buffering=0, opener=lambda path, _: os.open(path, flags))
    return None


def _encode(line: str) -> bytes:
    return f"{line}\n".encode("utf-8", "backslashreplace")


def _write(file: RawIOBase, data: bytes) -> None:
    """Write all of it. Raises OSError."""
    while data:
        count = file.write(data)
        if count is None:  # somebody who has it open, too, has made it non-blocking
            time.sleep(PAUSE)
        else:
            data = data[count:]
