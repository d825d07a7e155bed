"""What a client owes for what a server sent it: SPEC.md, sections 12 and 13, read once more, without any I/O."""

import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from conformance.as_client import peers
from conformance.as_server.adversary import Event
from conformance.as_server.misbehaviours import Scenario
from conformance.as_server.talk import LATENESS
from conformance.expected.replies import HIDDEN, echo_fields, shown, subscribed_fields
from conformance.timing import JUDGE_LATENESS
from spec.limits import INTERVAL_MAX, INTERVAL_MIN, LEASE_INTERVALS, NAME_CHARACTERS, REPLY_BYTES, TOKEN_CHARACTERS

_DECIMAL = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]*[1-9])?")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
FORMS = {
    "length": re.compile("0|[1-9][0-9]*"),
    "bytes": re.compile("0|[1-9][0-9]*"),
    "sha256": re.compile("[0-9a-f]{64}"),
    "interval": _DECIMAL,
    "lease": _DECIMAL,
    "name": re.compile(rf"(?! )[^\t]{{1,{NAME_CHARACTERS}}}(?<! )"),
    "time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII),
    "seq": re.compile("[1-9][0-9]*"),
    "token": re.compile(f"[!-~]{{1,{TOKEN_CHARACTERS}}}"),
}


class Reply(NamedTuple):
    """A reply in good form: its status, the fields that SPEC.md names for it."""

    status: str
    fields: dict[str, str]


def understood(case: Scenario, data: bytes) -> Reply | None:
    """Return what a reply says, or None if it is malformed (CLI-11)."""
    try:
        status, fields = peers.Reply(data, 0).parse()
    except peers.Malformed:
        return None
    if len(data) > REPLY_BYTES or _CONTROL.search(data.decode()):
        return None
    ok = echo_fields("", case.transport) if case.service == "echo" else subscribed_fields("", "", case.transport)
    named = {
        "OK": [name for name, _ in ok],
        "ERR": ["code", "reason"],
        "TICK": ["name", "time", "seq"],
        "CHALLENGE": ["token"],
    }[status]
    good = all(name in fields and (name not in FORMS or FORMS[name].fullmatch(fields[name])) for name in named)
    if not good or not INTERVAL_MIN <= float(fields.get("interval", "1")) <= INTERVAL_MAX:
        return None
    return Reply(status, {name: fields[name] for name in named})


class Owed:
    """What a client owes after a transcript: its output, its lines on standard error, its exit status."""

    def __init__(self, case: Scenario, url: str, timeout: float, transcript: Sequence[Event]) -> None:
        self.case = case
        self.output: list[str] = []
        self.fewest_errors = self.most_errors = 0
        self.told: list[tuple[str, str]] = []
        """The code and the reason of each ERR."""
        self.statuses = {0}
        self.may_lack_output = False
        """Whether a reset may have overtaken what was sent before it."""
        self.over = False
        """Whether the client has nothing more to ask or to wait for."""
        self.turn = 0
        """How many messages have had their answer."""
        self.because = ""
        """Why it ended too early: the requirement, or nothing."""
        self.gave_up = False
        """Whether it ended because nothing came any more."""
        self.waits_since = math.inf
        self.patience = timeout
        self.outlived = False
        """Whether the client still asked when it must have given up."""
        self.judge_was_late = False
        """Whether an answer may have come just before the client gave up, or just after: then nothing can be said."""
        self.forbidden: dict[str, str] = {}
        """Lines that a client must not print, and why: the requirement."""
        self._url = url
        self._timeout = timeout
        self._subscribed = False
        self._newest: datetime | int | None = None
        self._ticks = 0
        self._stream = b""
        for event in transcript:
            self._take(event)
        if not self.over:
            self.gave_up = True
            self._fail("CLI-7")
        for line in self.output:
            self.forbidden.pop(line, None)

    def __str__(self) -> str:
        errors = f"{self.fewest_errors}" + f" to {self.most_errors}" * (self.fewest_errors != self.most_errors)
        return f"status {' or '.join(map(str, sorted(self.statuses)))}, errors: {errors}, output: {self.output}"

    def after(self, transcript: Sequence[Event]) -> "Owed":
        """Return what the same client owes after another transcript."""
        return Owed(self.case, self._url, self._timeout, transcript)

    def _take(self, event: Event) -> None:
        if event.via == "client":
            self._asked(event)
        elif event.via in ("another port", "another host"):
            self.most_errors += 1  # CLI-15 does not say that strangers are passed over in silence
            self._forbid(event.data, "CLI-15")
        elif event.via in ("finish", "reset"):
            self.may_lack_output = event.via == "reset" and not self.over
            if not self.over:
                self._fail("CLI-7")
        elif self.case.transport == "udp":
            self._receive(event.data, event.at)
        else:
            self._stream += event.data
            while not self.over and (end := self._stream.find(b"\n\n") + 2) > 1:
                reply, self._stream = self._stream[:end], self._stream[end:]
                self._receive(reply, event.at)
            if not self.over and len(self._stream) > REPLY_BYTES:
                self._receive(self._stream, event.at)

    def _asked(self, event: Event) -> None:
        if self.case.transport == "tcp":
            self._connected()
        if self.waits_since == math.inf:
            self.waits_since = event.at
        self.outlived |= not self.over and event.at > self.waits_since + self.patience + LATENESS

    def _receive(self, data: bytes, at: float) -> None:
        reply = understood(self.case, data)
        if self.over:
            self.most_errors += reply is None
            return
        if reply is None or reply.status != "CHALLENGE":
            self.judge_was_late |= -JUDGE_LATENESS < at - self.waits_since - self.patience < LATENESS
        if reply is None or not self._answers(reply):
            self._malformed(data)
        elif reply.status == "ERR":
            self._refused(reply)
        elif self.case.service == "echo":
            self._echoed(reply, data)
        elif reply.status == "CHALLENGE":
            self._connected()
        else:
            self._served(reply, at)

    def _answers(self, reply: Reply) -> bool:
        """Whether the status answers what was asked."""
        if self.case.service == "echo":
            return reply.status in ("OK", "ERR")
        if self.case.transport == "udp":
            return True
        return reply.status == "ERR" or reply.status == ("TICK" if self._subscribed else "OK")

    def _malformed(self, data: bytes) -> None:
        self._forbid(data, "CLI-11")
        if self.case.transport == "tcp":
            self._fail("CLI-11")
            return
        self.most_errors += 1
        message = re.search(rb"^message: (.*)$", data, re.MULTILINE)
        if not (self.case.service == "echo" and message and message[1] != self.case.texts[self.turn].encode()):
            self.fewest_errors += 1  # else it may count as an answer to another message (CLI-14)

    def _refused(self, reply: Reply) -> None:
        self._connected()
        self.told.append((reply.fields["code"], reply.fields["reason"]))
        self.fewest_errors += 1
        self.most_errors += 1
        self.statuses = {3, 1} if self._subscribed and self.case.transport == "tcp" else {3}  # nothing was asked
        self._next(self.case.service == "time" or reply.fields["code"] == "busy")

    def _echoed(self, reply: Reply, data: bytes) -> None:
        if reply.fields["message"] == self.case.texts[self.turn]:
            self._connected()
            self.output += shown(list(reply.fields.items()))
            for name, value in re.findall(r"^(.*?): (.*)$", data.decode(), re.MULTILINE):
                [line] = shown([(name, value)])
                self.forbidden.setdefault(line, "REQ-6" if name in reply.fields else "CLI-12")
            self._next(False)
        elif self.case.transport == "udp":
            self._forbid(data, "CLI-14")
        else:
            self._malformed(data)

    def _served(self, reply: Reply, at: float) -> None:
        """Take an OK or a TICK of a time server."""
        self._connected()
        self.waits_since = at
        if reply.status == "OK":
            self._subscribed = True
            self.patience = max(self._timeout, LEASE_INTERVALS * float(reply.fields["interval"]))
            return
        moment = datetime.fromisoformat(reply.fields["time"].replace("Z", "+00:00"))
        age = moment if self.case.transport == "udp" else int(reply.fields["seq"])
        line = HIDDEN.sub(_visible, f"{reply.fields['name']} {moment.isoformat(timespec='milliseconds')}")
        if self._newest is not None and age <= self._newest:  # type: ignore[operator]  # both of one kind
            self.forbidden.setdefault(line, "CLI-20")
            return
        self._newest = age
        self.output.append(line)
        self._ticks += 1
        self.over = self._ticks == self.case.ticks

    def _connected(self) -> None:
        if not self.output:
            self.output.append(f"connected to {self._url}")

    def _next(self, over: bool) -> None:
        """The message, or the name, has had its answer."""
        self.turn += 1
        self.waits_since = math.inf
        self.over = over or self.turn == len(self.case.texts)

    def _fail(self, requirement: str) -> None:
        self.because = requirement
        self.statuses = {1}
        self.fewest_errors += 1
        self.most_errors += 1
        self.over = True

    def _forbid(self, data: bytes, requirement: str) -> None:
        """Remember the lines that this reply, if it were taken, would have a client print."""
        for line in data.decode("utf-8", "replace").split("\n"):
            self.forbidden.setdefault(HIDDEN.sub(_visible, line), requirement)
        name, moment = (re.search(rb"^%s: (.*)$" % field, data, re.MULTILINE) for field in (b"name", b"time"))
        if name and moment:
            shown_time = moment[1].decode("utf-8", "replace").replace("Z", "+00:00")
            self.forbidden.setdefault(f"{name[1].decode('utf-8', 'replace')} {shown_time}", requirement)


def _visible(match: "re.Match[str]") -> str:
    return f"\\u{ord(match[0]):04x}"
