"""Beginnings of the two programs of an exercise, with holes to fill."""

from pathlib import Path
from string import Template

from conformance.targets.terms import ROLES, Role
from conformance.targets.toml_files import read_toml

DIRECTORY = Path(__file__).parent / "skeletons"

_SAME_CLIENT = {6: 1}
"""Exercises whose client is that of another: only the server is on the framework."""


def skeletons(number: int, language: str) -> dict[str, str]:
    """Return the text of ``server.py`` and of ``client.py`` for an exercise, 1 to 7, in ``en`` or ``ru``."""
    return {f"{role}.py": _skeleton(number, role, language) for role in ROLES}


def fill(template: str, language: str, **values: object) -> str:
    """Return a template of this directory with its comments and messages in that language, and with the values."""
    text = (DIRECTORY / f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(read_toml(DIRECTORY / f"{language}.toml"), **values)


def _skeleton(number: int, role: Role, language: str) -> str:
    own = _SAME_CLIENT.get(number, number) if role == "client" else number
    return fill(f"{own}-{role}", language, number=number)
