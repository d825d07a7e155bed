"""Where commands speak to a person."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from conformance.expected.replies import visible

NARROWEST = 40
"""Columns below which tables have no room for a column each; such a terminal wraps them."""


class Screen(Console):
    """A terminal, a pipe or a file, of any width. What programs and files are called does not command it."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(highlight=False, stderr=stderr, width=width)
        self.width = max(self.width, NARROWEST)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible_lines(segment.text))


def visible_lines(text: str) -> str:
    """Return lines with each control or direction character as ``\\u`` and four digits."""
    return text if text.isprintable() else "\n".join(map(visible, text.split("\n")))
