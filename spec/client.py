"""Clients, over either transport: SPEC.md, section 13.

Bytes in, bytes out, time passed in: ``now`` is seconds on a monotonic clock. ``stream_client`` and ``datagram_client``
add what each transport asks for.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from spec.codec import REASONS, Reply, ReplyError, RequestError, check_name
from spec.limits import INTERVAL_MAX, INTERVAL_MIN, LEASE_INTERVALS
from spec.message import Message, message_of
from spec.options import REFUSED, UNREACHABLE, WRONG_USAGE, ClientOptions
from spec.replies import CHALLENGE, ERROR, FIELDS, TICK, ReplyForm
from spec.text import visible

Print = Callable[[str], object]
"""Prints a line."""

_FORMS = {name: re.compile(form) for name, form in FIELDS.items()}
_GRAVITY = (0, REFUSED, WRONG_USAGE, UNREACHABLE)  # CLI-9: the status to exit with is the last that applies


class Client(ABC):
    """A conversation with one server.

    ``ask`` starts an exchange. Send what ``ask``, ``receive`` and ``wake`` return, call ``sent`` after each sending,
    and go on while ``waiting``::

        out = client.ask(text, time.monotonic())
        while True:
            if out:
                sock.sendall(out)
                client.sent(time.monotonic())
            if not client.waiting:
                break
            sock.settimeout(max(client.deadline - time.monotonic(), 0.001))
            try:
                out = client.receive(sock.recv(DATAGRAM_BYTES), time.monotonic())
            except TimeoutError:
                out = client.wake(time.monotonic())

    Call ``unreachable``, which each transport has its own of, for any other OSError. ``status`` is the exit status.
    """

    def __init__(self, options: ClientOptions, url: str, show: Print, complain: Print) -> None:
        """``url`` is the server's. ``show`` prints on standard output, ``complain`` an error on standard error."""
        self.waiting = False
        """Whether the exchange is not over yet."""
        self.status = 0
        """The exit status so far (CLI-6 to CLI-9)."""
        self.connected = False
        """Whether the server has shown that it is there (CLI-2)."""
        self.over = False
        """Whether no further exchange can succeed."""
        self.subscribed = False
        """Whether the server has accepted a TIME, so that ticks follow."""
        self._options = options
        self._url = url
        self._show = show
        self._complain = complain
        self._give_up = math.inf
        self._asking = False

    @property
    def deadline(self) -> float:
        """When to call ``wake``, while ``waiting``: seconds on the clock of ``now``."""
        return self._give_up

    def ask(self, text: str, now: float) -> bytes:
        """Return the request for a valid message or name, and start to wait for the reply."""
        self.waiting = self._asking = True
        self._give_up = now + self._options.timeout
        return self._request_for(text, now)

    @abstractmethod
    def _request_for(self, text: str, now: float) -> bytes:
        """Return the request that starts an exchange."""

    def sent(self, now: float) -> None:
        """Call this when the bytes returned last are sent: the timeout of a request counts from then (CLI-7)."""
        if self._asking:
            self._asking = False
            self._give_up = now + self._options.timeout

    @abstractmethod
    def receive(self, data: bytes, now: float) -> bytes:
        """Take bytes from the server and return the bytes to send, often none."""

    def wake(self, now: float) -> bytes:
        """Return the bytes to send because of the time: a repeated request or a renewal. Give up at the timeout."""
        if self.waiting and now >= self._give_up:
            self.fail(Message("no answer any more") if self.connected else Message("no answer"))
        return b""

    def fail(self, reason: str, status: int = UNREACHABLE) -> None:
        """End the exchange with an error (CLI-10)."""
        self.reject(Message("{reason} ({url})", reason=reason, url=self._url), status)
        self.waiting = False
        self.over = status == UNREACHABLE

    def reject(self, reason: str, status: int = WRONG_USAGE) -> None:
        """Report an error that does not end the exchange."""
        self._complain(reason)
        self.status = max(self.status, status, key=_GRAVITY.index)

    def stop(self) -> None:
        """Call this when a signal ends the conversation. For a subscriber that is no error (CLI-6)."""
        if not self.subscribed:
            self.fail(Message("stopped"))

    def connect(self) -> None:
        """The server has shown that it is there: print so, the first time (CLI-1)."""
        if not self.connected:
            self.connected = True
            self._show(Message("connected to {url}", url=self._url))

    def _refuse(self, reply: Reply) -> None:
        code, reason = require(reply, *ERROR.fields)
        known = REASONS.get(code, "")
        reason = known if known == reason else reason
        self.connect()
        self.fail(Message("the server answered {code}: {reason}", code=code, reason=reason), REFUSED)  # CLI-9
        self.over = self.over or code == "busy"

    def _answer(self, reply: Reply, form: ReplyForm) -> None:
        """Print the fields of an OK to ECHO, which ends the exchange (CLI-3)."""
        values = require(reply, *form.fields)
        self.connect()
        for field, value in zip(form.fields, values, strict=True):
            self._show(visible(f"{field}: {value}"))
        self.waiting = False


class Tick(NamedTuple):
    """A tick: the subscriber's name, the server's time in the user's time zone, the number of the interval."""

    name: str
    time: datetime
    seq: int


class TickPrinter:
    """Prints the ticks that are newer than the last: CLI-19, CLI-20."""

    def __init__(self, show: Print, newer: Callable[[Tick, Tick], bool]) -> None:
        """``newer`` says whether its first argument is newer than its second."""
        self.printed = 0
        self._show = show
        self._newer = newer
        self._last: Tick | None = None

    def take(self, tick: Tick) -> None:
        """Print the tick if it is newer than the last one printed."""
        if self._last is None or self._newer(tick, self._last):
            self._last = tick
            self.printed += 1
            self._show(f"{visible(tick.name)} {tick.time.isoformat(timespec='milliseconds')}")


def parse_tick(reply: Reply) -> Tick:
    """Return the tick in a TICK. Raises ReplyError if it is malformed."""
    name, time, seq = require(reply, *TICK.fields)
    _check_name(name)
    try:
        return Tick(name, _local(datetime.fromisoformat(time.replace("Z", "+00:00"))), int(seq))
    except (ValueError, OverflowError):
        raise ReplyError(Message("no such time")) from None


def _local(moment: datetime) -> datetime:
    """Return a moment in the person's time zone, its offset cut to whole minutes: RFC 3339 has no seconds in one."""
    offset = _offset(moment)
    seconds = timedelta(seconds=math.fmod(offset.total_seconds(), 60))
    return moment.astimezone(timezone(offset - seconds))


def _offset(moment: datetime) -> timedelta:
    """Return the offset from UTC of the person's time zone at a moment; none if it is a day: RFC 3339 has no such."""
    try:
        local = moment.astimezone()
    except OSError:  # Windows has no local time before 1970 and after 3000; each 400 years the calendar is the same
        local = moment.replace(year=2000 + moment.year % 400).astimezone()
    except ValueError:
        return timedelta()
    return local.utcoffset() or timedelta()


def subscribed_interval(reply: Reply, form: ReplyForm) -> float:
    """Return the interval in seconds of an OK to TIME. Raises ReplyError if it is malformed."""
    require(reply, *form.fields)
    _check_name(reply.fields["name"])
    interval = float(reply.fields["interval"])
    if not INTERVAL_MIN <= interval <= INTERVAL_MAX:
        raise ReplyError(Message("an interval out of bounds"))
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
    return Message("a malformed reply: {problem}", problem=message_of(error))


def unexpected(reply: Reply) -> ReplyError:
    """Return the error of a reply whose status does not answer the request."""
    return ReplyError(Message("{status} answers nothing that was asked", status=reply.status))


def require(reply: Reply, *names: str) -> list[str]:
    """Return the values of these fields. Raises ReplyError if one is missing or not of its form."""
    for name in names:
        if name not in reply.fields:
            raise ReplyError(Message("{status} without {field}", status=reply.status, field=name))
        if not _FORMS[name].fullmatch(reply.fields[name]):
            raise ReplyError(Message("{field} is not of its form", field=name))
    return [reply.fields[name] for name in names]


def _check_name(name: str) -> None:
    try:
        check_name(name)
    except RequestError as error:
        raise ReplyError(error.reason) from None
