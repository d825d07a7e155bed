"""What differs between Linux, macOS and Windows, for those who use sockets and clocks; and waiting for lines."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, Queue
from threading import Thread
from typing import BinaryIO

if sys.platform == "win32":
    # Before Python 3.13, time.monotonic() moves there in steps of 16 ms: a tick could be early (TIME-6).
    from time import perf_counter as monotonic
else:
    from time import monotonic

__all__ = ["ATTENTION", "KEEPS_AFTER_SHUT_RD", "SHARES_PORTS", "monotonic", "read_lines"]

KEEPS_AFTER_SHUT_RD = sys.platform == "linux"
"""Whether what has arrived at a socket can still be received after SHUT_RD."""

SHARES_PORTS = sys.platform != "win32"
"""Whether sockets have the option SO_REUSEPORT. Linux spreads clients over who shares a port; others may not."""

ATTENTION = 0.2
"""Seconds that a call may wait: a signal that comes just before it does not end it, and on Windows none does."""


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file, such as a pipe, until it ends or fails. A thread reads: the main one heeds signals."""
    try:
        number = file.fileno()
    except OSError:  # it is no file of the system, so nobody has to wait for it
        yield from file
        return
    lines: Queue[bytes] = Queue(1)

    def read() -> None:
        with suppress(OSError), open(number, "rb", closefd=False) as own:  # whose lock no one wants at the end
            for line in own:
                lines.put(line)
        lines.put(b"")

    Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=ATTENTION)
        except Empty:
            continue
        if not line:
            return
        yield line
