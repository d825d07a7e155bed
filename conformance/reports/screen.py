"""Where commands speak to a person."""

from rich.console import Console

NARROWEST = 40
"""Columns below which tables have no room for a column each; such a terminal wraps them."""


class Screen(Console):
    """A terminal, a pipe or a file, of any width."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(highlight=False, stderr=stderr, width=width)
        self.width = max(self.width, NARROWEST)
