"""A case: one check run once against one target, and what came of it; with it, for a failure, all that replays it."""

import enum
import importlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from conformance.as_client.exchange import CUT, Event, Exchange
from conformance.languages.texts import say
from conformance.targets.terms import Role, Service, Transport
from spec.requirements import REQUIREMENTS

Outcome = Literal["passed", "failed", "error", "unjudged", "unsupported", "inconclusive"]

FORMAT = 1

EVIDENCE = 1 << 16
"""Characters of JSON that the exchanges of one case may take, about; what replays it is kept whole beside them."""

EVENT = 120
"""Characters that an event takes beside its bytes and its note."""

EVENT_BYTES = 4096
"""An event of which more bytes came is cut off there, when not all can be kept."""

PROBLEM = 1 << 14
"""Characters of a problem."""

_KINDS: dict[str, Any] = {
    **dict.fromkeys(["check", "parameters", "target", "word", "profile"], str),
    **dict.fromkeys(["requirements", "exchanges"], list),
    "seed": int,
    "inputs": dict | None,
}
"""Types of what replays a case."""


@dataclass
class Case:
    """One check against one target.

    `outcome`: ``failed`` is the target's fault and ``error`` the judge's; ``unjudged``: it was not run, `problem` says
    why; ``unsupported``: the target declares that it does not offer the program or service; ``inconclusive``: it cannot
    be tried on such a target or host. `about` is the requirement that a failure is about, or the one that has to hold
    before the check can be run; `needs` are others that the check builds on. `parameters` are the check's, with ``*``
    for the target's name; `word` is what `find_target` finds the target by.
    """

    check: str
    parameters: str
    target: str
    word: str
    role: Role
    transport: Transport | None
    service: Service | None
    requirements: list[str]
    outcome: Outcome
    seconds: float = 0.0
    about: str | None = None
    problem: str = ""
    exchanges: list[dict[str, Any]] = field(default_factory=list)
    inputs: dict[str, Any] | None = None
    profile: str = "standard"
    seed: int = 0
    needs: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The check's name and parameters, as pytest writes them."""
        return f"{self.check}[{self.parameters}]" if self.parameters else self.check

    @property
    def key(self) -> str:
        """What tells it from all other cases of a run."""
        return f"{self.target} {self.title}"

    @property
    def ran(self) -> bool:
        """Whether the check was run on the target."""
        return self.outcome in ("passed", "failed", "error")

    @property
    def effort(self) -> tuple[bool, int]:
        """What a failure asks of its reader: least if the check is mainly about that requirement and little is said."""
        events = [event for exchange in self.exchanges for event in exchange["events"]]
        return self.requirements[0] != self.about, len(self.problem) + sum(40 + len(event["hex"]) for event in events)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, whole: Mapping[str, Any]) -> "Case":
        """The inverse of `to_json`. Raises ValueError for anything else."""
        known = {each.name for each in fields(cls)}
        if not isinstance(whole, Mapping) or whole.get("format") != FORMAT or set(whole) - known - {"format"}:
            raise ValueError(say("not a case of format {format}", format=FORMAT))
        try:
            case = cls(**{name: value for name, value in whole.items() if name in known})
        except TypeError as error:
            raise ValueError(say("not a case: {problem}", problem=error)) from None
        if wrong := [name for name, kind in _KINDS.items() if not isinstance(getattr(case, name), kind)]:
            raise ValueError(say("not a case: {problem}", problem=f"{wrong[0]} is {getattr(case, wrong[0])!r}"))
        return case


def load_case(file: Path) -> Case:
    """Return the case that a file holds. Raises ValueError with one line for a file that cannot be read as one."""
    try:
        case = Case.from_json(json.loads(file.read_text(encoding="utf-8")))
        for value in (case.inputs or {}).values():
            decode(value["draws"] if isinstance(value, dict) and "draws" in value else value)
    except OSError as error:
        raise ValueError(f"{file}: {say(error.strerror or str(error))}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: {error}") from None
    except (TypeError, AttributeError, LookupError, ImportError) as error:  # of another version of the suite
        problem = say("not a case: {problem}", problem=error)
        raise ValueError(f"{file}: {problem}") from None
    return case


def cut_problem(text: str) -> str:
    """Return a problem that is short enough to be stored."""
    return text if len(text) <= PROBLEM else f"{text[:PROBLEM]} … ({len(text) - PROBLEM} characters more)"


def dump_exchanges(exchanges: Sequence[Exchange]) -> list[dict[str, Any]]:
    """Return exchanges as JSON takes them, in about `EVIDENCE` characters; what one does not need is the others'."""
    sizes = {id(exchange): sum(map(_size, exchange.events)) for exchange in exchanges}
    allowed: dict[int, int] = {}
    left = EVIDENCE
    for number, (which, size) in enumerate(sorted(sizes.items(), key=lambda item: item[1])):
        allowed[which] = min(size, left // (len(sizes) - number))
        left -= allowed[which]
    return [dump_exchange(exchange, allowed[id(exchange)]) for exchange in exchanges]


def _size(event: Event) -> int:
    return EVENT + 2 * len(event.data) + len(event.note)


def _fit(events: list[Event], size: int) -> list[Event]:
    """Return the first events and the last ones, cut off so that they take so many characters, about, of JSON."""
    if sum(map(_size, events)) <= size:
        return events
    events = [_cut(event) for event in events]
    first: list[Event] = []
    last: list[Event] = []
    left = size - EVENT
    while events:
        from_end = len(last) <= 3 * len(first)
        event = events[-1] if from_end else events[0]
        if (left := left - _size(event)) < 0:
            break
        (last if from_end else first).append(events.pop(-1 if from_end else 0))
    if events:
        amount = sum(len(event.data) for event in events)
        note = f"{len(events)} events, {amount} bytes, are left out of this file"
        first.append(Event(events[0].at, events[0].side, b"", note))
    return first + last[::-1]


def _cut(event: Event) -> Event:
    if len(event.data) <= EVENT_BYTES:
        return event
    note = f"{event.note}; " * bool(event.note) + f"{len(event.data)} bytes, {CUT} {EVENT_BYTES} are stored"
    return event._replace(data=event.data[:EVENT_BYTES], note=note)


def dump_exchange(exchange: Exchange, size: int = EVIDENCE) -> dict[str, Any]:
    """Return an exchange as JSON takes it, in about so many characters: seconds since its start, bytes in hex."""
    return {
        "title": exchange.title,
        "transport": exchange.transport,
        "client": list(exchange.client),
        "server": list(exchange.server),
        "start": exchange.wall,
        "events": [
            {"at": round(event.at - exchange.start, 6), "from": event.side, "hex": event.data.hex(), "note": event.note}
            for event in _fit(exchange.events, size)
        ],
    }


def load_exchange(whole: Mapping[str, Any]) -> Exchange:
    """The inverse of `dump_exchange`; its times count from 0."""
    exchange = Exchange(whole["title"], whole["transport"], tuple(whole["client"]), tuple(whole["server"]))
    exchange.start, exchange.wall = 0.0, whole["start"]
    for event in whole["events"]:
        exchange.add(event["from"], bytes.fromhex(event["hex"]), event["note"], event["at"])
    return exchange


def encode(value: object) -> Any:
    """Return a generated value as JSON takes it. Raises TypeError for what `decode` could not restore."""
    if value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, enum.Enum)):
        return value
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    kind = type(value)
    name = f"{kind.__module__}:{kind.__qualname__}"
    if isinstance(value, enum.Enum):
        return {"enum": name, "name": value.name}
    if is_dataclass(value):
        return {"object": name, "fields": [encode(getattr(value, each.name)) for each in fields(value)]}
    if isinstance(value, tuple):
        named = {} if kind is tuple else {"object": name}
        return {**named, "fields": [encode(item) for item in value]}
    raise TypeError(f"{value!r} cannot be stored")


def decode(value: Any) -> Any:
    """The inverse of `encode`. Raises ValueError for what it did not make."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"bytes": str(digits)}:
            return bytes.fromhex(digits)
        case {"enum": str(kind), "name": str(name)}:
            return _find(kind)[name]
        case {"object": str(kind), "fields": list(items)}:
            return _find(kind)(*map(decode, items))
        case {"fields": list(items)}:
            return tuple(map(decode, items))
    raise ValueError(f"not a stored value: {value!r}")


def _find(name: str) -> Any:
    module, _, path = name.partition(":")
    if module.partition(".")[0] != "conformance":  # a file from elsewhere must not name any callable there is
        raise ValueError(f"not a class of the suite: {name}")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    if not isinstance(found, type):
        raise TypeError(f"not a class of the suite: {name}")
    return found


class Draws:
    """Stands for Hypothesis's ``data``: passes on what it draws, or what was drawn before, and keeps it."""

    def __init__(self, data: Any, stored: Iterable[Any] = ()) -> None:
        """`data` is the original; None to return `stored` instead, one after the other."""
        self._data = data
        self._stored = iter(stored)
        self.drawn: list[Any] = []

    def __repr__(self) -> str:
        return repr(self.drawn)

    def draw(self, strategy: Any, label: Any = None) -> Any:
        """Return a value of the strategy, or the next one stored."""
        value = next(self._stored) if self._data is None else self._data.draw(strategy, label)
        self.drawn.append(value)
        return value


def requirement_sentence(id_: str | None) -> str:
    """Return a requirement's id and text."""
    return f"{id_}. {REQUIREMENTS[id_].text}" if id_ in REQUIREMENTS else f"{id_}"
