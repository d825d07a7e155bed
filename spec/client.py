"""Clients, over either transport: SPEC.md, section 13.

Bytes in, bytes out, time passed in: ``now`` is seconds on a monotonic clock. ``stream_client`` and ``datagram_client``
add what each transport asks for.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from spec.codec import Reply, ReplyError, RequestError, check_name
from spec.limits import INTERVAL_MAX, INTERVAL_MIN, LEASE_INTERVALS
from spec.options import REFUSED, UNREACHABLE, WRONG_USAGE, ClientOptions
from spec.replies import CHALLENGE, ERROR, FIELDS, TICK, ReplyForm
from spec.text import visible

Print = Callable[[str], object]
"""Takes a line to print."""

_FORMS = {name: re.compile(form) for name, form in FIELDS.items()}
_GRAVITY = (0, REFUSED, WRONG_USAGE, UNREACHABLE)  # CLI-9: the status to exit with is the last that applies


class Client(ABC):
    """A conversation with one server.

    ``ask`` starts an exchange. Send what it, ``receive`` and ``wake`` return, say when it was ``sent``, and go on while
    ``waiting``: receive until ``deadline``, then wake.
    """

    def __init__(self, options: ClientOptions, url: str, show: Print, complain: Print) -> None:
        """``url`` is the server's; ``show`` prints on standard output, ``complain`` an error on standard error."""
        self.waiting = False
        """Whether an exchange goes on."""
        self.status = 0
        """The exit status so far (CLI-6 to CLI-9)."""
        self.connected = False
        """Whether the server has proved itself there (CLI-2)."""
        self.over = False
        """Whether no further exchange can succeed."""
        self.subscribed = False
        """Whether ticks are to come."""
        self._options = options
        self._url = url
        self._show = show
        self._complain = complain
        self._give_up = math.inf
        self._asking = False

    @property
    def deadline(self) -> float:
        """When ``wake`` is due, while waiting."""
        return self._give_up

    def ask(self, text: str, now: float) -> bytes:
        """Return the request for a good message or name, and wait for what it brings."""
        self.waiting = self._asking = True
        self._give_up = now + self._options.timeout
        return self._request_for(text, now)

    @abstractmethod
    def _request_for(self, text: str, now: float) -> bytes:
        """Return the request that starts an exchange."""

    def sent(self, now: float) -> None:
        """The transport has taken what was returned last: the time for an answer to it starts now (CLI-7)."""
        if self._asking:
            self._asking = False
            self._give_up = now + self._options.timeout

    @abstractmethod
    def receive(self, data: bytes, now: float) -> bytes:
        """Return what these bytes make the client send."""

    def wake(self, now: float) -> bytes:
        """Return what is due by time alone. Early: nothing."""
        if self.waiting and now >= self._give_up:
            self.fail("no answer" if not self.connected else "no answer any more")
        return b""

    @abstractmethod
    def unreachable(self, reason: str) -> None:
        """The transport has failed, for a reason that a person understands."""

    def fail(self, reason: str, status: int = UNREACHABLE) -> None:
        """End the exchange with an error (CLI-10)."""
        self.reject(f"{reason} ({self._url})", status)
        self.waiting = False
        self.over = status == UNREACHABLE

    def reject(self, reason: str, status: int = WRONG_USAGE) -> None:
        """Report an error that does not end the exchange."""
        self._complain(reason)
        self.status = max(self.status, status, key=_GRAVITY.index)

    def stop(self) -> None:
        """A signal ends the conversation; for a subscriber that is the usual way (CLI-6)."""
        if not self.subscribed:
            self.fail("stopped")

    def connect(self) -> None:
        """The server has proved itself there (CLI-1); the first time counts."""
        if not self.connected:
            self.connected = True
            self._show(f"connected to {self._url}")

    def _refuse(self, reply: Reply) -> None:
        code, reason = require(reply, *ERROR.fields)
        self.connect()
        self.fail(f"the server answered {code}: {reason}", REFUSED)  # CLI-9
        self.over = self.over or code == "busy"

    def _answer(self, reply: Reply, form: ReplyForm) -> None:
        """Print the fields of an OK to ECHO, which ends the exchange (CLI-3)."""
        values = require(reply, *form.fields)
        self.connect()
        for field, value in zip(form.fields, values, strict=True):
            self._show(visible(f"{field}: {value}"))
        self.waiting = False


class Tick(NamedTuple):
    """A tick: the subscriber's name, the server's wall clock in the person's time zone, the number of the interval."""

    name: str
    time: datetime
    seq: int


class TickPrinter:
    """Prints the ticks that are newer than the last: CLI-19, CLI-20."""

    def __init__(self, show: Print, newer: Callable[[Tick, Tick], bool]) -> None:
        """``newer`` tells whether its first tick is newer than its second."""
        self.printed = 0
        self._show = show
        self._newer = newer
        self._last: Tick | None = None

    def take(self, tick: Tick) -> None:
        """Print the tick unless it is a duplicate or late."""
        if self._last is None or self._newer(tick, self._last):
            self._last = tick
            self.printed += 1
            self._show(f"{visible(tick.name)} {tick.time.isoformat(timespec='milliseconds')}")


def parse_tick(reply: Reply) -> Tick:
    """Return what a TICK says. Raises ReplyError if it is malformed."""
    name, time, seq = require(reply, *TICK.fields)
    _check_name(name)
    try:
        return Tick(name, datetime.fromisoformat(time.replace("Z", "+00:00")).astimezone(), int(seq))
    except (ValueError, OverflowError):
        raise ReplyError("no such time") from None


def subscribed_interval(reply: Reply, form: ReplyForm) -> float:
    """Return the interval in seconds of an OK to TIME. Raises ReplyError if it is malformed."""
    require(reply, *form.fields)
    _check_name(reply.fields["name"])
    interval = float(reply.fields["interval"])
    if not INTERVAL_MIN <= interval <= INTERVAL_MAX:
        raise ReplyError("an interval out of bounds")
    return interval


def challenge_token(reply: Reply) -> str:
    """Return the token of a CHALLENGE. Raises ReplyError if it is malformed."""
    (token,) = require(reply, *CHALLENGE.fields)
    return token


def patience(options: ClientOptions, interval: float) -> float:
    """Return how many seconds a subscribed client waits for the next reply (CLI-7)."""
    return max(options.timeout, LEASE_INTERVALS * interval)


def malformed(error: ReplyError) -> str:
    """Return how a client reports the error (CLI-11)."""
    return f"a malformed reply: {error}"


def unexpected(reply: Reply) -> ReplyError:
    """Return the error of a reply whose status answers nothing that was asked."""
    return ReplyError(f"{reply.status} answers nothing that was asked")


def require(reply: Reply, *names: str) -> list[str]:
    """Return the values of these fields. Raises ReplyError if one is missing or not of its form."""
    for name in names:
        if name not in reply.fields:
            raise ReplyError(f"{reply.status} without {name}")
        if not _FORMS[name].fullmatch(reply.fields[name]):
            raise ReplyError(f"{name} is not of its form")
    return [reply.fields[name] for name in names]


def _check_name(name: str) -> None:
    try:
        check_name(name)
    except RequestError as error:
        raise ReplyError(error.reason) from None
