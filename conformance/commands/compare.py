"""``sockspec compare``: measures targets side by side."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from conformance.commands.files import Writer, page_builder, require_directories, screen_beside, write_json, write_text
from conformance.commands.judging import judge_selection
from conformance.commands.selecting import UsageError, find_targets, needs_module, positive
from conformance.languages.texts import mark, say
from conformance.languages.told import told
from conformance.profiles import PROFILES
from conformance.reports.json_report import build_report
from conformance.running.runner import JudgeError, Selection
from conformance.running.verdicts import CONFORMS, NOT_JUDGED, exit_status, judge, state_of
from conformance.targets.discovery import BUNDLED, find_target, target_help
from conformance.targets.host import require_fit_host
from conformance.targets.interrupts import ignored_interrupts
from conformance.targets.target import MissingError, Target
from conformance.targets.terms import SERVICES, TRANSPORTS

HELP = mark("measure targets side by side; show where they disagree, and their size")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=target_help())
    parser.add_argument("--baseline", metavar="NAME", help=say("the target that ratios are to (default: the first)"))
    for name, everything in ("transport", TRANSPORTS), ("service", SERVICES):
        parser.add_argument(
            f"--{name}", action="append", default=[], choices=everything, help=say("repeatable; default: both")
        )
    parser.add_argument(
        "--all-pairs", action="store_true", help=say("show where each two targets disagree, not only with the baseline")
    )
    parser.add_argument("--quick", action="store_true", help=say("fewer loads and shorter samples, about a minute"))
    parser.add_argument(
        "--rounds", type=positive, metavar="N", help=say("how often each load is measured (default: 15)")
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help=say("write all figures; comparison.schema.json says in what form")
    )
    parser.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help=say("write a page, with the verdicts of a quick run of the same targets"),
    )
    parser.add_argument(
        "--no-verdicts", action="store_true", help=say("leave the verdicts out of the page, and judge nothing")
    )


def execute(options: argparse.Namespace) -> int:
    try:
        from conformance.comparison.compare import compare
        from conformance.comparison.tables import WIDTH, print_comparison
    except ModuleNotFoundError as error:
        raise UsageError(needs_module("compare", error.name, "compare")) from None
    console = screen_beside(options.json, options.html, width=None if sys.stdout.isatty() else WIDTH)
    targets = find_targets([word for word in options.targets or BUNDLED if _is_there(word, console)])
    baseline = options.baseline or targets[0].name
    if baseline not in [target.name for target in targets]:
        raise UsageError(say("--baseline {name}: no such target is compared", name=baseline))
    require_directories(options.json, options.html)
    require_fit_host(targets)
    build_page, writer = page_builder() if options.html else None, Writer()
    comparison = compare(options, targets, baseline, console)
    with ignored_interrupts():
        print_comparison(console, comparison)
        if options.json:
            writer.attempt(write_json, options.json, comparison.to_json())
    if build_page:
        judges = not (options.no_verdicts or comparison.problem)
        report = _judge_quickly(options, targets, console) if judges else None
        with ignored_interrupts():
            writer.attempt(write_text, options.html, build_page(comparison, report))
    if not any(each.figures for each in comparison.measurements):
        raise JudgeError(say("nothing could be measured"))
    return NOT_JUDGED if comparison.problem or writer.problems else CONFORMS


def _is_there(word: str, console: Console) -> bool:
    """Whether what a target requires is there; if not, say so. Raises TargetError."""
    try:
        find_target(word)
    except MissingError as missing:
        console.print(say("skipped: {missing}", missing=missing), markup=False, soft_wrap=True)
        return False
    return True


def _judge_quickly(options: argparse.Namespace, targets: list[Target], console: Console) -> dict[str, Any] | None:
    """Judge targets by the quick profile, when nothing is measured any more; return the report, None: not judged."""
    profile, start = PROFILES["quick"], time.monotonic()
    console.print(
        say("judging for the page, quick profile; {option} leaves it out", option="--no-verdicts"), soft_wrap=True
    )
    selection = Selection(targets, [], options.transport, options.service, [], profile)
    try:
        judged = judge_selection(console, selection)
    except JudgeError as error:  # what was measured is not lost
        console.print(say("not judged: {problem}", problem=told(str(error))), markup=False, soft_wrap=True)
        return None
    verdicts = {target.name: judge(judged.of(target.name)) for target in targets}
    states = {name: state_of(judged.of(name), of, {}, strict=False) for name, of in verdicts.items()}
    for name, state in states.items():
        console.print(f"{name}: {say(state.value)}", markup=False, soft_wrap=True)
    status = exit_status(verdicts, {}, strict=False)
    return build_report(judged.cases, verdicts, states, {}, profile, status, time.monotonic() - start)
