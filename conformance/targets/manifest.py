"""Manifests: the TOML files that name a target's programs."""

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from conformance.languages.texts import say
from conformance.languages.told import told
from conformance.targets.environment import read_environment
from conformance.targets.limits import Limits
from conformance.targets.platform import read_lacks
from conformance.targets.target import MissingError, Target, TargetError
from conformance.targets.terms import ROLES, SERVICES, TRANSPORTS
from conformance.targets.toml_files import read_toml


def read_manifest(path: Path, taken: Collection[str] = ()) -> Target:
    """Return the target that a manifest describes. No other may have a name that is `taken`.

    Raises TargetError; MissingError, if a Python module that it requires is missing.
    """
    try:
        manifest = read_toml(path)
    except ValueError as error:
        raise TargetError(str(error)) from None
    own = path.resolve().parent
    defaults = {
        "name": re.sub(r"[^\w. -]+", "-", own.name).strip("-. ") or "target",  # such as "lab 1 (2)"
        "services": [*SERVICES],
        "directory": ".",
        "requires": [],
        "programs": {},
        "environment": {},
        "limits": {},
        "lacks": {},
    }
    name, services, place, requires, programs, variables, bounds, without = (
        manifest.pop(key, default) for key, default in defaults.items()
    )
    if manifest:
        raise TargetError(
            say(
                "{file}: unknown key {keys} (known: {known})",
                file=path,
                keys=", ".join(manifest),
                known=", ".join(defaults),
            )
        )
    if not isinstance(name, str) or not re.fullmatch(r"\w([\w. -]*[\w.-])?", name) or name in taken:
        but = say(", and none of {names}", names=", ".join(taken)) if taken else ""
        rule = say("{file}: name must be letters, digits, '.', '-', '_' and spaces inside", file=path)
        raise TargetError(rule + but)
    if not isinstance(services, list) or not services or not all(service in SERVICES for service in services):
        raise TargetError(say("{file}: services must be a list of echo and time", file=path))
    if not isinstance(place, str) or not (directory := _find_directory(own / place)):
        raise TargetError(
            say("{file}: directory must be a directory's path, relative to the manifest's own", file=path)
        )
    if not isinstance(requires, list) or not all(isinstance(each, str) and each.isidentifier() for each in requires):
        raise TargetError(say("{file}: requires must be a list of top-level Python modules", file=path))
    keys = {f"{transport}_{role}": (transport, role) for transport in TRANSPORTS for role in ROLES}
    if not isinstance(programs, dict) or not programs or not set(programs) <= set(keys):
        raise TargetError(say("{file}: [programs] must have one or more of {keys}", file=path, keys=", ".join(keys)))
    environment = _read_table(f"{path}: [environment]", lambda: read_environment(variables, str(directory)))
    limits = _read_table(f"{path}: [limits]", lambda: Limits.from_table(bounds))
    lacks = _read_table(f"{path}: [lacks]", lambda: read_lacks(without))
    searched = environment.get("PATH", os.environ.get("PATH", os.defpath)).split(os.pathsep)
    where = os.pathsep.join(str(directory / each) for each in searched)
    commands = {keys[key]: _read_command(f"{path}: {key}", words, directory, where) for key, words in programs.items()}
    if missing := [module for module in requires if not _is_installed(module)]:
        raise MissingError(say("{target}: needs the Python module {modules}", target=name, modules=", ".join(missing)))
    offered = tuple(service for service in SERVICES if service in services)
    return Target(name, commands, directory, offered, "", str(path.resolve()), environment, limits, lacks)


def _find_directory(path: Path) -> Path | None:
    try:
        return path.resolve(strict=True) if path.is_dir() else None
    except (OSError, ValueError):  # such as a name of thousands of characters, or one with NUL
        return None


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # it has been imported, and says nothing of where it came from
        return True


_Table = TypeVar("_Table")


def _read_table(place: str, read: Callable[[], _Table]) -> _Table:
    """Return what a table holds. Raises TargetError, beginning with `place`, where `read` raises ValueError."""
    try:
        return read()
    except ValueError as error:
        raise TargetError(f"{place}: {told(str(error))}") from None


def _read_command(place: str, command: object, directory: Path, where: str) -> tuple[str, ...]:
    """Return a command, a program of the directory by its whole path; others are looked for in `where`, a PATH.

    Raises TargetError, beginning with `place`.
    """
    if not isinstance(command, list) or not command or not all(map(_is_argument, command)):
        raise TargetError(say("{place} must be a list of strings, the command and its first arguments", place=place))
    program, *arguments = (sys.executable if word == "{python}" else word for word in command)
    own = directory / program
    if shutil.which(program, path=where) is None and shutil.which(own) is None:
        raise TargetError(say("{place}: there is no program {program}", place=place, program=program))
    if not own.is_file():
        return program, *arguments
    if (interpreter := _interpreter(own)) and not (directory / interpreter).exists():
        raise TargetError(
            say(
                "{place}: {program} names {interpreter} in its first line, which is not there",
                place=place,
                program=program,
                interpreter=ascii(interpreter),  # with the CR of a line that ends with CRLF
            )
        )
    return str(own), *arguments


def _is_argument(word: object) -> bool:
    return isinstance(word, str) and "\0" not in word


def _interpreter(program: Path) -> str:
    """Return what ``#!`` in the first line of a program names; empty, if there is none or it cannot be read."""
    try:
        with program.open("rb") as file:
            found = re.match(rb"#![ \t]*([^ \t\n]+)", file.readline(256))
    except OSError:
        return ""
    return os.fsdecode(found[1]) if found else ""
