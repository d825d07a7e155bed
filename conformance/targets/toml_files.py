"""Reads TOML files."""

import sys
from pathlib import Path
from typing import Any

from conformance.languages.texts import say

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds. Raises ValueError with one line, which begins with the path."""
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise ValueError(say("{file} is no file", file=path))
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # editors on Windows begin with a byte order mark
    except RecursionError:
        raise ValueError(say("{file}: it is nested too deeply", file=path)) from None
    except (OSError, ValueError) as error:  # not TOML, not UTF-8, or a number of thousands of digits
        raise ValueError(f"{path}: {error}") from None
