"""Records of all bytes that passed over a socket of the judge, with their times."""

import threading
import time
from collections import deque
from typing import Literal, NamedTuple

from conformance.addresses import Address
from conformance.targets.terms import Transport

_SHOWN_EVENTS = 12

SHOWN_BYTES = 160


class Event(NamedTuple):
    """Bytes that one side sent, or another thing that happened."""

    at: float
    """Seconds of ``time.monotonic``."""
    side: Literal["C", "S"]
    """The client or the server."""
    data: bytes
    note: str = ""
    """What happened, where the bytes do not show it: an end of stream, a reset."""


class Exchange:
    """All that passed over one socket of the judge, in order."""

    def __init__(self, title: str, transport: Transport, client: Address, server: Address) -> None:
        self.title, self.transport, self.client, self.server = title, transport, client, server
        self.start, self.wall = time.monotonic(), time.time()
        self.events: list[Event] = []
        _recent.exchanges.append(self)

    def add(self, side: Literal["C", "S"], data: bytes, note: str = "", at: float | None = None) -> float:
        """Record an event at a time in seconds of ``time.monotonic``, by default now; return that time."""
        at = time.monotonic() if at is None else at
        self.events.append(Event(at, side, data, note))
        return at

    def show(self, last: int = _SHOWN_EVENTS) -> str:
        """Return the last events as text: seconds since the start, side, size, text and hex."""
        left_out = len(self.events) - last
        lines = [f"{self.title}"] + ([f"({left_out} earlier events)"] if left_out > 0 else [])
        for event in self.events[-last:]:
            head, more = event.data[:SHOWN_BYTES], "…" if len(event.data) > SHOWN_BYTES else ""
            when = f"{event.at - self.start:9.4f} {event.side}"
            if event.note:
                lines.append(f"{when}: {event.note}")
            else:
                lines.append(f"{when} {len(event.data)} bytes: {head.decode('utf-8', 'backslashreplace')!r}{more}")
                lines.append(f"{'':11} {head.hex(' ')}{more}")
        return "\n".join(lines)


class _Recent(threading.local):
    """The last exchanges of the check that this thread runs."""

    def __init__(self) -> None:
        self.exchanges: deque[Exchange] = deque(maxlen=8)


_recent = _Recent()


def recent_exchanges() -> list[Exchange]:
    """Return the last exchanges of the check that this thread runs."""
    return list(_recent.exchanges)


def forget_exchanges() -> None:
    """Forget the exchanges of this thread's last check or example."""
    _recent.exchanges.clear()
