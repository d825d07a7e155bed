"""What differs between Linux, macOS and Windows, for those who use sockets and clocks."""

import math
import struct
import sys

if sys.platform == "win32":
    # Before Python 3.13, time.monotonic() moves there in steps of 16 ms: a tick could be early (TIME-6).
    from time import perf_counter as monotonic
else:
    from time import monotonic

__all__ = ["ATTENTION", "KEEPS_AFTER_SHUT_RD", "monotonic", "receive_timeout"]

KEEPS_AFTER_SHUT_RD = sys.platform == "linux"
"""Whether what has arrived at a socket can still be received after SHUT_RD."""

ATTENTION = math.inf if sys.platform == "linux" else 0.2
"""Seconds that a call may wait for one socket: on Windows no signal ends it, and SHUT_RD is for Linux alone."""


def receive_timeout(seconds: float) -> bytes | int:
    """Return the value of the socket option SO_RCVTIMEO: a ``struct timeval``, on Windows milliseconds."""
    if sys.platform == "win32":
        return int(seconds * 1000)
    return struct.pack("@ll", int(seconds), int(seconds % 1 * 1_000_000))
