"""A report as a badge: the JSON that shields.io/badges/endpoint-badge describes."""

from collections.abc import Mapping
from typing import Any

from conformance.running.verdicts import State

_COLOURS = {State.CONFORMS: "brightgreen", State.FAILS: "red", State.NOT_STARTED: "red"}


def badge(report: Mapping[str, Any], label: str = "sockspec") -> dict[str, Any]:
    """Return the badge of a report of `run --json`: of one target what is said of it, of several how many conform."""
    states = [State(state) for state in report["states"].values()]
    conforming = states.count(State.CONFORMS)
    if len(set(states)) == 1:
        message, color = states[0].value, _COLOURS.get(states[0], "lightgrey")
        if len(states) > 1:
            message = f"{len(states)} targets: {message}"
    else:
        message = f"{conforming} of {len(states)} conform"
        color = "red" if any(_COLOURS.get(state) == "red" for state in states) else "lightgrey"
    if report["known_failures"] and conforming:
        message += f", {len(report['known_failures'])} known to fail"
        color = "yellow" if color == "brightgreen" else color
    if report["profile"] == "quick":
        message += " (quick)"
    return {"schemaVersion": 1, "label": label, "message": message, "color": color}
