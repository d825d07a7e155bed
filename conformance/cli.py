"""The command line of the suite: ``python -m conformance`` or ``sockspec``."""

import argparse
import contextlib
import io
import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from conformance import contract, demo, differential, reports, runner
from conformance.cases import Case, load_case, load_exchange
from conformance.comparison.model import Comparison
from conformance.kills import kill_table
from conformance.profiles import PROFILES
from conformance.programs import heed_interrupts
from conformance.recorder import citations
from conformance.runner import CHECKS, JudgeError, Planned, Selection
from conformance.targets import (
    BUNDLED,
    ROLES,
    SERVICES,
    TARGET_HELP,
    TRANSPORTS,
    MissingError,
    Target,
    TargetError,
    find_target,
)
from conformance.verdicts import (
    CONFORMS,
    FAILS,
    NOT_JUDGED,
    USAGE,
    KnownFailuresError,
    exit_status,
    judge,
    read_known_failures,
    stale,
)
from spec.requirements import REQUIREMENTS

LISTING_WIDTH = 160
"""Columns of the lists in a pipe or a file, which tell no width of their own."""


class UsageError(Exception):
    """Wrong usage: one line that says how."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0 conforms, 1 does not, 2 wrong usage, 3 could not be judged."""
    options = _parser().parse_args(arguments)
    heed_interrupts()
    try:
        return int(options.run(options))
    except (UsageError, TargetError, KnownFailuresError) as error:
        print(f"sockspec: {error}", file=sys.stderr)
        return USAGE
    except JudgeError as error:
        print(f"sockspec: could not be judged: {error}", file=sys.stderr)
        return NOT_JUDGED
    except OSError as error:
        print(f"sockspec: {error}", file=sys.stderr)
        return NOT_JUDGED
    except KeyboardInterrupt:
        print("sockspec: interrupted", file=sys.stderr)
        return NOT_JUDGED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sockspec", description="Judges implementations of SPEC.md.")
    commands = parser.add_subparsers(dest="command", required=True)

    selecting = argparse.ArgumentParser(add_help=False)
    selecting.add_argument("targets", nargs="*", metavar="TARGET", help=TARGET_HELP)
    for name, everything in (("role", ROLES), ("transport", TRANSPORTS), ("service", SERVICES)):
        selecting.add_argument(
            f"--{name}", action="append", default=[], choices=everything, help="repeatable; default: both"
        )

    run = commands.add_parser("run", parents=[selecting], help="judge targets")
    run.set_defaults(run=_run)
    add = run.add_argument
    add("--requirement", action="append", default=[], metavar="ID", help="only the checks that cite it (repeatable)")
    add("--profile", choices=list(PROFILES), default="standard", help="how many generated examples and other cases")
    add("--seed", type=int, default=0, metavar="N", help="which of them (default: 0)")
    add("--known-failures", type=Path, metavar="FILE", help="TOML: requirements that are known to fail, and why")
    add("--strict", action="store_true", help="a SHOULD that does not hold fails the run too")
    add("--junit", type=Path, metavar="FILE", help="write JUnit's XML")
    add("--json", type=Path, metavar="FILE", help="write the whole run; report.schema.json says in what form")
    add("--html", type=Path, metavar="FILE", help="write it as a page that opens in a browser, without a network")
    add("--pcap", type=Path, metavar="DIR", help="write the exchanges of each failure there, for Wireshark")
    add("--failures", type=Path, metavar="DIR", default=Path("sockspec-failures"), help="where `replay` finds them")
    add("--durations", type=int, default=0, metavar="N", help="show the N checks that took longest")

    again = commands.add_parser("replay", help="run a stored failure again: FIXED, FAILED or ERROR")
    again.set_defaults(run=_replay)
    again.add_argument("file", type=Path, metavar="FAILURE.json")
    again.add_argument("target", nargs="?", metavar="TARGET", help="another target than the one that failed")

    listing = commands.add_parser("list", help="the requirements, and the checks that prove them")
    listing.set_defaults(run=_list)
    listing.add_argument("--kills", action="store_true", help="for each, faulty programs and the check that finds each")

    check = commands.add_parser("check-target", help="does a target keep the contract that the suite stands on?")
    check.set_defaults(run=_check_target)
    check.add_argument("targets", nargs="+", metavar="TARGET", help=TARGET_HELP)

    diff = commands.add_parser("diff", help="let two servers answer the same; show the shortest difference")
    diff.set_defaults(run=_diff)
    diff.add_argument("targets", nargs=2, metavar="TARGET", help="two of them, as `run` takes them")
    diff.add_argument("--profile", choices=list(PROFILES), default="standard", help="how many conversations")
    diff.add_argument("--seed", type=int, default=0, metavar="N", help="which of them (default: 0)")

    beside = commands.add_parser(
        "compare", help="measure targets side by side; show where they disagree, and their size"
    )
    beside.set_defaults(run=_compare)
    add = beside.add_argument
    add("targets", nargs="*", metavar="TARGET", help=TARGET_HELP)
    add("--baseline", metavar="NAME", help="the target that ratios are to (default: the first)")
    add("--transport", action="append", default=[], choices=TRANSPORTS, help="repeatable; default: both")
    add("--service", action="append", default=[], choices=SERVICES, help="repeatable; default: both")
    add("--quick", action="store_true", help="fewer loads and shorter samples, half a minute")
    add("--rounds", type=_positive, metavar="N", help="how often each load is measured (default: 9; with --quick: 5)")
    add("--json", type=Path, metavar="FILE", help="write all figures; comparison.schema.json says in what form")
    add(
        "--html", type=Path, metavar="FILE", help="write a page; without --quick it has the verdicts of a quick run too"
    )

    show = commands.add_parser("demo", parents=[selecting], help="show servers and clients at work, then judge them")
    show.set_defaults(run=_demonstrate)
    return parser


def _positive(word: str) -> int:
    """Return the number, 1 or more, that a word stands for. Raises ValueError."""
    if (number := int(word)) < 1:
        raise ValueError
    return number


def _find_targets(words: Sequence[str]) -> list[Target]:
    """Return the targets that words name; no word: the bundled ones. Raises TargetError, UsageError."""
    targets = [find_target(word) for word in dict.fromkeys(words or BUNDLED)]
    names = [target.name for target in targets]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"two targets are called {twice[0]}")
    return targets


def _require_directories(*files: Path | None) -> None:
    """Raises UsageError, before any work, if one of the files could not be written for want of a directory."""
    for file in files:
        if file and not file.parent.is_dir():
            raise UsageError(f"{file}: {file.parent} is no directory")


def _run(options: argparse.Namespace) -> int:
    if unknown := [id_ for id_ in options.requirement if id_ not in REQUIREMENTS]:
        raise UsageError(f"SPEC.md has no requirement {', '.join(unknown)}")
    known = read_known_failures(options.known_failures) if options.known_failures else {}
    targets = _find_targets(options.targets)
    _require_directories(options.json, options.junit, options.html)
    profile = PROFILES[options.profile]._replace(seed=options.seed)
    selection = Selection(targets, options.role, options.transport, options.service, options.requirement, profile)
    write_page = _page_writer() if options.html else None
    console = Console(highlight=False)
    start = time.monotonic()
    if "server" in (options.role or ROLES):
        _require_reachable(targets)
    cases: list[Case] = []
    stored: list[tuple[Case, Path]] = []
    for case in _followed(console, runner.run(selection)):
        cases.append(case)
        if case.outcome in ("failed", "error"):
            reports.print_outcome(console, case, case.outcome.upper())
            stored.append((case, _store(options, case, len(stored) + 1)))
    reports.print_failures(console, stored)
    verdicts = {target.name: judge(case for case in cases if case.target == target.name) for target in targets}
    status = exit_status(verdicts, known, strict=options.strict)
    seconds = time.monotonic() - start
    if options.json or write_page:
        whole = reports.report(cases, verdicts, known, profile, status, seconds)
        if options.json:
            _write_json(options.json, whole)
        if write_page:
            write_page(options.html, None, whole)
    if options.junit:
        reports.write_junit(options.junit, cases)
    if not any(case.outcome in ("passed", "failed", "error") for case in cases):
        raise JudgeError("no check of that selection applies")
    console.print(reports.matrix(verdicts))
    if options.durations:
        console.print(reports.durations(cases, options.durations))
    for id_ in stale(known, verdicts):
        console.print(f"[red]known failure {id_} holds now: take it out of {escape(str(options.known_failures))}[/]")
    ran = sum(case.outcome in ("passed", "failed", "error") for case in cases)
    failed = sum(case.outcome == "failed" for case in cases)
    said = {CONFORMS: "[green]conforms[/]", FAILS: "[red]does not conform[/]"}.get(status, "could not be judged")
    console.print(
        f"{said}: {ran} checks, {failed} failed, {profile.name} profile, seed {profile.seed}, {seconds:.1f} s"
    )
    return status


def _page_writer() -> Callable[[Path, Comparison | None, Mapping[str, Any] | None], None]:
    """Return what writes a page. Raises UsageError if this Python lacks what that takes."""
    try:
        from conformance.comparison import page  # takes a moment, and packages that nothing else takes
    except ModuleNotFoundError as error:
        raise UsageError(f"--html needs the Python module {error.name}: pip install 'sockspec[compare]'") from None
    return page.write


def _require_reachable(targets: Sequence[Target]) -> None:
    """Raises JudgeError if a server does not get ready or answer: nothing could be said of it."""
    for target in targets:
        for finding in contract.reach(target):
            if finding.problem:
                raise JudgeError(f"{target.name}: {finding.what}: {finding.problem}")


def _followed(console: Console, events: Iterator[Planned | Case]) -> Iterator[Case]:
    """Pass cases on, and show meanwhile how far it is: live on a terminal, else a line now and then."""
    planned = done = failed = 0
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("judging", total=None)
        for event in events:
            if isinstance(event, Planned):
                planned += event.cases
                progress.update(task, total=planned)
                continue
            if event.outcome in ("passed", "failed", "error"):
                done += 1
                failed += event.outcome != "passed"
                progress.update(
                    task, completed=done, description=f"judging, [red]{failed} failed[/]" if failed else None
                )
                if not console.is_terminal and done % 250 == 0:
                    console.print(f"{done} of {planned} checks, {failed} failed")
            yield event


def _store(options: argparse.Namespace, case: Case, number: int) -> Path:
    """Write a failed case to files, and return the one for `replay`."""
    name = re.sub(r"[^\w.-]+", "-", f"{case.target}-{case.about}-{number}")
    if options.pcap:
        from conformance import pcap  # scapy takes a second to import

        options.pcap.mkdir(parents=True, exist_ok=True)
        pcap.write(options.pcap / f"{name}.pcap", map(load_exchange, case.exchanges))
    options.failures.mkdir(parents=True, exist_ok=True)
    file: Path = options.failures / f"{name}.json"
    _write_json(file, case.to_json())
    return file


def _write_json(path: Path, whole: object) -> None:
    # Of generated text, surrogates stand alone; in JSON they look as `backslashreplace` writes them.
    text = json.dumps(whole, ensure_ascii=False, indent=1)
    path.write_text(f"{text}\n", encoding="utf-8", errors="backslashreplace")


def _replay(options: argparse.Namespace) -> int:
    try:
        case = load_case(options.file)
    except ValueError as error:
        raise UsageError(str(error)) from None
    [target] = _find_targets([options.target or case.word])
    console = Console(highlight=False)
    for event in runner.replay(str(options.file.resolve()), case, target):
        if isinstance(event, Case) and event.outcome in ("passed", "failed", "error"):
            if event.outcome == "passed":
                event.about = case.about
                reports.print_outcome(console, event, "FIXED")
            else:
                reports.print_failure(console, event, None)
            return {"passed": CONFORMS, "failed": FAILS, "error": NOT_JUDGED}[event.outcome]
    console.print(f"ERROR {case.title}: there is no such check for that target")
    return NOT_JUDGED


def _check_target(options: argparse.Namespace) -> int:
    status = CONFORMS
    for target in _find_targets(options.targets):
        print(target.name)
        for finding in contract.check(target):
            first, *rest = (finding.problem or "ok").splitlines()
            print(f"  {finding.what}: {first}", *(f"    {line}" for line in rest), sep="\n")
            status = FAILS if finding.problem else status
    return status


def _diff(options: argparse.Namespace) -> int:
    targets = [find_target(word) for word in options.targets]
    profile = PROFILES[options.profile]._replace(seed=options.seed)
    hypothesis.settings.load_profile(options.profile)
    _require_reachable(targets)
    compared = False
    status = CONFORMS
    for transport, service in product(TRANSPORTS, SERVICES):
        if all(target.offers("server", transport, service) for target in targets):
            outcome = differential.compare(targets[0], targets[1], service, transport, profile)
            compared = True
            print(f"{service} over {transport}: {differential.describe(outcome, targets)}")
            status = FAILS if outcome.difference and any(outcome.difference.at_fault) else status
    if not compared:
        raise JudgeError("there is no server that both offer")
    return status


def _compare(options: argparse.Namespace) -> int:
    try:
        from conformance.comparison import command  # takes a moment, and packages that nothing else takes
        from conformance.comparison.tables import WIDTH
    except ModuleNotFoundError as error:
        raise UsageError(f"compare needs the Python module {error.name}: pip install 'sockspec[compare]'") from None
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    targets = _find_targets([word for word in options.targets or BUNDLED if _is_there(word, console)])
    baseline = options.baseline or targets[0].name
    if baseline not in [target.name for target in targets]:
        raise UsageError(f"--baseline {baseline}: no such target is compared")
    _require_directories(options.json, options.html)
    write_page = _page_writer() if options.html else None
    comparison = command.compare(options, targets, baseline, console)
    if options.json:
        _write_json(options.json, comparison.to_json())
    if write_page:
        write_page(options.html, comparison, None if options.quick else _judge_quickly(options, targets, console))
    if not any(each.figures for each in comparison.measurements):
        raise JudgeError("nothing could be measured")
    return CONFORMS


def _is_there(word: str, console: Console) -> bool:
    """Whether what a target requires is there; if not, say so. Raises TargetError."""
    try:
        find_target(word)
    except MissingError as missing:
        console.print(f"skipped: {missing}", markup=False, soft_wrap=True)
        return False
    return True


def _judge_quickly(options: argparse.Namespace, targets: list[Target], console: Console) -> dict[str, Any]:
    """Judge targets by the quick profile; return the report."""
    profile, start = PROFILES["quick"], time.monotonic()
    selection = Selection(targets, [], options.transport, options.service, [], profile)
    cases = list(_followed(console, runner.run(selection)))
    verdicts = {target.name: judge(case for case in cases if case.target == target.name) for target in targets}
    status = exit_status(verdicts, {}, strict=False)
    return reports.report(cases, verdicts, {}, profile, status, time.monotonic() - start)


def _demonstrate(options: argparse.Namespace) -> int:
    targets = _find_targets(options.targets)
    for target in targets:
        demo.show_at_work(
            Console(highlight=False), target, options.transport or TRANSPORTS, options.service or SERVICES
        )
    arguments = [f"--{name}={value}" for name in ("role", "transport", "service") for value in getattr(options, name)]
    return main(["run", "--profile=quick", *arguments, *options.targets])


class _Collector:
    """Takes the checks that pytest finds, by requirement."""

    def __init__(self) -> None:
        self.checks: dict[str, set[str]] = defaultdict(set)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        name = re.sub(r"\[.*", "", item.nodeid.partition("checks/")[2])
        for id_ in citations(item):
            self.checks[id_].add(name)


def find_checks() -> dict[str, set[str]]:
    """Return the names of the checks that cite a requirement, by its id. Raises JudgeError with what pytest says."""
    collector = _Collector()
    with contextlib.redirect_stdout(io.StringIO()) as output:
        quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # this process has imported hypothesis already
        status = pytest.main(["--collect-only", "-q", *quiet, str(CHECKS)], plugins=[collector])
    if status:
        raise JudgeError(output.getvalue())
    return collector.checks


def _list(options: argparse.Namespace) -> int:
    console = Console(width=None if sys.stdout.isatty() else LISTING_WIDTH)
    if options.kills:
        console.print(kill_table())
        return CONFORMS
    found = find_checks()
    table = Table("requirement", "level", "checks", title="What proves what")
    for id_, requirement in REQUIREMENTS.items():
        checks = "\n".join(sorted(found[id_]))
        nothing = "[dim]untestable[/]" if not requirement.testable else "[red]none[/]"
        table.add_row(id_, requirement.level or "retired", checks or nothing)
    console.print(table)
    return CONFORMS
