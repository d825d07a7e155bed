"""The results of a comparison, as data. The tables in the terminal, the JSON and the page show only this."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Literal, NamedTuple

from conformance.languages.texts import mark
from conformance.targets.terms import Role, Service, Transport

FORMAT = 1

Script = Literal["latin", "cyrillic"]
"""The script of messages; a Cyrillic letter has two bytes in UTF-8."""

Pattern = Literal["closed", "open", "at once", "spread", "life", "crowded"]
"""How a load comes.

- ``closed``: each echo client sends its next requests when the last ones are answered.
- ``open``: echo requests come at a fixed rate, answered or not. Latency counts from the time for which a request was
  planned, so that a server that stalls does not stop the clock.
- ``at once``, ``spread``: the ticks of all subscribers are due at once, or spread evenly over the interval.
- ``life``: a server starts, and stops.
- ``crowded``: all clients pipeline empty lines as fast as they are taken, and one more asks beside them.
"""


class Metric(NamedTuple):
    """A kind of figure: its title, its unit, and whether less of it is better."""

    title: str
    unit: str
    less_is_better: bool = True


METRICS = {
    "server_cpu": Metric(mark("server CPU per request or tick"), mark("µs")),
    "requests_per_second": Metric(mark("requests"), mark("1/s"), less_is_better=False),
    "latency_p50": Metric(mark("latency, median"), mark("µs")),
    "latency_p99": Metric(mark("latency, 99 %"), mark("µs")),
    "lateness_p50": Metric(mark("lateness of ticks, median"), mark("ms")),
    "lateness_p99": Metric(mark("lateness of ticks, 99 %"), mark("ms")),
    "lateness_max": Metric(mark("lateness of ticks, worst"), mark("ms")),
    "memory": Metric(mark("resident memory per subscriber"), mark("B")),
    "served": Metric(mark("subscribers that got their ticks"), "", less_is_better=False),
    "start": Metric(mark("from exec to the ready line"), mark("ms")),
    "stop": Metric(mark("from SIGTERM to the exit"), mark("ms")),
    "lost": Metric(mark("requests without an answer"), "%"),
    "generator_cpu": Metric(mark("CPU share of the load generator, of one core"), "%"),
    "generator_late": Metric(mark("lateness of the load generator, 99 %"), mark("µs")),
}

TOO_FEW_VALUES = mark("too few values: in each round, 10 must lie beyond 99 %")


@dataclass(frozen=True)
class Load:
    """The load on a server in one measurement.

    Attributes:
        clients: how many sockets
        outstanding: how many requests of each client are unanswered at a time (``closed``)
        message_bytes: the size of each message in UTF-8
        rate: requests a second, of all clients together (``open``)
        interval: the server's option --interval, in seconds
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
    """The median of some samples, and the least and the greatest of them."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Figure":
        return cls(median(samples), min(samples), max(samples))


@dataclass(frozen=True)
class Ratio:
    """The geometric mean of a target's values divided by the baseline's of the same round.

    The interval from `low` to `high` is corrected for the number of ratios in the run. Both are None if there are too
    few rounds for a difference. `differs` says whether the rounds carry a difference; if not, the ratio is noise.
    """

    ratio: float
    low: float | None
    high: float | None
    rounds: int
    differs: bool = False


@dataclass(frozen=True)
class Measurement:
    """The results of one target under one load, by METRICS' keys.

    `ratios` compare samples with the baseline's of the same round; the baseline has none. `problem` says in one line
    why figures are missing: the target does not offer this, died, gave up.
    """

    target: str
    load: Load
    figures: dict[str, Figure]
    ratios: dict[str, Ratio] = field(default_factory=dict)
    problem: str = ""

    def reason(self, metric: str) -> str:
        """Return in words why there is no figure of that metric; empty: there is one."""
        if metric in self.figures:
            return ""
        if metric.endswith("p99") and metric.replace("p99", "p50") in self.figures:
            return TOO_FEW_VALUES
        return self.problem or "not measured"


@dataclass(frozen=True)
class Disagreement:
    """The result of comparing the replies of two servers.

    They answered `agreed` conversations alike. `difference` describes the shortest other one, as text; empty: none.
    `forbidden` says whether SPEC.md forbids the replies of one of them.
    """

    targets: tuple[str, str]
    service: Service
    transport: Transport
    agreed: int
    difference: str = ""
    forbidden: bool = False


@dataclass(frozen=True)
class Source:
    """One program's own file. `code_lines` counts lines without blank lines, comments and docstrings."""

    target: str
    transport: Transport
    role: Role
    path: str
    text: str
    code_lines: int
    longest_function: str
    """The name of that function; empty if the language is not Python."""
    longest_function_lines: int


@dataclass(frozen=True)
class Comparison:
    """Targets side by side.

    Attributes:
        problem: why the run ended before all was measured; empty: it did not
        machine: describes the machine and the versions: values by their labels
        busy: in what ways the machine was busy with other work, before and while; empty: it was not
        rounds_needed: how many rounds a load needs, so that they can carry a difference
    """

    started: str
    """When the run started: UTC, ISO 8601."""
    seconds: float
    command: str
    problem: str
    machine: dict[str, str]
    busy: list[str]
    targets: list[str]
    baseline: str
    rounds: int
    rounds_needed: int
    measurements: list[Measurement]
    disagreements: list[Disagreement]
    sources: list[Source]
    format: int = FORMAT

    def loads(self) -> list[Load]:
        """Return the loads in the order in which they were measured."""
        return list(dict.fromkeys(each.load for each in self.measurements))

    def find(self, target: str, load: Load) -> Measurement | None:
        """Return the results of that target under that load, or None."""
        return next((each for each in self.measurements if (each.target, each.load) == (target, load)), None)

    def to_json(self) -> dict[str, Any]:
        """Return all results as data for JSON; `comparison.schema.json` describes the form."""
        return asdict(self)
