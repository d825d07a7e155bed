"""``sockspec init``: writes a manifest, and the beginnings of an exercise's two programs."""

import argparse
import re
from pathlib import Path

from conformance.commands.selecting import UsageError
from conformance.labs.exercises import EXERCISES
from conformance.labs.skeleton import fill, skeletons
from conformance.labs.source import Source
from conformance.languages import texts
from conformance.languages.texts import mark, say
from conformance.running.verdicts import CONFORMS, USAGE
from conformance.targets.discovery import BUNDLED, MANIFEST
from conformance.targets.terms import ROLES, SERVICES, TRANSPORTS, Service, Transport

HELP = mark("write a manifest; with `lab N` also server.py and client.py, to be completed")

_SIGNS: dict[Transport, set[str]] = {
    "udp": {"SOCK_DGRAM", "UDPServer", "ThreadingUDPServer", "ForkingUDPServer", "create_datagram_endpoint"},
    "tcp": {"SOCK_STREAM", "TCPServer", "ThreadingTCPServer", "ForkingTCPServer", "create_server", "create_connection"}
    | {"start_server", "open_connection"},
}
"""Names in a source that tell its transport."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "sockspec init [-h] [--lang {en,ru}] [lab N] [DIRECTORY]"
    add = parser.add_argument
    add(
        "words",
        nargs="*",
        metavar="[lab N] [DIRECTORY]",
        help=say("an exercise, 1 to 7; where to write (default: here)"),
    )


def execute(options: argparse.Namespace) -> int:
    language = texts.current()
    number, directory = _read_words(options.words)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        programs = skeletons(number, language) if number else {}
        written = [write_new(directory / name, text) for name, text in programs.items()]
        written.append(write_new(directory / MANIFEST, manifest(directory, language)))
    except OSError as error:
        raise UsageError(str(error)) from None
    if not any(written):
        return USAGE
    if number:
        print(say("next: complete the lines that have a TODO, then: sockspec lab {number}", number=number), directory)
    else:
        print(say("next: look what {file} says, then: sockspec run", file=MANIFEST), directory)
    return CONFORMS


def _read_words(words: list[str]) -> tuple[int | None, Path]:
    """Return the exercise, if one is named, and the directory. Raises UsageError."""
    number, rest = None, words
    if words[:1] == ["lab"]:
        if len(words) < 2 or words[1] not in map(str, EXERCISES):
            raise UsageError(say("lab is followed by the number of an exercise, 1 to 7: sockspec init lab 1"))
        number, rest = int(words[1]), words[2:]
    if len(rest) > 1:
        raise UsageError(say("name one directory"))
    return number, Path(*rest)


def write_new(file: Path, text: str) -> bool:
    """Write a file unless there is one of its name, and print which. Return whether it was written. Raises OSError."""
    try:
        with file.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except FileExistsError:
        print(say("{file} is there already and was left as it is", file=file))
        return False
    print(say("{file} is written", file=file))
    return True


def manifest(directory: Path, language: str) -> str:
    """Return a manifest for the programs of a directory; those that are not found stand in it as comments.

    A program is ``udp_server.py``, and so on, or ``server.py`` and ``client.py``, whose source tells the transport; if
    it does not, the file stands in a comment for each.
    """
    lines, services = [], list(SERVICES)
    for transport in TRANSPORTS:
        for role in ROLES:
            file, general = directory / f"{transport}_{role}.py", directory / f"{role}.py"
            is_found = file.is_file()
            if not is_found and general.is_file() and (told := _transport(general)) in (transport, None):
                file, is_found = general, told is not None
                if is_found and role == "server":
                    services = [_service(general)]
            lines.append(f'{"" if is_found else "# "}{transport}_{role} = ["{{python}}", "-u", "{file.name}"]')
    return fill(
        "manifest",
        language,
        name=_name(directory),
        services=", ".join(f'"{service}"' for service in services),
        programs="\n".join(lines),
    )


def _transport(file: Path) -> Transport | None:
    """Return the transport of a program; None: its source does not tell. Raises OSError."""
    try:
        source = Source(file)
    except SyntaxError:
        return None
    found = [transport for transport, signs in _SIGNS.items() if any(map(source.uses, signs))]
    return found[0] if len(found) == 1 else None


def _service(file: Path) -> Service:
    return Source(file).service


def _name(directory: Path) -> str:
    """Return the directory's name as a manifest may have it."""
    name = re.sub(r"[^\w.-]+", "-", directory.resolve().name).lstrip(".-") or "mine"
    return f"my-{name}" if name in BUNDLED else name
