"""Finds the code points whose upper case differs between interpreters, because of their versions of Unicode.

    python -m conformance.expected.upper_disagreements python3.10 python3.11 python3.12 python3.13 node

Each argument is the command of a Python or, if its name begins with ``node``, of a Node.js.
"""

import json
import subprocess
import sys
from pathlib import Path

COMMAND = "python -m conformance.expected.upper_disagreements"

_PYTHON = """
import sys, unicodedata
sys.stdout.reconfigure(encoding="utf-8", newline="")
print(unicodedata.unidata_version)
for code in range(0x110000):
    if not 0xD800 <= code < 0xE000:
        print(code, *map(ord, chr(code).upper()))
"""
_NODE = """
const lines = [process.versions.unicode]
for (let code = 0; code < 0x110000; code++)
  if (code < 0xD800 || code >= 0xE000)
    lines.push([code, ...Array.from(String.fromCodePoint(code).toUpperCase(), c => c.codePointAt(0))].join(' '))
require('fs').writeFileSync(1, lines.join('\\n') + '\\n')
"""


def read_table(command: str) -> tuple[str, list[str]]:
    """Return an interpreter's version of Unicode, and a line for each scalar value: its number, then its upper case."""
    program = ["-e", _NODE] if Path(command).name.startswith("node") else ["-c", _PYTHON]
    version, *table = subprocess.run(
        [command, *program], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return version, table


def main(commands: list[str]) -> None:
    """Print the JSON file for these interpreters."""
    versions, tables = zip(*map(read_table, commands), strict=True)
    differing = [mappings[0].split()[0] for mappings in zip(*tables, strict=True) if len(set(mappings)) > 1]
    about = {
        "about": "The code points whose full upper case differs among these versions of Unicode.",
        "made by": "python -m conformance.expected.upper_disagreements "
        + " ".join(Path(command).name for command in commands),
        "versions of Unicode": versions,
        "code points": [f"U+{int(code):04X}" for code in differing],
    }
    print(json.dumps(about, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
