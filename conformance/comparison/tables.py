"""A comparison in the terminal, not wider than 100 columns.

Targets that fit side by side are columns, with a table for each metric; more are rows, with a table for each load.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conformance.comparison.model import METRICS, TOO_FEW_VALUES, Comparison, Load, Measurement, Pattern
from conformance.comparison.sources import source_table
from conformance.languages.texts import mark, say
from conformance.languages.told import told
from conformance.targets.terms import Service

WIDTH = 100
FIRST, COLUMN = 19, 20
"""The width of the first column, and of any other."""

TITLES: Mapping[tuple[Service, Pattern], str] = {
    ("echo", "closed"): mark("Echo: each client asks again when it is answered"),
    ("echo", "open"): mark("Echo: requests at a fixed rate, latency from the planned time of each"),
    ("echo", "crowded"): mark("Echo: one client asks beside others that pipeline empty lines"),
    ("time", "at once"): mark(
        "Time: subscribed one after the other as fast as they are answered, interval by interval"
    ),
    ("time", "spread"): mark("Time: subscribed evenly over an interval"),
    ("echo", "life"): mark("Echo: start and stop"),
    ("time", "life"): mark("Time: start and stop"),
}

SHOWN: Mapping[Pattern, list[str]] = {
    "closed": ["server_cpu", "requests_per_second"],
    "open": ["latency_p50", "latency_p99"],
    "at once": ["lateness_p50", "lateness_p99", "server_cpu", "memory"],
    "spread": ["lateness_p50", "lateness_p99", "server_cpu", "memory"],
    "life": ["start", "stop"],
    "crowded": ["latency_p50", "latency_p99"],
}
"""The metrics that the terminal shows; JSON and the page have all."""


SCRIPTS = {"latin": mark("latin"), "cyrillic": mark("cyrillic")}


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print the tables, then problems, disagreements, and how busy the load generator was."""
    width = min(console.width, WIDTH)
    for line in comparison.busy:
        busy = say("The machine was busy: {how}", how=told(line))
        console.print(f"[yellow]{escape(busy)}[/]", width=width)
    side_by_side = FIRST + COLUMN * len(comparison.targets) <= width
    for (service, pattern), title in TITLES.items():
        loads = [load for load in comparison.loads() if (load.service, load.pattern) == (service, pattern)]
        if side_by_side:
            tables = [_metric_table(comparison, loads, metric) for metric in SHOWN[pattern]]
        else:
            tables = [_load_table(comparison, load) for load in loads]
        if any(table.row_count for table in tables):
            console.print(f"\n[bold]{say(title)}[/]", width=width)
        for table in tables:
            if table.row_count:
                console.print()
                console.print(table, width=width)
    console.print()
    median = say("median (least–greatest) of the rounds, at most {count}", count=comparison.rounds)
    console.print(median, width=width)
    for line in [*_ratios(comparison), *_problems(comparison), *_disagreements(comparison), *_generator(comparison)]:
        console.print(line, width=width)
    if comparison.sources:
        console.print(source_table(comparison.sources))
    if comparison.problem:
        incomplete = say("not all was measured: {problem}", problem=say(comparison.problem))
        console.print(f"[magenta]{escape(incomplete)}[/]", width=width)


def _metric_table(comparison: Comparison, loads: Sequence[Load], metric: str) -> Table:
    """Return a table of one metric: a row for each load that has it, a column for each target."""
    table = _empty_table(_heading(metric), map(escape, comparison.targets))
    for load in loads:
        cells = [comparison.find(target, load) for target in comparison.targets]
        if any(cell and metric in cell.figures for cell in cells):
            table.add_row(describe(load), *(_cell(cell, metric) for cell in cells))
    return table


def _load_table(comparison: Comparison, load: Load) -> Table:
    """Return a table of one load: a row for each target, a column for each metric that one of them has."""
    cells = [comparison.find(target, load) for target in comparison.targets]
    metrics = [name for name in SHOWN[load.pattern] if any(cell and name in cell.figures for cell in cells)]
    table = _empty_table(describe(load), map(_heading, metrics))
    for target, cell in zip(comparison.targets, cells, strict=True) if metrics else ():
        table.add_row(escape(target), *(_cell(cell, metric) for metric in metrics))
    return table


def _heading(metric: str) -> str:
    return f"{say(METRICS[metric].title)}, {say(METRICS[metric].unit)}"


def _empty_table(first: str, others: Iterable[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(first, width=FIRST, overflow="fold")
    for title in others:
        table.add_column(title, justify="right", overflow="fold")
    return table


def describe(load: Load) -> str:
    """Return a load's transport, clients and messages in a few words."""
    words = [load.transport.upper()]
    if load.clients > 1 or load.pattern != "life":
        count = say("1 client") if load.clients == 1 else say("{count} clients", count=f"{load.clients:,}")
        words.append(count)
    if load.outstanding > 1:
        words[-1] += f" × {load.outstanding}"
    if load.message_bytes:
        words.append(say("{bytes} B {script}", bytes=f"{load.message_bytes:,}", script=say(SCRIPTS[load.script])))
    if load.rate:
        words.append(say("{rate}/s", rate=f"{load.rate:,.0f}"))
    if load.interval:
        words.append(say("every {seconds} s", seconds=f"{load.interval:g}"))
    return ", ".join(words)


def _cell(measurement: Measurement | None, metric: str) -> str:
    if measurement is None or metric not in measurement.figures:
        return "[dim]–[/]"
    figure = measurement.figures[metric]
    text = f"[bold]{_number(figure.median)}[/]"
    if figure.least < figure.greatest:
        text += f" [dim]({_number(figure.least)}–{_number(figure.greatest)})[/]"
    if ratio := measurement.ratios.get(metric):
        text += f"\n×{_number(ratio.ratio)}" if ratio.differs else "\n≈"
        if ratio.low is not None and ratio.high is not None:
            text += f" [dim]({_short(ratio.low)}–{_short(ratio.high)})[/]"
    return text


def _short(value: float) -> str:
    """Return the least or the greatest ratio as text: ``0.87``, ``15.3``."""
    return f"{value:.2f}" if value < 10 else _number(value)


def _number(value: float) -> str:
    """Return a number with three significant digits: ``0.871``, ``15.3``, ``128``, ``2,340``, ``174k``."""
    if value >= 10_000:
        return f"{value / 1000:,.0f}k"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratios(comparison: Comparison) -> Iterator[str]:
    """Yield what ×, ≈ and – mean, as far as they are shown."""
    ratios = [ratio for each in comparison.measurements for ratio in each.ratios.values()]
    needed, name = comparison.rounds_needed, escape(comparison.baseline)
    if any(ratio.differs for ratio in ratios):
        yield say(
            "×: ratio to {name}, where the rounds carry a difference (interval: 95 %, for all ratios together)",
            name=name,
        )
    if not all(ratio.differs for ratio in ratios):
        yield say("≈: the rounds carry no difference from {name}", name=name)
    if any(ratio.rounds < needed for ratio in ratios):
        more = say(
            "So many ratios need {count} rounds or more to carry a difference; those with fewer are ≈", count=needed
        )
        yield f"[yellow]{more}[/]"
    if any(each.reason(name) == TOO_FEW_VALUES for each in comparison.measurements for name in METRICS):
        yield f"–, 99 %: {say(TOO_FEW_VALUES)}"


def _problems(comparison: Comparison) -> Iterator[str]:
    """Yield a line for each problem, with the loads that it is about."""
    about: dict[tuple[str, str], list[str]] = {}
    for each in comparison.measurements:
        if each.problem:
            load = f"{each.load.service} {each.load.pattern}, {describe(each.load)}"
            about.setdefault((each.target, each.problem), []).append(load)
    for (target, problem), loads in about.items():
        more = say(" and {count} more", count=len(loads) - 1) if len(loads) > 1 else ""
        yield f"[yellow]{escape(target)}: {escape(told(problem))}[/] ({escape(loads[0])}{more})"


def _disagreements(comparison: Comparison) -> Iterator[str]:
    agreed = 0
    for each in comparison.disagreements:
        agreed += each.agreed
        if each.difference:
            colour = "red" if each.forbidden else "yellow"
            text = say(
                "{targets}, {service} over {transport}: {difference}",
                targets=say(" and ").join(each.targets),
                service=each.service,
                transport=each.transport,
                difference=told(each.difference),
            )
            yield f"[{colour}]{escape(text)}[/]"
    if comparison.disagreements:
        yield say("{count} conversations were answered alike by the two targets that got them", count=agreed)


def _generator(comparison: Comparison) -> Iterator[str]:
    """Yield lines about the load generator: its greatest share of its core, and its lateness."""
    for metric, text in (
        ("generator_cpu", mark("the load generator used at most {most} % of its core")),
        ("generator_late", mark("in open loops it sent 99 % of the requests within {most} µs of their planned times")),
    ):
        if figures := [each.figures[metric].median for each in comparison.measurements if metric in each.figures]:
            yield say(text, most=f"{max(figures):.0f}")
