"""What a check says of itself: what it cites, and where it is run."""

from typing import Any, NamedTuple

import pytest

from conformance.targets.target import Target
from conformance.targets.terms import Role, Service, Transport


class Cell(NamedTuple):
    """Where a check is run: a target by its name, and the programs and the service that it judges. None: of several."""

    target: str
    role: Role
    transport: Transport | None
    service: Service | None


def citations(item: pytest.Item) -> list[str]:
    """Return the requirements that a check cites, the one that it is mainly about first."""
    return [id_ for marker in item.iter_markers("requirement") for id_ in marker.args]


def needs(item: pytest.Item) -> list[str]:
    """Return the requirements that a check builds on besides those that its main one does."""
    return list(dict.fromkeys(id_ for marker in item.iter_markers("needs") for id_ in marker.args))


def parameters_of(item: pytest.Item) -> dict[str, Any]:
    """Return the values of a check's parameters by their names."""
    return item.callspec.params if hasattr(item, "callspec") else {}


def role_of(item: pytest.Item) -> Role:
    """Return whether a check judges a server or a client."""
    return "client" if item.path.parent.name == "clients" else "server"


def cell_of(item: pytest.Item) -> Cell:
    """Return where a check is run."""
    parameters = parameters_of(item)
    marks = {
        kind: mark.args[0]
        for kind in ("transport", "service")
        if (mark := item.get_closest_marker(kind)) and len(mark.args) == 1
    }
    target = parameters.get("target")
    return Cell(
        target.name if isinstance(target, Target) else "",
        role_of(item),
        parameters.get("transport", marks.get("transport")),
        parameters.get("service", marks.get("service")),
    )


def unit_of(item: pytest.Item) -> str:
    """Return the name of the checks that one process runs together: all of a target over one transport.

    They share servers. Smaller units would each wait for the slow checks among them.
    """
    cell = cell_of(item)
    return f"{cell.target} {cell.transport or ''}"
