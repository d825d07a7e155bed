"""Many timers at once: the next deadline in O(log n)."""

from collections.abc import Hashable, Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Timers(Generic[Key]):
    """One timer for each key. Times are seconds on one clock.

    To move a deadline to a later time costs nothing: the timer ends at the earlier time, and the caller, who finds that
    nothing is due yet, arms it again. Each request moves the idle timeout of its connection so.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Key]] = []
        self._armed: dict[Key, float] = {}
        self._order = count()

    @property
    def deadline(self) -> float | None:
        """When the next timer ends; None if none is armed."""
        while self._heap:
            when, _, key = self._heap[0]
            if self._armed.get(key) == when:
                return when
            heappop(self._heap)
        return None

    def arm(self, key: Key, deadline: float) -> None:
        """Set the key's timer to end at the deadline, or earlier if it is set to an earlier time already."""
        armed = self._armed.get(key)
        if armed is None or deadline < armed:
            self._armed[key] = deadline
            heappush(self._heap, (deadline, next(self._order), key))

    def disarm(self, key: Key) -> None:
        """Remove the key's timer, if there is one."""
        self._armed.pop(key, None)
        if len(self._heap) > 2 * len(self._armed) + 64:  # keys that come and go must not pile up
            self._heap = [entry for entry in self._heap if self._armed.get(entry[2]) == entry[0]]
            heapify(self._heap)

    def due(self, now: float) -> Iterator[Key]:
        """Yield each key whose timer has ended, the earliest first, and remove its timer."""
        while self._heap and self._heap[0][0] <= now:
            when, _, key = heappop(self._heap)
            if self._armed.get(key) == when:
                del self._armed[key]
                yield key
