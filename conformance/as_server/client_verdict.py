"""Whether a client did what it owed: what it printed, what it sent, and how it ended, all three."""

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from conformance.as_server.adversary import Event
from conformance.as_server.client_model import Owed, understood
from conformance.as_server.misbehaviours import Scenario, kinds
from conformance.as_server.talk import LATENESS, took
from conformance.expected.oracle import VERBS
from conformance.expected.replies import HIDDEN
from conformance.timing import CLOCK_GRAIN, JUDGE_LATENESS

RETRANSMISSIONS = (1, 2, 4, 4)
"""Seconds after the last sending (CLI-13)."""


class Conduct(NamedTuple):
    """What a client printed, when it first or last complained or ended, and its exit status; None: it did not end."""

    output: list[str]
    errors: list[str]
    ended_at: float
    status: int | None


class Fault(NamedTuple):
    """What a client did wrong. `requirement` is empty if that depends on what the server did wrong before."""

    text: str
    requirement: str = ""
    otherwise: str = "CLI-7"
    """The requirement if the server did nothing wrong."""


def judge(case: Scenario, owed: Owed, transcript: Sequence[Event], conduct: Conduct) -> tuple[str, str] | None:
    """Return the requirement that a client broke and how, or None."""
    fault = next(_faults(case, owed, transcript, conduct), None)
    if fault is None:
        return None
    quick, slow, fatal = kinds(case.service, case.transport)
    tried = [(quick | slow | fatal)[each.name].requirement for each in case.misbehaviours]
    return fault.requirement or next(iter(tried), fault.otherwise), fault.text


def _faults(case: Scenario, owed: Owed, transcript: Sequence[Event], conduct: Conduct) -> Iterator[Fault]:
    """Yield what is wrong, the most telling first."""
    if any(map(HIDDEN.search, conduct.output + conduct.errors)):
        yield Fault("it printed a control or direction character as it came", "SRV-14")
    requests = [event for event in transcript if event.via == "client"]
    if case.transport == "tcp":
        yield from _wrong_lines(case, owed, requests)
    elif case.service == "echo":
        yield from _wrong_messages(case, owed, transcript)
    else:
        yield from _wrong_subscriptions(case, transcript)
    if case.transport == "udp":
        yield from _missing_request(case, [*transcript, *[Event(conduct.ended_at, b"", "client")] * owed.gave_up])
    if owed.outlived:
        yield Fault("it did not give up in time", "CLI-7")
    if conduct.status is None:
        yield Fault("it did not end", owed.because, "CLI-6")
    yield from _wrong_output(case, owed, conduct)
    yield from _wrong_end(owed, conduct)


def _wrong_lines(case: Scenario, owed: Owed, requests: Sequence[Event]) -> Iterator[Fault]:
    """Over TCP: each request once, the next when the last has had its answer (CLI-4)."""
    due = [_request(case, text) for text in case.texts]
    sent = [_lines(request) for request in requests]
    if sent != due[: len(sent)]:
        yield Fault(f"it sent {sent}; {due} were due", "CLI-3" if case.service == "echo" else "")
    if len(sent) > owed.turn + 1:
        yield Fault(f"it sent {len(sent)} requests, but only {owed.turn} had had an answer", owed.because or "CLI-4")


def _wrong_messages(case: Scenario, owed: Owed, transcript: Sequence[Event]) -> Iterator[Fault]:
    """Over UDP: each message in turn, the next when the last has had its answer, again when it is time."""
    due = [_request(case, text) for text in case.texts]
    turn, repetitions, at = -1, 0, math.inf
    for n, event in enumerate(transcript):
        if event.via != "client":
            continue
        answered = owed.after(transcript[:n]).turn
        if _lines(event) == due[turn] and turn >= 0:
            early = RETRANSMISSIONS[min(repetitions, len(RETRANSMISSIONS) - 1)] - JUDGE_LATENESS
            if not early <= event.at - at <= early + JUDGE_LATENESS + LATENESS:
                yield Fault(f"it sent its request again after {event.at - at:.3f} s", "CLI-13")
            repetitions += 1
        elif _lines(event) in due[turn + 1 : answered + 1][:1]:
            turn, repetitions = turn + 1, 0
        else:
            yield Fault(f"it sent {event.data!r}; {due[turn:][:2]} were due", otherwise="CLI-3")
            return
        at = event.at


def _wrong_subscriptions(case: Scenario, transcript: Sequence[Event]) -> Iterator[Fault]:
    """Each TIME holds the token that came last, or nearly; and there are not too many of them, nor too few."""
    (name,) = case.texts
    challenges: list[tuple[float, str]] = []
    intervals: list[float] = []
    requests: list[Event] = []
    subscribed_at = math.inf
    returned = 0  # so many tokens are known to have been read
    for event in transcript:
        reply = understood(case, event.data) if event.via == "server" else None
        if reply and reply.status == "CHALLENGE":
            challenges.append((event.at, reply.fields["token"]))
        elif reply and reply.status == "OK":
            intervals.append(float(reply.fields["interval"]))
            answered = requests[-1] if requests else event
            subscribed_at = min(subscribed_at, answered.at)  # CLI-18: the earlier of the two that it may count from
        if event.via != "client":
            continue
        requests.append(event)
        tokens = [token for _, token in challenges]
        surely_read = max([n for n, (at, _) in enumerate(challenges, 1) if event.at - at > LATENESS], default=0)
        least = returned if surely_read <= returned else returned + 1
        allowed = [_request(case, name, token) for token in tokens[max(least - 1, 0) :]]
        if least == 0:
            allowed.append(_request(case, name))
        if _lines(event) not in allowed:
            yield Fault(f"it sent {event.data!r}, although the server had sent the tokens {tokens}", "CLI-16")
            return
        if _lines(event) in allowed[: len(tokens)]:
            token = _lines(event)[1].removeprefix(b"token: ").decode()
            returned = max(returned, tokens.index(token) + 1)
            if returned == 1 and requests[:-1] == requests[:1] and event.at - challenges[0][0] > LATENESS:
                yield Fault("it did not answer the first CHALLENGE at once", "CLI-16")
        unsubscribed = min(event.at, subscribed_at) - requests[0].at
        by_itself = 1 + int((unsubscribed + JUDGE_LATENESS) / RETRANSMISSIONS[0])
        if intervals:
            by_itself += int((event.at - subscribed_at + CLOCK_GRAIN) / min(intervals))
        if sum(_lines(request) == _request(case, name) for request in requests) > by_itself:
            yield Fault("it answered a CHALLENGE without the token", "CLI-16" if challenges else "CLI-13")
        if len(requests) > by_itself + min(by_itself, len(challenges)):
            cause = "CLI-17" if len(challenges) > by_itself else "CLI-18" if intervals else "CLI-13"
            yield Fault(f"it sent {len(requests)} requests in {event.at - requests[0].at:.3f} s", cause)


def _missing_request(case: Scenario, transcript: Sequence[Event]) -> Iterator[Fault]:
    """While a client waits for an answer, it sends its request again; while it is subscribed, it renews the lease."""
    due, requirement = float(RETRANSMISSIONS[0]), "CLI-13"
    last: Event | None = None
    repetitions = 0
    for event in transcript:
        reply = understood(case, event.data) if event.via == "server" else None
        if reply and "interval" in reply.fields:
            interval = float(reply.fields["interval"])
            due, requirement = max(due, interval) if requirement == "CLI-18" else interval, "CLI-18"
        if event.via != "client":
            continue
        if last and event.at - last.at > due + LATENESS:
            yield Fault(
                f"it sent nothing for {event.at - last.at:.3f} s; a request is due after {due:g} s", requirement
            )
        repetitions = repetitions + 1 if last and last.data == event.data else 0
        if requirement == "CLI-13":
            due = RETRANSMISSIONS[min(repetitions, len(RETRANSMISSIONS) - 1)]
        last = event


def _wrong_output(case: Scenario, owed: Owed, conduct: Conduct) -> Iterator[Fault]:
    due, output = owed.output, conduct.output
    if owed.may_lack_output:
        due = due[: max(1, len(output))]
    if output == due:
        return
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(output, due, strict=False))
    n = len(list(same))
    printed = output[n] if n < len(output) else None
    text = f"its line {n + 1} is {printed!r}" if printed is not None else f"its output ends after line {n}"
    requirement = owed.forbidden.get(printed or "", "")
    if n == 0 and printed is not None:
        requirement = "CLI-1" if due else "CLI-2"
    usual = "CLI-3" if case.service == "echo" else "CLI-19"
    yield Fault(f"{text}; due is {due[n]!r}" if n < len(due) else f"{text}; no more is due", requirement, usual)


def _wrong_end(owed: Owed, conduct: Conduct) -> Iterator[Fault]:
    errors = conduct.errors
    if not owed.fewest_errors <= len(errors) <= owed.most_errors:
        due = f"{owed.fewest_errors}" + f" to {owed.most_errors}" * (owed.fewest_errors != owed.most_errors)
        yield Fault(f"it said {len(errors)} errors; {due} are due", owed.because, "CLI-10")
    for code, reason in owed.told:
        said = [HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text) for text in (code, reason)]
        if not any(all(text in line for text in said) for line in errors):
            yield Fault(f"no error says {code} and {reason!r}", "CLI-9")
    if conduct.status not in owed.statuses:
        due = " or ".join(map(str, sorted(owed.statuses)))
        usual = owed.because or ("CLI-9" if 3 in owed.statuses else "CLI-6")
        yield Fault(f"its exit status is {conduct.status}; {due} is due", usual)
    waited = conduct.ended_at - owed.waits_since
    if owed.because and owed.gave_up and waited > 0 and not took([waited], [owed.patience]):
        yield Fault(f"it gave up after {waited:.3f} s; {owed.patience:g} s are due", "CLI-7")
    if owed.because and not owed.gave_up and waited >= owed.patience:
        yield Fault(f"it noticed only after {waited:.3f} s", owed.because)


def _request(case: Scenario, text: str, token: str | None = None) -> list[bytes]:
    """Return the lines of a request."""
    first = VERBS[case.service] + b" " + text.encode()
    return [first] if token is None else [first, b"token: " + token.encode()]


def _lines(request: Event) -> list[bytes]:
    return re.sub(rb"\r?\n", b"\n", request.data).removesuffix(b"\n").split(b"\n")
