"""Measures what a second core brings: ``python -m conformance.comparison.shared_port [TARGET …]``.

One echo server, then two that share a port (SRV-18), each on a core of its own; clients on both cores ask again when
they are answered. Clients take a part of the two cores: little of it over TCP, where each sends many requests at once.
It needs two cores, and Linux.
"""

import argparse
import multiprocessing
import selectors
import socket
import sys
import time
from contextlib import ExitStack
from statistics import median

import psutil

from conformance.comparison.machine import pinned
from conformance.expected.oracle import expected_reply
from conformance.expected.services import SERVICE_TABLE
from conformance.targets.discovery import BUNDLED, find_target, target_help
from conformance.targets.target import Target, TargetError
from conformance.targets.terms import TRANSPORTS, Transport

MESSAGE = "ж" * 100
AHEAD: dict[Transport, int] = {"udp": 1, "tcp": 64}
"""Requests that each client has unanswered."""
CLIENTS = 32
"""Sockets of each process of clients: the kernel gives each socket to one of the servers."""


def main() -> int:
    """Measure each target in turn and print a line for each; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m conformance.comparison.shared_port")
    parser.add_argument("targets", nargs="*", default=list(BUNDLED), metavar="TARGET", help=target_help())
    parser.add_argument("--transport", choices=TRANSPORTS, default="tcp", help="(tcp)")
    parser.add_argument("--seconds", type=float, default=2, help="how long a sample takes (2)")
    parser.add_argument("--rounds", type=int, default=5, help="samples of one server and of two, in turn (5)")
    options = parser.parse_args()
    cores = psutil.Process().cpu_affinity()[:2] if hasattr(psutil.Process, "cpu_affinity") else []
    if len(cores) < 2:
        print("not measured: it needs two cores", file=sys.stderr)
        return 3
    try:
        targets = [find_target(word) for word in options.targets]
    except TargetError as error:
        parser.error(str(error))
    for target in targets:
        rounds = [
            [rate(target, options.transport, cores, count, options.seconds) for count in (1, 2)]
            for _ in range(options.rounds)
        ]
        one, two = (median(rates) for rates in zip(*rounds, strict=True))
        ratios = sorted(both / alone for alone, both in rounds)
        print(
            f"{target.name}: one server {one:,.0f} replies a second, two on a port {two:,.0f}:"
            f" ×{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
            flush=True,
        )
    return 0


def rate(target: Target, transport: Transport, cores: list[int], servers: int, seconds: float) -> float:
    """Return how many replies a second so many servers send, at most one for each core. Raises ProgramError."""
    with ExitStack() as stack:
        port = 0
        for core in cores[:servers]:
            with pinned(core):
                server = target.server("echo", transport, "--quiet", "--reuse-port", "--port", str(port))
            port = stack.enter_context(server).port
        # With one server the clients have the other core for themselves.
        places = cores if servers > 1 else cores[1:]
        with multiprocessing.get_context("spawn").Pool(len(places)) as pool:
            counted = pool.starmap(ask, [(server.address, transport, core, seconds) for core in places])
    return sum(counted)


def ask(address: tuple[str, int], transport: Transport, core: int, seconds: float) -> float:
    """Keep requests unanswered on one core, for so many seconds; return the replies a second."""
    psutil.Process().cpu_affinity([core])
    request = SERVICE_TABLE["echo"].request(MESSAGE) + b"\n"
    size = len(expected_reply("echo", transport, request) or b"")
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for _ in range(CLIENTS):
            sock = stack.enter_context(socket.socket(socket.AF_INET, kind))
            sock.connect(address)
            sock.sendall(request * AHEAD[transport])
            selector.register(sock, selectors.EVENT_READ, sock)
        buffer = bytearray(1 << 16)
        received, begun = 0, dict.fromkeys((key.data for key in selector.get_map().values()), 0)
        start = time.monotonic()
        while (now := time.monotonic()) < start + seconds:
            for key, _ in selector.select(0.1):
                count, begun[key.data] = divmod(begun[key.data] + key.data.recv_into(buffer), size)
                key.data.send(request * count)
                received += count
        return received / (now - start)


if __name__ == "__main__":
    raise SystemExit(main())
