"""A comparison's figures as the page shows them: topics, and in each the charts of its metrics."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from conformance.comparison.model import METRICS, Comparison, Figure, Load, Pattern
from conformance.languages.texts import mark, say
from conformance.languages.told import told
from conformance.reports.page.charts import Axis, Mark, Panel, Place
from conformance.targets.terms import TRANSPORTS

LATENCIES = ("latency_p50", "latency_p99")
TIME_CHARTS = {
    mark("Lateness"): ("lateness_p50", "lateness_p99", "lateness_max"),
    mark("Server CPU per tick"): ("server_cpu",),
    mark("Resident memory per subscriber"): ("memory",),
    mark("Subscribers that got their ticks"): ("served",),
}


class Topic(NamedTuple):
    """A pattern of load, what it is, and the metrics of its charts by their titles."""

    pattern: Pattern
    title: str
    lead: str
    charts: Mapping[str, Sequence[str]]


TOPICS = [
    Topic(
        "closed",
        mark("Echo, closed loop"),
        mark("Each client sends its next requests when the last are answered."),
        {mark("Requests per second"): ["requests_per_second"], mark("Server CPU per request"): ["server_cpu"]},
    ),
    Topic(
        "open",
        mark("Echo, open loop"),
        mark(
            "Requests come at a fixed rate, answered or not. Latency counts from when a request was due, "
            "so a server that stalls does not stop the clock too."
        ),
        {mark("Latency"): LATENCIES, mark("Server CPU per request"): ["server_cpu"]},
    ),
    Topic(
        "crowded",
        mark("Echo, beside a crowd"),
        mark(
            "Clients pipeline empty lines as fast as they are taken. Beside them another one asks; the latency is its."
        ),
        {mark("Latency"): LATENCIES},
    ),
    Topic(
        "at once",
        mark("Time, all ticks at once"),
        mark("The ticks of all subscribers are due at the same moment. Lateness counts from when a tick was due."),
        TIME_CHARTS,
    ),
    Topic(
        "spread",
        mark("Time, ticks spread over the interval"),
        mark(
            "The subscribers' ticks are due evenly spread over the interval. Lateness counts from when a tick was due."
        ),
        TIME_CHARTS,
    ),
    Topic(
        "life",
        mark("Start and stop"),
        mark("From exec to the ready line, and from SIGTERM to the exit."),
        {mark("Start and stop"): ["start", "stop"]},
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

BEYOND_GLANCE = 1.25
"""Times the greatest median: whiskers that are longer end there, so that the medians can be compared."""


@dataclass(frozen=True)
class Chart:
    """Panels with one axis, in one unit."""

    title: str
    unit: str
    less_is_better: bool
    panels: list[Panel]


@dataclass(frozen=True)
class ShownTopic:
    """`more` are the charts of what describes the measurement rather than the targets, or says little."""

    title: str
    lead: str
    charts: list[Chart]
    more: list[Chart]
    problems: list[str]


def topics(comparison: Comparison) -> list[ShownTopic]:
    """Return what was measured, topic by topic; metrics that no target has a figure of are left out."""
    shown = []
    for topic in TOPICS:
        measured = [each for each in comparison.measurements if each.load.pattern == topic.pattern]
        loads = list(dict.fromkeys(each.load for each in measured))
        known = {metric for each in measured for metric in each.figures}
        drawn = {metric for metrics in topic.charts.values() for metric in metrics}
        more = {_heading(metric): [metric] for metric in METRICS if metric in known - drawn}
        charts, others = (
            [
                _chart(comparison, loads, say(title), metrics)
                for title, metrics in wanted.items()
                if known.intersection(metrics)
            ]
            for wanted in (topic.charts, more)
        )
        # With some figures, or with none of anybody, a problem stands in no chart.
        problems = [
            f"{each.target}, {describe(each.load)}: {told(each.problem)}"
            for each in measured
            if each.problem and (each.figures or not known)
        ]
        if loads:
            shown.append(ShownTopic(say(topic.title), say(topic.lead), charts, others, problems))
    return shown


def glance(comparison: Comparison) -> list[Chart]:
    """Return the figures to begin with: metrics of a typical load each, and the size of the servers."""
    charts = []
    for pattern, metrics in AT_A_GLANCE:
        panels: dict[str, list[Panel]] = {}
        for transport in TRANSPORTS:
            loads = [
                (metric, each.load)
                for metric in metrics
                for each in comparison.measurements
                if (each.load.pattern, each.load.transport) == (pattern, transport) and metric in each.figures
            ]
            if loads:
                metric = loads[0][0]
                load = min((load for name, load in loads if name == metric), key=_distance)
                marks = [_mark(comparison, target, load, metric) for target in comparison.targets]
                panels.setdefault(metric, []).append(_glance_panel(describe(load), marks))
        charts += [
            Chart(_heading(metric), say(METRICS[metric].unit), METRICS[metric].less_is_better, those)
            for metric, those in panels.items()
        ]
    sizes = [panel for panel in (_lines_of_code(comparison, transport) for transport in TRANSPORTS) if panel]
    return charts + ([Chart(say("Lines of code"), "", True, sizes)] if sizes else [])


def _lines_of_code(comparison: Comparison, transport: str) -> Panel | None:
    """Return the sizes of the servers over a transport; None: no server's own file was found."""
    lines = {
        source.target: source.code_lines
        for source in comparison.sources
        if (source.transport, source.role) == (transport, "server")
    }
    server, unseen = say("server"), say("not seen")
    marks = [
        Mark(target, Figure.of([lines[target]])) if target in lines else Mark(target, None, problem=unseen)
        for target in comparison.targets
    ]
    return _glance_panel(f"{transport.upper()} {server}", marks) if any(mark.figure for mark in marks) else None


def _heading(metric: str) -> str:
    title = say(METRICS[metric].title)
    return title[0].upper() + title[1:]


def _glance_panel(title: str, marks: list[Mark]) -> Panel:
    greatest = max(mark.figure.median for mark in marks if mark.figure)
    return Panel(title, [Place("", marks)], Axis(greatest, BEYOND_GLANCE * greatest))


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
        words.append(say("{bytes} bytes", bytes=f"{load.message_bytes:,}"))
        words.append(say("Cyrillic") if load.script == "cyrillic" else say("Latin"))
    if load.rate is not None:
        words.append(say("{rate} requests/s", rate=f"{load.rate:,.0f}"))
    return ", ".join(words)


def _clients(load: Load) -> str:
    if load.pattern == "life":
        return ""
    one, many = mark("1 client"), mark("{count} clients")
    if load.service == "time":
        one, many = mark("1 subscriber"), mark("{count} subscribers")
    words = [say(many, count=f"{load.clients:,}") if load.clients > 1 else say(one)]
    if load.outstanding > 1:
        words.append(say("{count} outstanding each", count=load.outstanding))
    if load.interval is not None:
        words.append(say("every {seconds} s", seconds=f"{load.interval:g}"))
    return ", ".join(words)


def _chart(comparison: Comparison, loads: Sequence[Load], title: str, metrics: Sequence[str]) -> Chart:
    """Return a panel for each kind of load: one metric by the number of clients, or several metrics of one load."""
    several = len(metrics) > 1
    kinds: dict[str, list[Load]] = {}
    for load in loads:
        kinds.setdefault(describe(load) if several else _kind(load), []).append(load)
    shown: dict[str, list[Place]] = {}
    for kind, those in kinds.items():
        name = kind if len(those) > 1 else describe(those[0])
        shown[name] = [
            Place(
                say(METRICS[metric].title) if several else _clients(load) * (len(those) > 1),
                [_mark(comparison, target, load, metric) for target in comparison.targets],
            )
            for load, metric in product(those, metrics)
        ]
    figures = [mark.figure for places in shown.values() for place in places for mark in place.marks if mark.figure]
    axis = Axis(min(figure.least or figure.median for figure in figures), max(figure.greatest for figure in figures))
    first = METRICS[metrics[0]]
    panels = [Panel(name, places, axis) for name, places in shown.items()]
    return Chart(title, say(first.unit), first.less_is_better, panels)


def _mark(comparison: Comparison, target: str, load: Load, metric: str) -> Mark:
    measurement = comparison.find(target, load)
    if measurement is None:
        return Mark(target, None, problem=say("not measured"))
    figure = measurement.figures.get(metric)
    return Mark(target, figure, measurement.ratios.get(metric), told(say(measurement.reason(metric))))
