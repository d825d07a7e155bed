"""What a comparison has found, as data. The tables in the terminal, the JSON and the page show nothing but this."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Literal, NamedTuple

from conformance.targets.terms import Role, Service, Transport

FORMAT = 1

Script = Literal["latin", "cyrillic"]
"""What messages are written in; a Cyrillic letter is two bytes of UTF-8."""

Pattern = Literal["closed", "open", "at once", "spread", "life"]
"""How a load comes.

Echo: ``closed``: each client sends its next requests when the last are answered; ``open``: requests come at a fixed
rate, answered or not, and latency counts from when a request was due, so that a server that stalls does not also stop
the clock. Time: the ticks of all subscribers are due ``at once``, or their phases are ``spread`` evenly over the
interval. ``life``: a server starts, and stops.
"""


class Metric(NamedTuple):
    """A kind of figure: what it is for a reader, its unit, and whether less of it is better."""

    title: str
    unit: str
    less_is_better: bool = True


METRICS = {
    "server_cpu": Metric("server CPU per request or tick", "µs"),
    "requests_per_second": Metric("requests", "1/s", less_is_better=False),
    "latency_p50": Metric("latency, median", "µs"),
    "latency_p99": Metric("latency, 99 %", "µs"),
    "latency_p99.9": Metric("latency, 99.9 %", "µs"),
    "lateness_p50": Metric("lateness of ticks, median", "ms"),
    "lateness_p99": Metric("lateness of ticks, 99 %", "ms"),
    "lateness_max": Metric("lateness of ticks, worst", "ms"),
    "memory": Metric("resident memory per subscriber", "B"),
    "served": Metric("subscribers that got their ticks", "", less_is_better=False),
    "start": Metric("from exec to the ready line", "ms"),
    "stop": Metric("from SIGTERM to the exit", "ms"),
    "lost": Metric("requests without an answer", "%"),
    "generator_cpu": Metric("CPU share of the load generator, of one core", "%"),
    "generator_late": Metric("lateness of the load generator, 99 %", "µs"),
}


@dataclass(frozen=True)
class Load:
    """What a measurement puts on a server.

    `clients` counts sockets; for `closed`, `outstanding` counts requests that each has unanswered at a time; `rate` is
    requests a second in all (`open`); `interval` is of the ticks, in seconds.
    """

    service: Service
    transport: Transport
    pattern: Pattern
    clients: int = 1
    outstanding: int = 1
    message_bytes: int = 0
    script: Script = "latin"
    rate: float | None = None
    interval: float | None = None


@dataclass(frozen=True)
class Figure:
    """The median of some samples, with the least and the greatest of them."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Figure":
        return cls(median(samples), min(samples), max(samples))


@dataclass(frozen=True)
class Measurement:
    """What one target did under one load: figures by METRICS' keys.

    `ratios` are to the baseline's, sample by sample of the same round; the baseline has none. `problem` says in one
    line why figures are missing: the target does not offer this, died, gave up.
    """

    target: str
    load: Load
    figures: dict[str, Figure]
    ratios: dict[str, Figure] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class Disagreement:
    """What the differential check of two servers found.

    `agreed` conversations were answered alike; `difference` describes the shortest that was not, as text, and
    `forbidden` says whether SPEC.md forbids what one of them sent.
    """

    targets: tuple[str, str]
    service: Service
    transport: Transport
    agreed: int
    difference: str = ""
    forbidden: bool = False


@dataclass(frozen=True)
class Source:
    """One program's own file. `code_lines` are neither blank nor comment nor docstring."""

    target: str
    transport: Transport
    role: Role
    path: str
    text: str
    code_lines: int
    longest_function: str
    """Its name; empty if the language's functions are not known here."""
    longest_function_lines: int


@dataclass(frozen=True)
class Comparison:
    """Targets side by side. `machine` describes the machine and the versions, label by label."""

    started: str
    """Of the run: UTC, ISO 8601."""
    seconds: float
    command: str
    machine: dict[str, str]
    targets: list[str]
    baseline: str
    rounds: int
    measurements: list[Measurement]
    disagreements: list[Disagreement]
    sources: list[Source]
    format: int = FORMAT

    def find(self, target: str, load: Load) -> Measurement | None:
        """Return what that target did under that load."""
        return next((each for each in self.measurements if (each.target, each.load) == (target, load)), None)

    def to_json(self) -> dict[str, Any]:
        """Return the whole as JSON takes it; `comparison.schema.json` says its form."""
        return asdict(self)
