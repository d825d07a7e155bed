"""Known mistakes of time servers and their clients, by which times came and when."""

from itertools import pairwise

from conformance.labs.exam import Exam
from conformance.labs.mistakes import cause_in_the_server
from conformance.labs.order import cause_of_a_count, cause_of_a_wait, pauses_for_each
from conformance.labs.traces import pauses
from conformance.labs.two_clients import FASTEST, INTERVAL, NAMES, Show, Watched, show
from conformance.languages.texts import say

TWICE = 0.5
"""Seconds between two ticks that were sent together."""


def cause_of_one_client(exam: Exam) -> str:
    """Return why one client alone may get its time, by the server's source; empty: nothing is seen."""
    if exam.serves_once:
        return say("handle_request() serves one client: serve_forever() serves them all")
    return cause_in_the_server(exam)


def cause_of_others(seen: Show, client: Watched) -> str:
    """Return that a client gets the other's times beside its own, in the reader's language; empty: it does not."""
    [other] = {seen.first.name, seen.second.name} - {client.name}
    is_told = client.text.count(other) > 1 and client.text.rfind(client.name) > client.text.find(other)
    return say("each client gets the names of all: send to each its own name alone") if is_told else ""


def cause_of_a_gap(exam: Exam, seconds: float, gaps: list[float]) -> str:
    """Return why a client's time came after so many seconds, in the reader's language; empty: nothing is known."""
    source = exam.source(exam.submission.server)
    is_doubled = seconds < TWICE or (seconds < FASTEST and are_doubled(gaps))
    if is_doubled and source.calls_of({"sleep", "wait"}):
        return _cause_in_a_pause(exam, gaps, TWICE / 2) or say(
            "two loops send to one client: each thread to its own client alone, or one loop to all of them"
        )
    if seconds < TWICE:
        return say("nothing waits between two times: time.sleep(3) in the loop that sends")
    if abs(seconds - len(NAMES) * INTERVAL) < INTERVAL / 4 and pauses_for_each(source):
        return say("with one loop for all clients: sleep once after all of them, not once after each")
    return _cause_in_a_pause(exam, gaps[1:] or gaps, INTERVAL / 4)


def _cause_in_a_pause(exam: Exam, gaps: list[float], about: float) -> str:
    """Return where the server waits for another time than it should, about that of all gaps; empty: nowhere."""
    server = exam.submission.server
    for line, call, pause in pauses(exam.source(server)):
        if pause != INTERVAL and all(abs(gap - pause) < about for gap in gaps):
            return say(
                "{file}, line {line}: {call}({seconds:g}) is the interval",
                file=server.name,
                line=line,
                call=call,
                seconds=pause,
            )
    return ""


def cause_of_an_end(exam: Exam, client: Watched) -> str:
    """Return why a client got too few times, in the reader's language; empty: nothing is known."""
    seen = show(exam)
    if cause := (cause_in_the_server(exam) if client.has_ended else "") or seen.error:
        return cause
    [other] = {seen.first, seen.second} - {client}
    if client.name in other.text:
        return say(
            "what is for {name} goes to the other client: give each thread its own client as an argument, not in a"
            " global variable",
            name=client.name,
        )
    if cause := cause_of_a_count(exam, len(client.ticks)):
        return cause
    if client.has_ended and client.console.program.ended_because:
        return say(
            "{file} prints without end: over TCP recv() returns b'' when the connection is closed. The loop that sends"
            " has to go on, and the loop that receives to end then",
            file=exam.submission.client.name,
        )
    if client.has_ended:
        where = {"file": exam.submission.client.name}
        if exam.exercise.transport == "udp":
            return say("{file} has ended: the loop that receives has to go on", **where)
        return say(
            "{file} has ended: over TCP a client ends when its connection is closed. The loop that sends has to go on,"
            " and so has the loop that receives",
            **where,
        )
    if cause := cause_of_a_wait(exam):
        return cause
    return say("the loop that sends has to go on after the first time") if len(client.ticks) == 1 else ""


def cause_in_the_client(exam: Exam) -> str:
    """Return where a client that receives sleeps meanwhile, in the reader's language; empty: nowhere."""
    client = exam.submission.client
    for line, call, seconds in pauses(exam.source(client)):
        if call == "sleep" and seconds >= 1:
            return say(
                "{file}, line {line}: while the client sleeps, what has come waits: let the server alone wait",
                file=client.name,
                line=line,
            )
    return ""


def are_doubled(gaps: list[float]) -> bool:
    """Return whether two gaps after each other make one interval, as when two loops send to one client."""
    return any(abs(one + other - INTERVAL) < TWICE < abs(one - other) for one, other in pairwise(gaps))
