"""``sockspec check-target``: does a target keep the contract that the suite stands on?"""

import argparse

from conformance.as_client import contract
from conformance.commands.selecting import find_targets
from conformance.languages.texts import mark, say
from conformance.languages.told import told
from conformance.running.verdicts import CONFORMS, FAILS
from conformance.targets.discovery import target_help
from conformance.targets.host import require_fit_host

HELP = mark("does a target keep the contract that the suite stands on?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("targets", nargs="+", metavar="TARGET", help=target_help())


def execute(options: argparse.Namespace) -> int:
    status = CONFORMS
    targets = find_targets(options.targets)
    require_fit_host(targets)
    for target in targets:
        print(target.name)
        for finding in contract.check(target):
            first, *rest = (told(finding.problem) or say("ok")).splitlines()
            print(f"  {finding.what}: {first}", *(f"    {line}" for line in rest), sep="\n")
            status = FAILS if finding.problem else status
    return status
