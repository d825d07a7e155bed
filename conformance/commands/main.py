"""The command line of the suite: ``python -m conformance`` or ``sockspec``."""

import argparse
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from typing import NoReturn

from conformance.commands.selecting import UsageError
from conformance.languages import texts
from conformance.languages.texts import say
from conformance.languages.told import told
from conformance.reports.screen import visible_lines
from conformance.running.runner import JudgeError
from conformance.running.verdicts import NOT_JUDGED, USAGE, KnownFailuresError
from conformance.targets.interrupts import heed_interrupts
from conformance.targets.limits import open_own_files
from conformance.targets.target import TargetError
from spec.requirements import VERSION

COMMANDS = (
    "run",
    "replay",
    "list",
    "check-target",
    "diff",
    "compare",
    "demo",
    "lab",
    "grade",
    "init",
    "badge",
    "changes",
    "wireshark",
    "completion",
)
"""Each is a module of this package."""

BY_LOCALE = "lab", "grade", "init"
"""Commands that speak the language of the locale into pipes and files too: what they print is for persons alone."""


NO_THREAD = "can't start new thread"
"""Python's RuntimeError where the limit of processes or of memory is reached."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        if message.startswith("argument "):  # before Python 3.11 argparse has no translation of that word
            name, _, problem = message.removeprefix("argument ").partition(": ")
            message = say("argument {argument}: {problem}", argument=name, problem=problem)
        super().error(visible_lines(message))


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib import metadata  # takes longer to import than all of argparse, and each command would wait

        try:
            suite = metadata.version("sockspec")
        except metadata.PackageNotFoundError:
            suite = say("(not installed)")
        print(f"sockspec {suite}, SPEC.md {VERSION}")
        parser.exit()


def language_for(words: Sequence[str]) -> str:
    """Return the language that a command line asks for: that of ``--lang``, else, on a terminal, of the locale."""
    for word, following in pairwise([*words, ""]):
        if (name := following if word == "--lang" else word.removeprefix("--lang=")) in texts.LANGUAGES:
            return name
    stream = sys.stderr if any(word == "-" or word.endswith("=-") for word in words) else sys.stdout  # see STDOUT
    is_for_persons = bool(words) and (words[0] in BY_LOCALE or not {"-h", "--help"}.isdisjoint(words))
    return texts.language_of() if is_for_persons or stream.isatty() else "en"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0 conforms, 1 does not, 2 wrong usage, 3 could not be judged."""
    words = sys.argv[1:] if arguments is None else arguments
    texts.choose(language_for(words))
    with texts.argparse_speaking():
        options = command_line(words).parse_args(words)
    heed_interrupts()
    open_own_files()
    try:
        return int(options.execute(options))
    except (UsageError, TargetError, KnownFailuresError) as error:
        _complain(f"sockspec: {error}")
        return USAGE
    except JudgeError as error:
        _complain(say("sockspec: could not be judged: {problem}", problem=told(str(error))))
        return NOT_JUDGED
    except OSError as error:
        _complain(f"sockspec: {_explain(error)}")
        return NOT_JUDGED
    except KeyboardInterrupt:
        print("sockspec:", say("interrupted"), file=sys.stderr)
        return NOT_JUDGED
    except Exception as error:  # noqa: BLE001 - whatever it is, its status must not say that a target does not conform
        if isinstance(error, MemoryError) or str(error) == NO_THREAD:
            print("sockspec:", say("this host has no memory left, or no processes and threads"), file=sys.stderr)
            return NOT_JUDGED
        traceback.print_exc()
        print(say("sockspec: could not be judged: the suite itself failed, see above"), file=sys.stderr)
        return NOT_JUDGED


def _complain(problem: str) -> None:
    print(visible_lines(problem), file=sys.stderr)


def _explain(error: OSError) -> str:
    if error.filename is None or error.strerror is None:
        return str(error)
    return f"[Errno {error.errno}] {say(error.strerror)}: {error.filename!r}"


def command_line(words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser for these words: it knows all commands, or the one that they name."""
    parser = _Parser(prog="sockspec", description=say("Judges implementations of SPEC.md."))
    parser.add_argument("--version", action=_Version, nargs=0, help=say("show program's version number and exit"))
    _add_language(parser, None)
    needed = _needed_commands(words)
    named = None if needed == COMMANDS else f"{{{','.join(COMMANDS)}}}"
    commands = parser.add_subparsers(dest="command", required=True, metavar=named)
    for name in needed:
        command = import_module(f"conformance.commands.{name.replace('-', '_')}")
        taking = commands.add_parser(name, help=say(command.HELP))
        command.add_arguments(taking)
        _add_language(taking, argparse.SUPPRESS)  # it may stand before the command too
        taking.set_defaults(execute=command.execute, parser=parser)
    return parser


def _needed_commands(words: Sequence[str]) -> Sequence[str]:
    """Return the command that comes first: to import all takes longer than many a command. Completion tells of all."""
    name = words[2:3] if words[:1] == ["--lang"] else words[:1]
    return name if name and name[0] in COMMANDS and name[0] != "completion" else COMMANDS


def _add_language(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument("--lang", choices=texts.LANGUAGES, default=default, help=say("in which language"))
