"""A process beside the suite's own: when that one has ended, even by SIGKILL, it ends all programs that are left.

It runs as a script, on the standard library alone and with as little of that as possible. Standard input has a line
for each program that starts, ``+`` and its process id, and ends, ``-``; its end is the end of the suite's process. The
argument is the beginning of what the programs' environments hold.
"""

import contextlib
import os
import signal
import sys
import time

PASSES = 200
QUIET_PASSES = 2
PAUSE = 0.02  # seconds


def find_marked(mark: bytes) -> list[int]:
    """Return the processes with that in their environment; none where there is no /proc as Linux has it."""
    found = []
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:  # it may be another user's
            if mark in file.read() and pid != os.getpid():
                found.append(pid)
    return found


def read_groups() -> set[int]:
    """Return the process groups that are left when standard input ends."""
    groups: set[int] = set()
    incomplete = b""
    while data := os.read(0, 1 << 16):
        *lines, incomplete = (incomplete + data).split(b"\n")
        for line in lines:
            (groups.add if line.startswith(b"+") else groups.discard)(int(line[1:]))
    return groups


def main() -> None:
    """End what is left, again until nothing new turns up."""
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, signal.SIG_IGN)
    mark = sys.argv[1].encode()
    for group in read_groups():
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    quiet = 0
    for _ in range(PASSES):
        found = find_marked(mark)
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        quiet = 0 if found else quiet + 1
        if quiet >= QUIET_PASSES:
            break
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
