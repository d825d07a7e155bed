"""Tells how busy the machine was with other work, before and while something was measured."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

LOAD_PER_CORE = 0.5
"""From this load average for each core on, a machine counts as busy."""

PRESSURE = 0.1
"""If something waited for a core for this share of the time before, or more, a machine counts as busy."""

STEAL = 0.01
"""From this share of the cores' time on that the hypervisor gave to others, a machine counts as busy."""

OTHERS = 0.1
"""From so many cores on that other processes kept busy, a machine counts as busy."""

_PRESSURE = Path("/proc/pressure/cpu")


class Busy:
    """What a machine did since this object was made. Make it before the measurements, and ask it after them."""

    def __init__(self) -> None:
        self.load = os.getloadavg()[0]
        self.pressure, self._waited = _pressure()
        self._system, self._ours, self._began = psutil.cpu_times(), os.times(), time.monotonic()

    def report(self) -> list[str]:
        """Return in what ways the machine was busy, each in a few words; empty: it was not."""
        cores, seconds = os.cpu_count() or 1, time.monotonic() - self._began
        system, ours = psutil.cpu_times(), os.times()
        steal = (getattr(system, "steal", 0.0) - getattr(self._system, "steal", 0.0)) / (cores * seconds)
        used = sum(ours[:4]) - sum(self._ours[:4])  # of this process, and of the children that have ended
        others = (_working(system) - _working(self._system) - used) / seconds
        waited = (_pressure()[1] - self._waited) / 1e6 / seconds
        said = {
            f"load average {self.load:.1f} on {cores} cores before": self.load >= LOAD_PER_CORE * cores,
            f"work waited for a core {self.pressure:.0%} of the time before, {waited:.0%} while":
                self.pressure >= PRESSURE,
            f"other processes used {others:.1f} cores while": others >= OTHERS,
            f"the hypervisor took {steal:.0%} of the cores' time while": steal >= STEAL,
        }  # fmt: skip
        return [text for text, is_much in said.items() if is_much]


def _working(times: Any) -> float:
    """Return the seconds that programs and the kernel worked; `user` has the time of guests in it."""
    return float(sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq")))


def _pressure() -> tuple[float, float]:
    """Return the share of the last 10 s in which something waited for a core, and the microseconds so far.

    Both are 0 where the system does not count them: elsewhere than on Linux (PSI, Documentation/accounting/psi.rst).
    """
    with suppress(OSError):
        some = dict(word.split("=") for word in _PRESSURE.read_text(encoding="ascii").split("\n")[0].split()[1:])
        return float(some["avg10"]) / 100, float(some["total"])
    return 0.0, 0.0
