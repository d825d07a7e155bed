"""What several commands take: targets, and a part of the checks."""

import argparse
from collections.abc import Sequence

from conformance.as_client import contract
from conformance.running.runner import JudgeError
from conformance.targets.discovery import BUNDLED, TARGET_HELP, find_target
from conformance.targets.target import Target
from conformance.targets.terms import ROLES, SERVICES, TRANSPORTS


class UsageError(Exception):
    """Wrong usage: one line that says how."""


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add targets, and the options that select roles, transports and services."""
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=TARGET_HELP)
    for name, everything in (("role", ROLES), ("transport", TRANSPORTS), ("service", SERVICES)):
        parser.add_argument(
            f"--{name}", action="append", default=[], choices=everything, help="repeatable; default: both"
        )


def find_targets(words: Sequence[str]) -> list[Target]:
    """Return the targets that words name; no word: the bundled ones. Raises TargetError, UsageError."""
    targets = [find_target(word) for word in dict.fromkeys(words or BUNDLED)]
    names = [target.name for target in targets]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"two targets are called {twice[0]}")
    return targets


def require_reachable(targets: Sequence[Target]) -> None:
    """Raises JudgeError if a server does not get ready or answer: nothing could be said of it."""
    for target in targets:
        for finding in contract.reach(target):
            if finding.problem:
                raise JudgeError(f"{target.name}: {finding.what}: {finding.problem}")
