"""A comparison in the terminal: tables of targets side by side, not wider than 100 columns."""

from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conformance.comparison.model import METRICS, Comparison, Figure, Load, Measurement, Pattern
from conformance.targets import Service

WIDTH = 100

TITLES: Mapping[tuple[Service, Pattern], str] = {
    ("echo", "closed"): "Echo: each client asks again when it is answered",
    ("echo", "open"): "Echo: requests at a fixed rate, latency from when each was due",
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
}
"""The metrics in the terminal; JSON and the page have all."""


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print the tables, then what could not be measured, what the targets disagree on, and how busy the generator was."""
    for service, pattern in TITLES:
        table = _table(comparison, service, pattern)
        if table.row_count:
            console.print(table, width=min(console.width, WIDTH))
    for line in [*_problems(comparison), *_disagreements(comparison), *_generator(comparison)]:
        console.print(line, width=min(console.width, WIDTH))
    console.print(
        f"median (least–greatest) of up to {comparison.rounds} rounds; ×: ratio to {escape(comparison.baseline)}, by rounds"
    )


def _table(comparison: Comparison, service: Service, pattern: Pattern) -> Table:
    table = Table(title=TITLES[service, pattern], title_justify="left", show_lines=True)
    table.add_column("load", min_width=13)
    for target in comparison.targets:
        table.add_column(escape(target), justify="right")
    loads = dict.fromkeys(each.load for each in comparison.measurements)
    for load in loads:
        if (load.service, load.pattern) == (service, pattern):
            cells = [comparison.find(target, load) for target in comparison.targets]
            for metric in SHOWN[pattern]:
                row = [_cell(cell, metric) for cell in cells]
                if any(cell and metric in cell.figures for cell in cells):
                    table.add_row(f"{describe(load)}\n[italic]{METRICS[metric].title}, {METRICS[metric].unit}", *row)
    return table


def describe(load: Load) -> str:
    """Return a load's transport, clients and messages in a few words."""
    words = [load.transport.upper()]
    if load.clients > 1 or load.pattern != "life":
        words.append(f"{load.clients:,} client{'s' * (load.clients > 1)}")
    if load.outstanding > 1:
        words.append(f"with {load.outstanding} outstanding")
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
    text = f"[bold]{_number(measurement.figures[metric].median)}[/] [dim]({_range(measurement.figures[metric])})[/]"
    if ratio := measurement.ratios.get(metric):
        text += f" ×{ratio.median:.2f} [dim]({ratio.least:.2f}–{ratio.greatest:.2f})[/]"
    return text


def _range(figure: Figure) -> str:
    return f"{_number(figure.least)}–{_number(figure.greatest)}"


def _number(value: float) -> str:
    """Return three significant digits; of a larger number all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _problems(comparison: Comparison) -> Iterator[str]:
    """Say each problem once, with the loads that it is about."""
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
            told = f"{' and '.join(each.targets)}, {each.service} over {each.transport}: {each.difference}"
            yield f"[{colour}]{escape(told)}[/]"
    if comparison.disagreements:
        yield f"{agreed} conversations were answered alike by each two targets"


def _generator(comparison: Comparison) -> Iterator[str]:
    """Say how busy the load generator was at the most, and how late it was."""
    for metric, told in (
        ("generator_cpu", "the load generator used at most {:.0f} % of its core"),
        ("generator_late", "in open loops it sent 99 % of the requests within {:.0f} µs of when they were due"),
    ):
        if figures := [each.figures[metric].median for each in comparison.measurements if metric in each.figures]:
            yield told.format(max(figures))
