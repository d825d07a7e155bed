"""What a run has to say on a terminal."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conformance.running.cases import Case, load_exchange
from conformance.running.checks import requirement_sentence
from conformance.running.verdicts import Verdict, Verdicts
from spec.requirements import REQUIREMENTS

COLOURS = {
    Verdict.PASS: "green",
    Verdict.FAIL: "red",
    Verdict.WARN: "yellow",
    Verdict.ERROR: "magenta",
    Verdict.INCONCLUSIVE: "dim",
    Verdict.UNSUPPORTED: "dim",
}


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


def print_failures(console: Console, stored: Iterable[tuple[Case, Path]]) -> None:
    """Print, for each target and requirement, the failure that is read most easily. Each is given with its file."""
    alike: dict[tuple[str, str | None], list[tuple[Case, Path]]] = defaultdict(list)
    for case, file in stored:
        alike[case.target, case.about].append((case, file))
    for those in alike.values():
        console.print()
        print_failure(console, *min(those, key=lambda each: each[0].effort))
        if len(those) > 1:
            console.print(f"    {len(those) - 1} more about {those[0][0].about}: see above", markup=False)
    if alike:
        console.print()


def print_failure(console: Console, case: Case, file: Path | None) -> None:
    """Print all that a failed case has to say: the sentence, what happened, what was sent, how to see it again."""
    print_outcome(console, case, case.outcome.upper())
    lines = [requirement_sentence(case.about), "", *case.problem.splitlines()]
    if case.inputs is not None:
        lines += ["", f"generated: {json.dumps(case.inputs, ensure_ascii=False)[:400]}"]
    for exchange in case.exchanges:
        lines += ["", *load_exchange(exchange).show().splitlines()]
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
