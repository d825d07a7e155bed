"""``sockspec list``: what proves what."""

import argparse
import sys
from collections import defaultdict

from rich.table import Table

from conformance import ROOT
from conformance.broken.kills import kill_table
from conformance.languages.texts import mark, say
from conformance.reports.screen import Screen
from conformance.running.runner import plan
from conformance.running.verdicts import CONFORMS
from conformance.targets.toml_files import read_toml
from spec.requirements import REQUIREMENTS

HELP = mark("the requirements, and the checks that prove them")

UNSEEN = ROOT / "conformance" / "broken" / "unseen.toml"
"""The mistakes that the suite is known not to see."""

LISTING_WIDTH = 160
"""Columns of the lists in a pipe or a file, which tell no width of their own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--unseen", action="store_true", help=say("mistakes that no check sees, and why"))
    parser.add_argument(
        "--kills", action="store_true", help=say("for each, faulty programs and the check that finds each")
    )


def execute(options: argparse.Namespace) -> int:
    console = Screen(width=None if sys.stdout.isatty() else LISTING_WIDTH)
    if options.unseen:
        console.print(unseen_table())
        return CONFORMS
    if options.kills:
        console.print(kill_table())
        return CONFORMS
    found = find_checks()
    table = Table(say("requirement"), say("level"), say("checks"), title=say("What proves what"))
    untestable, none = say("untestable"), say("none")
    for id_, requirement in REQUIREMENTS.items():
        checks = "\n".join(sorted(found[id_]))
        nothing = f"[dim]{untestable}[/]" if not requirement.testable else f"[red]{none}[/]"
        table.add_row(id_, requirement.level or say("retired"), checks or nothing)
    console.print(table)
    return CONFORMS


def unseen_table() -> Table:
    """Return the mistakes that the suite is known not to see, as a table for a terminal."""
    table = Table(
        say("requirement"), say("a program that"), say("is not found, because"), title=say("What no check sees")
    )
    for each in read_toml(UNSEEN)["unseen"]:
        table.add_row(each["requirement"], each["mistake"], each["reason"])
    return table


def find_checks() -> dict[str, set[str]]:
    """Return the names of the checks that cite a requirement, by its id. Raises JudgeError with what pytest says."""
    found: dict[str, set[str]] = defaultdict(set)
    for case in plan():
        for id_ in case.requirements:
            found[id_].add(case.check)
    return found
