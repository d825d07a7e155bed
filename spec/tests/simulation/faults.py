"""Faults in the core that show only after hours, among many clients, or after many losses.

``python -m spec.tests.simulation.faults NAME MODULE [ARGUMENT …]`` runs a program with one, so that others may look for
it: ``… drifts impl_raw.udp_server time --port 0``.
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from unittest.mock import patch
from zlib import crc32

from spec import echo
from spec.address import Address
from spec.ticks import Schedule
from spec.tokens import Tokens


@contextmanager
def drifts() -> Iterator[None]:
    """After each 2000 ticks a schedule starts anew from the moment when the last one was sent: TIME-10."""
    take = Schedule.take
    taken: dict[int, int] = {}

    def counted(self: Schedule, now: float) -> int | None:
        seq = take(self, now)
        if seq is not None:
            taken[id(self)] = count = taken.get(id(self), 0) * (seq > 1) + 1
            if count % 2000 == 0:
                self._start += now - self._due(seq)
        return seq

    with patch.object(Schedule, "take", counted):
        yield


@contextmanager
def loses_the_order_of_timers() -> Iterator[None]:
    """Timers that have been removed are swept out, and what is left is no heap any more: TIME-9."""
    with patch("spec.timers.heapify", lambda heap: None):
        yield


@contextmanager
def takes_old_tokens() -> Iterator[None]:
    """The number of a token's slot is kept in five bits, so that a token is good again later: LEASE-6."""
    make = Tokens._token
    with patch.object(Tokens, "_token", lambda self, address, slot: make(self, address, slot % 32)):
        yield


@contextmanager
def remembers_strangers() -> Iterator[None]:
    """To save a hash, a server keeps the token that each address got last: LEASE-7."""
    issue = Tokens.issue

    def remembered(self: Tokens, address: Address, now: float) -> str:
        kept: dict[Address, tuple[float, str]] = self.__dict__.setdefault("_kept", {})
        slot, token = kept.get(address, (math.nan, ""))
        if slot != self._slot(now):
            token = issue(self, address, now)
            kept[address] = (self._slot(now), token)
        return token

    with patch.object(Tokens, "issue", remembered):
        yield


@contextmanager
def confuses_lines() -> Iterator[None]:
    """To save a hash, a server keeps the replies to its last lines, by 22 bits of a checksum: TCP-1."""
    echo_line = echo.echo_line
    kept: dict[int, bytes] = {}

    def remembered(message: str) -> bytes:
        key = crc32(message.encode()) & 0x3FFFFF
        if key not in kept:
            if len(kept) == 1000:
                del kept[next(iter(kept))]
            kept[key] = echo_line(message)
        return kept[key]

    with patch.object(echo, "echo_line", remembered):
        yield


FAULTS: Mapping[str, Callable[[], Any]] = {
    fault.__name__: fault
    for fault in (
        drifts,
        loses_the_order_of_timers,
        takes_old_tokens,
        remembers_strangers,
        confuses_lines,
    )
}


def main() -> int:
    """Run a program with a fault."""
    name, module, *arguments = sys.argv[1:]
    program = import_module(module)
    with FAULTS[name]():
        status: int = program.main(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())
