"""Records of all bytes that passed over a socket of the judge, with their times."""

import threading
import time
from collections import deque
from typing import Literal, NamedTuple

from conformance.addresses import Address
from conformance.clocks import wall_minus_monotonic
from conformance.targets.terms import Transport

_SHOWN_EVENTS = 12

SHOWN_BYTES = 160

END_OF_STREAM = "end of stream"
"""The note of an event: a side has closed its sending side."""

FIRST_EVENTS, LAST_EVENTS = 100, 900
FIRST_BYTES, LAST_BYTES = 1 << 16, 1 << 18
EVENT_BYTES = 1 << 16
CUT = "of which the first"
"""What of an exchange is kept: so many events, so many bytes of them all, and of each."""


_AHEAD = wall_minus_monotonic()
"""One for all exchanges, so that what passed earlier is earlier in a capture of several."""


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
        self.start = time.monotonic()
        self.wall = self.start + _AHEAD
        self._first: list[Event] = []
        self._last: deque[Event] = deque()
        self._first_bytes = self._last_bytes = 0
        self._left_out_events = self._left_out_bytes = 0
        _recent.exchanges.append(self)

    def add(self, side: Literal["C", "S"], data: bytes, note: str = "", at: float | None = None) -> float:
        """Record an event at a time in seconds of ``time.monotonic``, by default now; return that time."""
        at = time.monotonic() if at is None else at
        if len(data) > EVENT_BYTES:
            note = f"{note}; " * bool(note) + f"{len(data)} bytes, {CUT} {EVENT_BYTES} are kept"
            data = data[:EVENT_BYTES]
        event = Event(at, side, data, note)
        if not self._last and len(self._first) < FIRST_EVENTS and self._first_bytes + len(data) <= FIRST_BYTES:
            self._first.append(event)
            self._first_bytes += len(data)
            return at
        self._last.append(event)
        self._last_bytes += len(data)
        while len(self._last) > LAST_EVENTS or self._last_bytes > LAST_BYTES:
            dropped = self._last.popleft()
            self._last_bytes -= len(dropped.data)
            self._left_out_events += 1
            self._left_out_bytes += len(dropped.data)
        return at

    @property
    def events(self) -> list[Event]:
        """The first events and the last ones; where some are left out between them, a note says how many."""
        last = list(self._last)
        if not self._left_out_events:
            return self._first + last
        note = f"{self._left_out_events} events, {self._left_out_bytes} bytes, are left out here"
        return [*self._first, Event(last[0].at, last[0].side, b"", note), *last]

    def show(self, last: int = _SHOWN_EVENTS, *, hexadecimal: bool = False) -> str:
        """Return the last events as text: seconds since the start, side, size, the bytes as text.

        The bytes stand there in hexadecimal digits too if that is asked for, or if they are not UTF-8.
        """
        events = self.events
        left_out = len(events) - last
        lines = [f"{self.title}"] + ([f"({left_out} earlier events)"] if left_out > 0 else [])
        for event in events[-last:]:
            head, more = event.data[:SHOWN_BYTES], "…" if len(event.data) > SHOWN_BYTES else ""
            when = f"{event.at - self.start:9.4f} {event.side}"
            if event.note:
                lines.append(f"{when}: {event.note}")
            if not event.note or CUT in event.note:
                lines.append(f"{when} {len(event.data)} bytes: {as_text(head)}{more}")
                if hexadecimal or not _is_utf_8(head):
                    lines.append(f"{'':11} {head.hex(' ')}{more}")
        return "\n".join(lines)


def as_text(data: bytes) -> str:
    """Return bytes as a person reads them: letters as letters, in quotes; what is not UTF-8 as ``\\xNN``."""
    return repr(data.decode("utf-8", "backslashreplace")).replace("\\\\x", "\\x")


def _is_utf_8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start > len(data) - 4 and error.reason == "unexpected end of data"  # cut where it is shown
    return True


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
