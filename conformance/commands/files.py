"""The files that commands write."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from conformance.commands.selecting import UsageError, needs_module
from conformance.comparison.model import Comparison
from conformance.languages.texts import say
from conformance.reports.json_report import FORMAT, SCHEMA
from conformance.reports.screen import Screen

PageBuilder = Callable[[Comparison | None, Mapping[str, Any] | None], str]
Result = TypeVar("Result")


def require_directories(*files: Path | None, folder: Path | None = None) -> None:
    """Raises UsageError, before any work, if one of the files, or a folder of them, could not be written there.

    Two in one file could not either: the second would take the place of the first.
    """
    named: set[Path] = set()
    for file in filter(None, files):
        if file.is_dir():
            raise UsageError(say("{file} is a directory", file=file))
        if file.resolve() in named:
            raise UsageError(say("{file} is to hold two results", file=file))
        if file.is_file() or not file.exists():
            named.add(file.resolve())
    for file in filter(None, [*files, folder]):
        if not file.parent.is_dir():
            raise UsageError(say("{file}: {directory} is no directory", file=file, directory=file.parent))


def page_builder() -> PageBuilder:
    """Return what builds a page. Raises UsageError if this Python lacks what that takes."""
    try:
        from conformance.reports.page import page  # takes a moment, and packages that nothing else takes
    except ModuleNotFoundError as error:
        raise UsageError(needs_module("--html", error.name, "compare")) from None
    return page.build_page


class Writer:
    """Writes what it can: a file that cannot be written is reported, and the others are written all the same."""

    def __init__(self) -> None:
        self.problems: set[str] = set()

    def attempt(self, write: Callable[..., Result], *arguments: object) -> Result | None:
        """Call a function that writes files and return its result, or None if a file cannot be written."""
        try:
            return write(*arguments)
        except OSError as error:
            named = next((each for each in arguments if isinstance(each, Path)), None)
            problem = say(
                "cannot write {file}: {reason}",
                file=error.filename or named or say("a file"),
                reason=say(error.strerror) if error.strerror else error,
            )
            if problem not in self.problems:
                print(f"sockspec: {problem}", file=sys.stderr)
            self.problems.add(problem)
            return None


STDOUT = Path("-")
"""Stands for standard output where a file is named; what is for a person goes to standard error then."""


def screen_beside(*files: Path | None, width: int | None = None) -> Screen:
    """Return where a command speaks to a person that writes to files, or to standard output."""
    return Screen(stderr=STDOUT in files, width=width)


def read_report(path: Path) -> dict[str, Any]:
    """Return a report that `run --json` has written. Raises OSError, and UsageError for another file."""
    from jsonschema import Draft202012Validator  # takes a moment, and no other command needs it

    try:
        whole: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no UTF-8, or no JSON
        raise UsageError(f"{path}: {error}") from None
    if problem := next(Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).iter_errors(whole), None):
        raise UsageError(
            say(
                "{file}: not a report of format {format}, as `run --json` writes it: {place}",
                file=path,
                format=FORMAT,
                place=problem.json_path,
            )
        )
    return whole


def write_json(path: Path, whole: object) -> None:
    """Write a whole as JSON. Raises OSError."""
    write_text(path, json.dumps(whole, ensure_ascii=False, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8; a file that was there stays as it was until all is written. Raises OSError."""
    # Of generated text, surrogates stand alone; in JSON they look as `backslashreplace` writes them.
    data = text.encode(errors="backslashreplace")
    if path == STDOUT:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    elif path.is_file() and os.access(path, os.W_OK) and os.access(path.resolve().parent, os.W_OK):
        _replace(path.resolve(), data)
    else:
        path.write_bytes(data)


def _replace(file: Path, data: bytes) -> None:
    """Write a file that is there anew, beside it at first: a disk may be full. Raises OSError."""
    with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as new:
        try:
            new.write(data)
            new.flush()
            shutil.copymode(file, new.name)
            os.replace(new.name, file)
        except BaseException:
            os.unlink(new.name)
            raise
