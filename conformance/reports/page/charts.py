"""Charts as tables: each row has a target's name, a line on which its figure is drawn, and the figure itself.

A row is as wide as its place on the page, so a chart can be read on a telephone, on a wide screen and on paper.
"""

import math
from dataclasses import dataclass

from conformance.comparison.model import Figure, Ratio

# A target is told by its shape as well as by its colour: paths in a square of 2 by 2 around (0, 0).
SHAPES = [
    "M-.9,0A.9,.9 0 1 1 .9,0A.9,.9 0 1 1 -.9,0Z",
    "M-.8,-.8H.8V.8H-.8Z",
    "M0,-1L1,.8H-1Z",
    "M0,-1.1L1.1,0L0,1.1L-1.1,0Z",
    "M0,1L1,-.8H-1Z",
    "M-1,-.35H-.35V-1H.35V-.35H1V.35H.35V1H-.35V.35H-1Z",
    "M-1,-1L0,-.4L1,-1L.4,0L1,1L0,.4L-1,1L-.4,0Z",
    "M-1,-.5H1V.5H-1Z",
]
LEAST_LOGARITHMIC = 0.001  # µs and ms; what is less is drawn there
LOGARITHMIC_FROM = 30  # times the least: a linear axis would hide the small ones
MOST_TICKS = 4  # so many numbers fit below a chart on a telephone


def look(place: int) -> tuple[str, str]:
    """Return the shape and the colour of the target at that place; the first 64 pairs of them differ."""
    turn, number = divmod(place, len(SHAPES))
    return SHAPES[number], f"var(--target-{(number + turn) % len(SHAPES)})"


@dataclass(frozen=True)
class Axis:
    """A horizontal axis on which figures from `least` to `greatest` are drawn; linear ones begin at 0."""

    least: float
    greatest: float

    @property
    def logarithmic(self) -> bool:
        return self.greatest > LOGARITHMIC_FROM * max(self.least, LEAST_LOGARITHMIC)

    @property
    def ticks(self) -> list[float]:
        """The round numbers that divide the axis; the first and the last are its ends."""
        if self.logarithmic:
            first = math.floor(math.log10(max(self.least, LEAST_LOGARITHMIC)))
            last = math.ceil(math.log10(self.greatest))
            step = math.ceil((last - first) / (MOST_TICKS - 1))
            return [10.0**power for power in range(first, last + step, step)]
        if not self.greatest:
            return [0, 1]
        rough = self.greatest / (MOST_TICKS - 1)
        power = 10.0 ** math.floor(math.log10(rough))
        step_size = next(round_ * power for round_ in (1, 2, 2.5, 5, 10) if round_ * power >= rough)
        return [place * step_size for place in range(math.ceil(self.greatest / step_size) + 1)]

    def at(self, value: float) -> float:
        """Return where a value is drawn: 0 is the axis's beginning, 100 its end; what is beyond is drawn there."""
        first, last = self.ticks[0], self.ticks[-1]
        share = value / last
        if self.logarithmic:
            share = math.log(max(value, first) / first) / math.log(last / first)
        return round(100 * min(share, 1), 1)


@dataclass(frozen=True)
class Mark:
    """A target's figure, and its ratio to the baseline's; or, in words, why there is none."""

    target: str
    figure: Figure | None
    ratio: Ratio | None = None
    problem: str = ""


@dataclass(frozen=True)
class Place:
    """The marks of all targets at one load, or of one metric of several; `title` says which."""

    title: str
    marks: list[Mark]

    @property
    def problem(self) -> str:
        """The one reason why no target has a figure here; empty: there are figures, or several reasons."""
        reasons = {mark.problem for mark in self.marks}
        return reasons.pop() if len(reasons) == 1 and not any(mark.figure for mark in self.marks) else ""


@dataclass(frozen=True)
class Panel:
    """A chart for one kind of load."""

    title: str
    places: list[Place]
    axis: Axis
