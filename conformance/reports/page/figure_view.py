"""A comparison's figures as the page shows them: topics, each with charts and, with the same facts, tables."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from markupsafe import Markup

from conformance.comparison.model import METRICS, Comparison, Figure, Load, Pattern, Ratio
from conformance.reports.page.charts import Axis, Point, draw
from conformance.targets.terms import TRANSPORTS

LATENCIES = ("latency_p50", "latency_p99")
TIME_CHARTS = {
    "Lateness": ("lateness_p50", "lateness_p99", "lateness_max"),
    "Server CPU per tick": ("server_cpu",),
    "Resident memory per subscriber": ("memory",),
    "Subscribers that got their ticks": ("served",),
}


class Topic(NamedTuple):
    """A pattern of load, what it is, and its charts' metrics by title; several in one chart are its horizontal axis."""

    pattern: Pattern
    title: str
    lead: str
    charts: Mapping[str, Sequence[str]]


TOPICS = [
    Topic(
        "closed",
        "Echo, closed loop",
        "Each client sends its next requests when the last are answered.",
        {"Requests per second": ["requests_per_second"], "Server CPU per request": ["server_cpu"]},
    ),
    Topic(
        "open",
        "Echo, open loop",
        "Requests come at a fixed rate, answered or not. Latency counts from when a request was due, "
        "so a server that stalls does not stop the clock too.",
        {"Latency": LATENCIES, "Server CPU per request": ["server_cpu"]},
    ),
    Topic(
        "crowded",
        "Echo, beside a crowd",
        "Clients pipeline empty lines as fast as they are taken. Beside them another one asks; the latency is its.",
        {"Latency": LATENCIES},
    ),
    Topic(
        "at once",
        "Time, all ticks at once",
        "The ticks of all subscribers are due at the same moment. Lateness counts from when a tick was due.",
        TIME_CHARTS,
    ),
    Topic(
        "spread",
        "Time, ticks spread over the interval",
        "The subscribers' ticks are due evenly spread over the interval. Lateness counts from when a tick was due.",
        TIME_CHARTS,
    ),
    Topic(
        "life",
        "Start and stop",
        "From exec to the ready line, and from SIGTERM to the exit.",
        {"Start and stop": ["start", "stop"]},
    ),
]


TYPICAL_CLIENTS = {"echo": 16, "time": 1000}
AT_A_GLANCE: list[tuple[Pattern, Sequence[str]]] = [
    ("closed", ["server_cpu"]),
    ("open", ["latency_p99", "latency_p50"]),
    ("spread", ["lateness_p99", "lateness_p50"]),
    ("spread", ["memory"]),
]
"""Of several metrics the first that was measured: short samples have no 99 %."""


@dataclass(frozen=True)
class Panel:
    """A chart for one kind of load. `missing` says in words which targets are not on it."""

    title: str
    svg: Markup
    missing: list[str]


@dataclass(frozen=True)
class Chart:
    title: str
    panels: list[Panel]


@dataclass(frozen=True)
class TableCell:
    """A figure and its ratio to the baseline's, or, in words, why there is none."""

    figure: Figure | None
    ratio: Ratio | None
    problem: str


@dataclass(frozen=True)
class FigureTable:
    """One metric: rows of loads, columns of targets."""

    title: str
    unit: str
    less_is_better: bool
    rows: list[tuple[str, list[TableCell]]]


@dataclass(frozen=True)
class ShownTopic:
    title: str
    lead: str
    charts: list[Chart]
    tables: list[FigureTable]
    problems: list[str]


class _Entry(NamedTuple):
    """One target's figure at a place of a panel, or, in words, why there is none."""

    panel: str
    place: str
    target: str
    figure: Figure | None
    problem: str


def topics(comparison: Comparison) -> list[ShownTopic]:
    """Return what was measured, topic by topic; metrics that no target has a figure of are left out."""
    shown = []
    for topic in TOPICS:
        measured = [each for each in comparison.measurements if each.load.pattern == topic.pattern]
        loads = list(dict.fromkeys(each.load for each in measured))
        known = {metric for each in measured for metric in each.figures}
        charts = [
            _chart(comparison, loads, title, metrics)
            for title, metrics in topic.charts.items()
            if known.intersection(metrics)
        ]
        tables = [_table(comparison, loads, metric) for metric in METRICS if metric in known]
        # With some figures, or with none of anybody, a problem stands in no table.
        problems = [
            f"{each.target}, {describe(each.load)}: {each.problem}"
            for each in measured
            if each.problem and (each.figures or not known)
        ]
        if loads:
            shown.append(ShownTopic(topic.title, topic.lead, charts, tables, problems))
    return shown


def glance(comparison: Comparison) -> list[tuple[str, str, list[TableCell]]]:
    """Return the figures to begin with, each of a typical load: the metric, the load, a cell for each target."""
    rows = []
    for (pattern, metrics), transport in product(AT_A_GLANCE, TRANSPORTS):
        found = [
            (metric, each.load)
            for metric in metrics
            for each in comparison.measurements
            if (each.load.pattern, each.load.transport) == (pattern, transport) and metric in each.figures
        ]
        if found:
            metric = found[0][0]
            table = _table(comparison, [min((load for name, load in found if name == metric), key=_distance)], metric)
            [(load, cells)] = table.rows
            rows.append((f"{table.title}, {table.unit}" if table.unit else table.title, load, cells))
    return rows


def _distance(load: Load) -> tuple[float, int, int, str]:
    """Return how far a load is from a typical one."""
    far = abs(math.log(load.clients / TYPICAL_CLIENTS[load.service]))
    return far, load.outstanding, load.message_bytes, load.script


def describe(load: Load) -> str:
    """Return a load in words."""
    return ", ".join(word for word in (_kind(load), _clients(load)) if word)


def _kind(load: Load) -> str:
    words = [load.transport.upper()]
    if load.pattern == "life":
        words.append(load.service)
    if load.message_bytes:
        words += [f"{load.message_bytes:,} bytes", "Cyrillic" if load.script == "cyrillic" else "Latin"]
    if load.rate is not None:
        words.append(f"{load.rate:,.0f} requests/s")
    return ", ".join(words)


def _clients(load: Load) -> str:
    if load.pattern == "life":
        return ""
    words = [f"{load.clients:,} {'subscriber' if load.service == 'time' else 'client'}{'s' * (load.clients > 1)}"]
    if load.outstanding > 1:
        words.append(f"{load.outstanding} outstanding each")
    if load.interval is not None:
        words.append(f"every {load.interval:g} s")
    return ", ".join(words)


def _chart(comparison: Comparison, loads: Sequence[Load], title: str, metrics: Sequence[str]) -> Chart:
    """Return a panel for each kind of load: one metric by the number of clients, or several metrics in a row."""
    several = len(metrics) > 1
    intervals = len({load.interval for load in loads}) > 1
    outstanding = any(load.outstanding > 1 for load in loads)
    clients = "subscribers" if loads[0].service == "time" else "clients"

    def place(load: Load) -> str:
        words = f"{load.clients:,}" + f"×{load.outstanding}" * (load.outstanding > 1)
        return f"{words}, {load.interval:g} s" if intervals else words

    entries = [
        _Entry(
            *((describe(load), name.rpartition("_")[2]) if several else (_kind(load), place(load))),
            target,
            *_found(comparison, target, load, name)[::2],
        )
        for load in loads
        for name in metrics
        for target in comparison.targets
    ]
    figures = [entry.figure for entry in entries if entry.figure]
    axis = Axis(
        "" if several else clients + " × outstanding" * outstanding + ", interval" * intervals,
        METRICS[metrics[0]].unit,
        min(figure.least for figure in figures),
        max(figure.greatest for figure in figures),
    )
    panels = [
        _panel(comparison.targets, axis, name, f"{title}, {name}", [entry for entry in entries if entry.panel == name])
        for name in dict.fromkeys(entry.panel for entry in entries)
    ]
    return Chart(title, panels)


def _panel(targets: Sequence[str], axis: Axis, name: str, title: str, entries: Sequence[_Entry]) -> Panel:
    at: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        if entry.figure is None:
            at.setdefault((entry.target, entry.problem), []).append(entry.place)
    missing: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (target, problem), where in at.items():
        missing.setdefault((problem, tuple(where)), []).append(target)
    places = list(dict.fromkeys(entry.place for entry in entries))
    said = [
        f"{', '.join(names) if len(names) < len(targets) else 'all'}: {problem}"
        + (f" ({', '.join(where)})" if list(where) != places else "")
        for (problem, where), names in missing.items()
    ]
    points = [
        Point(entry.target, entry.place, entry.figure, joined="×" not in entry.place)
        for entry in entries
        if entry.figure
    ]
    return Panel(name, draw(points, targets, places, axis, title) if points else Markup(), said)


def _table(comparison: Comparison, loads: Sequence[Load], metric: str) -> FigureTable:
    rows = [
        (describe(load), [TableCell(*_found(comparison, target, load, metric)) for target in comparison.targets])
        for load in loads
    ]
    return FigureTable(METRICS[metric].title, METRICS[metric].unit, METRICS[metric].less_is_better, rows)


def _found(comparison: Comparison, target: str, load: Load, metric: str) -> tuple[Figure | None, Ratio | None, str]:
    """Return a figure, its ratio to the baseline's, and why there is none."""
    measurement = comparison.find(target, load)
    if measurement is None:
        return None, None, "not measured"
    return measurement.figures.get(metric), measurement.ratios.get(metric), measurement.reason(metric)
