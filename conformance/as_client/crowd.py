"""Very many clients over TCP. They are in a process of their own, since each is an open file.

python -m conformance.as_client.crowd HOST PORT COUNT connects them, prints what came of it, and keeps them until its
standard input ends.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from conformance import ROOT
from conformance.addresses import Address
from conformance.inconclusive import Inconclusive
from conformance.targets.families import starting_child, waited_for
from conformance.timing import SCALE

GATHERING = 20 * SCALE
"""Seconds that all of them may take."""

CONNECTED, SLOW = "connected", "slow"


@contextmanager
def crowd(address: Address, count: int) -> Iterator[None]:
    """A block in which so many clients are connected.

    Raises AssertionError if they cannot connect, and Inconclusive if the server is too slow to tell.
    """
    host, port = address[:2]
    command = [sys.executable, "-m", "conformance.as_client.crowd", host, str(port), str(count)]
    with starting_child():
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
            came = process.stdout.readline().strip()
            if came == SLOW:
                raise Inconclusive(f"{count} clients are not connected after {GATHERING:g} s")
            if came != CONNECTED:
                raise AssertionError(f"{count} clients cannot connect: {process.stderr.read().strip()}")
            yield
    finally:
        waited_for.discard(process.pid)


def main() -> None:
    host, port, count = sys.argv[1:]
    end = time.monotonic() + GATHERING
    with ExitStack() as clients:
        try:
            for _ in range(int(count)):
                left = max(end - time.monotonic(), 0.001)
                client = clients.enter_context(socket.create_connection((host, int(port)), left))
                client.sendall(b"\n")
                client.recv(1)  # so it is accepted: with listen(1) the system has the next but one wait a second
        except TimeoutError:
            print(SLOW, flush=True)
        except OSError as error:
            sys.exit(str(error))
        else:
            print(CONNECTED, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
