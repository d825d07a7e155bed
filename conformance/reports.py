"""What a run has to say, as a table, as text, as JUnit's XML and as JSON."""

import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conformance.cases import Case, load_exchange
from conformance.profiles import Profile
from conformance.recorder import requirement_sentence
from conformance.verdicts import Verdict, Verdicts
from spec.requirements import REQUIREMENTS

FORMAT = 1
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


def report(
    cases: Sequence[Case], verdicts: Verdicts, known: Mapping[str, str], profile: Profile, status: int, seconds: float
) -> dict[str, Any]:
    """Return the whole run as JSON takes it; `report.schema.json` says its form."""
    now = datetime.fromtimestamp(time.time() - seconds, timezone.utc)
    return {
        "format": FORMAT,
        "started": now.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "python": sys.version.split()[0],
        "profile": profile.name,
        "seed": profile.seed,
        "exit_status": status,
        "known_failures": dict(known),
        "requirements": {id_: {"level": each.level, "text": each.text} for id_, each in REQUIREMENTS.items()},
        "verdicts": {target: {id_: verdict.name for id_, verdict in of.items()} for target, of in verdicts.items()},
        "cases": [case.to_json() for case in cases],
    }


def write_junit(path: Path, cases: Iterable[Case]) -> None:
    """Write JUnit's XML: a suite for each target, a test case for each case."""
    of: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        of[case.target].append(case)
    root = ElementTree.Element("testsuites")
    for target, those in of.items():
        counts = {outcome: sum(case.outcome == outcome for case in those) for outcome in ("failed", "error", "passed")}
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=f"sockspec {target}",
            tests=str(len(those)),
            failures=str(counts["failed"]),
            errors=str(counts["error"]),
            skipped=str(len(those) - sum(counts.values())),
            time=f"{sum(case.seconds for case in those):.3f}",
        )
        for case in those:
            element = ElementTree.SubElement(
                suite,
                "testcase",
                classname=f"{target}.{case.check.partition('.')[0]}",
                name=case.title.partition("::")[2],
                time=f"{case.seconds:.3f}",
            )
            kind = {"failed": "failure", "error": "error", "passed": None}.get(case.outcome, "skipped")
            if kind:
                message = f"{case.about}: {case.problem.partition(chr(10))[0]}" if case.about else case.outcome
                told = ElementTree.SubElement(element, kind, message=_printable(message))
                told.text = (
                    _printable("\n".join([requirement_sentence(case.about), case.problem])) if case.about else ""
                )
    tree = ElementTree.ElementTree(root)
    ElementTree.indent(tree)
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _printable(text: str) -> str:
    """Return a text with what XML cannot hold shown as ``\\xNN``."""
    return re.sub("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", lambda match: f"\\x{ord(match[0]):02x}", text)
