"""``sockspec run``: judges targets."""

import argparse
import re
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from conformance.commands.files import page_writer, require_directories, write_json
from conformance.commands.progress import followed
from conformance.commands.selecting import UsageError, add_selection, find_targets, require_reachable
from conformance.profiles import PROFILES
from conformance.reports import terminal
from conformance.reports.json_report import build_report
from conformance.reports.junit import write_junit
from conformance.running import runner
from conformance.running.cases import Case, load_exchange
from conformance.running.runner import JudgeError, Selection
from conformance.running.verdicts import CONFORMS, FAILS, exit_status, judge, read_known_failures, stale
from conformance.targets.terms import ROLES
from spec.requirements import REQUIREMENTS

HELP = "judge targets"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_selection(parser)
    parser.add_argument(
        "--requirement", action="append", default=[], metavar="ID", help="only the checks that cite it (repeatable)"
    )
    parser.add_argument(
        "--profile", choices=list(PROFILES), default="standard", help="how many generated examples and other cases"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which of them (default: 0)")
    parser.add_argument(
        "--known-failures", type=Path, metavar="FILE", help="TOML: requirements that are known to fail, and why"
    )
    parser.add_argument("--strict", action="store_true", help="a SHOULD that does not hold fails the run too")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit's XML")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the whole run; report.schema.json says in what form"
    )
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write it as a page that opens in a browser, without a network"
    )
    parser.add_argument(
        "--pcap", type=Path, metavar="DIR", help="write the exchanges of each failure there, for Wireshark"
    )
    parser.add_argument(
        "--failures", type=Path, metavar="DIR", default=Path("sockspec-failures"), help="where `replay` finds them"
    )
    parser.add_argument("--durations", type=int, default=0, metavar="N", help="show the N checks that took longest")


def execute(options: argparse.Namespace) -> int:
    if unknown := [id_ for id_ in options.requirement if id_ not in REQUIREMENTS]:
        raise UsageError(f"SPEC.md has no requirement {', '.join(unknown)}")
    known = read_known_failures(options.known_failures) if options.known_failures else {}
    targets = find_targets(options.targets)
    require_directories(options.json, options.junit, options.html)
    profile = PROFILES[options.profile]._replace(seed=options.seed)
    selection = Selection(targets, options.role, options.transport, options.service, options.requirement, profile)
    write_page = page_writer() if options.html else None
    console = Console(highlight=False)
    start = time.monotonic()
    if "server" in (options.role or ROLES):
        require_reachable(targets)
    cases: list[Case] = []
    stored: list[tuple[Case, Path]] = []
    for case in followed(console, runner.run(selection)):
        cases.append(case)
        if case.outcome in ("failed", "error"):
            terminal.print_outcome(console, case, case.outcome.upper())
            stored.append((case, _store(options, case, len(stored) + 1)))
    terminal.print_failures(console, stored)
    verdicts = {target.name: judge(case for case in cases if case.target == target.name) for target in targets}
    status = exit_status(verdicts, known, strict=options.strict)
    seconds = time.monotonic() - start
    if options.json or write_page:
        whole = build_report(cases, verdicts, known, profile, status, seconds)
        if options.json:
            write_json(options.json, whole)
        if write_page:
            write_page(options.html, None, whole)
    if options.junit:
        write_junit(options.junit, cases)
    if not any(case.outcome in ("passed", "failed", "error") for case in cases):
        raise JudgeError("no check of that selection applies")
    console.print(terminal.matrix(verdicts))
    if options.durations:
        console.print(terminal.durations(cases, options.durations))
    for id_ in stale(known, verdicts):
        console.print(f"[red]known failure {id_} holds now: take it out of {escape(str(options.known_failures))}[/]")
    ran = sum(case.outcome in ("passed", "failed", "error") for case in cases)
    failed = sum(case.outcome == "failed" for case in cases)
    said = {CONFORMS: "[green]conforms[/]", FAILS: "[red]does not conform[/]"}.get(status, "could not be judged")
    console.print(
        f"{said}: {ran} checks, {failed} failed, {profile.name} profile, seed {profile.seed}, {seconds:.1f} s"
    )
    return status


def _store(options: argparse.Namespace, case: Case, number: int) -> Path:
    """Write a failed case to files, and return the one for `replay`."""
    name = re.sub(r"[^\w.-]+", "-", f"{case.target}-{case.about}-{number}")
    if options.pcap:
        from conformance.reports import pcap

        options.pcap.mkdir(parents=True, exist_ok=True)
        pcap.write(options.pcap / f"{name}.pcap", map(load_exchange, case.exchanges))
    options.failures.mkdir(parents=True, exist_ok=True)
    file: Path = options.failures / f"{name}.json"
    write_json(file, case.to_json())
    return file
