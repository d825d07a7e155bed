"""``sockspec changes``: two reports of the same targets; what got better, what got worse."""

import argparse
from pathlib import Path

from conformance.commands.files import read_report
from conformance.commands.selecting import UsageError
from conformance.languages.texts import mark, say
from conformance.reports.changes import as_markdown, as_text, changes, notes
from conformance.running.verdicts import CONFORMS, FAILS, NOT_JUDGED

HELP = mark("compare two reports of the same targets: what got better, what got worse")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", type=Path, metavar="OLD", help=say("what `run --json` has written before"))
    parser.add_argument("new", type=Path, metavar="NEW", help=say("what it has written now"))
    parser.add_argument("--markdown", action="store_true", help=say("write Markdown, for a pull request"))


def execute(options: argparse.Namespace) -> int:
    old, new = read_report(options.old), read_report(options.new)
    found = changes(old, new)
    if not found:
        raise UsageError(say("{old} and {new} have no target in common", old=options.old, new=options.new))
    print((as_markdown if options.markdown else as_text)(found, list(notes(old, new))))
    if any(each.is_worse for each in found):
        return FAILS
    return NOT_JUDGED if any(each.is_doubtful for each in found) else CONFORMS
