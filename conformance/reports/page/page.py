"""Writes a comparison, or the verdicts of a run, as one HTML file that needs nothing from elsewhere."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from conformance.broken.kills import read_kills
from conformance.comparison.model import Comparison
from conformance.languages import texts
from conformance.languages.told import told
from conformance.reports.page import cause_view, charts, figure_view, side_by_side, verdict_view
from conformance.reports.page.formats import code, number, say, seconds, sentence, visible
from conformance.running.verdicts import Verdict

TEMPLATES = Path(__file__).with_name("templates")

SIDE_BY_SIDE = 4
"""Targets whose verdicts fit beside each other in words; of more, each is a sign."""


def build_page(comparison: Comparison | None, report: Mapping[str, Any] | None) -> str:
    """Return the page of a comparison, of a run's report as `reports.report` makes it, or of both, as HTML."""
    style, script = ((TEMPLATES / f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, seconds=seconds, sentence=sentence)
    environment.globals.update(say=say, told=told, code=code)
    environment.globals.update(language=texts.current(), requirement_text=texts.requirement_text)
    judged = list(report["verdicts"]) if report else []
    groups = verdict_view.matrix(report) if report else []
    targets = comparison.targets if comparison else judged
    return environment.get_template("page.html.j2").render(
        style=Markup(style),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        comparison=comparison,
        report=report,
        targets=targets,
        looks=[charts.look(place) for place in range(len(targets))],
        judged=judged,
        groups=groups,
        requirements=[row for group in groups for row in group.rows],
        meanings={verdict_view.shown(verdict.name): verdict.value for verdict in Verdict},
        held=verdict_view.held,
        kills=read_kills(),
        causes=cause_view.causes(report) if report else {},
        glance=figure_view.glance(comparison) if comparison else [],
        topics=figure_view.topics(comparison) if comparison else [],
        kinds=side_by_side.kinds(comparison.sources) if comparison else [],
        side_by_side=SIDE_BY_SIDE,
    )
