"""What differs between Linux, macOS and Windows, for those who use sockets and clocks."""

import math
import sys
from collections.abc import Iterator
from typing import BinaryIO

if sys.platform == "win32":
    import os
    from queue import Empty, SimpleQueue
    from threading import Thread

    # Before Python 3.13, time.monotonic() moves there in steps of 16 ms: a tick could be early (TIME-6).
    from time import perf_counter as monotonic
else:
    from time import monotonic

__all__ = ["ATTENTION", "KEEPS_AFTER_SHUT_RD", "SHARES_PORTS", "monotonic", "read_lines"]

KEEPS_AFTER_SHUT_RD = sys.platform == "linux"
"""Whether what has arrived at a socket can still be received after SHUT_RD."""

SHARES_PORTS = sys.platform != "win32"
"""Whether sockets have the option SO_REUSEPORT. Linux spreads clients over who shares a port; others may not."""

ATTENTION = math.inf if sys.platform == "linux" else 0.2
"""Seconds that a call may wait for one socket: on Windows no signal ends it, and SHUT_RD is for Linux alone."""


if sys.platform == "win32":

    def read_lines(file: BinaryIO) -> Iterator[bytes]:
        """Yield the lines of a file, such as a pipe. A thread reads them, since no signal ends a reading there."""
        try:
            number = file.fileno()
        except OSError:  # it is no file of the system, so nobody has to wait for it
            yield from file
            return
        lines: SimpleQueue[bytes] = SimpleQueue()

        def read() -> None:
            rest = b""
            try:
                while data := os.read(number, 65536):  # file.read() would still hold its lock when the program ends
                    *whole, rest = (rest + data).split(b"\n")
                    for line in whole:
                        lines.put(line + b"\n")
            finally:
                if rest:
                    lines.put(rest)
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

else:

    def read_lines(file: BinaryIO) -> Iterator[bytes]:
        """Yield the lines of a file, such as a pipe. A signal ends that."""
        return iter(file)
