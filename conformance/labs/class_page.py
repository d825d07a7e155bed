"""Writes what a class has done: a page with persons as rows, and a page for each person with their own failures."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from conformance.labs.exercises import EXERCISES
from conformance.languages.texts import say
from conformance.reports import page
from conformance.reports.file_names import as_file_name

STYLES = Path(page.__file__).with_name("templates")
TEMPLATES = Path(__file__).with_name("templates")


def write(
    directory: Path,
    numbers: Sequence[int],
    rows: Sequence[tuple[str, list[str], float, float]],
    cells: Mapping[tuple[str, int], Any],
    language: str,
) -> None:
    """Write ``index.html`` and the persons' pages into a directory, which is made if it is not there. Raises OSError.

    `rows` are the persons with what each exercise came to, the points, and those that can be had; `cells` are by person
    and exercise.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = Markup((STYLES / "page.css").read_text(encoding="utf-8"))
    shared = {"style": style, "say": say, "exercises": EXERCISES, "language": language}
    directory.mkdir(exist_ok=True)
    files = {person: _file_name(person) for person, *_ in rows}
    whole = environment.get_template("class.html.j2").render(**shared, numbers=numbers, rows=rows, files=files)
    (directory / "index.html").write_text(whole, encoding="utf-8", errors="backslashreplace")
    for person, _, points, most in rows:
        own = {number: cells[person, number].result for number in numbers if (person, number) in cells}
        page = environment.get_template("person.html.j2").render(
            **shared, person=person, results=own, points=points, most=most
        )
        (directory / files[person]).write_text(page, encoding="utf-8", errors="backslashreplace")


def _file_name(person: str) -> str:
    """Return a name that every file system takes, another for each person."""
    return f"{as_file_name(person)}-{hashlib.sha256(person.encode(errors='surrogateescape')).hexdigest()[:6]}.html"
