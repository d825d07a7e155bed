"""The loads of a comparison: all of them, which takes minutes, or a quick choice, which takes about a minute."""

from collections.abc import Collection, Iterator
from itertools import product
from typing import NamedTuple

from conformance.comparison.model import Load, Script
from conformance.targets.terms import SERVICES, TRANSPORTS, Service, Transport

RATE = 4000.0
"""Requests a second of the open loop: well below what a server can do, so that rare long latencies show."""

LONG = 1000
"""The size of a long message, in bytes."""

ROUNDS = 15
"""How often a load is measured: so many rounds find 15 % in noise of 5 %, among the ratios of a few targets."""

LOOPS = ("closed", "open")
"""The patterns of echo requests; one server can take several such loads, one after the other."""


class Plan(NamedTuple):
    """Loads, how many rounds there are, and how many seconds a sample of a closed and of an open loop lasts."""

    loads: list[Load]
    rounds: int
    closed_seconds: float
    open_seconds: float

    def rounds_of(self, load: Load) -> int:
        """Return in how many rounds that load is measured; a load that takes many seconds is measured in fewer."""
        return min(self.rounds, 3) if load.clients >= 10_000 else self.rounds

    def groups(self) -> list[list[Load]]:
        """Return the loads in groups for one server each: all loops of a transport, or one other load."""
        groups: dict[object, list[Load]] = {}
        for load in self.loads:
            groups.setdefault(load.transport if load.pattern in LOOPS else load, []).append(load)
        return list(groups.values())


def choose(
    services: Collection[Service], transports: Collection[Transport], *, quick: bool = False, rounds: int | None = None
) -> Plan:
    """Return the loads of these services and transports; none given: of all."""
    loads = [
        load
        for load in (_quick() if quick else _whole())
        if load.service in (services or SERVICES) and load.transport in (transports or TRANSPORTS)
    ]
    return Plan(loads, rounds or ROUNDS, *((0.04, 0.08) if quick else (0.1, 0.5)))


def _quick() -> Iterator[Load]:
    for transport in TRANSPORTS:
        yield Load("echo", transport, "life")
        yield _closed(transport, 16, 1, 32, "cyrillic")
        if transport == "tcp":
            yield _closed(transport, 16, 16, 32, "cyrillic")
        yield _open(transport, 32, "cyrillic")
        yield Load("time", transport, "spread", 100, interval=0.05)


def _whole() -> Iterator[Load]:
    scripts: tuple[Script, ...] = "latin", "cyrillic"
    for service, transport in product(SERVICES, TRANSPORTS):
        yield Load(service, transport, "life")
    for transport in TRANSPORTS:
        for clients, size, script in product((1, 16), (32, LONG), scripts):
            yield _closed(transport, clients, 1, size, script)
        for size in (32, LONG):
            yield _closed(transport, 256, 1, size)
            yield _closed(transport, *((16, 16) if transport == "tcp" else (1, 16)), size)
            yield _open(transport, size, "cyrillic")
    yield _closed("tcp", 16, 64, 32)
    yield Load("echo", "tcp", "crowded", 100)
    for clients, transport in product((100, 1000), TRANSPORTS):
        yield Load("time", transport, "at once", clients, interval=0.2)
        yield Load("time", transport, "spread", clients, interval=0.2)
    for transport in TRANSPORTS:
        yield Load("time", transport, "at once", 10_000, interval=2.0)  # subscribing them takes up to a second
        yield Load("time", transport, "spread", 10_000, interval=1.0)


def _closed(transport: Transport, clients: int, outstanding: int, size: int, script: Script = "latin") -> Load:
    return Load("echo", transport, "closed", clients, outstanding, size, script)


def _open(transport: Transport, size: int, script: Script) -> Load:
    return Load("echo", transport, "open", 16, 1, size, script, RATE)
