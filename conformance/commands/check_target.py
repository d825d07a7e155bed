"""``sockspec check-target``: does a target keep the contract that the suite stands on?"""

import argparse

from conformance.as_client import contract
from conformance.commands.selecting import find_targets
from conformance.languages.texts import mark, say
from conformance.languages.told import told
from conformance.running.verdicts import CONFORMS, FAILS
from conformance.targets.discovery import target_help

HELP = mark("does a target keep the contract that the suite stands on?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("targets", nargs="+", metavar="TARGET", help=target_help())


def execute(options: argparse.Namespace) -> int:
    status = CONFORMS
    for target in find_targets(options.targets):
        print(target.name)
        for finding in contract.check(target):
            first, *rest = (told(finding.problem) or say("ok")).splitlines()
            print(f"  {finding.what}: {first}", *(f"    {line}" for line in rest), sep="\n")
            status = FAILS if finding.problem else status
    return status
