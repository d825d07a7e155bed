"""What a run has to say on a terminal."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conformance.languages.texts import mark, requirement_text, say
from conformance.languages.told import told
from conformance.reports.causes import Cause
from conformance.running.cases import Case, load_exchange
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

WORDS = {Verdict.FAIL: mark("FAIL"), Verdict.WARN: mark("WARN"), Verdict.ERROR: mark("ERROR")}
QUIET_WORDS = {
    Verdict.NOT_JUDGED: mark("not_judged"),
    Verdict.INCONCLUSIVE: mark("inconclusive"),
    Verdict.UNSUPPORTED: mark("unsupported"),
}
OUTCOMES = {"passed": mark("PASSED"), "failed": mark("FAILED"), "error": mark("ERROR")}

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
    table = Table(caption=say("held/judged, and what does not hold"), caption_justify="left", min_width=41)
    table.add_column(say("requirements"))
    for target in verdicts:
        table.add_column(escape(target), justify="right")
    for group, ids in groups.items():
        table.add_row(group, *(_cell(ids, of) for of in verdicts.values()))
    return table


def _cell(ids: Iterable[str], of: Mapping[str, Verdict]) -> str:
    here = {id_: of[id_] for id_ in ids if id_ in of}
    judged = [verdict for verdict in here.values() if verdict in (Verdict.PASS, Verdict.FAIL, Verdict.WARN)]
    told = [
        f"[{COLOURS[kind]}]{say(word)} {' '.join(those)}[/]"
        for kind, word in WORDS.items()
        if (those := [id_ for id_, verdict in here.items() if verdict is kind])
    ]
    if not judged:
        quiet = next(iter(here.values()), None)
        return " ".join(told) or (f"[dim]{say(QUIET_WORDS[quiet])}[/]" if quiet else "[dim]–[/]")
    held = judged.count(Verdict.PASS)
    return " ".join([f"[{'green' if held == len(judged) else 'bold'}]{held}/{len(judged)}[/]", *told])


def _sentence(id_: str | None) -> str:
    """Return a requirement's id and text."""
    return f"{id_}. {requirement_text(id_)}" if id_ in REQUIREMENTS else f"{id_}"


def print_outcome(console: Console, case: Case, outcome: str) -> None:
    """Print one line: what became of a case, and what that is about."""
    colour = {"passed": "green", "failed": "red"}.get(case.outcome, "magenta")
    console.print(f"[{colour}]{outcome}[/] {escape(f'{case.target}: {case.about}: {case.title}')}", soft_wrap=True)


def print_causes(console: Console, causes: Sequence[Cause], *, files_in: Path, hexadecimal: bool) -> None:
    """Print what is to be mended, target by target, in the order in which one would mend it; at most ten each."""
    for target in dict.fromkeys(cause.target for cause in causes):
        own = [cause for cause in causes if cause.target == target]
        console.print()
        heading = say("1 thing to mend, the first first")
        if len(own) > 1:
            heading = say("{count} things to mend, the first first", count=len(own))
        console.print(f"[bold]{escape(target)}: {heading}[/]", soft_wrap=True)
        for number, cause in enumerate(own[:SHOWN_CAUSES], 1):
            console.print()
            _print_cause(console, number, cause, hexadecimal=hexadecimal)
        if more := own[SHOWN_CAUSES:]:
            ids = " ".join(cause.requirement for cause in more)
            further = say("and {count} more, in {directory}: {ids}", count=len(more), directory=files_in, ids=ids)
            console.print(f"\n{further}", markup=False, soft_wrap=True)
    if causes:
        console.print()


def _print_cause(console: Console, number: int, cause: Cause, *, hexadecimal: bool) -> None:
    if cause.example is None:
        heading = escape(f"{cause.target}: {cause.requirement}")
        console.print(f"{number}. [red]{say(OUTCOMES['failed'])}[/] {heading}", soft_wrap=True)
        lines = [_sentence(cause.requirement), "", *told(cause.problem).splitlines()]
        console.print("\n".join(f"    {line}".rstrip() for line in lines), markup=False, soft_wrap=True)
    else:
        case, file = cause.example
        console.print(
            f"{number}. [red]{say(OUTCOMES['failed'])}[/] {escape(f'{case.target}: {case.about}: {case.title}')}",
            soft_wrap=True,
        )
        _print_details(console, case, file, hexadecimal=hexadecimal)
        if (alike := sum(case.about == cause.requirement for case, _ in cause.failed)) > 1:
            more = say("{count} more about {id}", count=alike - 1, id=cause.requirement)
            console.print(f"    {more}", markup=False)
    if cause.followers:
        too = say("failed too, perhaps because of it: {ids}", ids=" ".join(cause.followers))
        console.print(f"    {too}", markup=False, soft_wrap=True)
    if cause.waiting:
        waiting = say("not judged until it holds: {count} checks", count=len(cause.waiting))
        console.print(f"    {waiting}", markup=False)


def print_errors(console: Console, errors: Sequence[Case]) -> None:
    """Print where the judge failed, each kind of failure once."""
    alike: dict[str, list[Case]] = defaultdict(list)
    for case in errors:
        alike[case.problem].append(case)
    for those in alike.values():
        print_outcome(console, those[0], say(OUTCOMES["error"]))
        _print_details(console, those[0], None)
        if len(those) > 1:
            more = say("{count} more like it", count=len(those) - 1)
            console.print(f"    {more}", markup=False)


def print_failure(console: Console, case: Case, *, hexadecimal: bool = False) -> None:
    """Print all that a failed case says: the requirement, what happened, what was sent."""
    print_outcome(console, case, say(OUTCOMES[case.outcome]))
    _print_details(console, case, None, hexadecimal=hexadecimal)


def _print_details(console: Console, case: Case, file: Path | None, *, hexadecimal: bool = False) -> None:
    lines = [_sentence(case.about), "", *told(case.problem).splitlines()]
    if case.inputs is not None:
        lines += ["", say("generated: {inputs}", inputs=json.dumps(case.inputs, ensure_ascii=False)[:400])]
    for exchange in case.exchanges[-SHOWN_EXCHANGES:]:
        lines += ["", *told(load_exchange(exchange).show(hexadecimal=hexadecimal)).splitlines()]
    if file:
        lines += ["", say("again: sockspec replay {file}", file=file)]
    console.print("\n".join(f"    {line}".rstrip() for line in lines), markup=False, soft_wrap=True)


def durations(cases: Iterable[Case], count: int) -> Table:
    """Return the slowest cases, and the time of all by check."""
    table = Table(say("seconds"), say("runs"), say("check"), title=say("Where the time went"), title_justify="left")
    spent: dict[str, list[float]] = defaultdict(list)
    for case in cases:
        spent[case.check].append(case.seconds)
    for check, seconds in sorted(spent.items(), key=lambda item: -sum(item[1]))[:count]:
        table.add_row(f"{sum(seconds):.2f}", str(len(seconds)), check)
    return table
