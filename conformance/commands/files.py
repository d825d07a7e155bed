"""The files that commands write."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from conformance.commands.selecting import UsageError
from conformance.comparison.model import Comparison


def require_directories(*files: Path | None) -> None:
    """Raises UsageError, before any work, if one of the files could not be written for want of a directory."""
    for file in files:
        if file and not file.parent.is_dir():
            raise UsageError(f"{file}: {file.parent} is no directory")


def page_writer() -> Callable[[Path, Comparison | None, Mapping[str, Any] | None], None]:
    """Return what writes a page. Raises UsageError if this Python lacks what that takes."""
    try:
        from conformance.reports.page import page  # takes a moment, and packages that nothing else takes
    except ModuleNotFoundError as error:
        raise UsageError(f"--html needs the Python module {error.name}: pip install 'sockspec[compare]'") from None
    return page.write


def write_json(path: Path, whole: object) -> None:
    # Of generated text, surrogates stand alone; in JSON they look as `backslashreplace` writes them.
    text = json.dumps(whole, ensure_ascii=False, indent=1)
    path.write_text(f"{text}\n", encoding="utf-8", errors="backslashreplace")
