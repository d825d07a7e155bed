"""Which ticks a correct client over UDP prints, and which it hides, by the table of CLI-20."""

import math
from datetime import datetime

from conformance.as_server.talk import LATENESS
from spec.limits import LATE_SECONDS, LEASE_INTERVALS


class NewestTick:
    """Whether a tick is newer than the last that was printed. Each `at` is in seconds of ``time.monotonic``."""

    def __init__(self) -> None:
        self.is_unsure = False
        """Whether a tick came so close to the end of a time that matters that no verdict is possible."""
        self._last: tuple[int, datetime] | None = None
        self._latest: datetime | None = None
        self._known: dict[int, datetime] = {}  # the first ticks of the present subscription, as printed
        self._ok_at: float | None = None
        self._lease = 0.0
        self._mistrusts_until = -math.inf
        self._begins_surely_until = self._begins_perhaps_until = -math.inf

    def renew(self, interval: float, at: float, *, challenged: bool) -> None:
        """Take an `OK`."""
        if self._ok_at is not None:
            after = math.inf if challenged else at - self._ok_at - self._lease
            if after > LATENESS:
                self._begins_surely_until = at + LEASE_INTERVALS * interval - LATENESS
            if after > -LATENESS:
                self._begins_perhaps_until = at + LEASE_INTERVALS * interval + LATENESS
        self._ok_at, self._lease = at, LEASE_INTERVALS * interval

    def takes(self, seq: int, moment: datetime, at: float) -> bool:
        """Take a `TICK`; return whether it is to be printed."""
        if self._last is not None and self._latest is not None:
            last_seq, later = self._last[0], moment > self._latest
            if later and seq > last_seq:
                pass
            elif later or (seq <= last_seq and self._begins(seq, moment, at)):
                self._latest, self._known = moment, {}
                self._mistrusts_until = at + max(self._lease, LATE_SECONDS)
                self._begins_surely_until = self._begins_perhaps_until = -math.inf
            elif seq <= last_seq or not self._trusts(at):
                return False
        self._last = seq, moment
        self._latest = max(self._latest or moment, moment)
        if seq <= LEASE_INTERVALS:
            self._known[seq] = moment
        return True

    def _begins(self, seq: int, moment: datetime, at: float) -> bool:
        """Whether a tick with neither a higher `seq` nor a later time is of a new subscription."""
        if seq > LEASE_INTERVALS or self._known.get(seq) == moment:
            return False
        if seq not in self._known and all((n < seq) == (known < moment) for n, known in self._known.items()):
            return False  # it is late
        surely = at < self._begins_surely_until
        self.is_unsure |= surely != (at < self._begins_perhaps_until)
        return surely and self._trusts(at)

    def _trusts(self, at: float) -> bool:
        """Whether no late tick of a former subscription is to be feared any more."""
        self.is_unsure |= abs(at - self._mistrusts_until) < LATENESS
        return at >= self._mistrusts_until
