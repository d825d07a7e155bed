"""The judge's clocks side by side, and how long this host takes from one program to another."""

import contextlib
import socket
import statistics
import time
from collections.abc import Iterator
from functools import cache

from conformance.addresses import OWN_HOST, Address

READINGS = 5

DATAGRAMS = 9

LOST_AFTER = 0.5
"""Seconds after which a datagram has been lost."""


def wall_minus_monotonic() -> float:
    """Return how many seconds ``time.time`` is ahead of ``time.monotonic``.

    Another thread may run between two readings, for as long as it likes; the closest of several is taken.
    """
    readings = ((time.monotonic(), time.time(), time.monotonic()) for _ in range(READINGS))
    before, wall, after = min(readings, key=lambda reading: reading[2] - reading[0])
    return wall - (before + after) / 2


@cache
def loopback_delay() -> float:
    """Return how many seconds one datagram may be later than another on this host's loopback, as `delay` does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind((OWN_HOST, 0))
        return delay(receiver, receiver.getsockname())


def delay(receiver: socket.socket, address: Address) -> float:
    """Return how many seconds one datagram to `address` may be later than another at the socket `receiver`.

    That is twice what a typical one takes. Where nothing delays them it is some microseconds; a machine that plays a
    slow network (tc-netem(8)) takes milliseconds, now more and now fewer.
    """
    receiver.settimeout(LOST_AFTER)
    taken = [*_taken(receiver, address)]
    return 2 * statistics.median(taken) if taken else 0


def _taken(receiver: socket.socket, address: Address) -> Iterator[float]:
    """Yield how long each of several datagrams takes, one after the other, in seconds."""
    with socket.socket(receiver.family, socket.SOCK_DGRAM) as sender:
        for n in range(DATAGRAMS):
            before = time.monotonic()
            sender.sendto(bytes([n]), address)
            with contextlib.suppress(TimeoutError):
                while receiver.recv(1) != bytes([n]):
                    pass
                yield time.monotonic() - before
