"""Charts as SVG that needs nothing from elsewhere; colours and ink come from the page's style sheet."""

import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import vl_convert
from markupsafe import Markup, escape

from conformance.comparison.model import Figure

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
WIDTH, HEIGHT = 216, 160  # pixels, without the axes: a telephone shows one panel, a projector four in a row
WIDE = 480  # the width if there are more targets than fit side by side
SIDE_BY_SIDE = 4
LEAST_LOGARITHMIC = 0.001  # µs and ms; what is less is drawn there
LOGARITHMIC_FROM = 30  # times the least: a linear axis would hide the small ones


def look(place: int) -> tuple[str, str]:
    """Return the shape and the colour of the target at that place; the first 64 pairs of them differ."""
    turn, number = divmod(place, len(SHAPES))
    return SHAPES[number], f"var(--target-{(number + turn) % len(SHAPES)})"


class Point(NamedTuple):
    """One target's figure at one place of the horizontal axis; `joined`: a line leads to the next."""

    target: str
    x: str
    figure: Figure
    joined: bool = True


class Axis(NamedTuple):
    """What the panels of a chart have in common: the titles, the least and the greatest sample."""

    x_title: str
    y_title: str
    least: float
    greatest: float

    @property
    def logarithmic(self) -> bool:
        return self.greatest > LOGARITHMIC_FROM * max(self.least, LEAST_LOGARITHMIC)


def draw(points: Sequence[Point], targets: Sequence[str], places: Sequence[str], axis: Axis, title: str) -> Markup:
    """Return a panel as an SVG element: a point for each figure, a whisker from the least to the greatest sample.

    `places` are those of the horizontal axis, in order.
    """
    floor = LEAST_LOGARITHMIC if axis.logarithmic else 0.0
    values = [
        {
            "target": point.target,
            "x": point.x,
            "joined": point.joined,
            **{name: max(value, floor) for name, value in asdict(point.figure).items()},
        }
        for point in points
    ]
    shapes, colours = zip(*map(look, range(len(targets))), strict=True)
    scale = {
        "type": "log" if axis.logarithmic else "linear",
        "domain": [max(axis.least, floor) if axis.logarithmic else 0, axis.greatest],
        "nice": True,
    }
    x_axis = {"labelAngle": 0, "grid": False}
    x_scale = {"sort": list(places), "scale": {"domain": list(places)}}
    x = {"field": "x", "type": "ordinal", "title": axis.x_title, "axis": x_axis, **x_scale}
    y_axis = {"format": ",~f", **({"values": _ticks(axis)} if axis.logarithmic else {"tickCount": 5})}
    y = {"field": "median", "type": "quantitative", "title": axis.y_title, "scale": scale, "axis": y_axis}
    layers: list[dict[str, Any]] = [
        {
            "transform": [{"filter": "datum.joined"}],
            "mark": {"type": "line", "strokeWidth": 1.25, "opacity": 0.45},
            "encoding": {"detail": {"field": "target"}},
        },
        {
            "mark": {"type": "rule", "strokeWidth": 1.75},
            "encoding": {"y": {**y, "field": "least"}, "y2": {"field": "greatest"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 52, "opacity": 1},
            "encoding": {"shape": _by_target(targets, shapes)},
        },
    ]
    for layer in layers:
        layer["encoding"]["xOffset"] = {"field": "target", "scale": {"domain": list(targets)}}
    ink, grid = "var(--ink-soft)", "var(--line)"
    specification = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": WIDTH if len(targets) <= SIDE_BY_SIDE else WIDE,
        "height": HEIGHT,
        "background": None,
        "data": {"values": values},
        "encoding": {"x": x, "y": y, "color": _by_target(targets, colours)},
        "layer": layers,
        "config": {
            "aria": False,
            "font": "inherit",
            "view": {"stroke": None},
            "axis": {
                "labelColor": ink, "titleColor": ink, "gridColor": grid, "domainColor": grid, "tickColor": grid,
                "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal",
            },
        },
    }  # fmt: skip
    svg = vl_convert.vegalite_to_svg(specification)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)  # HTML knows what <svg> is
    svg = re.sub(r"(\d\.\d)\d{2,}", r"\1", svg)  # a tenth of a pixel is enough
    said = escape(f"{title}: {axis.y_title} by {axis.x_title}. The table below has the figures.")
    return Markup(svg.replace("<svg ", f'<svg role="img" aria-label="{said}" ', 1))


def _ticks(axis: Axis) -> list[float]:
    """Return the powers of ten that enclose the figures; what is between two of them as well if these are few."""
    first = math.floor(math.log10(max(axis.least, LEAST_LOGARITHMIC)))
    last = math.ceil(math.log10(axis.greatest))
    steps = (1, 2, 5) if last - first < 3 else (1,)
    return [step * 10.0**power for power in range(first, last) for step in steps] + [10.0**last]


def _by_target(targets: Sequence[str], values: Sequence[str]) -> dict[str, Any]:
    return {"field": "target", "scale": {"domain": list(targets), "range": list(values)}, "legend": None}
