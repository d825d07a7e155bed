"""``sockspec grade``: judges the exercises of a class, a directory for each person."""

import argparse
import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from conformance.commands.files import Writer, require_directories, screen_beside, write_json, write_text
from conformance.commands.selecting import UsageError, needs_module, positive
from conformance.labs.assignment import LEVELS
from conformance.labs.exercises import EXERCISES
from conformance.labs.network import has_own_network
from conformance.labs.results import read_result
from conformance.labs.roster import (
    AT_ONCE,
    Cell,
    Class,
    ClassError,
    Weights,
    find_class,
    judge_class,
    read_weights,
)
from conformance.languages import texts
from conformance.languages.texts import mark, say
from conformance.running.verdicts import CONFORMS, NOT_JUDGED
from conformance.targets.interrupts import ignored_interrupts

HELP = mark("judge the exercises of a class: a directory for each person, in it lab1, lab2, ...")

Cells = Mapping[tuple[str, int], Cell]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "directories",
        nargs="+",
        type=Path,
        metavar="DIRECTORY",
        help=say("a person's directory, or one of all persons'"),
    )
    add("--weights", type=Path, metavar="FILE", help=say("TOML: points in [exercises], shares in [levels]"))
    at_once = say("exercises at once (default: {count}; 1 if more than the assignment counts)", count=AT_ONCE)
    add("--workers", "-n", type=positive, metavar="N", help=at_once)
    add("--json", type=Path, metavar="FILE", help=say("write all that was found"))
    add("--resume", type=Path, metavar="FILE", help=say("judge only what has changed since that --json was written"))
    add("--csv", type=Path, metavar="FILE", help=say("write the table"))
    add("--html", type=Path, metavar="DIR", help=say("write the table as a page, and a page for each person"))
    add("--gradescope", type=Path, metavar="FILE", help=say("write a results.json for graders; for one person"))


def execute(options: argparse.Namespace) -> int:
    language = texts.current()
    try:
        whole = find_class(options.directories)
        weights = read_weights(options.weights) if options.weights else Weights()
    except ClassError as error:
        raise UsageError(str(error)) from None
    judged = {task.person for task in whole.tasks}
    if options.gradescope and len(judged) != 1:
        raise UsageError(say("--gradescope is for one person; there are {count}", count=len(judged)))
    require_directories(options.json, options.csv, options.gradescope, folder=options.html)
    write_pages = _pages_writer() if options.html else None
    known = _read(options.resume) if options.resume and options.resume.exists() else {}
    console = screen_beside(options.json, options.csv, options.gradescope)
    level = weights.last_level
    at_once = options.workers or (AT_ONCE if level == LEVELS[0] else 1)
    if at_once > 1 and not has_own_network():
        console.print(say("programs share this machine's ports, so they are judged one after the other"))
        at_once = 1
    cells: dict[tuple[str, int], Cell] = {}
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    was_interrupted = False
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(say("judging"), total=len(whole.tasks))
        try:
            for task, cell in judge_class(whole.tasks, known, level, language, at_once):
                cells[task.person, task.exercise] = cell
                progress.advance(bar)
        except KeyboardInterrupt:
            was_interrupted = True
    with ignored_interrupts():  # what has been judged is shown and written
        _show(console, whole, cells, weights)
        writer = Writer()
        if options.json:  # what an interrupt has left of the known is known the next time, too
            kept = {**known, **cells} if was_interrupted else cells
            listed = [{"person": key[0], **cell.to_json()} for key, cell in sorted(kept.items())]
            writer.attempt(write_json, options.json, listed)
        if options.csv:
            writer.attempt(write_text, options.csv, _csv(whole.persons, cells, weights))
        if options.gradescope:
            writer.attempt(write_json, options.gradescope, _gradescope(cells, weights))
        if write_pages:
            numbers = sorted({number for _, number in cells})
            writer.attempt(write_pages, options.html, numbers, _rows(whole.persons, cells, weights), cells, language)
    if was_interrupted:
        interrupted = say("interrupted")
        console.print(f"[magenta]{interrupted}[/]")
    is_undecided = bool(whole.unread) or any(cell.result.undecided for cell in cells.values())
    return NOT_JUDGED if was_interrupted or writer.problems or is_undecided else CONFORMS


def _show(console: Console, whole: Class, cells: Cells, weights: Weights) -> None:
    """Print the table, and what could not be judged."""
    console.print(_table(whole.persons, cells, weights))
    undecided = {f"{key[0]}, {key[1]}": cell.result.undecided for key, cell in sorted(cells.items())}
    for what, problem in {**whole.absent, **whole.unread, **undecided}.items():
        if problem:
            console.print(f"[magenta]{escape(what)}[/]: {escape(problem)}", soft_wrap=True)


def _read(file: Path) -> dict[tuple[str, int], Cell]:
    try:
        whole = json.loads(file.read_text(encoding="utf-8"))
        results = [(each["person"], each["digest"], read_result(each["result"])) for each in whole]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(say("{file}: not written by --json of this command", file=file)) from None
    return {(person, result.exercise): Cell(digest, result) for person, digest, result in results}


def _shown(cell: Cell | None) -> str:
    """Return steps taken of those of the level that was reached, or a word."""
    if cell is None:
        return "–"
    if cell.result.undecided:
        return "?"
    tried = [level for level in cell.result.levels.values() if level.steps]
    return f"{tried[-1].taken}/{tried[-1].count}" if tried else "–"


def _rows(persons: Sequence[str], cells: Cells, weights: Weights) -> list[tuple[str, list[str], float, float]]:
    """Return a row for each person: name, what each exercise came to, points, and points that can be had."""
    numbers = sorted({number for _, number in cells})
    most = sum(weights.exercises.get(number, 0) for number in numbers)
    rows = []
    for person in persons:
        own = [cells.get((person, number)) for number in numbers]
        points = sum(weights.points(cell.result) for cell in own if cell and not cell.result.undecided)
        rows.append((person, [_shown(cell) for cell in own], points, most))
    return rows


def _table(persons: Sequence[str], cells: Cells, weights: Weights) -> Table:
    table = Table()
    table.add_column(say("person"))
    for number in sorted({number for _, number in cells}):
        table.add_column(str(number), justify="right")
    table.add_column(say("points"), justify="right")
    for person, shown, points, most in _rows(persons, cells, weights):
        colours = ["green" if _is_whole(each) else "magenta" if each == "?" else "yellow" for each in shown]
        coloured = [f"[{colour}]{each}[/]" for colour, each in zip(colours, shown, strict=True)]
        table.add_row(escape(person), *coloured, f"{points:.1f}/{most:g}")
    return table


def _is_whole(shown: str) -> bool:
    taken, _, count = shown.partition("/")
    return bool(count) and taken == count


def _csv(persons: Sequence[str], cells: Cells, weights: Weights) -> str:
    out = io.StringIO()
    out.write("\ufeff")  # without it, spreadsheets take the table for Latin-1
    writer = csv.writer(out)
    writer.writerow(["person", *sorted({number for _, number in cells}), "points", "of"])
    for person, shown, points, most in _rows(persons, cells, weights):
        counts = [each.replace("/", " of ") for each in shown]  # spreadsheets take 6/7 for a date
        writer.writerow([person, *counts, f"{points:.2f}", f"{most:g}"])
    return out.getvalue()


def _gradescope(cells: Cells, weights: Weights) -> dict[str, object]:
    """Return what graders of Gradescope's kind read: a test for each exercise, with its steps as the output."""
    tests = []
    for (_, number), cell in sorted(cells.items()):
        result = cell.result
        lines = [result.undecided] if result.undecided else []
        for level in result.levels.values():
            for step in level.steps:
                lines.append(f"{'✓' if step.taken else '✗'} {step.title}")
                lines += [f"    {text}" for text in (step.expected, step.came, step.cause) if text]
        tests.append(
            {
                "number": str(number),
                "name": say("exercise {number}", number=number) + f": {say(EXERCISES[number].title)}",
                "score": round(0.0 if result.undecided else weights.points(result), 2),
                "max_score": weights.exercises.get(number, 0),
                "output": "\n".join(lines),
            }
        )
    return {"tests": tests}


def _pages_writer() -> Callable[..., None]:
    """Return what writes the pages. Raises UsageError if this Python lacks what that takes."""
    try:
        from conformance.labs import class_page  # takes packages that nothing else takes
    except ModuleNotFoundError as error:
        raise UsageError(needs_module("--html", error.name, "labs")) from None
    return class_page.write
