"""Standard streams that lose what cannot be written, so that a command's other results are not lost with it."""

import io
import os
import select
import sys
from typing import Any


class _Stream(io.FileIO):
    """A descriptor that takes all; `problem` is the first reason why something of it was lost."""

    problem: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            while (count := super().write(data)) is None:  # another process that shares it has set O_NONBLOCK
                select.select([], [self], [])
        except OSError as error:
            self.problem = self.problem or error
            return memoryview(data).nbytes
        return count


_streams: dict[str, _Stream] = {}


def take_over() -> None:
    """Replace this process's output streams: nothing that is written to them raises OSError from now on.

    A stream that was closed when the process started is open on the null device.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    for name in "stdout", "stderr":
        old = getattr(sys, name)
        descriptor = old.fileno() if old else os.open(os.devnull, os.O_WRONLY)
        _streams[name] = _Stream(descriptor, "w", closefd=False)
        stream = io.TextIOWrapper(
            io.BufferedWriter(_streams[name]),
            old.encoding if old else "utf-8",
            "backslashreplace",  # a terminal that is not UTF-8 has some letters only
            line_buffering=old is not None and old.line_buffering,
        )
        setattr(sys, name, stream)


def lost_output() -> OSError | None:
    """Return why standard output was lost in part; None if it was not, or if its reader has left."""
    sys.stdout.flush()
    problem = _streams["stdout"].problem
    return None if isinstance(problem, BrokenPipeError) else problem
