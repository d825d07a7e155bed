"""The command line of the suite: ``python -m conformance`` or ``sockspec``."""

import argparse
import io
import sys
import traceback
from collections.abc import Sequence
from importlib import metadata

from conformance.commands import (
    badge,
    changes,
    check_target,
    compare,
    completion,
    demo,
    diff,
    grade,
    init,
    lab,
    listing,
    replay,
    run,
    wireshark,
)
from conformance.commands.selecting import UsageError
from conformance.running.runner import JudgeError
from conformance.running.verdicts import NOT_JUDGED, USAGE, KnownFailuresError
from conformance.targets.interrupts import heed_interrupts
from conformance.targets.target import TargetError
from spec.requirements import VERSION

COMMANDS = {
    "run": run,
    "replay": replay,
    "list": listing,
    "check-target": check_target,
    "diff": diff,
    "compare": compare,
    "demo": demo,
    "lab": lab,
    "grade": grade,
    "init": init,
    "badge": badge,
    "changes": changes,
    "wireshark": wireshark,
    "completion": completion,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0 conforms, 1 does not, 2 wrong usage, 3 could not be judged."""
    for stream in sys.stdout, sys.stderr:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8 has some letters only
    options = command_line().parse_args(arguments)
    heed_interrupts()
    try:
        return int(options.execute(options))
    except (UsageError, TargetError, KnownFailuresError) as error:
        print(f"sockspec: {error}", file=sys.stderr)
        return USAGE
    except JudgeError as error:
        print(f"sockspec: could not be judged: {error}", file=sys.stderr)
        return NOT_JUDGED
    except OSError as error:
        print(f"sockspec: {error}", file=sys.stderr)
        return NOT_JUDGED
    except KeyboardInterrupt:
        print("sockspec: interrupted", file=sys.stderr)
        return NOT_JUDGED
    except Exception:  # noqa: BLE001 - whatever it is, its status must not say that a target does not conform
        traceback.print_exc()
        print("sockspec: could not be judged: the suite itself failed, see above", file=sys.stderr)
        return NOT_JUDGED


def _version() -> str:
    try:
        suite = metadata.version("sockspec")
    except metadata.PackageNotFoundError:
        suite = "(not installed)"
    return f"sockspec {suite}, SPEC.md {VERSION}"


def command_line() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(prog="sockspec", description="Judges implementations of SPEC.md.")
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        taking = commands.add_parser(name, help=command.HELP)
        command.add_arguments(taking)
        taking.set_defaults(execute=command.execute, parser=parser)
    return parser
