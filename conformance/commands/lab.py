"""``sockspec lab``: judges an exercise as it is assigned, step by step."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from conformance.commands.selecting import UsageError
from conformance.labs import texts
from conformance.labs.assignment import LEVELS, ladder
from conformance.labs.exam import Exam
from conformance.labs.exercises import EXERCISES
from conformance.labs.ladder import StepError, Taken, UndecidedError, climb
from conformance.labs.network import enter_own_network
from conformance.labs.submission import SubmissionError, find_submission
from conformance.labs.texts import say
from conformance.running.verdicts import CONFORMS, FAILS, NOT_JUDGED

HELP = "judge one of seven exercises as it is assigned, in free form"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("number", type=int, choices=EXERCISES, metavar="N", help="the exercise, 1 to 7")
    add("programs", nargs="*", type=Path, metavar="PATH", help="a directory, or the server's and the client's file")
    add("--level", choices=LEVELS, default=LEVELS[0], help="how far to go (default: %(default)s)")
    add("--all", action="store_true", help="try all steps of a level; by default the first that fails ends it")
    add("--hint", action="store_true", help="say what to try at a step that fails")
    add("--lang", choices=texts.LANGUAGES, help="in which language (default: that of the locale)")


def execute(options: argparse.Namespace) -> int:
    texts.choose(options.lang or texts.language_of())
    if len(options.programs) > 2:
        raise UsageError(say("name a directory, or two files"))
    try:
        submission = find_submission(options.programs or [Path()])
    except SubmissionError as error:
        raise UsageError(str(error)) from None
    enter_own_network()
    exercise, console = EXERCISES[options.number], Console(highlight=False)
    console.print(
        f"[bold]{say('exercise {number}', number=exercise.number)}[/]: {escape(say(exercise.title))}", soft_wrap=True
    )
    with Exam(exercise, submission) as exam:
        try:
            levels = ladder(exam)
        except StepError as error:
            _print_error(console, error)
            return FAILS
        taken = dict.fromkeys(LEVELS, 0)
        wanted = LEVELS[: LEVELS.index(options.level) + 1]
        for level in wanted:
            console.print(f"[bold]{say(level)}[/]")
            try:
                for each in climb(levels[level], exam, through=options.all):
                    taken[level] += each.error is None
                    _print(console, each, hint=options.hint)
            except UndecidedError as error:
                console.print(f"[magenta]{say('not judged')}[/]: {escape(str(error))}", soft_wrap=True)
                return NOT_JUDGED
            if taken[level] < len(levels[level]):
                break
    total = {"number": exercise.number, "taken": sum(taken.values()), "all": sum(map(len, levels.values()))}
    holds = all(taken[level] == len(levels[level]) for level in wanted)
    console.print(f"[bold {'green' if holds else 'yellow'}]{say('exercise {number}: {taken} of {all}', **total)}[/]")
    if holds and (further := LEVELS[len(wanted) :]):
        console.print(f"{say('next')}: --level {further[0]}")
    return CONFORMS if holds else FAILS


def _print(console: Console, taken: Taken[Exam], *, hint: bool) -> None:
    sign = "[green]✓[/]" if taken.error is None else "[red]✗[/]"
    console.print(f"{sign} {escape(say(taken.step.title))}", soft_wrap=True)
    if taken.error:
        _print_error(console, taken.error)
        console.print(f"    {escape(say(taken.step.why))}", style="dim", soft_wrap=True)
        if hint:
            console.print(f"    {say('hint')}: {escape(say(taken.step.hint))}", soft_wrap=True)


def _print_error(console: Console, error: StepError) -> None:
    for name, text in (
        (say("expected"), error.expected),
        (say("came"), error.came),
        (say("likely cause"), error.cause),
    ):
        if text:
            indented = text.replace("\n", "\n        ")
            console.print(f"    {name}: {escape(indented)}", soft_wrap=True)
