"""When the judge itself could not run; what it measured then says little about the judged."""

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING

from conformance.timing import SCALE

if TYPE_CHECKING:
    from typing_extensions import Self

TURN = 0.02
"""How often it is tried whether the judge runs, in seconds."""

LONG = 0.05 * SCALE
"""How late such a turn comes in a stall, in seconds."""


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

    def since(self, start: float) -> bool:
        """Whether a stall has ended after that time, of ``time.monotonic``, or ends within a turn."""
        self._ended.wait(2 * TURN)
        return self._last > start

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._ended.wait(TURN):
            now = time.monotonic()
            if now - before > TURN + LONG:
                self._last = now
            before = now
