"""Very many clients over TCP that say nothing. They are in a process of their own, since each is an open file.

python -m conformance.as_client.crowd HOST PORT COUNT connects them, prints a line, and keeps them until its standard
input ends.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from conformance import ROOT
from conformance.addresses import Address
from conformance.targets.families import starting_child
from conformance.timing import PATIENCE


@contextmanager
def crowd(address: Address, count: int) -> Iterator[None]:
    """A block in which so many clients are connected. Raises AssertionError if they cannot connect."""
    host, port = address[:2]
    command = [sys.executable, "-m", "conformance.as_client.crowd", host, str(port), str(count)]
    with starting_child() as waited_for:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        waited_for.add(process.pid)
    try:
        with process:  # at its end its standard input is closed, and it is waited for
            assert process.stdout and process.stderr
            if not process.stdout.readline():
                raise AssertionError(f"{count} clients cannot connect: {process.stderr.read().strip()}")
            yield
    finally:
        waited_for.discard(process.pid)


def main() -> None:
    host, port, count = sys.argv[1:]
    with ExitStack() as clients:
        try:
            for _ in range(int(count)):
                clients.enter_context(socket.create_connection((host, int(port)), PATIENCE))
        except OSError as error:
            sys.exit(str(error))
        print("connected", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
