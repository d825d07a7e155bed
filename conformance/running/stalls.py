"""When the judge, or the machine that it shares with the judged, had too little time to run.

What was measured then says little about the judged.
"""

import re
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from conformance.timing import SCALE

if TYPE_CHECKING:
    from typing_extensions import Self

TURN = 0.02
"""How often it is tried whether the judge runs, in seconds."""

LONG = 0.05 * SCALE
"""How late such a turn comes in a stall, in seconds."""

PRESSURE = Path("/proc/pressure/cpu")
"""Where Linux says for how long some process had to wait for a processor (Documentation/accounting/psi.rst)."""

BUSY = 0.8
"""The share of the time in which some process waits on a busy machine; the suite alone causes less."""

MEASURED_AGAIN = 3
"""How often a check measures anew what came late on a busy machine."""


class Moment(NamedTuple):
    """A time, of ``time.monotonic``, and the seconds since boot in which some process waited for a processor."""

    at: float
    waited: float


class Stalls:
    """Notes, for the length of a ``with`` block, when a thread of this process had to wait for its turn."""

    def __init__(self) -> None:
        self._last = float("-inf")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Self":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def since(self, start: Moment) -> bool:
        """Return whether a stall has ended after that moment, or ends within a turn."""
        self._ended.wait(2 * TURN)
        return self._last > start.at

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._ended.wait(TURN):
            now = time.monotonic()
            if now - before > TURN + LONG:
                self._last = now
            before = now


def this_moment() -> Moment:
    """Return the present one. Where no one counts what waited, nothing has."""
    try:
        found = re.match(r"some .* total=(\d+)", PRESSURE.read_text(encoding="ascii"))
    except OSError:
        found = None
    return Moment(time.monotonic(), int(found[1]) / 1e6 if found else 0)


def idle_since(start: Moment) -> float:
    """Return the share of the time since that moment, 0 to 1, in which no process waited for a processor."""
    now = this_moment()
    passed = now.at - start.at
    return 1 - (now.waited - start.waited) / passed if passed > 0 else 1


def busy_since(start: Moment) -> bool:
    """Return whether the machine has had more to do than it could, for most of the time since that moment."""
    return idle_since(start) < 1 - BUSY
