"""Reads the numbered requirements out of SPEC.md, as data for whoever judges an implementation."""

import re
from pathlib import Path
from typing import NamedTuple

SPECIFICATION = Path(__file__).with_name("SPEC.md")

_REQUIREMENT = re.compile(r"^\*\*([A-Z]+-[1-9]\d*)\.\*\* (.+?)(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
_KEY_WORD = re.compile(r"\b(MUST NOT|MUST|SHOULD NOT|SHOULD|MAY)\b")


class Requirement(NamedTuple):
    """One requirement: its permanent id (``ECHO-3``), key word (``""`` if retired) and whole sentence, on one line."""

    id: str
    level: str
    text: str

    @property
    def testable(self) -> bool:
        """Whether a check from outside is expected: for every MUST and SHOULD that does not say "Untestable"."""
        return self.level not in ("", "MAY") and "(Untestable:" not in self.text


def read_requirements(text: str) -> dict[str, Requirement]:
    """Return the requirements of a specification's text by id, in its order.

    Raises ValueError for an id that is used twice, and for a requirement, not retired, without exactly one key word.
    """
    requirements: dict[str, Requirement] = {}
    for id_, paragraph in _REQUIREMENT.findall(text):
        sentence = " ".join(paragraph.split())
        key_words = _KEY_WORD.findall(sentence)
        if id_ in requirements:
            raise ValueError(f"{id_} is used twice")
        if len(key_words) != (0 if sentence.startswith("Retired") else 1):
            raise ValueError(f"{id_} holds {len(key_words)} key words, not one")
        requirements[id_] = Requirement(id_, "".join(key_words), sentence)
    return requirements


_TEXT = SPECIFICATION.read_text(encoding="utf-8")

REQUIREMENTS = read_requirements(_TEXT)

VERSION = re.findall(r"^Version ([0-9.]+)\.", _TEXT, re.MULTILINE)[0]
"""The version of SPEC.md."""
