"""Virtual time: calls that are due, one after the other, and promises that are looked at meanwhile."""

import gc
import math
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from spec.tests.support import NOW, UTC

LAG = 0.005
"""Seconds that a server may wake late."""
ROUNDING = 1e-6
"""Seconds that sums of floats may be off after hours."""


class PromiseBroken(AssertionError):
    """The whole does not do what SPEC.md says; the text says what was seen, and when."""


class Loop:
    """A clock that jumps from one call that is due to the next."""

    def __init__(self) -> None:
        self.now = NOW
        """Seconds on the monotonic clock of all parties."""
        self.calls = 0
        """How many calls were made."""
        self._due: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._order = count()

    @property
    def utc(self) -> float:
        """Seconds since 1970 on the wall clock."""
        return UTC + self.now - NOW

    def at(self, when: float, call: Callable[..., object], *arguments: object) -> None:
        """Make a call at a time, or at once if that has passed."""
        heappush(self._due, (max(when, self.now), next(self._order), call, arguments))

    def run(self, until: float) -> None:
        """Make all calls that are due until then."""
        due = self._due
        while due and due[0][0] <= until:
            self.now, _, call, arguments = heappop(due)
            self.calls += 1
            call(*arguments)
        self.now = until

    def require(self, kept: bool, promise: str, *seen: object) -> None:
        """Raise PromiseBroken unless the promise was kept."""
        if not kept:
            facts = ", ".join(map(repr, seen))
            raise PromiseBroken(f"after {self.now - NOW:.6f} s: {promise}" + (f": {facts}" if facts else ""))


class Alarm:
    """Wakes a party at its deadline, which may move. Call ``look`` whenever it may have moved."""

    def __init__(
        self,
        loop: Loop,
        deadline: Callable[[], float | None],
        wake: Callable[[], None],
        lag: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """``lag`` says by how many seconds the next call is late."""
        self._loop = loop
        self._deadline = deadline
        self._wake = wake
        self._lag = lag
        self._set = math.inf
        self._woken = -math.inf
        self._in_vain = 0

    def look(self) -> None:
        """Set the alarm to the deadline if that is earlier than what it is set to."""
        due = self._deadline()
        if due is not None and due < self._set:
            self._set = due
            self._loop.at(due + self._lag(), self._ring, due)

    def stop(self) -> None:
        """Ring no more."""
        self._set = -math.inf

    def _ring(self, due: float) -> None:
        if due != self._set:
            return  # it was set anew since
        self._set = math.inf
        deadline = self._deadline()
        if deadline is not None and deadline <= self._loop.now:
            self._in_vain = self._in_vain + 1 if self._loop.now == self._woken else 0
            self._loop.require(self._in_vain < 1000, "who is woken does what is due", deadline)
            self._woken = self._loop.now
            self._wake()
        if self._set == math.inf:
            self.look()


_CODE = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, Loop)


def kept_by(party: object) -> int:
    """Return the number of objects that a party holds on to, code apart."""
    seen: set[int] = set()
    waiting = [party]
    while waiting:
        each = waiting.pop()
        if id(each) not in seen and not isinstance(each, _CODE):
            seen.add(id(each))
            waiting += gc.get_referents(each)
    return len(seen)
