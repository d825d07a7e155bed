"""Every field of every reply, in one table. The rest of the judge takes names, orders, forms and values from here."""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from math import inf
from typing import Literal, NamedTuple

from conformance.targets.terms import Service, Transport
from spec.limits import (
    INTERVAL_MAX,
    INTERVAL_MIN,
    LEASE_INTERVALS,
    NAME_CHARACTERS,
    REASON_CHARACTERS,
    TOKEN_CHARACTERS,
)

Status = Literal["OK", "ERR", "TICK", "CHALLENGE"]

STATUSES: tuple[Status, ...] = ("OK", "ERR", "TICK", "CHALLENGE")


class Facts(NamedTuple):
    """The facts from which the values of one reply follow."""

    argument: str = ""
    """The message or the name."""
    interval: str = "3"
    """The server's interval, in seconds, as TIME-3 writes it."""
    seq: int = 1
    second: float = 1
    """The time of a sample tick: the second of an hour, 0 to 3599."""
    code: str = "busy"
    reason: str = "come back tomorrow"
    token: str = "!~:token-of-20-chars"


class Choice(NamedTuple):
    """What a server may choose as a value: the form, and the same in words."""

    form: "re.Pattern[str]"
    words: str


class Field(NamedTuple):
    """One field of a reply."""

    name: str
    requirement: str
    """The requirement that a wrong value breaks; empty: it depends on the check."""
    sample: Callable[[Facts], str]
    """A good value for a scripted server to send. A client cannot compute most of them, so it must print what came."""
    value: Callable[[Facts], str] | None = None
    """The value that SPEC.md demands of a server. None: the server chooses it."""
    choice: Choice | None = None
    """What the server may choose, where `value` is None."""
    form: "re.Pattern[str] | None" = None
    """CLI-11: a client must report any other value as malformed. None: it takes all text."""
    limits: tuple[float, float] = (-inf, inf)
    """The least and the greatest number that a client takes (CLI-11)."""
    transport: Transport | None = None
    """The only transport that has the field; None: both."""
    is_argument: bool = False
    """Whether the value repeats the argument. A wrong one may come from how the request was read."""
    may_hold_tab: bool = False
    """Whether the value may hold TAB (TEXT-4)."""

    def takes(self, value: str) -> bool:
        """Return whether a client must take this value (CLI-11)."""
        if self.form and not self.form.fullmatch(value):
            return False
        return self.limits == (-inf, inf) or self.limits[0] <= float(value) <= self.limits[1]


_WHOLE = re.compile("0|[1-9][0-9]*")
_POSITIVE = re.compile("[1-9][0-9]*")
_DECIMAL = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]*[1-9])?")
_HASH = re.compile("[0-9a-f]{64}")
_NAME = re.compile(rf"(?! )[^\t]{{1,{NAME_CHARACTERS}}}(?<! )")
_TOKEN = re.compile(rf"[!-~]{{1,{TOKEN_CHARACTERS}}}")
_TIME = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z"
)


def _argument(facts: Facts) -> str:
    return facts.argument


def _reversed(facts: Facts) -> str:
    return "".join(facts.argument[-1 - i] for i in range(len(facts.argument)))


def _upper(facts: Facts) -> str:
    return facts.argument.upper()


def _length(facts: Facts) -> str:
    return f"{sum(1 for _ in facts.argument)}"


def _size(facts: Facts) -> str:
    return f"{len(facts.argument.encode())}"


def _hash(facts: Facts) -> str:
    return hashlib.sha256(facts.argument.encode()).hexdigest()


def _interval(facts: Facts) -> str:
    return facts.interval


def _lease(facts: Facts) -> str:
    return f"{(Decimal(facts.interval) * LEASE_INTERVALS).normalize():f}"


def _code(facts: Facts) -> str:
    return facts.code


def _reason(facts: Facts) -> str:
    return facts.reason


def _time(facts: Facts) -> str:
    moment = datetime(2026, 11, 23, 9) + timedelta(seconds=facts.second + 0.25)
    return f"{moment.isoformat(timespec='milliseconds')}Z"


def _seq(facts: Facts) -> str:
    return f"{facts.seq}"


def _token(facts: Facts) -> str:
    return facts.token


def _marked(letter: str) -> Callable[[Facts], str]:
    """Return a sample that a client cannot compute from the message."""
    return lambda facts: letter + facts.argument


def _always(value: str) -> Callable[[Facts], str]:
    """Return a sample that is the same for every message."""
    return lambda _: value


REASON = Choice(re.compile(rf"[ -~]{{1,{REASON_CHARACTERS}}}"), f"1 to {REASON_CHARACTERS} printable ASCII characters")
TIME = Choice(_TIME, "UTC as in 2026-11-23T09:00:00.000Z")
TOKEN = Choice(_TOKEN, f"1 to {TOKEN_CHARACTERS} visible ASCII characters")

OK_FIELDS: dict[Service, tuple[Field, ...]] = {
    "echo": (
        Field("message", "ECHO-2", _argument, _argument, is_argument=True, may_hold_tab=True),
        Field("reversed", "ECHO-3", _marked("r"), _reversed, may_hold_tab=True),
        Field("upper", "ECHO-4", _marked("u"), _upper, may_hold_tab=True),
        Field("length", "ECHO-5", _always("90"), _length, form=_WHOLE),
        Field("bytes", "ECHO-6", _always("91"), _size, form=_WHOLE, transport="tcp"),
        Field("sha256", "ECHO-7", _always("0123456789abcdef" * 4), _hash, form=_HASH, transport="tcp"),
    ),
    "time": (
        Field("name", "TIME-2", _argument, _argument, form=_NAME, is_argument=True),
        Field("interval", "TIME-3", _interval, _interval, form=_DECIMAL, limits=(INTERVAL_MIN, INTERVAL_MAX)),
        Field("lease", "LEASE-8", _always("60"), _lease, form=_DECIMAL, transport="udp"),
    ),
}
"""The fields of an `OK`, in their order."""

OTHER_FIELDS: dict[Status, tuple[Field, ...]] = {
    "ERR": (
        Field("code", "", _code, _code),
        Field("reason", "ERR-2", _reason, choice=REASON),
    ),
    "TICK": (
        Field("name", "TIME-4", _argument, _argument, form=_NAME, is_argument=True),
        Field("time", "TIME-11", _time, choice=TIME, form=_TIME),
        Field("seq", "TIME-7", _seq, _seq, form=_POSITIVE),
    ),
    "CHALLENGE": (Field("token", "LEASE-2", _token, choice=TOKEN, form=_TOKEN),),
}
"""The fields of every other reply, in their order."""


def fields_of(status: Status, service: Service, transport: Transport) -> list[Field]:
    """Return the fields of a reply, in their order."""
    fields = OK_FIELDS[service] if status == "OK" else OTHER_FIELDS[status]
    return [field for field in fields if field.transport in (None, transport)]
