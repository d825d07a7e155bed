"""What several commands take: targets, and a part of the checks."""

import argparse
import fnmatch
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from conformance.as_client import contract
from conformance.languages.texts import say
from conformance.running.runner import JudgeError
from conformance.targets.discovery import BUNDLED, MANIFEST, find_target, target_help
from conformance.targets.target import Target
from conformance.targets.terms import ROLES, SERVICES, TRANSPORTS
from spec.requirements import REQUIREMENTS


class UsageError(Exception):
    """Wrong usage: one line that says how."""


def needs_module(what: str, module: str | None, extra: str) -> str:
    """Return that an option or a command needs a module, and the extra of this package that brings it."""
    return say(
        "{what} needs the Python module {module}: pip install 'sockspec[{extra}]'",
        what=what,
        module=module,
        extra=extra,
    )


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add targets, and the options that select roles, transports and services."""
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=target_help())
    for name, everything in (("role", ROLES), ("transport", TRANSPORTS), ("service", SERVICES)):
        parser.add_argument(
            f"--{name}", action="append", default=[], choices=everything, help=say("repeatable; default: both")
        )


def positive(word: str) -> int:
    """Return the number, 1 or more, that a word stands for. Raises ValueError."""
    if (number := int(word)) < 1:
        raise ValueError
    return number


def positive_seconds(word: str) -> float:
    """Return the seconds that a word stands for: ``90``, ``90s`` or ``1.5m``. Raises ValueError."""
    factor = 60 if word.endswith("m") else 1
    seconds = float(word.removesuffix("m").removesuffix("s")) * factor
    if not 0 < seconds < math.inf:
        raise ValueError
    return seconds


def find_targets(words: Sequence[str]) -> list[Target]:
    """Return the targets that words name. Of several with one name the later get a number.

    No word: that of the manifest in the current directory, or the bundled ones where there is none. Raises TargetError.
    """
    words = words or ([MANIFEST] if Path(MANIFEST).is_file() else list(BUNDLED))
    targets: list[Target] = []
    taken: Counter[str] = Counter()
    for target in map(find_target, dict.fromkeys(words)):
        taken[target.name] += 1
        number = taken[target.name]
        targets.append(target if number == 1 else replace(target, name=f"{target.name}-{number}"))
    return targets


def find_requirements(words: Sequence[str]) -> list[str]:
    """Return the ids that words name: ``ECHO-3``, ``echo-3``, a group (``ECHO``) or a pattern (``TIME-1*``).

    Raises UsageError for a word that names none.
    """
    found: dict[str, None] = {}
    for word in words:
        pattern = word.upper()
        ids = [id_ for id_ in REQUIREMENTS if fnmatch.fnmatchcase(id_, pattern) or id_.startswith(f"{pattern}-")]
        if not ids:
            raise UsageError(say("SPEC.md has no requirement {id}", id=word))
        found.update(dict.fromkeys(ids))
    return list(found)


def require_reachable(targets: Sequence[Target]) -> None:
    """Raises JudgeError if a server does not get ready or answer: nothing could be said of it."""
    for target in targets:
        for finding in contract.reach(target):
            if finding.problem:
                raise JudgeError(f"{target.name}: {finding.what}: {finding.problem}")
