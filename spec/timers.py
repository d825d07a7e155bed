"""Many deadlines at once: the next one in O(log n)."""

from collections.abc import Hashable, Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Timers(Generic[Key]):
    """One timer a key. A timer may ring early, never late: who is rung looks what is due and arms it again.

    So a deadline that is put off, as an idle timeout is by each request, costs nothing. Times are seconds on one clock.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Key]] = []
        self._armed: dict[Key, float] = {}
        self._order = count()

    @property
    def deadline(self) -> float | None:
        """When the next timer rings; None if none is armed."""
        while self._heap:
            when, _, key = self._heap[0]
            if self._armed.get(key) == when:
                return when
            heappop(self._heap)
        return None

    def arm(self, key: Key, deadline: float) -> None:
        """Ring for that key at the deadline or before."""
        armed = self._armed.get(key)
        if armed is None or deadline < armed:
            self._armed[key] = deadline
            heappush(self._heap, (deadline, next(self._order), key))

    def disarm(self, key: Key) -> None:
        """Forget the key, known or not."""
        self._armed.pop(key, None)
        if len(self._heap) > 2 * len(self._armed) + 64:  # keys that come and go must not pile up
            self._heap = [entry for entry in self._heap if self._armed.get(entry[2]) == entry[0]]
            heapify(self._heap)

    def due(self, now: float) -> Iterator[Key]:
        """Disarm each key whose timer has rung and yield it, the earliest first."""
        while self._heap and self._heap[0][0] <= now:
            when, _, key = heappop(self._heap)
            if self._armed.get(key) == when:
                del self._armed[key]
                yield key
