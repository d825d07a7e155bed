"""What a run has to say on a terminal."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conformance.reports.causes import Cause
from conformance.running.cases import Case, load_exchange
from conformance.running.checks import requirement_sentence
from conformance.running.verdicts import State, Verdict, Verdicts
from spec.requirements import REQUIREMENTS

COLOURS = {
    Verdict.PASS: "green",
    Verdict.FAIL: "red",
    Verdict.WARN: "yellow",
    Verdict.ERROR: "magenta",
    Verdict.NOT_JUDGED: "dim",
    Verdict.INCONCLUSIVE: "dim",
    Verdict.UNSUPPORTED: "dim",
}

STATE_COLOURS = {State.CONFORMS: "green", State.FAILS: "red", State.NOT_OFFERED: "dim"} | dict.fromkeys(
    (State.NOT_STARTED, State.JUDGE_FAILED, State.TIMED_OUT, State.NOT_JUDGED), "magenta"
)

SHOWN_EXCHANGES = 3

SHOWN_CAUSES = 10
"""So many things to mend are shown of a target; a person does one at a time."""


def matrix(verdicts: Verdicts) -> Table:
    """Return a table of requirement groups by targets: how many hold of how many that were judged, and which do not."""
    groups: dict[str, list[str]] = defaultdict(list)
    for id_ in REQUIREMENTS:
        groups[id_.partition("-")[0]].append(id_)
    table = Table(caption="held/judged, and what does not hold", caption_justify="left", min_width=41)
    table.add_column("requirements")
    for target in verdicts:
        table.add_column(escape(target), justify="right")
    for group, ids in groups.items():
        table.add_row(group, *(_cell(ids, of) for of in verdicts.values()))
    return table


def _cell(ids: Iterable[str], of: Mapping[str, Verdict]) -> str:
    here = {id_: of[id_] for id_ in ids if id_ in of}
    judged = [verdict for verdict in here.values() if verdict in (Verdict.PASS, Verdict.FAIL, Verdict.WARN)]
    told = [
        f"[{COLOURS[kind]}]{kind.name} {' '.join(those)}[/]"
        for kind in (Verdict.FAIL, Verdict.WARN, Verdict.ERROR)
        if (those := [id_ for id_, verdict in here.items() if verdict is kind])
    ]
    if not judged:
        quiet = next(iter(here.values()), None)
        return " ".join(told) or (f"[dim]{quiet.name.lower()}[/]" if quiet else "[dim]–[/]")
    held = judged.count(Verdict.PASS)
    return " ".join([f"[{'green' if held == len(judged) else 'bold'}]{held}/{len(judged)}[/]", *told])


def print_outcome(console: Console, case: Case, outcome: str) -> None:
    """Print one line: what became of a case, and what that is about."""
    colour = {"passed": "green", "failed": "red"}.get(case.outcome, "magenta")
    console.print(f"[{colour}]{outcome}[/] {escape(f'{case.target}: {case.about}: {case.title}')}", soft_wrap=True)


def print_causes(console: Console, causes: Sequence[Cause], *, files_in: Path, hexadecimal: bool) -> None:
    """Print what is to be mended, target by target, in the order in which one would mend it; at most ten each."""
    for target in dict.fromkeys(cause.target for cause in causes):
        own = [cause for cause in causes if cause.target == target]
        console.print()
        count = f"{len(own)} things" if len(own) > 1 else "1 thing"
        console.print(f"[bold]{escape(target)}: {count} to mend, the first first[/]", soft_wrap=True)
        for number, cause in enumerate(own[:SHOWN_CAUSES], 1):
            console.print()
            _print_cause(console, number, cause, hexadecimal=hexadecimal)
        if more := own[SHOWN_CAUSES:]:
            ids = " ".join(cause.requirement for cause in more)
            console.print(f"\nand {len(more)} more, in {files_in}: {ids}", markup=False, soft_wrap=True)
    if causes:
        console.print()


def _print_cause(console: Console, number: int, cause: Cause, *, hexadecimal: bool) -> None:
    if cause.example is None:
        heading = escape(f"{cause.target}: {cause.requirement}")
        console.print(f"{number}. [red]FAILED[/] {heading}", soft_wrap=True)
        lines = [requirement_sentence(cause.requirement), "", *cause.problem.splitlines()]
        console.print("\n".join(f"    {line}".rstrip() for line in lines), markup=False, soft_wrap=True)
    else:
        case, file = cause.example
        console.print(
            f"{number}. [red]FAILED[/] {escape(f'{case.target}: {case.about}: {case.title}')}", soft_wrap=True
        )
        _print_details(console, case, file, hexadecimal=hexadecimal)
        if (alike := sum(case.about == cause.requirement for case, _ in cause.failed)) > 1:
            console.print(f"    {alike - 1} more about {cause.requirement}", markup=False)
    if cause.followers:
        console.print(
            f"    failed too, perhaps because of it: {' '.join(cause.followers)}", markup=False, soft_wrap=True
        )
    if cause.waiting:
        console.print(f"    not judged until it holds: {len(cause.waiting)} checks", markup=False)


def print_errors(console: Console, errors: Sequence[Case]) -> None:
    """Print where the judge failed, each kind of failure once."""
    alike: dict[str, list[Case]] = defaultdict(list)
    for case in errors:
        alike[case.problem].append(case)
    for those in alike.values():
        print_outcome(console, those[0], "ERROR")
        _print_details(console, those[0], None)
        if len(those) > 1:
            console.print(f"    {len(those) - 1} more like it", markup=False)


def print_failure(console: Console, case: Case, *, hexadecimal: bool = False) -> None:
    """Print all that a failed case says: the requirement, what happened, what was sent."""
    print_outcome(console, case, case.outcome.upper())
    _print_details(console, case, None, hexadecimal=hexadecimal)


def _print_details(console: Console, case: Case, file: Path | None, *, hexadecimal: bool = False) -> None:
    lines = [requirement_sentence(case.about), "", *case.problem.splitlines()]
    if case.inputs is not None:
        lines += ["", f"generated: {json.dumps(case.inputs, ensure_ascii=False)[:400]}"]
    for exchange in case.exchanges[-SHOWN_EXCHANGES:]:
        lines += ["", *load_exchange(exchange).show(hexadecimal=hexadecimal).splitlines()]
    if file:
        lines += ["", f"again: sockspec replay {file}"]
    console.print("\n".join(f"    {line}".rstrip() for line in lines), markup=False, soft_wrap=True)


def durations(cases: Iterable[Case], count: int) -> Table:
    """Return the slowest cases, and the time of all by check."""
    table = Table("seconds", "runs", "check", title="Where the time went", title_justify="left")
    spent: dict[str, list[float]] = defaultdict(list)
    for case in cases:
        spent[case.check].append(case.seconds)
    for check, seconds in sorted(spent.items(), key=lambda item: -sum(item[1]))[:count]:
        table.add_row(f"{sum(seconds):.2f}", str(len(seconds)), check)
    return table
