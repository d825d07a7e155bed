"""How late ticks come with many subscribers, what a subscriber costs, and how fast a full server stops.

    python -m conformance.benchmark raw with --transport tcp --subscribers 1000 --interval 1 --seconds 10

Lateness is against the client's own earliest tick: arrival minus (seq - 1) x interval, less the least of these.
"""

import argparse
import re
import resource
import selectors
import socket
import statistics
import time
from dataclasses import dataclass, field

import psutil
from rich.console import Console
from rich.table import Table

from conformance.targets import BUNDLED, TRANSPORTS, Target, Transport

_SEQ = re.compile(rb"\nseq: (\d+)\n\n")
_TOKEN = re.compile(rb"\ntoken: (\S+)\n\n")


@dataclass
class Subscriber:
    """One client's socket, its request, when to send that again, and arrival - (seq - 1) x interval for each tick.

    A subscription that was lost and begun anew is a list of its own.
    """

    socket: socket.socket
    request: bytes
    send_again: float
    subscriptions: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True)
class Measurement:
    """Lateness in seconds, server CPU in seconds a tick, resident bytes a client, seconds from SIGTERM to the exit."""

    ticks: int
    lateness: list[float]
    cpu_per_tick: float
    bytes_per_subscriber: float
    stop: float


def measure(target: Target, transport: Transport, subscribers: int, interval: float, seconds: float) -> Measurement:
    """Subscribe that many clients, receive ticks for some seconds, and stop the server while they are still there."""
    options = ("--interval", f"{interval:g}", "--max-clients", str(subscribers), "--quiet")
    with target.server("time", transport, *options) as server, selectors.DefaultSelector() as selector:
        process = psutil.Process(server.pid)
        empty = process.memory_info().rss
        kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
        clients = []
        for number in range(subscribers):
            client = Subscriber(socket.socket(socket.AF_INET, kind), f"TIME клиент {number}\n".encode(), float("inf"))
            client.socket.connect(server.address)
            client.socket.send(client.request)
            if transport == "udp":
                client.send_again = time.monotonic() + interval
            client.socket.setblocking(False)
            selector.register(client.socket, selectors.EVENT_READ, client)
            clients.append(client)
            receive(selector, 0, interval)
        before = process.cpu_times()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            receive(selector, min(0.01, end - time.monotonic()), interval)
            renew(clients, interval)
        after = process.cpu_times()
        full = process.memory_info().rss
        started = time.monotonic()
        server.stop()
        stop = time.monotonic() - started
        for client in clients:
            client.socket.close()
    lateness = [phase - min(phases) for client in clients for phases in client.subscriptions for phase in phases]
    cpu = after.user + after.system - before.user - before.system
    return Measurement(len(lateness), sorted(lateness), cpu / len(lateness), (full - empty) / subscribers, stop)


def receive(selector: selectors.BaseSelector, wait: float, interval: float) -> None:
    """Take what has come within `wait` seconds; answer challenges."""
    for key, _ in selector.select(wait):
        client: Subscriber = key.data
        data = client.socket.recv(1 << 16)
        now = time.monotonic()
        for seq in _SEQ.findall(data):
            if seq == b"1":
                client.subscriptions.append([])
            client.subscriptions[-1].append(now - (int(seq) - 1) * interval)
        if token := _TOKEN.search(data):
            client.request = client.request.partition(b"\n")[0] + b"\ntoken: " + token[1] + b"\n"
            client.socket.send(client.request)
            client.send_again = now + interval


def renew(clients: list[Subscriber], interval: float) -> None:
    """Send each UDP client's request again when it is due: it was lost, or the lease is to be renewed."""
    now = time.monotonic()
    for client in clients:
        if client.send_again <= now:
            client.socket.send(client.request)
            client.send_again = now + interval


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure tick lateness on loopback.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(BUNDLED)}; default: all")
    parser.add_argument("--transport", choices=TRANSPORTS, default="tcp")
    parser.add_argument("--subscribers", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - set(BUNDLED):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    table = Table("target", "ticks", "p50 ms", "p99 ms", "max ms", "CPU us/tick", "KiB/client", "stop s")
    for name in arguments.targets or BUNDLED:
        result = measure(
            BUNDLED[name], arguments.transport, arguments.subscribers, arguments.interval, arguments.seconds
        )
        percentiles = statistics.quantiles(result.lateness, n=100)
        table.add_row(
            name,
            str(result.ticks),
            *(f"{1000 * value:.1f}" for value in (percentiles[49], percentiles[98], result.lateness[-1])),
            f"{1e6 * result.cpu_per_tick:.1f}",
            f"{result.bytes_per_subscriber / 1024:.1f}",
            f"{result.stop:.2f}",
        )
    title = f"{arguments.subscribers} subscribers over {arguments.transport.upper()}, interval {arguments.interval:g} s"
    Console().print(title, table)


if __name__ == "__main__":
    main()
