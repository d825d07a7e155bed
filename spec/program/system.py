"""What differs between Linux, macOS and Windows, for those who use sockets and clocks."""

import sys

if sys.platform == "win32":
    # Before Python 3.13, time.monotonic() moves there in steps of 16 ms: a tick could be early (TIME-6).
    from time import perf_counter as monotonic
else:
    from time import monotonic

__all__ = ["ATTENTION", "KEEPS_AFTER_SHUT_RD", "LONGEST_TIMEOUT", "SHARES_PORTS", "monotonic"]

KEEPS_AFTER_SHUT_RD = sys.platform == "linux"
"""Whether what has arrived at a socket can still be received after SHUT_RD."""

SHARES_PORTS = sys.platform != "win32"
"""Whether sockets have the option SO_REUSEPORT. Linux spreads clients over who shares a port; others may not."""

ATTENTION = 0.2
"""Seconds that a call may wait: a signal that comes just before it does not end it, and on Windows none does."""

LONGEST_TIMEOUT = 2_000_000.0
"""Seconds, 23 days: sockets on Windows take no longer one, since they count in milliseconds, of 31 bits."""
