"""``sockspec diff``: lets two servers answer the same, and shows the shortest difference."""

import argparse
from itertools import product

from conformance.as_client import differential
from conformance.as_client.observed import Observed
from conformance.commands.selecting import require_reachable
from conformance.languages.texts import mark, say
from conformance.languages.told import told
from conformance.profiles import PROFILES
from conformance.running.runner import JudgeError
from conformance.running.verdicts import CONFORMS, FAILS
from conformance.targets.discovery import find_target
from conformance.targets.host import require_fit_host
from conformance.targets.terms import SERVICES, TRANSPORTS

HELP = mark("let two servers answer the same; show the shortest difference")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("targets", nargs=2, metavar="TARGET", help=say("two of them, as `run` takes them"))
    parser.add_argument("--profile", choices=list(PROFILES), default="standard", help=say("how many conversations"))
    parser.add_argument("--seed", type=int, default=0, metavar="N", help=say("which of them (default: 0)"))
    parser.add_argument("--hex", action="store_true", help=say("show requests and replies in hexadecimal digits too"))


def execute(options: argparse.Namespace) -> int:
    targets = [find_target(word) for word in options.targets]
    profile = PROFILES[options.profile]._replace(seed=options.seed)
    profile.load()
    require_fit_host(targets)
    require_reachable(targets)
    compared = False
    status = CONFORMS
    for transport, service in product(TRANSPORTS, SERVICES):
        if all(target.offers("server", transport, service) for target in targets):
            try:
                outcome = differential.compare(targets[0], targets[1], service, transport, profile)
            except Observed as observed:
                raise JudgeError(f"one of them does not answer: {observed}") from None
            compared = True
            text = told(differential.describe(outcome, targets, hexadecimal=options.hex))
            print(say("{service} over {transport}: {told}", service=service, transport=transport, told=text))
            status = FAILS if outcome.difference and any(outcome.difference.at_fault) else status
    if not compared:
        raise JudgeError(say("there is no server that both offer"))
    return status
