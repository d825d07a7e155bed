"""A whole run as JSON takes it."""

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from conformance.profiles import Profile
from conformance.running.cases import Case
from conformance.running.verdicts import State, Verdicts
from spec.requirements import REQUIREMENTS

FORMAT = 1
SCHEMA = Path(__file__).with_name("report.schema.json")


def build_report(
    cases: Sequence[Case],
    verdicts: Verdicts,
    states: Mapping[str, State],
    known: Mapping[str, str],
    profile: Profile,
    status: int,
    seconds: float,
) -> dict[str, Any]:
    """Return the whole run as JSON takes it; `SCHEMA` says its form."""
    now = datetime.fromtimestamp(time.time() - seconds, timezone.utc)
    return {
        "format": FORMAT,
        "started": now.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "python": sys.version.split()[0],
        "profile": profile.name,
        "seed": profile.seed,
        "exit_status": status,
        "known_failures": dict(known),
        "requirements": {id_: {"level": each.level, "text": each.text} for id_, each in REQUIREMENTS.items()},
        "states": {target: state.value for target, state in states.items()},
        "verdicts": {target: {id_: verdict.name for id_, verdict in of.items()} for target, of in verdicts.items()},
        "cases": [case.to_json() for case in cases],
    }
