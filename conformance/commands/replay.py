"""``sockspec replay``: runs a stored failure again."""

import argparse
from pathlib import Path

from rich.markup import escape

from conformance.commands.selecting import UsageError, find_targets
from conformance.languages.texts import mark, say
from conformance.languages.told import told
from conformance.profiles import PROFILES
from conformance.reports import terminal
from conformance.reports.screen import Screen
from conformance.running import runner
from conformance.running.cases import Case, load_case
from conformance.running.verdicts import CONFORMS, FAILS, NOT_JUDGED

HELP = mark("run a stored failure again: FIXED, FAILED or ERROR")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FAILURE.json")
    parser.add_argument("target", nargs="?", metavar="TARGET", help=say("another target than the one that failed"))
    parser.add_argument(
        "--hex", action="store_true", help=say("show what was sent and received in hexadecimal digits too")
    )


def execute(options: argparse.Namespace) -> int:
    try:
        case = load_case(options.file)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if case.profile not in PROFILES:
        raise UsageError(say("{file}: there is no profile {profile}", file=options.file, profile=case.profile))
    [target] = find_targets([options.target or case.word])
    console = Screen()
    for event in runner.replay(str(options.file.resolve()), case, target) if _has_check(case) else ():
        if not isinstance(event, Case):
            continue
        if event.outcome == "passed":
            event.about = case.about
            terminal.print_outcome(console, event, say("FIXED"))
        elif event.ran:
            terminal.print_failure(console, event, hexadecimal=options.hex)
        elif event.problem:
            undecided = say("not decided, {reason}: {ids}", reason=told(event.problem), ids=case.requirements[0])
            console.print(escape(undecided), soft_wrap=True)
        else:
            continue
        return {"passed": CONFORMS, "failed": FAILS}.get(event.outcome, NOT_JUDGED)
    console.print(say("ERROR {title}: there is no such check for that target", title=case.title))
    return NOT_JUDGED


def _has_check(case: Case) -> bool:
    """Whether the suite still has the file of a case's check."""
    return (runner.CHECKS / case.check.partition("::")[0]).is_file()
