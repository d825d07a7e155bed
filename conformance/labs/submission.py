"""Which files a person has handed in: a server and a client."""

import ast
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from conformance.languages.texts import say

_NAMES = {
    "server": (("server", "сервер"), {"srv", "serv"}),
    "client": (("client", "клиент"), {"cl", "cli"}),
}
"""What a program's name has in it, and which words are short for that."""


class SubmissionError(Exception):
    """The programs are not found; one line that says what was looked for."""


class Submission(NamedTuple):
    """The two programs. Both are files of Python, in any directory."""

    server: Path
    client: Path


def find_submission(words: list[Path]) -> Submission:
    """Return the programs that are meant: two files, the server first, or the two in a directory.

    In a directory they are ``server.py`` and ``client.py``, else the one file with "server" and the one with "client"
    in its name or its directory's, in English or Russian or short, else ``__main__.py`` or ``main.py`` of several in
    such a directory, else the one that binds a socket or uses socketserver and the one that connects or sends.
    Subdirectories are looked into if the directory has no programs.
    Raises SubmissionError, and OSError if the directory cannot be read.
    """
    if len(words) == 2:
        for word in words:
            if not word.is_file():
                raise SubmissionError(say("{file}: no such file", file=word))
        return Submission(words[0].absolute(), words[1].absolute())
    [directory] = words
    if directory.is_file():
        raise SubmissionError(say("{file} is one program; name the server's file and the client's", file=directory))
    if not directory.is_dir():
        raise SubmissionError(say("{file}: no such directory", file=directory))
    root = directory.absolute()
    os.listdir(root)  # glob() finds nothing in what nobody may read
    files = _files(root.glob("*.py")) or _files(
        file for file in root.glob("*/*.py") if not file.parent.name.startswith((".", "_"))
    )
    server, client = _one(files, "server"), _one(files, "client")
    if server is None or client is None:
        names = ", ".join(str(file.relative_to(root)) for file in files) or say("no Python files")
        raise SubmissionError(
            say(
                "{directory}: neither server.py and client.py nor two files that can be told apart ({names});"
                " name the server's file and the client's",
                directory=directory,
                names=names,
            )
        )
    return Submission(server, client)


def _files(paths: Iterable[Path]) -> list[Path]:
    """Return those that can be programs: a pipe would be waited for, and a link to itself cannot be opened."""
    return sorted(path for path in paths if os.path.isfile(path))


def _one(files: list[Path], role: str) -> Path | None:
    exact = [file for file in files if file.stem.lower() == role]
    named = [file for file in files if _is_named(file.stem, role)] or [
        file for file in files if _is_named(file.parent.name, role)
    ]
    begun = [file for file in named if file.stem == "__main__"] or [file for file in named if file.stem == "main"]
    alike = [file for file in files if _plays(file) == role]
    return next((found[0] for found in (exact, named, begun, alike) if len(found) == 1), None)


def _is_named(name: str, role: str) -> bool:
    name = name.lower()
    whole, short = _NAMES[role]
    return any(each in name for each in whole) or bool(short & set(re.split(r"[\W\d_]+", name)))


def _plays(file: Path) -> str:
    """Return which role a file plays by its source: ``server``, ``client`` or nothing."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):  # nobody can read it
        return ""
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    named = {each.arg for each in ast.walk(tree) if isinstance(each, ast.keyword)}
    if names & {"bind", "create_server", "BaseRequestHandler", "start_server"} or "local_addr" in named:
        return "server"
    opening = {"connect", "create_connection", "open_connection", "sendto"}
    return "client" if names & opening or "remote_addr" in named else ""
