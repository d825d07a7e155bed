"""A model of a correct client, without I/O: what it must print and how it must end (SPEC.md, sections 12 and 13)."""

import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from conformance.as_client.observed import Malformed, Reply
from conformance.as_server.adversary import Event
from conformance.as_server.misbehaviours import Scenario
from conformance.as_server.talk import LATENESS
from conformance.as_server.tick_order import NewestTick
from conformance.expected.fields import Status, fields_of
from conformance.expected.replies import shown, visible
from conformance.timing import JUDGE_LATENESS
from spec.limits import LEASE_INTERVALS, REPLY_BYTES

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class GoodReply(NamedTuple):
    """A reply in good form: its status, and the fields that SPEC.md names for it."""

    status: Status
    fields: dict[str, str]


def understood(case: Scenario, data: bytes) -> GoodReply | None:
    """Return the parts of a reply, or None if it is malformed (CLI-11)."""
    try:
        status, fields = Reply(data, 0).parse()
    except Malformed:
        return None
    if len(data) > REPLY_BYTES or _CONTROL.search(data.decode()):
        return None
    named = fields_of(status, case.service, case.transport)
    if not all(field.name in fields and field.takes(fields[field.name]) for field in named):
        return None
    return GoodReply(status, {field.name: fields[field.name] for field in named})


class ExpectedConduct:
    """What a client must do after a transcript: its output, its lines on standard error, its exit status.

    Attributes:
        output: the lines on standard output
        fewest_errors: how many lines it must at least print on standard error
        most_errors: how many it may print there
        error_replies: the code and the reason of each `ERR`
        statuses: the exit statuses that it may end with
        may_lack_output: whether a reset may have overtaken the bytes before it
        over: whether the client has nothing more to ask or to wait for
        turn: how many messages have had their answer
        because: why it must end early: a requirement, or empty
        gave_up: whether it must end because nothing came any more
        waits_since: since when it waits for an answer, in seconds of ``time.monotonic``
        patience: how long it waits for an answer, in seconds
        outlived: whether it sent a request after the time to give up
        judge_was_late: whether an answer came so close to the time to give up that no verdict is possible
        forbidden: lines that it must not print, with the requirement that forbids them
    """

    def __init__(self, case: Scenario, url: str, timeout: float, transcript: Sequence[Event]) -> None:
        """`url` is the server's, as CLI-1 writes it; `timeout` is the client's option, in seconds."""
        self.case = case
        self.output: list[str] = []
        self.fewest_errors = self.most_errors = 0
        self.error_replies: list[tuple[str, str]] = []
        self.statuses = {0}
        self.may_lack_output = False
        self.over = False
        self.turn = 0
        self.because = ""
        self.gave_up = False
        self.waits_since = math.inf
        self.patience = timeout
        self.outlived = False
        self.judge_was_late = False
        self.forbidden: dict[str, str] = {}
        self._url = url
        self._timeout = timeout
        self._subscribed = False
        self._newest: int | None = None
        self._order = NewestTick()
        self._challenged = False
        self._ticks = 0
        self._stream = b""
        for event in transcript:
            self._take(event)
        if not self.over:
            self.gave_up = True
            self._fail("CLI-7")
        elif case.service == "echo" and self._stream and not self.because:
            self.most_errors += 1  # CLI-11 does not say whether a client that is done looks at what follows
            self.statuses = {*self.statuses, 1}
        for line in self.output:
            self.forbidden.pop(line, None)

    def __str__(self) -> str:
        errors = f"{self.fewest_errors}" + f" to {self.most_errors}" * (self.fewest_errors != self.most_errors)
        return f"status {' or '.join(map(str, sorted(self.statuses)))}, errors: {errors}, output: {self.output}"

    def after(self, transcript: Sequence[Event]) -> "ExpectedConduct":
        """Return what the same client must do after another transcript."""
        return ExpectedConduct(self.case, self._url, self._timeout, transcript)

    def _take(self, event: Event) -> None:
        if event.via == "client":
            self._asked(event)
        elif event.via in ("another port", "another host"):
            self.most_errors += 1  # CLI-15 does not forbid to report strangers
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
            self._challenged = True
        else:
            self._served(reply, at)

    def _answers(self, reply: GoodReply) -> bool:
        """Whether the status answers the request."""
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

    def _refused(self, reply: GoodReply) -> None:
        self._connected()
        self.error_replies.append((reply.fields["code"], reply.fields["reason"]))
        self.fewest_errors += 1
        self.most_errors += 1
        self.statuses = {3, 1} if self._subscribed and self.case.transport == "tcp" else {3}  # nothing was asked
        self._next(self.case.service == "time" or reply.fields["code"] == "busy")

    def _echoed(self, reply: GoodReply, data: bytes) -> None:
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

    def _served(self, reply: GoodReply, at: float) -> None:
        """Take an OK or a TICK of a time server."""
        self._connected()
        if reply.status == "OK":
            self.waits_since = at
            self._subscribed = True
            interval = float(reply.fields["interval"])
            self.patience = max(self._timeout, LEASE_INTERVALS * interval)
            self._order.renew(interval, at, challenged=self._challenged)
            self._challenged = False
            self.judge_was_late |= self._order.is_unsure
            return
        moment = datetime.fromisoformat(reply.fields["time"].replace("Z", "+00:00"))
        seq = int(reply.fields["seq"])
        line = visible(f"{reply.fields['name']} {moment.isoformat(timespec='milliseconds')}")
        if self.case.transport == "udp":
            is_newer = self._order.takes(seq, moment, at)
            self.judge_was_late |= self._order.is_unsure
        else:
            is_newer = self._newest is None or seq > self._newest
        if not is_newer:
            self.forbidden.setdefault(line, "CLI-20")
            return
        self._newest = seq
        self.waits_since = at
        self.output.append(line)
        self._ticks += 1
        self.over = self._ticks == self.case.ticks

    def _connected(self) -> None:
        if not self.output:
            self.output.append(f"connected to {self._url}")

    def _next(self, over: bool) -> None:
        """Go on after the answer to a message or a name."""
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
        """Note the lines that a client would print if it took this reply."""
        for line in data.decode("utf-8", "replace").split("\n"):
            self.forbidden.setdefault(visible(line), requirement)
        name, moment = (re.search(rb"^%s: (.*)$" % field, data, re.MULTILINE) for field in (b"name", b"time"))
        if name and moment:
            shown_time = moment[1].decode("utf-8", "replace").replace("Z", "+00:00")
            self.forbidden.setdefault(f"{name[1].decode('utf-8', 'replace')} {shown_time}", requirement)
