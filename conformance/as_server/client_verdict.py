"""Compares a client's conduct with the expected one: what it printed, what it sent, and how it ended."""

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from conformance.as_client.exchange import as_text
from conformance.as_server.adversary import Event
from conformance.as_server.client_model import ExpectedConduct, understood
from conformance.as_server.misbehaviours import Scenario, kinds
from conformance.as_server.talk import LATENESS, begins_with_a_prompt, took
from conformance.clocks import loopback_delay
from conformance.expected.replies import HIDDEN, visible
from conformance.expected.services import SERVICE_TABLE
from conformance.timing import CLOCK_GRAIN, JUDGE_LATENESS

RETRANSMISSIONS = (1, 2, 4, 4)
"""Seconds after the last sending (CLI-13)."""


AT_ONCE = JUDGE_LATENESS / 4
"""Seconds after a CHALLENGE within which a request surely answers it, unless the client may not."""


class Conduct(NamedTuple):
    """What a client did."""

    output: list[str]
    errors: list[str]
    """The lines on standard error."""
    ended_at: float
    """When it printed its last line there or, without one, ended; seconds of ``time.monotonic``."""
    status: int | None
    """The exit status; None: it did not end."""


class Fault(NamedTuple):
    """Something that a client did wrong."""

    text: str
    requirement: str = ""
    """The requirement that it broke; empty: that of the server's first misbehaviour."""
    otherwise: str = "CLI-7"
    """The requirement if the server did nothing wrong."""


def judge(
    case: Scenario, expected: ExpectedConduct, transcript: Sequence[Event], conduct: Conduct
) -> tuple[str, str] | None:
    """Return the requirement that a client broke and how, or None."""
    fault = next(_faults(case, expected, transcript, conduct), None)
    if fault is None:
        return None
    quick, slow, fatal = kinds(case.service, case.transport)
    tried = [(quick | slow | fatal)[each.name].requirement for each in case.misbehaviours]
    return fault.requirement or next(iter(tried), fault.otherwise), fault.text


def _faults(
    case: Scenario, expected: ExpectedConduct, transcript: Sequence[Event], conduct: Conduct
) -> Iterator[Fault]:
    """Yield what is wrong, the most useful to know first."""
    if any(map(HIDDEN.search, conduct.output + conduct.errors)):
        yield Fault("it printed a control or direction character as it came", "SRV-14")
    requests = [event for event in transcript if event.via == "client"]
    if case.transport == "tcp":
        yield from _wrong_lines(case, expected, requests)
    elif case.service == "echo":
        yield from _wrong_messages(case, expected, transcript)
    else:
        yield from _wrong_subscriptions(case, transcript)
    if case.transport == "udp":
        yield from _missing_request(case, [*transcript, *[Event(conduct.ended_at, b"", "client")] * expected.gave_up])
    if expected.outlived:
        yield Fault("it did not give up in time", "CLI-7")
    if conduct.status is None:
        yield Fault("it did not end", expected.because, "CLI-6")
    yield from _wrong_output(case, expected, conduct)
    yield from _wrong_end(expected, conduct)


def _wrong_lines(case: Scenario, expected: ExpectedConduct, requests: Sequence[Event]) -> Iterator[Fault]:
    """Over TCP: each request once, the next when the last has had its answer (CLI-4)."""
    wanted = [_request(case, text) for text in case.texts]
    sent = [_lines(request) for request in requests]
    if sent != wanted[: len(sent)]:
        yield Fault(
            f"it sent {_as_texts(sent)}; expected {_as_texts(wanted)}", "CLI-3" if case.service == "echo" else ""
        )
    if len(sent) > expected.turn + 1:
        yield Fault(
            f"it sent {len(sent)} requests, but only {expected.turn} had an answer", expected.because or "CLI-4"
        )


def _wrong_messages(case: Scenario, expected: ExpectedConduct, transcript: Sequence[Event]) -> Iterator[Fault]:
    """Over UDP: each message in turn, the next when the last has had its answer, again when it is time."""
    wanted = [_request(case, text) for text in case.texts]
    turn, repetitions, at = -1, 0, math.inf
    for n, event in enumerate(transcript):
        if event.via != "client":
            continue
        answered = expected.after(transcript[:n]).turn
        if _lines(event) == wanted[turn] and turn >= 0:
            early = RETRANSMISSIONS[min(repetitions, len(RETRANSMISSIONS) - 1)] - JUDGE_LATENESS
            if not early <= event.at - at <= early + JUDGE_LATENESS + LATENESS:
                yield Fault(f"it sent its request again after {event.at - at:.3f} s", "CLI-13")
            repetitions += 1
        elif _lines(event) in wanted[turn + 1 : answered + 1][:1]:
            turn, repetitions = turn + 1, 0
        else:
            yield Fault(
                f"it sent {as_text(event.data)}; expected one of {_as_texts(wanted[turn:][:2])}", otherwise="CLI-3"
            )
            return
        at = event.at


def _wrong_subscriptions(case: Scenario, transcript: Sequence[Event]) -> Iterator[Fault]:
    """Over UDP, each TIME holds the last token, or the one before; and there are not too many of them, nor too few."""
    (name,) = case.texts
    challenges: list[tuple[float, str]] = []
    intervals: list[float] = []
    requests: list[Event] = []
    subscribed_at = math.inf
    returned = 0  # how many tokens the client has surely read
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
            yield Fault(f"it sent {as_text(event.data)}, although the server had sent the tokens {tokens}", "CLI-16")
            return
        if _lines(event) in allowed[: len(tokens)]:
            token = _lines(event)[1].removeprefix(b"token: ").decode()
            returned = max(returned, tokens.index(token) + 1)
            if returned == 1 and requests[:-1] == requests[:1] and event.at - challenges[0][0] > LATENESS:
                yield Fault("it did not answer the first CHALLENGE at once", "CLI-16")
        unsubscribed = min(event.at, subscribed_at) - requests[0].at
        by_itself = 1 + int((unsubscribed + JUDGE_LATENESS) / RETRANSMISSIONS[0])
        if intervals:
            subscribed = event.at - subscribed_at + CLOCK_GRAIN + loopback_delay()
            by_itself += int(subscribed / min(intervals) * 2)  # CLI-18, CLI-28
        if sum(_lines(request) == _request(case, name) for request in requests) > by_itself:
            yield Fault("it answered a CHALLENGE without the token", "CLI-16" if challenges else "CLI-13")
        if len(requests) > by_itself + min(by_itself, len(challenges)):
            cause = "CLI-17" if len(challenges) > by_itself else "CLI-18" if intervals else "CLI-13"
            yield Fault(f"it sent {len(requests)} requests in {event.at - requests[0].at:.3f} s", cause)


def _missing_request(case: Scenario, transcript: Sequence[Event]) -> Iterator[Fault]:
    """While a client waits for an answer, it sends its request again; while it is subscribed, it renews the lease."""
    due, requirement = float(RETRANSMISSIONS[0]), "CLI-13"
    last: Event | None = None
    challenged = -math.inf
    answers = False
    repetitions = 0
    for event in transcript:
        reply = understood(case, event.data) if event.via == "server" else None
        if reply and reply.status == "CHALLENGE":
            challenged = event.at
        if reply and "interval" in reply.fields:
            interval = float(reply.fields["interval"])
            due, requirement = max(due, interval) if requirement == "CLI-18" else interval, "CLI-18"
        if event.via != "client":
            continue
        if last and event.at - last.at > due + LATENESS:
            yield Fault(
                f"it sent nothing for {event.at - last.at:.3f} s; expected a request after {due:g} s", requirement
            )
        # The first CHALLENGE since a request that it sent by itself it answers at once, which is a new request; a token
        # that had to wait makes none of a repetition (CLI-13, CLI-17)
        answers = case.service == "time" and event.at - challenged < AT_ONCE and not answers
        is_new = case.service == "echo" or answers
        repetitions = 0 if last is None or (is_new and last.data != event.data) else repetitions + 1
        if requirement == "CLI-13":
            due = RETRANSMISSIONS[min(repetitions, len(RETRANSMISSIONS) - 1)]
        last = event


def _wrong_output(case: Scenario, expected: ExpectedConduct, conduct: Conduct) -> Iterator[Fault]:
    wanted, output = expected.output, conduct.output
    if expected.may_lack_output:
        wanted = wanted[: max(1, len(output))]
    if output == wanted:
        return
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(output, wanted, strict=False))
    n = len(list(same))
    printed = output[n] if n < len(output) else None
    text = f"its line {n + 1} is {printed!r}" if printed is not None else f"its output ends after line {n}"
    requirement = expected.forbidden.get(printed or "", "")
    if n == 0 and printed is not None:
        requirement = "CLI-1" if wanted else "CLI-2" if case.transport == "udp" else ""
    usual = "CLI-3" if case.service == "echo" else "CLI-19"
    if printed is not None and begins_with_a_prompt(output, wanted):
        text, requirement = f"{text} (is it a prompt?)", "CLI-5"
    yield Fault(
        f"{text}; expected {wanted[n]!r}" if n < len(wanted) else f"{text}; expected no more", requirement, usual
    )


def _wrong_end(expected: ExpectedConduct, conduct: Conduct) -> Iterator[Fault]:
    errors = conduct.errors
    if not expected.fewest_errors <= len(errors) <= expected.most_errors:
        count = f"{expected.fewest_errors}" + f" to {expected.most_errors}" * (
            expected.fewest_errors != expected.most_errors
        )
        yield Fault(f"it printed {len(errors)} lines on standard error; expected {count}", expected.because, "CLI-10")
    for code, reason in expected.error_replies:
        if not any(all(visible(text) in line for text in (code, reason)) for line in errors):
            yield Fault(f"no line on standard error has {code} and {reason!r}", "CLI-9")
    if conduct.status not in expected.statuses:
        statuses = " or ".join(map(str, sorted(expected.statuses)))
        usual = expected.because or ("CLI-9" if 3 in expected.statuses else "CLI-6")
        yield Fault(f"its exit status is {conduct.status}; expected {statuses}", usual)
    waited = conduct.ended_at - expected.waits_since
    if expected.because and expected.gave_up and waited > 0 and not took([waited], [expected.patience]):
        yield Fault(f"it gave up after {waited:.3f} s; expected {expected.patience:g} s", "CLI-7")
    if expected.because and not expected.gave_up and waited >= expected.patience:
        yield Fault(f"it reported that only after {waited:.3f} s", expected.because)


def _as_texts(requests: Sequence[Sequence[bytes]]) -> str:
    return ", ".join(as_text(b"\n".join(lines)) for lines in requests) or "nothing"


def _request(case: Scenario, text: str, token: str | None = None) -> list[bytes]:
    """Return the lines of a request."""
    first = SERVICE_TABLE[case.service].request(text)
    return [first] if token is None else [first, b"token: " + token.encode()]


def _lines(request: Event) -> list[bytes]:
    return re.sub(rb"\r?\n", b"\n", request.data).removesuffix(b"\n").split(b"\n")
