"""What a run was."""

from typing import NamedTuple


class Report(NamedTuple):
    """A run in words and numbers."""

    what: str
    calls: int
    """How often something happened."""
