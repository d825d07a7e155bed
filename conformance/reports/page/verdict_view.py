"""The verdicts of a run as the page shows them: requirements by targets, and what stands behind each cell."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.as_client.exchange import Exchange
from conformance.languages.texts import mark, requirement_text, say
from conformance.languages.told import told
from conformance.running.cases import Case, load_exchange
from conformance.running.verdicts import Verdict

# A page stays readable, and some megabytes at most; the JSON of the run has everything.
SHOWN_FAILURES = 3  # in full, of a requirement and a target
SHOWN_EXCHANGES = 4  # of a failure, the last ones
SHOWN_EVENTS = 24  # of an exchange, the last ones
SHOWN_BYTES = 320  # of an event, the first ones
SHOWN_REASON = 160  # characters of why a check was not run
SHOWN_CHARACTERS = 4000  # of a problem, and of generated inputs

NOT_JUDGED = "not judged"
OUTCOMES = (
    *(mark("passed"), mark("failed"), mark("error"), mark("unjudged"), mark("inconclusive"), mark("unsupported")),
    *(mark("not judged"), mark("undecided"), mark(", about ")),
)


@dataclass(frozen=True)
class Check:
    """The cases of one check that came to the same: seconds by parameters.

    `outcome` is one of OUTCOMES, or begins so.
    """

    name: str
    outcome: str
    cases: list[tuple[str, float]] = field(default_factory=list)

    @property
    def said(self) -> str:
        """The outcome in the chosen language, with what is behind it."""
        word, sign, rest = re.split("(: |, about |$)", self.outcome, maxsplit=1)
        return say(word) + say(sign) + told(rest)

    @property
    def seconds(self) -> float:
        return sum(seconds for _, seconds in self.cases)


@dataclass(frozen=True)
class Shown:
    """One send of the client, C, or the server, S; `at` is in seconds since the exchange's start."""

    at: float
    side: str
    size: int
    text: str
    hex: str
    note: str


@dataclass(frozen=True)
class ShownExchange:
    title: str
    left_out: int
    events: list[Shown]


@dataclass(frozen=True)
class Failure:
    """A case that failed. `inputs` are the shrunk generated ones, as JSON."""

    title: str
    outcome: str
    problem: str
    inputs: str
    exchanges: list[ShownExchange]


@dataclass(frozen=True)
class Cell:
    """A requirement and a target. `known` is the reason of a known failure."""

    target: str
    verdict: str
    checks: list[Check]
    failures: list[Failure]
    unshown: list[str]
    known: str

    @property
    def judged(self) -> bool:
        return self.verdict in ("PASS", "FAIL", "WARN")


@dataclass(frozen=True)
class Row:
    id: str
    level: str
    text: str
    cells: list[Cell]


@dataclass(frozen=True)
class Group:
    """Requirements whose ids begin alike."""

    name: str
    rows: list[Row]

    @property
    def bad(self) -> bool:
        return any(cell.verdict in ("FAIL", "WARN", "ERROR") for row in self.rows for cell in row.cells)

    def held(self, target: int) -> tuple[int, int]:
        """Return how many hold, and how many were judged."""
        return held(self.rows, target)

    def worst(self, target: int) -> str:
        """Return the verdict that a reader must not miss."""
        return min((row.cells[target].verdict for row in self.rows), key=_BY_WEIGHT.index)


_BY_WEIGHT = ["FAIL", "ERROR", "WARN", "PASS", "INCONCLUSIVE", "UNSUPPORTED", NOT_JUDGED]


def shown(verdict: str) -> str:
    """Return the word for a verdict's name."""
    return NOT_JUDGED if verdict == Verdict.NOT_JUDGED.name else verdict


def held(rows: Sequence[Row], target: int) -> tuple[int, int]:
    """Return how many requirements hold for a target, and how many were judged."""
    cells = [row.cells[target] for row in rows]
    return sum(cell.verdict == "PASS" for cell in cells), sum(cell.judged for cell in cells)


def matrix(report: Mapping[str, Any]) -> list[Group]:
    """Return the groups of a report's requirements, in the order of SPEC.md; each row has a cell for each target."""
    cases: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for whole in report["cases"]:
        case = Case.from_json(whole)
        for id_ in dict.fromkeys([*case.requirements, *([case.about] if case.about else [])]):
            cases[case.target, id_].append(case)
    groups: dict[str, list[Row]] = defaultdict(list)
    for id_, requirement in report["requirements"].items():
        cells = [
            _cell(
                id_, target, shown(of.get(id_, NOT_JUDGED)), cases[target, id_], report["known_failures"].get(id_, "")
            )
            for target, of in report["verdicts"].items()
        ]
        groups[id_.partition("-")[0]].append(
            Row(id_, requirement["level"], requirement_text(id_, requirement["text"]), cells)
        )
    return [Group(name, rows) for name, rows in groups.items()]


def _cell(id_: str, target: str, verdict: str, cases: Sequence[Case], known: str) -> Cell:
    checks: dict[tuple[str, str], Check] = {}
    failed = []
    for case in cases:
        outcome: str = case.outcome
        if outcome in ("failed", "error") and case.about != id_:
            outcome += f", about {case.about}"
        elif outcome in ("failed", "error"):
            failed.append(case)
        elif case.outcome in ("unjudged", "inconclusive") and case.problem:
            outcome = f"{'not judged' if case.outcome == 'unjudged' else 'undecided'}: {_first_line(case.problem)}"
        check = checks.setdefault((case.check, outcome), Check(case.check, outcome))
        shown = "-".join(part for part in case.parameters.split("-") if part != "*")  # the target's name is above
        check.cases.append((shown, case.seconds))
    failed.sort(key=lambda case: case.effort)
    failures = [show_failure(case) for case in failed[:SHOWN_FAILURES]]
    return Cell(target, verdict, [*checks.values()], failures, [case.title for case in failed[SHOWN_FAILURES:]], known)


def show_failure(case: Case) -> Failure:
    """Return a failed case as the page shows it."""
    inputs = json.dumps(case.inputs, ensure_ascii=False) if case.inputs is not None else ""
    exchanges = [_exchange(load_exchange(whole)) for whole in case.exchanges[-SHOWN_EXCHANGES:]]
    return Failure(case.title, case.outcome, _cut(told(case.problem)), _cut(inputs), exchanges)


def _exchange(exchange: Exchange) -> ShownExchange:
    left_out = max(0, len(exchange.events) - SHOWN_EVENTS)
    events = []
    for event in exchange.events[left_out:]:
        head, more = event.data[:SHOWN_BYTES], " …" if len(event.data) > SHOWN_BYTES else ""
        text = head.decode("utf-8", "backslashreplace").replace("\n", "⏎\n").removesuffix("\n") + more
        events.append(Shown(event.at, event.side, len(event.data), text, head.hex(" ") + more, told(event.note)))
    return ShownExchange(told(exchange.title), left_out, events)


def _first_line(text: str) -> str:
    first = text.partition("\n")[0]
    return first if len(first) <= SHOWN_REASON else f"{first[:SHOWN_REASON]} …"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]} …"
