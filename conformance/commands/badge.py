"""``sockspec badge``: a report as a badge."""

import argparse
from pathlib import Path

from conformance.commands.files import STDOUT, read_report, require_directories, write_json
from conformance.languages.texts import mark, say
from conformance.reports.badge import badge
from conformance.running.verdicts import CONFORMS

HELP = mark("write the badge of a report: JSON for the endpoint of shields.io")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", type=Path, metavar="REPORT", help=say("what `run --json` has written"))
    parser.add_argument("--label", default="sockspec", help=say("the badge's left half (default: sockspec)"))
    parser.add_argument("--out", type=Path, metavar="FILE", default=STDOUT, help=say("default: standard output"))


def execute(options: argparse.Namespace) -> int:
    report = read_report(options.report)
    require_directories(options.out)
    write_json(options.out, badge(report, options.label))
    return CONFORMS
