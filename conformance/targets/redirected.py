"""Programs whose standard error takes nothing."""

import os

from conformance.inconclusive import Inconclusive
from conformance.targets.programs import Program
from conformance.targets.target import Target
from conformance.targets.terms import Role, Transport

UNWRITABLE = "closed", "full"
_SHELL = {"closed": "2>&-", "full": "2>/dev/full"}


def unwritable(target: Target, transport: Transport, role: Role, where: str, *arguments: str) -> Program:
    """Start a program with these arguments whose standard error is one of `UNWRITABLE`, and wait for nothing.

    Raises Inconclusive where that cannot be.
    """
    target.need("output-files")
    if where == "full" and not os.path.exists("/dev/full"):
        raise Inconclusive("this host lacks the device /dev/full")
    command = ["/bin/sh", "-c", f'exec "$0" "$@" {_SHELL[where]}', *target.command(transport, role), *arguments]
    return Program(command, cwd=target.cwd, env=target.environment, limits=target.limits)
