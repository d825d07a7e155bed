"""How much a program under test may take before it is ended."""

import contextlib
import resource
import sys
from dataclasses import dataclass, fields
from typing import Any

KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Limits:
    """What a program and all that it has started may take together; each is a positive int.

    `memory` is resident memory in MiB; what several processes share counts once where the system can tell. `processes`
    counts processes, not threads. `open_files` is for each process, as RLIMIT_NOFILE. `output` is what it prints in its
    life on both streams, in MiB.

    The defaults are far above what an honest program takes: the largest load of a check is 150 clients, that of a
    comparison 10,000.
    """

    memory: int = 2048
    processes: int = 2000
    open_files: int = 65536
    output: int = 64

    @classmethod
    def from_table(cls, table: object) -> "Limits":
        """Return the limits that a table names; the others are the default. Raises ValueError with one line."""
        names = [each.name for each in fields(cls)]
        if not isinstance(table, dict) or not set(table) <= set(names):
            raise ValueError(f"must be a table with some of {', '.join(names)}")
        for name, value in table.items():
            if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
                raise ValueError(f"{name} must be a whole number above 0")
        known: dict[str, Any] = table
        return cls(**known)


DEFAULT_LIMITS = Limits()

OWN_FILES = 1024
"""Open files that the suite takes for itself, and hands on to programs; the default of Linux. macOS gives 256."""


def open_own_files() -> None:
    """Raise this process's limit of open files to `OWN_FILES`, where the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < OWN_FILES:
        most = OWN_FILES if hard == resource.RLIM_INFINITY else min(OWN_FILES, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def apply_limits(pid: int, limits: Limits) -> None:
    """Set the limits that the kernel holds, where it lets another process set them: a program that has just started."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
            soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            if hard == resource.RLIM_INFINITY or hard > limits.open_files:
                least = limits.open_files if soft == resource.RLIM_INFINITY else min(soft, limits.open_files)
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (least, limits.open_files))
        with contextlib.suppress(OSError), open(f"/proc/{pid}/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")  # where memory runs out, the kernel ends this one before any other
