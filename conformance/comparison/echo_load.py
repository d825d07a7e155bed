"""Loads of echo requests: clients ask again when they are answered (closed loop), or at a fixed rate (open loop)."""

import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from time import perf_counter_ns

from conformance.comparison.echo_clients import Client, connect
from conformance.comparison.figures import LoadError, Sample, latency, percentile
from conformance.comparison.machine import Usage, without_collector
from conformance.comparison.model import Load
from conformance.targets.server import Server
from conformance.timing import SCALE

WARM_UP = 0.02
"""Seconds of load before a sample: another server used the core's caches since this one ran last."""

SETTLED = 0.002
"""Seconds until a server that has answered all sleeps: only then is its CPU time complete."""

IN_FLIGHT = {"udp": 64, "tcp": 1 << 16}
"""How many clients wait for an answer at a time. A UDP server's receive buffer, 212,992 bytes by default on Linux,
holds 92 datagrams of 1,000 bytes; more are lost."""

LOST_IN_A_ROW = 8
"""How many clients in a row may have no answer before the server counts as dead."""

SPIN = 100_000
"""Nanoseconds before the time of a request from which on the open loop does not sleep: timers can be so late."""

DRAINED = 2 * SCALE
"""Seconds after the last request of an open loop after which replies count as lost."""


def closed_loop(server: Server, load: Load, seconds: float, usage: Usage | None) -> Sample:
    """Return the figures of one sample that lasts so many seconds; without `usage`, no figure of the server's CPU.

    Raises LoadError, OSError.
    """
    in_flight = IN_FLIGHT[load.transport]
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(server, load)) for _ in range(load.clients)]
        clients[0].verify()
        with without_collector():
            _converse(clients, WARM_UP, in_flight)
            time.sleep(SETTLED)
            server_before, generator_before, start = (
                usage.cpu() if usage else 0.0,
                time.thread_time(),
                perf_counter_ns(),
            )
            latencies, lost = _converse(clients, seconds, in_flight)
            lasted, generator = (perf_counter_ns() - start) / 1e9, time.thread_time() - generator_before
            time.sleep(SETTLED)
            server_cpu = usage.cpu() - server_before if usage else 0.0
        clients[-1].verify()
    answered = len(latencies) * load.outstanding - lost
    sample = {
        "requests_per_second": answered / lasted,
        "latency_p50": percentile(latencies, 50) / 1e3,  # no tail: who waits does not ask while the server stalls
        "generator_cpu": 100 * generator / lasted,
    }
    if usage:
        sample["server_cpu"] = 1e6 * server_cpu / answered
    if load.transport == "udp":
        sample["lost"] = 100 * lost / (answered + lost)
    return sample


def _converse(clients: Sequence[Client], seconds: float, in_flight: int) -> tuple[list[int], int]:
    """Let the clients ask for so many seconds. Return the nanoseconds to each client's answers, and how many were lost.

    One group of clients sends its requests while the server is busy with another group. The last answer of a group is
    received first: the others have come by then, and one wake-up is enough for all.
    """
    size = max(min(len(clients), in_flight) // 2, 1)
    idle = deque(clients[first : first + size] for first in range(0, len(clients), size))
    asked: deque[Sequence[Client]] = deque()

    def ask_next() -> None:
        group = idle.popleft()
        for client in group:
            client.ask()
        asked.append(group)

    end = perf_counter_ns() + int(seconds * 1e9)
    ask_next()
    if idle:
        ask_next()
    latencies: list[int] = []
    lost = lost_in_a_row = 0
    while asked:
        group = asked.popleft()
        for client in reversed(group):
            if missing := client.take():
                lost += missing
                lost_in_a_row += 1
                if lost_in_a_row == LOST_IN_A_ROW:
                    raise LoadError(f"{LOST_IN_A_ROW} clients in a row got no answer")
            else:
                lost_in_a_row = 0
            latencies.append(perf_counter_ns() - client.asked)
        idle.append(group)
        if perf_counter_ns() < end:
            ask_next()
    return latencies, lost


def open_loop(server: Server, load: Load, seconds: float, usage: Usage | None) -> Sample:
    """Return the figures of one sample at the load's rate. Latency counts from the planned time of a request.

    Replies are matched to the requests by their order. Raises LoadError, OSError.
    """
    assert load.rate
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(server, load)) for _ in range(load.clients)]
        clients[0].verify()
        with without_collector():
            server_before = usage.cpu() if usage else 0.0
            latencies, late, lost = _ask_at_rate(clients, int(1e9 / load.rate), int(load.rate * seconds))
            time.sleep(SETTLED)
            server_cpu = usage.cpu() - server_before if usage else 0.0
    sample: dict[str, float] = {"generator_late": percentile(late, 99) / 1e3}
    if load.transport == "udp":
        sample["lost"] = 100 * lost / len(late)
    if not lost:
        sample |= latency(latencies)
    if usage and latencies:
        sample["server_cpu"] = 1e6 * server_cpu / len(latencies)
    return sample


def _ask_at_rate(clients: Sequence[Client], gap: int, count: int) -> tuple[list[int], list[int], int]:
    """Ask `count` times, every `gap` nanoseconds, one client after the other.

    Return three results: for each request the nanoseconds from its planned time to its reply, the same to its sending,
    and how many replies did not come.
    """
    of = {client.socket: client for client in clients}
    planned: dict[socket.socket, deque[int]] = {sock: deque() for sock in of}
    received = dict.fromkeys(of, 0)
    size = len(clients[0].reply)
    sockets = list(of)
    latencies: list[int] = []
    late: list[int] = []
    for sock in sockets:
        sock.setblocking(False)
    start = next_time = perf_counter_ns()
    last = start + (count - 1) * gap
    while len(latencies) < count:
        now = perf_counter_ns()
        while next_time <= now and next_time <= last:
            sock = sockets[len(late) % len(sockets)]
            sock.send(of[sock].request)
            planned[sock].append(next_time)
            late.append(now - next_time)
            next_time += gap
        if now > last + DRAINED * 1e9:
            break
        wait = next_time - now - SPIN if next_time <= last else 10_000_000
        for sock in select.select(sockets, [], [], max(wait, 0) / 1e9)[0]:
            got = sock.recv_into(of[sock].buffer)
            if got == 0:
                raise LoadError("the server closed a connection")
            now = perf_counter_ns()
            received[sock] += got
            while received[sock] >= size:
                received[sock] -= size
                latencies.append(now - planned[sock].popleft())
    return latencies, late, count - len(latencies)
