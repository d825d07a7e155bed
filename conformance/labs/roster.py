"""A class: each directory is a person's, and has answers to some of the exercises."""

import contextlib
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
from conformance.languages.told import told
from conformance.targets.host import processors
from conformance.targets.keeper import keeper
from conformance.targets.programs import status_or_signal
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
    """One person's answer to one exercise. With more than one directory nobody knows which is meant."""

    person: str
    exercise: int
    directories: tuple[Path, ...]


class Class(NamedTuple):
    """All persons, what is to be judged, and who has nothing to be judged or cannot be read, with the reason."""

    persons: list[str]
    tasks: list[Task]
    absent: dict[str, str]
    unread: dict[str, str]


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


def find_class(directories: Sequence[Path]) -> Class:
    """Return what is to be judged: of a person's directory each subdirectory with a number from 1 to 7.

    A directory with such subdirectories, and programs in one of them, is a person's; another one holds those of all
    persons, whatever they are called. Persons of one name are told apart by their paths. Raises ClassError if there is
    nothing to be judged.
    """
    found: dict[Path, None] = {}
    for directory in directories:
        if not directory.is_dir():
            raise ClassError(say("{file}: no such directory", file=directory))
        try:
            inside = _directories(directory)
        except OSError as error:
            raise ClassError(_explain(error)) from None
        is_persons = any(_exercise(each) and any(each.glob("*.py")) for each in inside)
        found |= dict.fromkeys([directory] if is_persons else inside)
    names = [directory.absolute().name for directory in found]
    persons = [str(each) if names.count(name) > 1 else name for each, name in zip(found, names, strict=True)]
    whole = Class(persons, [], {}, {})
    for person, directory in zip(persons, found, strict=True):
        try:
            inside = _directories(directory)
        except OSError as error:
            whole.unread[person] = _explain(error)
            continue
        numbers = sorted({number for each in inside if (number := _exercise(each))})
        for number in numbers:
            own = tuple(each for each in inside if _exercise(each) == number)
            whole.tasks.append(Task(person, number, own))
        if not numbers:
            whole.absent[person] = say("no directory like lab1 in {file}", file=directory)
    if not whole.tasks:
        raise ClassError(say("no directory like PERSON/lab1 in {files}", files=", ".join(map(str, directories))))
    return whole


def _explain(error: OSError) -> str:
    return f"{error.filename}: {say(error.strerror or str(error))}"


def _directories(directory: Path) -> list[Path]:
    """Return the directories in one, but for hidden ones, __pycache__ and __MACOSX. Raises OSError."""
    return sorted(each for each in directory.iterdir() if each.is_dir() and not each.name.startswith((".", "__")))


def _exercise(directory: Path) -> int:
    """Return the number of the exercise that a directory's name says; 0: none, or several."""
    found = set(_NUMBER.findall(directory.name))
    return int(found.pop()) if len(found) == 1 else 0


def digest(directory: Path, level: str, language: str) -> str:
    """Return a digest of all that a result hangs on: the files, the level, the language, and the suite's own."""
    whole = hashlib.sha256(f"{level}\0{language}\0{_digest_of_the_suite()}".encode())
    for file in sorted(directory.rglob("*")):
        if "__pycache__" in file.parts:
            continue
        try:
            if not file.is_file():  # a pipe would be waited for
                continue
            whole.update(f"{file.relative_to(directory)}\0{file.stat().st_size}\0".encode(errors="surrogateescape"))
            with file.open("rb") as stream:
                while piece := stream.read(1 << 20):
                    whole.update(piece)
        except OSError as error:  # nobody may read it, or it is a link to itself
            whole.update(str(error.errno).encode())
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
        try:
            for task in tasks:
                now = digest(task.directories[0], level, language)
                before = known.get((task.person, task.exercise))
                if before and before.digest == now and not before.result.undecided:
                    yield task, before
                else:
                    running[threads.submit(_judge, task, level, language, judges)] = task, now
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
    if len(task.directories) > 1:
        names = ", ".join(each.name for each in task.directories)
        undecided = say("several directories for the exercise: {names}; leave one", names=names)
        return Result(task.exercise, undecided=undecided)
    try:
        find_submission([*task.directories])
        return _judge_apart(task.exercise, task.directories[0], level, language, judges)
    except SubmissionError as error:
        return Result(task.exercise, undecided=str(error))
    except OSError as error:
        return Result(task.exercise, undecided=_explain(error))


def _judge_apart(
    exercise: int, directory: Path, level: str, language: str, judges: set[subprocess.Popen[str]]
) -> Result:
    """Judge in a process of its own. Raises OSError if this host is out of something."""
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "result.json"
        words = ["lab", str(exercise), str(directory.absolute()), "--all", f"--level={level}"]
        command = [sys.executable, "-m", "conformance", *words, f"--lang={language}", f"--json={file}"]
        keeper.start()
        with subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # a program that ends its judge's group ends no other
        ) as judge:
            judges.add(judge)
            keeper.tell("+", judge.pid)  # if this process is killed, so is that one
            try:
                _, errors = judge.communicate(timeout=LIMITS[level])
            except subprocess.TimeoutExpired:
                judge.kill()
                return Result(exercise, undecided=say("not done after {seconds:g} s", seconds=LIMITS[level]))
            finally:
                judges.discard(judge)
                keeper.tell("-", judge.pid)
        with contextlib.suppress(FileNotFoundError, ValueError):  # it was ended before it had written all
            return read_result(json.loads(file.read_text(encoding="utf-8")))
        ended = say(
            "the judge ended with {status}; has a program ended it?", status=told(status_or_signal(judge.returncode))
        )
        return Result(exercise, undecided=errors.strip().splitlines()[-1] if errors.strip() else ended)
