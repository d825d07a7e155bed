"""A class: each directory is a person's, and has answers to some of the exercises."""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any, NamedTuple

from conformance import ROOT
from conformance.labs.assignment import LEVELS
from conformance.labs.exercises import EXERCISES
from conformance.labs.levels import PROTOCOL, ROBUST, STEP_LIMIT
from conformance.labs.results import Result, read_result
from conformance.labs.submission import SubmissionError, find_submission
from conformance.languages.texts import say
from conformance.targets.host import processors
from conformance.targets.toml_files import read_toml

_STEPS_BY_SPEC = 0, len(PROTOCOL), len(PROTOCOL) + len(ROBUST)
LIMITS = {level: 120.0 + STEP_LIMIT * steps for level, steps in zip(LEVELS, _STEPS_BY_SPEC, strict=True)}
"""Seconds that one exercise of one person may take, by the last level; at the first a good answer takes some 12."""

AT_ONCE = 4 * processors()
"""Exercises that are judged side by side, each in a network of its own: at the first level they wait more than they
work. At the others the suite's checks fill the machine, so that one is judged after the other."""

_NUMBER = re.compile(r"(?<!\d)0?([1-7])(?!\d)")


class ClassError(Exception):
    """A class, or its weights, that cannot be judged; one line that says why."""


class Task(NamedTuple):
    """One person's answer to one exercise."""

    person: str
    exercise: int
    directory: Path


@dataclass
class Cell:
    """What a person got for an exercise, and the digest of what was judged."""

    digest: str
    result: Result

    def to_json(self) -> dict[str, Any]:
        return {"digest": self.digest, "result": self.result.to_json()}


@dataclass
class Weights:
    """How many points an exercise is worth, and which share of them its levels have."""

    exercises: Mapping[int, float] = field(default_factory=lambda: dict.fromkeys(EXERCISES, 10.0))
    levels: Mapping[str, float] = field(default_factory=lambda: {"assignment": 1.0})

    def points(self, result: Result) -> float:
        """Return the points of an exercise: of each level, the share of the steps that are taken."""
        shares = sum(
            share * result.levels[name].taken / result.levels[name].count
            for name, share in self.levels.items()
            if name in result.levels
        )
        return self.exercises.get(result.exercise, 0.0) * shares / sum(self.levels.values())

    @property
    def last_level(self) -> str:
        """The last level that counts."""
        return [name for name in LEVELS if self.levels.get(name)][-1]


def read_weights(file: Path) -> Weights:
    """Return the weights that a TOML file has, in ``[exercises]`` and ``[levels]``. Raises ClassError."""
    try:
        whole = read_toml(file)
        exercises = {int(number): float(points) for number, points in whole.get("exercises", {}).items()}
        levels = {name: float(share) for name, share in whole.get("levels", {}).items()}
    except (OSError, TypeError, ValueError, AttributeError) as error:
        problem = str(error).removeprefix(f"{file}: ")
        raise ClassError(f"{file}: {problem}") from None
    unknown = [str(number) for number in exercises if number not in EXERCISES]
    unknown += [name for name in levels if name not in LEVELS]
    if unknown or any(each < 0 for each in [*exercises.values(), *levels.values()]):
        raise ClassError(
            say(
                "{file}: [exercises] has the numbers 1 to 7, [levels] assignment, protocol and robust,"
                " each with points from 0 on",
                file=file,
            )
        )
    weights = Weights()
    return Weights({**weights.exercises, **exercises}, levels if any(levels.values()) else weights.levels)


def find_tasks(directories: Sequence[Path]) -> list[Task]:
    """Return what is to be judged: of a person's directory each subdirectory with a number from 1 to 7.

    A directory with such subdirectories, and programs in one of them, is a person's; another one holds those of all
    persons, whatever they are called. Raises ClassError if there is nothing.
    """
    persons: list[Path] = []
    for directory in directories:
        if not directory.is_dir():
            raise ClassError(say("{file}: no such directory", file=directory))
        inside = _directories(directory)
        persons += [directory] if any(_exercise(each) and any(each.glob("*.py")) for each in inside) else inside
    tasks = [
        Task(person.name, number, each)
        for person in persons
        for each in _directories(person)
        if (number := _exercise(each))
    ]
    if not tasks:
        raise ClassError(say("no directory like PERSON/lab1 in {files}", files=", ".join(map(str, directories))))
    return tasks


def _directories(directory: Path) -> list[Path]:
    return sorted(each for each in directory.iterdir() if each.is_dir() and not each.name.startswith((".", "_")))


def _exercise(directory: Path) -> int:
    """Return the number of the exercise that a directory's name says; 0: none, or several."""
    found = set(_NUMBER.findall(directory.name))
    return int(found.pop()) if len(found) == 1 else 0


def digest(directory: Path, level: str) -> str:
    """Return a digest of all that a verdict hangs on: the files, the level, and the suite's own."""
    whole = hashlib.sha256(f"{level}\0{_digest_of_the_suite()}".encode())
    for file in sorted(directory.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            whole.update(f"{file.relative_to(directory)}\0{file.stat().st_size}\0".encode(errors="surrogateescape"))
            whole.update(file.read_bytes())
    return whole.hexdigest()


@cache
def _digest_of_the_suite() -> str:
    whole = hashlib.sha256()
    for package in "conformance", "spec":
        for file in sorted((ROOT / package).rglob("*.py")):
            whole.update(file.read_bytes())
    return whole.hexdigest()


def judge_class(
    tasks: Sequence[Task],
    known: Mapping[tuple[str, int], Cell],
    level: str,
    language: str,
    at_once: int,
) -> Iterator[tuple[Task, Cell]]:
    """Judge tasks side by side, but for those of which nothing has changed; yield each as it is done."""
    judges: set[subprocess.Popen[str]] = set()
    with ThreadPoolExecutor(at_once) as threads:
        running = {}
        for task in tasks:
            before, now = known.get((task.person, task.exercise)), digest(task.directory, level)
            if before and before.digest == now and not before.result.undecided:
                yield task, before
            else:
                running[threads.submit(_judge, task, level, language, judges)] = task, now
        try:
            for future in as_completed(running):
                task, now = running[future]
                yield task, Cell(now, future.result())
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            while left := [future for future in running if not future.done()]:
                while judges:
                    judges.pop().terminate()
                wait(left, timeout=0.1)  # one may just be starting its judge


def _judge(task: Task, level: str, language: str, judges: set[subprocess.Popen[str]]) -> Result:
    """Judge in a process of its own: it has a network of its own, and what it does wrong costs one cell."""
    try:
        find_submission([task.directory])
    except SubmissionError as error:
        return Result(task.exercise, undecided=str(error))
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "result.json"
        words = ["lab", str(task.exercise), str(task.directory.absolute()), "--all", f"--level={level}"]
        command = [sys.executable, "-m", "conformance", *words, f"--lang={language}", f"--json={file}"]
        with subprocess.Popen(
            command, cwd=ROOT, stdout=DEVNULL, stderr=PIPE, encoding="utf-8", errors="replace"
        ) as judge:
            judges.add(judge)
            try:
                _, errors = judge.communicate(timeout=LIMITS[level])
            except subprocess.TimeoutExpired:
                judge.kill()
                return Result(task.exercise, undecided=say("not done after {seconds:g} s", seconds=LIMITS[level]))
            finally:
                judges.discard(judge)
        if file.exists():
            return read_result(json.loads(file.read_text(encoding="utf-8")))
        return Result(task.exercise, undecided=errors.strip().splitlines()[-1] if errors.strip() else "")
