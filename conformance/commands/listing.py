"""``sockspec list``: what proves what."""

import argparse
import contextlib
import io
import re
import sys
from collections import defaultdict

import pytest
from rich.console import Console
from rich.table import Table

from conformance.broken.kills import kill_table
from conformance.running.recorder import citations
from conformance.running.runner import CHECKS, OWN_SETTINGS, JudgeError
from conformance.running.verdicts import CONFORMS
from spec.requirements import REQUIREMENTS

HELP = "the requirements, and the checks that prove them"

LISTING_WIDTH = 160
"""Columns of the lists in a pipe or a file, which tell no width of their own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", action="store_true", help="for each, faulty programs and the check that finds each")


def execute(options: argparse.Namespace) -> int:
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


def find_checks() -> dict[str, set[str]]:
    """Return the names of the checks that cite a requirement, by its id. Raises JudgeError with what pytest says."""
    collector = _Collector()
    with contextlib.redirect_stdout(io.StringIO()) as output:
        quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # this process has imported hypothesis already
        status = pytest.main(["--collect-only", "-q", *OWN_SETTINGS, *quiet, str(CHECKS)], plugins=[collector])
    if status:
        raise JudgeError(output.getvalue())
    return collector.checks


class _Collector:
    """Takes the checks that pytest finds, by requirement."""

    def __init__(self) -> None:
        self.checks: dict[str, set[str]] = defaultdict(set)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        name = re.sub(r"\[.*", "", item.nodeid.partition("checks/")[2])
        for id_ in citations(item):
            self.checks[id_].add(name)
