"""Programs whose standard error takes nothing."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from conformance.inconclusive import Inconclusive
from conformance.targets.programs import Program
from conformance.targets.target import Target
from conformance.targets.terms import Role, Transport

UNWRITABLE = {
    "closed": "closed",
    "full": "full",
    "broken-pipe": "a pipe that was closed",
    "full-pipe": "a full pipe that nobody reads",
}
"""The kinds, and each in words."""

_SHELL = {"closed": ["/bin/sh", "-c", 'exec "$0" "$@" 2>&-'], "full": ["/bin/sh", "-c", 'exec "$0" "$@" 2>/dev/full']}


@contextmanager
def unwritable(target: Target, transport: Transport, role: Role, where: str, *arguments: str) -> Iterator[Program]:
    """Run a program with these arguments whose standard error is one of `UNWRITABLE`, for a ``with`` block.

    Raises Inconclusive where that cannot be.
    """
    target.need("output-files")
    if where == "full" and not os.path.exists("/dev/full"):
        raise Inconclusive("this host lacks the device /dev/full")
    command = [*_SHELL.get(where, []), *target.command(transport, role), *arguments]
    with ExitStack() as stack:
        reader, writer = os.pipe()
        stack.callback(os.close, writer)
        if where == "broken-pipe":
            os.close(reader)
        else:
            stack.callback(os.close, reader)
            _fill(writer)
        yield stack.enter_context(
            Program(command, cwd=target.cwd, env=target.environment, stderr=writer, limits=target.limits)
        )


def _fill(pipe: int) -> None:
    """Write to a pipe until it is full; it blocks as before."""
    os.set_blocking(pipe, False)
    with suppress(BlockingIOError):
        while os.write(pipe, bytes(65536)):
            pass
    with suppress(BlockingIOError):  # less than a write of many bytes leaves
        while os.write(pipe, b"\0"):
            pass
    os.set_blocking(pipe, True)
