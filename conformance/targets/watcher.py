"""A thread that ends programs which take more memory or more processes than their limits let them."""

import threading
import time
from typing import Protocol

from conformance.targets.families import Family, refresh_families
from conformance.targets.limits import MIB, Limits

MEMORY_EVERY = 0.1
"""Seconds. What takes 1 GiB a second is found 100 MiB above its limit."""

PROCESSES_EVERY = 0.5


class Watched(Protocol):
    """A program that runs."""

    limits: Limits
    family: Family

    def end_because(self, reason: str) -> None:
        """End it and all that it has started, for a reason that is told."""


class Watcher:
    """Looks at all programs that it was given, in a thread of its own, while there are any."""

    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        self._lock = threading.Lock()
        self._is_needed = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, program: Watched) -> None:
        """Watch a program from now on."""
        with self._lock:
            self._watched.add(program)
            self._is_needed.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, daemon=True, name="watcher")
                self._thread.start()

    def remove(self, program: Watched) -> None:
        """Watch it no longer."""
        with self._lock:
            self._watched.discard(program)
            if not self._watched:
                self._is_needed.clear()

    def _watch(self) -> None:
        looked = 0.0
        while self._is_needed.wait():
            time.sleep(MEMORY_EVERY)
            with self._lock:
                watched = list(self._watched)
            count = time.monotonic() - looked > PROCESSES_EVERY
            if count:
                refresh_families()
                looked = time.monotonic()
            for program in watched:
                _judge(program, count)


def _judge(program: Watched, count: bool) -> None:
    family, limits = program.family, program.limits
    if count and len(family.members) > limits.processes:
        program.end_because(f"it had more than {limits.processes} processes")
    elif family.memory() > (most := limits.memory * MIB) and (
        # Processes that share much, such as the workers of a server that forks, were counted too high.
        len(family.members) == 1 or (count and family.memory(shared_once=True) > most)
    ):
        program.end_because(f"it took more than {limits.memory} MiB of memory")


watcher = Watcher()
