"""A comparison in the terminal: tables of targets side by side, not wider than 100 columns."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conformance.comparison.model import METRICS, Comparison, Figure, Load, Measurement, Pattern
from conformance.targets.terms import Service

WIDTH = 100
COLUMNS = 4
"""How many targets fit into that width; the others get another table below."""
FIRST = 19
"""The width of the first column."""

TITLES: Mapping[tuple[Service, Pattern], str] = {
    ("echo", "closed"): "Echo: each client asks again when it is answered",
    ("echo", "open"): "Echo: requests at a fixed rate, latency from the planned time of each",
    ("echo", "crowded"): "Echo: one client asks beside others that pipeline empty lines",
    ("time", "at once"): "Time: subscribed one after the other as fast as they are answered, interval by interval",
    ("time", "spread"): "Time: subscribed evenly over an interval",
    ("echo", "life"): "Echo: start and stop",
    ("time", "life"): "Time: start and stop",
}

SHOWN: Mapping[Pattern, list[str]] = {
    "closed": ["server_cpu", "requests_per_second"],
    "open": ["latency_p50", "latency_p99", "latency_p99.9"],
    "at once": ["lateness_p99", "server_cpu", "memory"],
    "spread": ["lateness_p99", "server_cpu", "memory"],
    "life": ["start", "stop"],
    "crowded": ["latency_p50", "latency_p99"],
}
"""The metrics that the terminal shows; JSON and the page have all."""


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print the tables, then problems, disagreements, and how busy the load generator was."""
    width = min(console.width, WIDTH)
    several = [comparison.targets[first : first + COLUMNS] for first in range(0, len(comparison.targets), COLUMNS)]
    for (service, pattern), title in TITLES.items():
        tables = [
            _table(comparison, targets, service, pattern, metric) for metric in SHOWN[pattern] for targets in several
        ]
        if any(table.row_count for table in tables):
            console.print(f"\n[bold]{title}[/]", width=width)
        for table in tables:
            if table.row_count:
                console.print()
                console.print(table, width=width)
    console.print(f"\nmedian (least–greatest) of the rounds, at most {comparison.rounds}", width=width)
    console.print(f"×: ratio to {escape(comparison.baseline)}, round by round", width=width)
    for line in [*_problems(comparison), *_disagreements(comparison), *_generator(comparison)]:
        console.print(line, width=width)


def _table(comparison: Comparison, targets: Sequence[str], service: Service, pattern: Pattern, metric: str) -> Table:
    """Return a table of one metric: a row for each load that has it, a column for each target."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(f"{METRICS[metric].title}, {METRICS[metric].unit}", width=FIRST)
    for target in targets:
        table.add_column(escape(target), justify="right", no_wrap=True)
    for load in dict.fromkeys(each.load for each in comparison.measurements):
        if (load.service, load.pattern) == (service, pattern):
            cells = [comparison.find(target, load) for target in targets]
            if any(cell and metric in cell.figures for cell in cells):
                table.add_row(describe(load), *(_cell(cell, metric) for cell in cells))
    return table


def describe(load: Load) -> str:
    """Return a load's transport, clients and messages in a few words."""
    words = [load.transport.upper()]
    if load.clients > 1 or load.pattern != "life":
        words.append(f"{load.clients:,} client{'s' * (load.clients > 1)}")
    if load.outstanding > 1:
        words[-1] += f" × {load.outstanding}"
    if load.message_bytes:
        words.append(f"{load.message_bytes:,} B {load.script}")
    if load.rate:
        words.append(f"{load.rate:,.0f}/s")
    if load.interval:
        words.append(f"every {load.interval:g} s")
    return ", ".join(words)


def _cell(measurement: Measurement | None, metric: str) -> str:
    if measurement is None or metric not in measurement.figures:
        return "[dim]–[/]"
    text = f"[bold]{_number(measurement.figures[metric].median)}[/]{_range(measurement.figures[metric], _number)}"
    if ratio := measurement.ratios.get(metric):
        text += f"\n×{_number(ratio.median)}{_range(ratio, _short)}"
    return text


def _range(figure: Figure, number: Callable[[float], str]) -> str:
    """Return the least and the greatest sample as text; empty if they are equal."""
    if figure.least == figure.greatest:
        return ""
    return f" [dim]({number(figure.least)}–{number(figure.greatest)})[/]"


def _short(value: float) -> str:
    """Return the least or the greatest ratio as text: ``0.87``, ``15.3``."""
    return f"{value:.2f}" if value < 10 else _number(value)


def _number(value: float) -> str:
    """Return a number with three significant digits: ``0.871``, ``15.3``, ``128``, ``2,340``, ``174k``."""
    if value >= 10_000:
        return f"{value / 1000:,.0f}k"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _problems(comparison: Comparison) -> Iterator[str]:
    """Yield a line for each problem, with the loads that it is about."""
    about: dict[tuple[str, str], list[str]] = {}
    for each in comparison.measurements:
        if each.problem:
            load = f"{each.load.service} {each.load.pattern}, {describe(each.load)}"
            about.setdefault((each.target, each.problem), []).append(load)
    for (target, problem), loads in about.items():
        more = f" and {len(loads) - 1} more" if len(loads) > 1 else ""
        yield f"[yellow]{escape(target)}: {escape(problem)}[/] ({escape(loads[0])}{more})"


def _disagreements(comparison: Comparison) -> Iterator[str]:
    agreed = 0
    for each in comparison.disagreements:
        agreed += each.agreed
        if each.difference:
            colour = "red" if each.forbidden else "yellow"
            text = f"{' and '.join(each.targets)}, {each.service} over {each.transport}: {each.difference}"
            yield f"[{colour}]{escape(text)}[/]"
    if comparison.disagreements:
        yield f"{agreed} conversations were answered alike by each two targets"


def _generator(comparison: Comparison) -> Iterator[str]:
    """Yield lines about the load generator: its greatest share of its core, and its lateness."""
    for metric, text in (
        ("generator_cpu", "the load generator used at most {:.0f} % of its core"),
        ("generator_late", "in open loops it sent 99 % of the requests within {:.0f} µs of their planned times"),
    ):
        if figures := [each.figures[metric].median for each in comparison.measurements if metric in each.figures]:
            yield text.format(max(figures))
