"""``sockspec lab``: judges an exercise as it is assigned, step by step."""

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection
from functools import partial
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from conformance import ROOT
from conformance.commands.files import STDOUT, require_directories, screen_beside, write_json
from conformance.commands.selecting import UsageError, needs_module, positive
from conformance.labs.assignment import LEVELS
from conformance.labs.exam import Exam
from conformance.labs.exercises import EXERCISES
from conformance.labs.ladder import StepError, Taken
from conformance.labs.network import enter_own_network
from conformance.labs.results import Result, judge, read_result
from conformance.labs.submission import SubmissionError, find_submission
from conformance.languages import texts
from conformance.languages.texts import mark, say
from conformance.running.verdicts import CONFORMS, FAILS, NOT_JUDGED
from conformance.targets.host import require_loopback, require_processes

ENDING = 5.0
"""Seconds that what judges gets to end by itself after Ctrl-C."""

HELP = mark("judge one of seven exercises as it is assigned, in free form")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("number", type=int, choices=list(EXERCISES), metavar="N", help=say("the exercise, 1 to 7"))
    told = say("a directory, or the server's and the client's file")
    add("programs", nargs="*", type=Path, default=[], metavar="PATH", help=told)  # without a default it is "required"
    add("--level", choices=LEVELS, default=LEVELS[0], help=say("how far to go (default: %(default)s)"))
    add("--step", type=positive, metavar="N", help=say("only that step of --level protocol or robust"))
    add("--all", action="store_true", help=say("try all steps of a level; by default the first that fails ends it"))
    add("--hint", action="store_true", help=say("say what to try at a step that fails"))
    add("--watch", action="store_true", help=say("again whenever a file has been saved, until Ctrl-C"))
    add("--json", type=Path, metavar="FILE", help=say("write what was found"))


def execute(options: argparse.Namespace) -> int:
    if len(options.programs) > 2:
        raise UsageError(say("name a directory, or two files"))
    if options.step and options.level == LEVELS[0]:
        raise UsageError(say("--step is for --level protocol and robust: the steps of the assignment need each other"))
    try:
        submission = find_submission(options.programs or [Path()])
    except SubmissionError as error:
        raise UsageError(str(error)) from None
    require_directories(options.json)
    if options.watch:
        return _watch({file.parent for file in submission}, options)
    alone = enter_own_network()
    require_processes()
    require_loopback()
    exercise, console = EXERCISES[options.number], screen_beside(options.json)
    tell = partial(console.print, soft_wrap=not console.is_terminal)  # only on a terminal are lines broken
    heading = say("exercise {number}", number=exercise.number)
    tell(f"[bold]{heading}[/]: {escape(say(exercise.title))}")
    wanted = LEVELS[: LEVELS.index(options.level) + 1]
    told: set[tuple[str, str]] = set()
    try:
        result = judge(
            exercise,
            submission,
            wanted,
            through=options.all,
            only=options.step or 0,
            alone=alone,
            enter=lambda level: console.print(f"[bold]{escape(say(level))}[/]"),
            tried=lambda taken: _print(console, taken, told, hint=options.hint),
        )
    except LookupError as error:
        raise UsageError(str(error.args[0])) from None
    if options.json:
        write_json(options.json, result.to_json())
    for remark in result.remarks:
        tell(escape(say("a remark: {remark}", remark=remark)), style="yellow")
    if result.undecided:
        undecided = say("not judged")
        tell(f"[magenta]{undecided}[/]: {escape(result.undecided)}")
        return NOT_JUDGED
    levels = [result.levels[name] for name in wanted if name in result.levels]
    if options.step:
        holds, further = levels[0].is_whole, wanted[-1:]
    else:
        holds, further = len(levels) == len(wanted) and all(level.is_whole for level in levels), LEVELS[len(wanted) :]
        taken, count = sum(level.taken for level in levels), sum(level.count for level in levels)
        where = say("exercise {number}: {taken} of {all}", number=exercise.number, taken=taken, all=count)
        console.print(f"[bold {'green' if holds else 'yellow'}]{where}[/]")
        if words := _to_first_missing(result):
            console.print(say("this step alone: {option}", option=" ".join(words)))
    if holds and further:
        console.print(say("next: {option}", option=f"--level {further[0]}"))
    return CONFORMS if holds else FAILS


def _to_first_missing(result: Result) -> list[str]:
    """Return the words that judge the first step alone that is not taken; none if there is no such step."""
    for name, level in result.levels.items():
        for number, step in enumerate(level.steps, 1):
            if not step.taken and name != LEVELS[0]:
                return ["--level", name, "--step", str(number)]
    return []


def _watch(directories: Collection[Path], options: argparse.Namespace) -> int:
    """Judge in a process of its own each time, and again whenever a file of Python or a manifest has changed.

    The step that was not taken is judged first, alone if it can be, and all others once it is: ``--json`` holds all.
    """
    try:
        from watchfiles import PythonFilter, watch
    except ModuleNotFoundError as error:
        raise UsageError(needs_module("--watch", error.name, "labs")) from None
    files = PythonFilter(extra_extensions=[".toml"])
    changes = watch(
        *directories, watch_filter=files, rust_timeout=100, yield_on_timeout=True, ignore_permission_denied=True
    )
    with tempfile.TemporaryDirectory() as temporary, contextlib.suppress(KeyboardInterrupt):
        next(changes, None)  # it has begun to watch: a file may be saved while the first run lasts
        found = options.json or Path(temporary) / "found.json"
        command, alone = _command(options, found), list[str]()
        for _ in chain([None], filter(None, changes)):
            if gone := [each for each in directories if not each.is_dir()]:
                raise UsageError(say("{file}: no such directory", file=gone[0]))
            if not alone or _run([*command, *alone, f"--json={os.devnull}"]) == CONFORMS:
                status, alone = _run(command), []
                if status in (CONFORMS, FAILS) and found.is_file() and not options.step:
                    alone = _to_first_missing(read_result(json.loads(found.read_text(encoding="utf-8"))))
            print(flush=True)
    return CONFORMS


def _command(options: argparse.Namespace, found: Path) -> list[str]:
    """Return what judges once, from the suite's own directory: in the programs' there may be a conformance.py."""
    places = [str(each.absolute()) for each in options.programs or [Path()]]
    words = ["lab", str(options.number), *places, f"--level={options.level}", f"--lang={texts.current()}"]
    words += [f"--{name}" for name in ("all", "hint") if getattr(options, name)]
    words += [f"--step={options.step}"] if options.step else []
    file = found if found == STDOUT else found.absolute()
    return [sys.executable, "-m", "conformance", *words, f"--json={file}"]


def _run(command: list[str]) -> int:
    """Run a command and return its exit status. An interrupt ends it, in order if it can."""
    with subprocess.Popen(command, cwd=ROOT) as judge:
        try:
            return judge.wait()
        except KeyboardInterrupt:
            with contextlib.suppress(subprocess.TimeoutExpired):
                judge.wait(ENDING)  # Ctrl-C is for both
            judge.terminate()
            judge.wait()
            raise


def _print(console: Console, taken: Taken[Exam], told: set[tuple[str, str]], *, hint: bool) -> None:
    """Print a step, but not once more what earlier steps have `told`: what was expected, and what came."""
    _print_beside(console, "[green]✓[/]" if taken.error is None else "[red]✗[/]", say(taken.step.title))
    if taken.error and _key(taken.error) in told:
        _print_beside(console, "   ", say("the same as above"))
    elif taken.error:
        told.add(_key(taken.error))
        _print_error(console, taken.error)
        if taken.step.why:
            _print_beside(console, "   ", say(taken.step.why), style="dim")
        text = taken.error.hint or (taken.step.hint if not taken.error.cause else "")
        if hint and text:
            _print_beside(console, "   ", say("hint: {hint}", hint=say(text, **taken.step.examples)))


def _key(error: StepError) -> tuple[str, str]:
    """Return what tells an error from others: what was expected and what came, without numbers and evidence."""
    return error.expected, re.sub(r"\d+", "", error.came.partition("\n")[0])


def _print_beside(console: Console, sign: str, text: str, style: str = "") -> None:
    """Print a text beside a sign: on a terminal in lines that are broken between words, else in one line."""
    before = Text.from_markup(f"{sign} ")
    broken = Text(text).wrap(console, console.width - len(before)) if console.is_terminal else [Text(text)]
    for line in broken:
        line.rstrip()
        console.print(before + line, style=style, soft_wrap=True)
        before = Text(" " * len(before))


def _print_error(console: Console, error: StepError) -> None:
    for name, text in (
        (say("expected"), error.expected),
        (say("came"), error.came),
        (say("likely cause"), error.cause),
    ):
        if text:
            indented = text.replace("\n", "\n    " if console.is_terminal else "\n        ")
            _print_beside(console, "   ", f"{name}: {indented}")
