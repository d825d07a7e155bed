"""The golden vectors as data: those of the JSON files beside this module, and the worked examples of SPEC.md."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

DIRECTORY = Path(__file__).parent

_EXAMPLE = re.compile(r"^```exchange (\S+) (\S+) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_RUN = re.compile(r"(?:^C: .*\n)+|(?:^S: .*\n)*^S:\n", re.MULTILINE)
_REASON = re.compile(rb"(?<=\nreason: ).+")


class Vector(NamedTuple):
    """One exchange, as README.md defines it; ``{time}``, ``{token}`` and ``{reason}`` still stand in its bytes."""

    name: str
    requirement: str
    service: str
    transport: str
    input: list[bytes]
    output: list[bytes]


def encode(expression: object) -> bytes:
    """Return the bytes that an expression of README.md stands for. Raises ValueError for anything else."""
    match expression:
        case str(text):
            return text.encode()
        case {"hex": str(digits), **rest} if not rest:
            return bytes.fromhex(digits)
        case {"repeat": part, "times": int(times), **rest} if not rest and type(times) is int and times >= 0:
            return encode(part) * times
        case {"join": [*parts], **rest} if not rest:
            return b"".join(map(encode, parts))
    raise ValueError(f"not a byte expression: {expression!r:.80}")


def load_vectors(directory: Path = DIRECTORY) -> list[Vector]:
    """Return the vectors of all JSON files of a directory, by file name and then in the file's order.

    Raises ValueError for what is no JSON or no byte expression, KeyError or TypeError for other keys than README.md's.
    """
    entries: list[dict[str, Any]] = []
    for path in sorted(directory.glob("*.json")):
        entries += json.loads(path.read_text(encoding="utf-8"))
    return [
        Vector(**entry | {key: [encode(expression) for expression in entry[key]] for key in ("input", "output")})
        for entry in entries
    ]


def read_examples(text: str) -> list[Vector]:
    """Return the ``exchange`` blocks of SPEC.md as vectors. Each reason becomes ``{reason}``: its words are free.

    Raises ValueError for a block that is not made of runs of ``C:`` lines and of replies that end with an empty line.
    """
    examples = []
    for number, (requirement, transport, service, block) in enumerate(_EXAMPLE.findall(text), 1):
        runs = _RUN.findall(block)
        if "".join(runs) != block:
            raise ValueError(f"example {number}, {requirement}: a line is neither a request nor part of a reply")
        input_, output = [], []
        for run in runs:
            lines = re.sub(r"^(?:[CS]: |S:$)", "", run, flags=re.MULTILINE).encode()
            if run.startswith("C"):
                input_.append(lines)
            else:
                output.append(_REASON.sub(b"{reason}", lines))
        examples.append(Vector(f"SPEC.md, example {number}", requirement, service, transport, input_, output))
    return examples
