"""What programs have started: found wherever it has gone, counted, measured and ended.

A process belongs to a program if it is in its session, has the program's mark in its environment, or has a parent that
belongs to it. It is looked at once, when it first turns up.
"""

import contextlib
import ctypes
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from conformance.targets.environment import MARK

PR_SET_CHILD_SUBREAPER = 36
GRACE = 0.3
"""Seconds that what a program has started gets to end when the program has ended by itself."""
ENDING = 5
"""Seconds after which what does not end by SIGKILL is given up."""
PAUSE = 0.005


def adopt_orphans() -> None:
    """Have what programs leave behind become children of this process, where Linux can do that."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


waited_for: set[int] = set()
"""Numbers of children that are no `Family`: nobody but who has started them waits for them."""


class _Table:
    """All processes of the machine that were seen, and the program that each belongs to."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._seen: set[int] | None = None
        self._families: dict[int, Family] = {}
        self._by_mark: dict[str, Family] = {}
        self._by_session: dict[int, Family] = {}

    def add(self, family: "Family") -> None:
        with self.lock:
            if self._seen is None:
                self._seen = set(psutil.pids())  # what was there before belongs to no program
            self._by_mark[family.mark] = self._by_session[family.pid] = family
            self._claim(family, family.pid)

    def remove(self, family: "Family") -> None:
        with self.lock:
            self._by_mark.pop(family.mark, None)
            self._by_session.pop(family.pid, None)
            for pid in family.members:
                self._families.pop(pid, None)

    def refresh(self) -> None:
        """Look at the processes that have turned up, and forget those that have ended."""
        with self.lock:
            self._reap_orphans()
            seen, now = self._seen or set(), set(psutil.pids())
            for pid in seen - now:
                if family := self._families.pop(pid, None):
                    family.members.pop(pid, None)
            self._seen = now
            for pid in sorted(now - seen - set(self._families)):
                self._find(pid, now - seen)

    def _reap_orphans(self) -> None:
        """Wait for what this process has adopted and what has ended, or it would keep its number.

        A server that forks twice for each client, so as not to wait for any, leaves thousands.
        """
        with contextlib.suppress(OSError):  # there is no such file but on Linux
            for pid in map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()):
                with contextlib.suppress(OSError):
                    if pid not in self._by_session.keys() | waited_for and os.getsid(pid) != os.getsid(0):
                        os.waitpid(pid, os.WNOHANG)

    def _find(self, pid: int, new: set[int]) -> "Family | None":
        """Return the family of a process that has turned up, which may be that of another one, its parent."""
        if pid in self._families or pid not in new:
            return self._families.get(pid)
        new.discard(pid)
        try:
            family = self._by_session.get(os.getsid(pid)) or self._by_mark.get(_mark(pid))
            family = family or self._find(psutil.Process(pid).ppid(), new)
        except (OSError, psutil.Error):
            return None
        if family:
            self._claim(family, pid)
        return family

    def _claim(self, family: "Family", pid: int) -> None:
        with contextlib.suppress(psutil.Error):
            family.members[pid] = psutil.Process(pid)
            self._families[pid] = family


def _mark(pid: int) -> str:
    """Return the mark of a process; empty, if it has none or must not be asked. Raises OSError or psutil.Error."""
    if sys.platform != "linux":
        return psutil.Process(pid).environ().get(MARK, "")
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            _, _, rest = (b"\0" + file.read()).partition(f"\0{MARK}=".encode())
    except PermissionError:  # another user's
        return ""
    return rest.partition(b"\0")[0].decode("utf-8", "replace")


_table = _Table()


def starting_child() -> contextlib.AbstractContextManager[bool]:
    """Return a block that starts a child in a session of its own. Until it has ended, no child is taken for an orphan.

    It is the lock itself: an interrupt between a generator's lock and its block would leave it locked for ever.
    """
    return _table.lock


def refresh_families() -> None:
    """Find what has been started since the last time, in all families."""
    _table.refresh()


class Family:
    """A program and all that it has started. `members` are those that were found, by process id."""

    def __init__(self, pid: int, mark: str) -> None:
        self.pid, self.mark = pid, mark
        self.members: dict[int, psutil.Process] = {}
        _table.add(self)

    def memory(self, *, shared_once: bool = False) -> int:
        """Return the resident memory of all members in bytes; `shared_once` takes longer."""
        return sum(_memory(process, shared_once) for process in self._others(also_first=True))

    def _others(self, *, also_first: bool = False) -> list[psutil.Process]:
        with _table.lock:
            return [process for pid, process in self.members.items() if also_first or pid != self.pid]

    def end(self) -> None:
        """Kill all members that were found."""
        for process in self._others(also_first=True):
            with contextlib.suppress(psutil.Error):
                process.kill()

    def living(self, *, outside_session: bool = False) -> list[psutil.Process]:
        """Return all members that run but for the program itself; those outside its session alone, if so asked."""
        _table.refresh()
        return [each for each in self._others() if _runs(each) and not (outside_session and self._is_inside(each))]

    def _is_inside(self, process: psutil.Process) -> bool:
        with contextlib.suppress(OSError):
            return os.getsid(process.pid) == self.pid
        return True

    def end_what_is_left(self, left: list[psutil.Process], *, grace: bool) -> list[str]:
        """Kill all that is left when the program has been waited for. Return the commands of those that ran on.

        `left` are those that ran before. With `grace` they get some time to end.
        """
        end = time.monotonic() + GRACE * grace
        while any(map(_runs, left)) and time.monotonic() < end:
            time.sleep(PAUSE)
            left = self.living()
        told = [_command(process) for process in left if _runs(process)]
        end = time.monotonic() + ENDING
        while True:
            _table.refresh()
            others = self._others()
            if not others or time.monotonic() > end:
                break
            for process in others:
                with contextlib.suppress(psutil.Error):
                    process.kill()
                with contextlib.suppress(OSError, AttributeError):  # a child of another process, or gone
                    os.waitpid(process.pid, os.WNOHANG)
            time.sleep(PAUSE)
        _table.remove(self)
        return told


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()) or process.name()
    except psutil.Error:
        return f"process {process.pid}"


def _memory(process: psutil.Process, shared_once: bool) -> int:
    with contextlib.suppress(psutil.Error, OSError):
        if shared_once:
            full: Any = process.memory_full_info()
            return int(getattr(full, "pss", full.uss))
        return int(process.memory_info().rss)
    return 0
