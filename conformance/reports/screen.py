"""Where commands speak to a person."""

import os

from rich.console import Console

NARROWEST = 40
"""Columns below which tables have no room for a column each; such a terminal wraps them."""


class Screen(Console):
    """A terminal, a pipe or a file, of any width; one that nobody reads any more changes no exit status."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(highlight=False, stderr=stderr, width=width)
        self.width = max(self.width, NARROWEST)

    def on_broken_pipe(self) -> None:
        """Say the rest to nobody."""
        nobody = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nobody, self.file.fileno())
        os.close(nobody)
