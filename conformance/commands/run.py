"""``sockspec run``: judges targets."""

import argparse
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from conformance.commands.files import (
    PageBuilder,
    Writer,
    page_builder,
    require_directories,
    screen_beside,
    write_json,
    write_text,
)
from conformance.commands.judging import Judged, judge_selection
from conformance.commands.selecting import add_selection, find_requirements, find_targets, positive, positive_seconds
from conformance.languages.texts import mark, say
from conformance.languages.told import told
from conformance.prerequisites import place
from conformance.profiles import PROFILES
from conformance.reports import terminal
from conformance.reports.causes import find_causes
from conformance.reports.file_names import as_file_name
from conformance.reports.json_report import build_report
from conformance.reports.junit import build_junit
from conformance.running.cases import Case, load_exchange
from conformance.running.runner import JudgeError, Selection
from conformance.running.verdicts import (
    NOT_JUDGED,
    State,
    Verdict,
    exit_status,
    judge,
    read_known_failures,
    stale,
    state_of,
)
from conformance.targets.interrupts import ignored_interrupts
from conformance.targets.terms import TRANSPORTS

HELP = mark("judge targets")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_selection(parser)
    add = parser.add_argument
    add(
        "--requirement",
        action="append",
        default=[],
        metavar="ID",
        help=say("only the checks that cite it: ECHO-3, or ECHO for all of them (repeatable)"),
    )
    add(
        "--profile", choices=list(PROFILES), default="standard", help=say("how many generated examples and other cases")
    )
    add("--seed", type=int, default=0, metavar="N", help=say("which of them (default: 0)"))
    add(
        "--budget", type=positive_seconds, metavar="S", help=say("judge each target for so many seconds: 60, 60s or 2m")
    )
    add(
        "--fail-fast", type=positive, metavar="N", help=say("judge a target no further when so many checks have failed")
    )
    add("--workers", "-n", type=positive, metavar="N", help=say("local processes (default: as many as fit)"))
    add("--tx", action="append", default=[], metavar="SPEC", help=say("workers elsewhere, as pytest-xdist takes them"))
    add("--known-failures", type=Path, metavar="FILE", help=say("TOML: requirements that are known to fail, and why"))
    add("--strict", action="store_true", help=say("a SHOULD that does not hold fails the run too"))
    add("--junit", type=Path, metavar="FILE", help=say("write JUnit's XML"))
    add("--json", type=Path, metavar="FILE", help=say("write the whole run; report.schema.json says in what form"))
    add("--html", type=Path, metavar="FILE", help=say("write it as a page that opens in a browser, without a network"))
    add(
        "--pcap",
        type=Path,
        metavar="DIR",
        help=say("write the exchanges of each failure there; `sockspec wireshark` names the dissector"),
    )
    add(
        "--failures", type=Path, metavar="DIR", default=Path("sockspec-failures"), help=say("where `replay` finds them")
    )
    add("--durations", type=int, default=0, metavar="N", help=say("show the N checks that took longest"))
    add("--hex", action="store_true", help=say("show what was sent and received in hexadecimal digits too"))


def execute(options: argparse.Namespace) -> int:
    requirements = find_requirements(options.requirement)
    known = read_known_failures(options.known_failures) if options.known_failures else {}
    targets = find_targets(options.targets)
    require_directories(options.json, options.junit, options.html)
    units = len(targets) * (1 + len(TRANSPORTS))  # more processes would have nothing to do
    selection = Selection(
        targets,
        options.role,
        options.transport,
        options.service,
        requirements,
        PROFILES[options.profile]._replace(seed=options.seed),
        options.tx or ([f"{min(options.workers, units)}*popen"] if options.workers else []),
        options.budget,
        options.fail_fast,
    )
    build_page = page_builder() if options.html else None
    console, writer = screen_beside(options.json, options.junit, options.html), Writer()
    files: dict[str, Path] = {}

    def store(case: Case) -> None:
        if case.outcome in ("failed", "error") and (file := writer.attempt(_store, options, case, len(files) + 1)):
            files[case.key] = file

    start = time.monotonic()
    judged = judge_selection(console, selection, store)
    with ignored_interrupts():  # what has been judged is shown and written
        return _report(options, console, selection, judged, known, files, writer, build_page, time.monotonic() - start)


def _report(
    options: argparse.Namespace,
    console: Console,
    selection: Selection,
    judged: Judged,
    known: Mapping[str, str],
    files: Mapping[str, Path],
    writer: Writer,
    build_page: PageBuilder | None,
    seconds: float,
) -> int:
    """Show and write what a run has found; return the exit status."""
    names = [target.name for target in selection.targets]
    verdicts = {name: judge(judged.of(name)) for name in names}
    states = {name: state_of(judged.of(name), verdicts[name], known, strict=options.strict) for name in names}
    status = exit_status(verdicts, known, strict=options.strict)
    _show(console, options, judged, verdicts, files)
    if options.json or build_page:
        whole = build_report(judged.cases, verdicts, states, known, selection.profile, status, seconds)
        if options.json:
            writer.attempt(write_json, options.json, whole)
        if build_page:
            writer.attempt(write_text, options.html, build_page(None, whole))
    if options.junit:
        writer.attempt(write_text, options.junit, build_junit(judged.cases))
    for id_ in stale(known, verdicts):
        holds = say("known failure {id} holds now: take it out of {file}", id=id_, file=options.known_failures)
        console.print(f"[red]{escape(holds)}[/]")
    if options.pcap and files:
        captures = say("captures: `sockspec wireshark --install`, then open them in Wireshark")
        console.print(f"[dim]{captures}[/]", soft_wrap=True)
    profile = selection.profile
    looked_at = say(
        "{name} profile, seed {seed}, {seconds} s", name=profile.name, seed=profile.seed, seconds=f"{seconds:.1f}"
    )
    _conclude(console, judged, states, looked_at)
    if not judged.problem and not any(case.outcome not in ("unsupported", "inconclusive") for case in judged.cases):
        raise JudgeError(say("no check of that selection applies"))
    return NOT_JUDGED if writer.problems else status


def _show(
    console: Console,
    options: argparse.Namespace,
    judged: Judged,
    verdicts: Mapping[str, Mapping[str, Verdict]],
    files: Mapping[str, Path],
) -> None:
    terminal.print_causes(console, find_causes(judged.cases, files), files_in=options.failures, hexadecimal=options.hex)
    terminal.print_errors(console, [case for case in judged.cases if case.outcome == "error"])
    if any(case.ran or case.outcome == "unjudged" for case in judged.cases):
        console.print(terminal.matrix(verdicts))
    if options.durations:
        console.print(terminal.durations(judged.cases, options.durations))


def _conclude(console: Console, judged: Judged, states: Mapping[str, State], looked_at: str) -> None:
    """Print a line for each target: what is said of it, and by how many checks of how many."""
    for name, state in states.items():
        cases = judged.of(name)
        ran, failed = sum(case.ran for case in cases), sum(case.outcome == "failed" for case in cases)
        all_ = judged.applying.get(name, 0)
        counts = say("{ran} checks of {all}, {failed} failed", ran=f"{ran:,}", all=f"{all_:,}", failed=failed)
        if left := sum(case.outcome == "unjudged" for case in cases):
            counts += say(", {count} not judged", count=left)
        if unrun := sum(case.outcome == "error" for case in cases):
            counts += say(", {count} errors of the judge", count=unrun)
        which = f"{escape(name)}: " if len(states) > 1 else ""
        console.print(
            f"{which}[{terminal.STATE_COLOURS[state]}]{say(state.value)}[/]: {counts}, {looked_at}", soft_wrap=True
        )
        for reason in dict.fromkeys(case.problem for case in cases if case.outcome == "inconclusive" and case.problem):
            ids = sorted({case.requirements[0] for case in cases if case.problem == reason}, key=place)
            undecided = say("not decided, {reason}: {ids}", reason=told(reason), ids=" ".join(ids))
            console.print(f"[dim]{escape(undecided)}[/]", soft_wrap=True)
        # Who waits for another requirement is told with that.
        left_out = Counter(case.problem for case in cases if case.outcome == "unjudged" and not case.about)
        for reason, count in left_out.items():
            cut_off = say("not judged, {reason}: {count} checks", reason=told(reason), count=count)
            console.print(f"[magenta]{escape(cut_off)}[/]", soft_wrap=True)
    if judged.problem:
        unjudged = say("not all was judged: {problem}", problem=told(say(judged.problem)))
        console.print(f"[magenta]{escape(unjudged)}[/]", soft_wrap=True)


def _store(options: argparse.Namespace, case: Case, number: int) -> Path:
    """Write a failed case to files, and return the one for `replay`."""
    name = f"{as_file_name(case.target)}-{case.about}-{number}"
    if options.pcap:
        from conformance.reports import pcap  # scapy takes a second to import

        options.pcap.mkdir(parents=True, exist_ok=True)
        pcap.write(options.pcap / f"{name}.pcap", map(load_exchange, case.exchanges))
    options.failures.mkdir(parents=True, exist_ok=True)
    file: Path = options.failures / f"{name}.json"
    write_json(file, case.to_json())
    return file
