"""``sockspec lab``: judges an exercise as it is assigned, step by step."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from conformance.commands.selecting import UsageError
from conformance.labs import texts
from conformance.labs.assignment import assignment_steps
from conformance.labs.exam import Exam
from conformance.labs.exercises import EXERCISES
from conformance.labs.ladder import StepError, Taken, UndecidedError, climb
from conformance.labs.submission import SubmissionError, find_submission
from conformance.labs.texts import say
from conformance.running.verdicts import CONFORMS, FAILS, NOT_JUDGED

HELP = "judge one of seven exercises as it is assigned, in free form"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("number", type=int, choices=EXERCISES, metavar="N", help="the exercise, 1 to 7")
    add("programs", nargs="*", type=Path, metavar="PATH", help="a directory, or the server's and the client's file")
    add("--all", action="store_true", help="try all steps; by default the first that fails is the last")
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
    exercise, console = EXERCISES[options.number], Console(highlight=False)
    console.print(
        f"[bold]{say('exercise {number}', number=exercise.number)}[/]: {escape(say(exercise.title))}", soft_wrap=True
    )
    taken = 0
    with Exam(exercise, submission) as exam:
        try:
            steps = assignment_steps(exam)
            for each in climb(steps, exam, through=options.all):
                taken += each.error is None
                _print(console, each, hint=options.hint)
        except StepError as error:
            steps = []
            _print_error(console, error)
        except UndecidedError as error:
            console.print(f"[magenta]{say('not judged')}[/]: {escape(str(error))}", soft_wrap=True)
            return NOT_JUDGED
    colour = "green" if steps and taken == len(steps) else "yellow"
    where = say("exercise {number}: {taken} of {all}", number=exercise.number, taken=taken, all=len(steps) or "?")
    console.print(f"[bold {colour}]{where}[/]", soft_wrap=True)
    return CONFORMS if steps and taken == len(steps) else FAILS


def _print(console: Console, taken: Taken[Exam], *, hint: bool) -> None:
    sign = "[green]✓[/]" if taken.error is None else "[red]✗[/]"
    console.print(f"{sign} {escape(say(taken.step.title))}", soft_wrap=True)
    if taken.error:
        _print_error(console, taken.error)
        console.print(f"    {escape(say(taken.step.why))}", style="dim", soft_wrap=True)
        if hint:
            console.print(f"    {say('hint')}: {escape(say(taken.step.hint))}", soft_wrap=True)


def _print_error(console: Console, error: StepError) -> None:
    console.print(f"    {say('expected')}: {escape(error.expected)}", soft_wrap=True)
    console.print(f"    {say('came')}: {escape(error.came)}", soft_wrap=True)
    if error.cause:
        console.print(f"    {say('likely cause')}: {escape(error.cause)}", soft_wrap=True)
