"""Known mistakes, by what was seen and by the source."""

from conformance.labs.console import Console
from conformance.labs.exam import Exam, failed, last_error
from conformance.labs.ladder import shown
from conformance.languages.texts import say

MANY = 500
"""A message of more bytes than that may be cut."""


def cause_of_a_hole(exam: Exam) -> str:
    """Return where a ``...`` of a skeleton still stands in a source, in the reader's language; empty: nowhere."""
    for file in exam.submission:
        if lines := exam.source(file).holes():
            return say("{file}, line {line}: the ... there is still to be filled", file=file.name, line=lines[0])
    return ""


def cause_of_a_cut(exam: Exam, message: str, ended: Console | None) -> str:
    """Return why a part of an answer may be missing: in the reader's language, empty if nothing is known.

    `ended` is the program that ended with an error; None: both ran on.
    """
    error = last_error(ended) if ended else ""
    if len(message.encode()) > MANY and "ConnectionRefused" not in error and (cause := _too_small(exam)):
        return cause
    if "UnicodeDecodeError" in error:
        return say("what came was not UTF-8: were the bytes reversed, or a letter cut in two?")
    if "ConnectionResetError" in error and exam.exercise.transport == "udp":
        return say("a datagram to a port that nobody has comes back as ConnectionResetError: catch it and go on")
    return ""


def cause_of_a_question(exam: Exam) -> str:
    """Return whether a client may wait for an answer of its user, beside the message."""
    asks_more = len(exam.source(exam.submission.client).calls_of({"input"})) > 1
    return say("does it wait for something to be typed?") if asks_more else ""


def _too_small(exam: Exam) -> str:
    """Return where too little is received at once, if that stands in a source."""
    for file in exam.submission:
        source = exam.source(file)
        for line, size in source.receives():
            if size < 8192 and not source.receives_in_a_loop:
                where = {"file": file.name, "line": line, "size": size}
                return (
                    say(
                        "{file}, line {line}: recvfrom({size}) throws away what a datagram has beyond {size} bytes",
                        **where,
                    )
                    if exam.exercise.transport == "udp"
                    else say("{file}, line {line}: recv({size}) returns up to {size} bytes, and no message", **where)
                )
    if exam.exercise.transport == "tcp" and not any(exam.source(file).receives_in_a_loop for file in exam.submission):
        return say("one recv() was taken for a whole message: a stream has no messages, go on until its end")
    return ""


def cause_of_silence(exam: Exam) -> str:
    """Return why nothing may have come at all."""
    server = exam.server
    if not server.running:
        if server.program.ended_because or failed(server):
            return say("the server ended with {error}", error=shown(last_error(server)))
        return say("the server had ended")
    return ""
