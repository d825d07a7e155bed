"""In which order one would mend a program: which requirements say nothing while an earlier one does not hold.

A server that does not get ready cannot show that it answers; one whose first answer has the wrong form cannot show its
limits. What cannot be judged for such a reason is *not judged*, and says what comes first.
"""

import fnmatch
from collections.abc import Container, Iterable
from typing import TypeVar

from spec.requirements import REQUIREMENTS

STAGES: dict[str, str] = {
    "it starts, and says so": "SRV-1 CLI-1 CLI-2",
    "its first answer": "ECHO-1 LEASE-1 TIME-2 TIME-4 TIME-5 SRV-2 CLI-3 CLI-16 CLI-19 CLI-6",
    "the form of what it sends": "REP-2 REP-* ECHO-* TEXT-* TIME-3 TIME-7 TIME-11 TIME-12 LEASE-2",
    "what it reads": "REQ-* TCP-1 TCP-5 TCP-3 TCP-4 TIME-1 ERR-1 UDP-* CLI-4 CLI-8 CLI-11 CLI-12 CLI-14",
    "errors": "ERR-8 ERR-5 ERR-6 ERR-7 ERR-9 ERR-4 ERR-2 ERR-3 CLI-9 CLI-10",
    "how it is used": "SRV-8 LOAD-2 SRV-* CLI-5 CLI-22",
    "streams and time": "TCP-* TIME-* LEASE-* CLI-*",
    "limits and load": "ERR-* LOAD-*",
}
"""Ids, and groups for those that no stage names, in the order in which one would mend what fails."""

_BEFORE = {
    "ECHO-1": "SRV-1",
    "LEASE-1": "SRV-1",
    "TIME-2": "SRV-1 LEASE-1",
    "TIME-4": "TIME-2",
    "TIME-5": "TIME-4",
    "ERR-1": "ECHO-1 TIME-2 LEASE-1",
    "TCP-1": "ECHO-1 TIME-2",
    "SRV-8": "SRV-1",
    "CLI-2": "CLI-1",
    "CLI-3": "CLI-1",
    "CLI-16": "CLI-1",
    "CLI-19": "CLI-1 CLI-16",
    "SRV-2 SRV-11": "SRV-1",
    "SRV-3": "SRV-2",
    "SRV-9": "SRV-8 LOAD-2 ECHO-1 TIME-2",
    "SRV-16": "SRV-2 SRV-8 LOAD-2 ECHO-1 TIME-2",
    "SRV-15": "SRV-2 ECHO-1 TIME-2 LEASE-1",
    "UDP-4": "SRV-2 ECHO-1 TIME-2 LEASE-1",
    "LEASE-6": "SRV-2 LEASE-1 TIME-2",
    "SRV-4": "ECHO-1",
    "SRV-5": "TIME-2",
    "SRV-6 SRV-7": "SRV-4 SRV-5",
    "LOAD-1 LOAD-4 LOAD-5 LOAD-6": "LOAD-2",
    "ERR-10": "ERR-1 LOAD-2",
    "REQ-6 SRV-14": "ECHO-1 TIME-2 LEASE-1 CLI-3 CLI-19",
    "CLI-5 CLI-10": "CLI-3 CLI-19",
    "SRV-13 TEXT-* REQ-* REP-* UDP-* LOAD-*": "ECHO-1 TIME-2 LEASE-1",
    "ECHO-*": "ECHO-1",
    "TIME-*": "TIME-5",
    "LEASE-*": "LEASE-1 TIME-2",
    "ERR-*": "ERR-1",
    "TCP-*": "TCP-1",
    "CLI-4 CLI-5 CLI-6 CLI-7 CLI-9 CLI-11 CLI-12 CLI-13 CLI-14 CLI-15 CLI-17 CLI-18 CLI-20": "CLI-3 CLI-19",
    "CLI-21 CLI-22 CLI-23 CLI-24 CLI-25 CLI-26 CLI-27 CLI-28": "CLI-3 CLI-19",
}


ANY_GOOD_REQUEST = (
    *("ECHO-8", "REQ-3", "REQ-4", "REQ-5", "UDP-1", "UDP-2", "TCP-3", "TCP-5", "TCP-7", "TCP-8", "TIME-1", "LOAD-3"),
)
"""What a check builds on that sends good requests of all kinds."""

ANY_REQUEST = (*ANY_GOOD_REQUEST, "ERR-4", "ERR-5", "ERR-6", "ERR-7", "ERR-8", "ERR-9")
"""What a check builds on that sends requests of all kinds, good and bad."""


Row = TypeVar("Row")


def _by_id(rows: Iterable[tuple[str, Row]]) -> dict[str, Row]:
    """Return what rows of ids and groups (``LOAD-*``) hold, by single ids. A row that names an id beats a group."""
    found: dict[str, Row] = {}
    for groups in (False, True):
        for names, row in rows:
            for name in names.split():
                if name.endswith("*") is groups:
                    for id_ in fnmatch.filter(REQUIREMENTS, name):
                        found.setdefault(id_, row)
    return found


PREREQUISITES = {
    id_: tuple(each for each in before.split() if each != id_) for id_, before in _by_id([*_BEFORE.items()]).items()
}
"""By requirement: those without which it cannot be judged. One that a service or a transport lacks does not count."""

BUILT_ON = {each for before in PREREQUISITES.values() for each in before}
"""The requirements without which others cannot be judged."""

_PLACES = _by_id(
    [(name, (stage, n)) for stage, ids in enumerate(STAGES.values()) for n, name in enumerate(ids.split())]
)
_ORDER = {id_: number for number, id_ in enumerate(REQUIREMENTS)}


def place(id_: str, *, is_special: bool = False) -> tuple[int, int, int]:
    """Return what sorts requirements as one would mend them: the stage, the place in it, the place in SPEC.md.

    A start that fails in a special case alone, such as with ``--host localhost``, is about how a program is used.
    """
    stage, number = _PLACES[id_]
    if is_special and stage == 0:
        stage = [*STAGES].index("how it is used")
    return stage, number, _ORDER[id_]


def all_before(id_: str) -> set[str]:
    """Return the requirements without which one cannot be judged, direct or not."""
    direct = PREREQUISITES.get(id_, ())
    return {*direct, *(each for before in direct for each in all_before(before))}


def first_cause(id_: str, failed: Container[str]) -> str | None:
    """Return the earliest prerequisite of a requirement, direct or not, that has failed; None if none has."""
    for each in PREREQUISITES.get(id_, ()):
        if (cause := first_cause(each, failed)) is not None:
            return cause
        if each in failed:
            return each
    return None
