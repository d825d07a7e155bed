"""A load of clients that pipeline empty lines as fast as these are taken. Another client asks beside them.

The crowd is a process of its own, ``python -m conformance.comparison.crowd_load HOST PORT CLIENTS``: it takes all the
CPU time that it gets, and who measures must not wait for it.
"""

import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from time import perf_counter_ns

from conformance.addresses import Address
from conformance.comparison.echo_clients import connect
from conformance.comparison.figures import LoadError, Sample, latency
from conformance.comparison.machine import without_collector
from conformance.comparison.model import Load
from conformance.targets.server import Server
from conformance.timing import PATIENCE

LINES = b"\n" * 16384
WARM_UP = 0.5
"""Seconds in which the crowd fills the buffers of its connections, before the first question."""
PAUSE = 0.003
"""Seconds between an answer and the next question: with none, a server could answer it in the turn of the last one."""


def crowded(server: Server, load: Load, seconds: float) -> Sample:
    """Return the figures of one sample that lasts so many seconds. Raises LoadError, OSError."""
    with ExitStack() as stack, without_collector():
        client = stack.enter_context(connect(server, Load("echo", "tcp", "closed", 1, 1, 32)))
        client.verify()
        host, port = server.address
        command = [sys.executable, "-m", __name__, host, str(port), str(load.clients)]
        crowd = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
        stack.callback(crowd.kill)
        assert crowd.stdout
        if not crowd.stdout.readline():
            raise LoadError(f"{load.clients} clients could not connect")
        time.sleep(WARM_UP)
        end = perf_counter_ns() + int(seconds * 1e9)
        latencies: list[int] = []
        while perf_counter_ns() < end:
            client.ask()
            try:
                client.take()
            except BlockingIOError:
                raise LoadError(f"no answer within {PATIENCE:g} s beside {load.clients} clients") from None
            latencies.append(perf_counter_ns() - client.asked)
            time.sleep(PAUSE)
    return latency(latencies)


def pipeline(address: Address, clients: int) -> None:
    """Connect so many clients, print a line, and send empty lines on each until the server closes one."""
    buffer = bytearray(1 << 20)
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for _ in range(clients):
            sock = stack.enter_context(socket.create_connection(address, PATIENCE))
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
        print("connected", flush=True)
        while True:
            for key, events in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                with suppress(BlockingIOError):
                    if events & selectors.EVENT_READ and not key.fileobj.recv_into(buffer):
                        return
                    if events & selectors.EVENT_WRITE:
                        key.fileobj.send(LINES)


def main(arguments: Sequence[str]) -> None:
    """Run the crowd."""
    host, port, clients = arguments
    with suppress(ConnectionError):
        pipeline((host, int(port)), int(clients))


if __name__ == "__main__":
    main(sys.argv[1:])
