"""The machine of the measurements: its cores, its limits, the use of them by processes, and its description."""

import contextlib
import gc
import os
import platform
import resource
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

import psutil

from conformance.languages.texts import mark

_PACKAGES = "psutil", "scipy", "uvloop"


class Cores(NamedTuple):
    """The core for servers and the core for the load generator; None: the system chooses."""

    server: int | None
    generator: int | None


def choose_cores() -> Cores:
    """Return two different cores that this process may use; None for both if there is one, or none can be chosen."""
    if not hasattr(os, "sched_getaffinity"):
        return Cores(None, None)
    usable = sorted(os.sched_getaffinity(0))
    return Cores(usable[-1], usable[0]) if len(usable) > 1 else Cores(None, None)


@contextlib.contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Keep this thread, and the processes that it starts in the block, on one core."""
    if core is None:
        yield
        return
    process = psutil.Process()
    before = process.cpu_affinity()
    process.cpu_affinity([core])
    try:
        yield
    finally:
        process.cpu_affinity(before)


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """Stop Python's garbage collector in the block: it would pause the load generator."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextlib.contextmanager
def nothing_to_collect() -> Iterator[None]:
    """Hide from the garbage collector what is there before the block: to go through it takes 15 ms each time."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def raise_file_limit() -> int:
    """Let this process, and those that it starts, open as many files as the system allows. Return how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


class Usage:
    """The CPU time and memory of a program and of the processes that it has started so far."""

    def __init__(self, pid: int) -> None:
        program = psutil.Process(pid)
        self.processes = [program, *program.children(recursive=True)]

    def cpu(self) -> float:
        """Return the CPU time of all their threads so far, in seconds."""
        return sum(_cpu(process) for process in self.processes)

    def memory(self) -> int:
        """Return their resident memory in bytes."""
        return sum(process.memory_info().rss for process in self.processes)


def _cpu(process: psutil.Process) -> float:
    if sys.platform == "linux":
        # As clock_getcpuclockid(3): it counts nanoseconds, but /proc counts hundredths of a second
        return time.clock_gettime(~process.pid << 3 | 2)
    times = process.cpu_times()
    return times.user + times.system


def describe(cores: Cores) -> dict[str, str]:
    """Return the machine and the versions on which figures depend: values by their labels."""
    packages = {}
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            packages[package] = version(package)
    if cores.server is None:
        pinning = "none: servers and the load generator share the cores"
    else:
        pinning = f"servers on core {cores.server}, the load generator on core {cores.generator}"
    return {
        mark("processor"): _processor(),
        mark("cores"): f"{psutil.cpu_count()}",
        mark("memory"): f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        mark("system"): f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        mark("packages"): ", ".join(f"{name} {number}" for name, number in packages.items()),
        mark("pinning"): pinning,
        mark("load average at the start"): f"{os.getloadavg()[0]:.2f}",
        mark("limit of open files"): f"{resource.getrlimit(resource.RLIMIT_NOFILE)[1]}",
    }


def _processor() -> str:
    """Return the processor's name as Linux knows it, elsewhere as Python does."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
