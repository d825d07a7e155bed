"""How a run tells its workers that a target is judged no more."""

from pathlib import Path


def finished_file(directory: Path, target: str) -> Path:
    """Return the file that says that no further check of a target is to be run."""
    return directory / target.encode().hex()[:200]
