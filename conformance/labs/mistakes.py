"""Known mistakes, by what was seen and by the source."""

import ast
import re
from collections.abc import Sequence
from pathlib import Path

from conformance.labs.console import Console
from conformance.labs.errors import failed, last_error, told_error
from conformance.labs.exam import Exam
from conformance.labs.order import (
    cause_of_no_turn,
    cause_of_two_encodings,
    started_without_super,
    used_though_listening,
)
from conformance.labs.source import CONNECTING, TAKERS, Source
from conformance.labs.traces import (
    asks_while_it_serves,
    calls_for_a_thread,
    changed_in_its_loop,
    closed_after_a_start,
    closed_under_a_thread,
    fixed_destinations,
    hidden_errors,
    kept_back,
    never_started,
    receives,
    suppressed_errors,
    tied_to_one,
    unflushed,
    unused_results,
    waits_for_a_thread,
)
from conformance.languages.texts import say

MANY = 500
"""A message of more bytes than that may be cut."""

_ANSWER = 10
"""An answer has up to so many times the bytes of its message: three texts, in an encoding that is longer."""

_OF_ANOTHER_ENCODING = re.compile(r"^Unicode(?:De|En)codeError: '(?!utf)([\w-]+)' codec can't (?:de|en)code")
_OF_THE_OTHER = "ConnectionResetError"

_OF_A_QUESTION = re.compile(r"\bIndexError|\bValueError|\bgaierror")
"""Errors of a program that takes a message for its port or its host, or wants more words after its name."""


def cause_of_a_hole(exam: Exam, ended: Sequence[tuple[Console, Path]] = ()) -> str:
    """Return where a ``...`` of a skeleton still stands in a source, in the reader's language; empty: nowhere.

    Of programs that ended with an error, `ended`, another one's hole is not the cause, unless the other has closed the
    connection.
    """
    of_both = any(_OF_THE_OTHER in last_error(program) for program, _ in ended)
    for file in exam.submission if of_both or not ended else [file for _, file in ended]:
        if lines := exam.source(file).holes():
            return say("{file}, line {line}: the ... there is still to be filled", file=file.name, line=lines[0])
    return ""


def cause_of_a_cut(exam: Exam, message: str, ended: Console | None) -> str:
    """Return why a part of an answer may be missing: in the reader's language, empty if nothing is known.

    `ended` is the program that ended with an error; None: both ran on.
    """
    error = last_error(ended) if ended else ""
    if codec := _OF_ANOTHER_ENCODING.search(error):
        return say(
            "{name} is another encoding than the other program's: encode() and decode() without a word are UTF-8",
            name=codec[1],
        )
    if "Unicode" in error and (cause := cause_of_two_encodings(exam)):
        return cause
    if "ConnectionRefused" not in error and (cause := _too_small(exam, len(message.encode()))):
        return cause
    if "UnicodeDecodeError" in error:
        return say("what came was not UTF-8: were the bytes reversed, or a letter cut in two?")
    if "ConnectionResetError" in error and exam.exercise.transport == "udp":
        return say("a datagram to a port that nobody has comes back as ConnectionResetError: catch it and go on")
    return ""


def cause_of_a_question(exam: Exam, client: Console) -> str:
    """Return what a client wants to know beside the message, in the reader's language; empty: nothing that is seen.

    One whose questions were answered, so that the server has got the message, fails for another reason.
    """
    file = exam.submission.client.name
    if exam.is_asked or (failed(client) and not _OF_A_QUESTION.search(last_error(client))):
        return ""
    if exam.source(exam.submission.client).takes_words:
        return say("{file} was started with one word after its name: let it need no other", file=file)
    if exam.asks_more(client):
        return say(
            "{file} asks more than one question, or shows a menu: let it ask for the message or the name alone;"
            " the host and the port can stand in the source",
            file=file,
        )
    return ""


def _too_small(exam: Exam, length: int) -> str:
    """Return where too little is received at once for a message of that many bytes, if it stands in a source.

    What is too small for the plainest message, or for three texts of its length in an answer, comes first.
    """
    server, client = exam.submission
    for file, needed in (server, length), (client, 3 * length), (server, length * _ANSWER), (client, length * _ANSWER):
        source = exam.source(file)
        for line, size in receives(source):
            if size < needed and not source.receives_in_a_loop:
                where = {"file": file.name, "line": line, "size": size}
                return (
                    say(
                        "{file}, line {line}: recvfrom({size}) throws away what a datagram has beyond {size} bytes",
                        **where,
                    )
                    if exam.exercise.transport == "udp"
                    else say("{file}, line {line}: recv({size}) returns up to {size} bytes, and no message", **where)
                )
    if exam.exercise.transport == "udp" or length < MANY:
        return ""
    if not any(exam.source(file).receives_in_a_loop for file in exam.submission):
        return say("one recv() was taken for a whole message: a stream has no messages, go on until its end")
    return ""


def cause_of_other_bytes(console: Console, file: Path) -> str:
    """Return whether a program prints what is not UTF-8, in the reader's language; empty: all is."""
    return "" if console.is_utf8 else say("{file} prints bytes that are not UTF-8", file=file.name)


def cause_of_nothing_sent(exam: Exam) -> str:
    """Return why an empty message may not be sent at all, in the reader's language; empty: it is sent."""
    if exam.exercise.transport == "tcp":
        return say(
            "over TCP an empty send() sends nothing at all, and the server waits on: say where a message ends,"
            " with a line's end or a length"
        )
    if any(exam.source(file).uses("create_datagram_endpoint") for file in exam.submission):
        return say("sendto() of asyncio sends no empty datagram before Python 3.13: end each message with a line's end")
    return ""


def cause_of_an_unused_result(exam: Exam, lacking: Sequence[str]) -> str:
    """Return where a text is changed and the new one thrown away, in the reader's language; empty: nowhere.

    `lacking` are the parts of an answer that are not there, in English.
    """
    file = exam.submission.server
    for line, method in unused_results(exam.source(file)):
        if method != "upper" or "the message in upper case" in lacking:
            return say(
                "{file}, line {line}: {method}() returns a new text and leaves this one as it is: assign it to a name",
                file=file.name,
                line=line,
                method=method,
            )
    return ""


def cause_of_no_line(exam: Exam, file: Path) -> str:
    """Return where a program prints without a line's end, in the reader's language; empty: nowhere."""
    if lines := unflushed(exam.source(file)):
        return say(
            "{file}, line {line}: what has no line's end is kept back: print(..., flush=True)",
            file=file.name,
            line=lines[0],
        )
    return ""


def cause_of_silence(exam: Exam) -> str:
    """Return why nothing may have come at all, in the reader's language; empty: nothing that is seen."""
    server, console = exam.submission.server, exam.server
    if not console.running:
        if console.program.ended_because or failed(console):
            return told_error(console, server)
        return say("the server had ended")
    if (
        cause := _other_kind(exam)
        or _other_family(exam)
        or _other_port(exam)
        or cause_of_a_call(exam)
        or cause_in_the_server(exam)
    ):
        return cause
    if cause := cause_of_no_turn(exam):
        return cause
    if asks_while_it_serves(exam.source(server)):
        return say("{file} waits in input(), and nobody types anything there", file=server.name)
    return cause_of_a_missing_call(exam) or _hidden_error(exam)


def cause_of_a_missing_call(exam: Exam) -> str:
    """Return that a program sends, receives or connects nowhere, by its source, in the reader's language; or empty."""
    client = exam.submission.client
    if exam.exercise.transport == "tcp" and not any(map(exam.source(client).uses, CONNECTING)):
        return say("nothing in {file} connects: connect((host, port)) comes before send()", file=client.name)
    for file in exam.submission:
        source = exam.source(file)
        if not source.sends:
            return say("nothing in {file} sends: sendto() over UDP, sendall() over TCP", file=file.name)
        if not any(map(source.uses, TAKERS)):
            return say("nothing in {file} receives: recvfrom() over UDP, recv() over TCP", file=file.name)
    return ""


def _hidden_error(exam: Exam) -> str:
    for file in exam.submission:
        said = exam.server.text if file == exam.submission.server else ""
        for line in hidden_errors(exam.source(file), said):
            return say(
                "{file}, line {line}: this except hides every error: print the error there, to see what fails",
                file=file.name,
                line=line,
            )
        for line in suppressed_errors(exam.source(file)):
            return say(
                "{file}, line {line}: this suppress() hides every error: name those of a client that leaves alone,"
                " suppress(ConnectionError)",
                file=file.name,
                line=line,
            )
    return ""


def cause_of_a_close(source: Source, file: Path) -> str:
    """Return where a server closes a connection under its thread, in the reader's language; empty: nowhere."""
    for line in closed_under_a_thread(source):
        return say(
            "{file}, line {line}: this with block closes the connection when the thread has just started:"
            " put the with into the thread's function",
            file=file.name,
            line=line,
        )
    for line in closed_after_a_start(source):
        return say(
            "{file}, line {line}: close() closes the connection when the thread has just started:"
            " put a with into the thread's function",
            file=file.name,
            line=line,
        )
    return ""


def cause_in_the_server(exam: Exam) -> str:
    """Return why a server may not answer, by its source, in the reader's language; empty: nothing is seen."""
    file = exam.submission.server
    source = exam.source(file)
    if exam.exercise.framework and source.has_handler_class and not source.handles:
        return say("the framework calls handle(), and no handler of yours has a method of that name")
    for line in started_without_super(source):
        return say(
            "{file}, line {line}: the framework's __init__() calls handle(), and this one calls neither:"
            " super().__init__(request, client_address, server)",
            file=file.name,
            line=line,
        )
    if used_though_listening(source):
        return say("send and receive with the socket that accept() has returned, not with the listening one")
    if cause := cause_of_a_close(source, file):
        return cause
    if exam.exercise.transport == "udp" and (lines := tied_to_one(source)):
        return say(
            "{file}, line {line}: connect() ties the socket to one client, and it takes nothing from any other:"
            " answer with sendto()",
            file=file.name,
            line=lines[0],
        )
    if lines := fixed_destinations(source):
        return say(
            "{file}, line {line}: the answer goes to an address that stands there: send it to the one that recvfrom()"
            " has returned",
            file=file.name,
            line=lines[0],
        )
    return ""


def cause_of_spinning(exam: Exam) -> str:
    """Return why a client that gets nothing keeps a processor busy, in the reader's language; empty over UDP."""
    if exam.exercise.transport == "udp":
        return ""
    return say(
        "{file} goes round in a loop without waiting: recv() returns b'' when the connection is closed",
        file=exam.submission.client.name,
    )


def cause_of_no_act(exam: Exam, client: Console) -> str:
    """Return that a client has done nothing, in the reader's language; empty: it has printed, or hides an error."""
    file = exam.submission.client
    source = exam.source(file)
    if client.running or client.screen().strip() or hidden_errors(source) or not source.nodes_of(ast.FunctionDef):
        return ""
    return say(
        '{file} came to its last line and did nothing: call its function there, under if __name__ == "__main__"',
        file=file.name,
    )


def cause_of_waiting(exam: Exam) -> str:
    """Return why over TCP both programs may wait, in the reader's language; empty over UDP."""
    if exam.exercise.transport == "udp":
        return ""
    for file in exam.submission:
        for line in kept_back(exam.source(file)):
            return say(
                "{file}, line {line}: what is written to a makefile() is kept back: call its flush()",
                file=file.name,
                line=line,
            )
    return say(
        "both programs wait. A stream has no messages: one that reads up to a line's end or the connection's end"
        " needs another that sends it"
    )


def _other_kind(exam: Exam) -> str:
    """Return that the client has a socket of the other kind; empty: it has not."""
    source, is_udp = exam.source(exam.submission.client), exam.exercise.transport == "udp"
    right, other = ("SOCK_DGRAM", "SOCK_STREAM") if is_udp else ("SOCK_STREAM", "SOCK_DGRAM")
    has_other = source.uses(other) and not source.uses(right)
    return say("SOCK_DGRAM is UDP, SOCK_STREAM is TCP") if has_other else ""


def _other_family(exam: Exam) -> str:
    """Return that the client's socket is of IPv4 and the server's of IPv6; empty: it is not."""
    (host, _), client = exam.address, exam.submission.client
    source = exam.source(client)
    if ":" not in host or any(map(source.uses, ("AF_INET6", "create_connection", "asyncio"))):
        return ""
    return say(
        "the server waits at {host}, and {file} has a socket of IPv4: AF_INET in both", host=host, file=client.name
    )


def _other_port(exam: Exam) -> str:
    """Return that the client has another port in its source than the server has opened; empty: it has that one."""
    (_, port), client = exam.address, exam.submission.client
    named = exam.source(client).ports
    if not named or port in named:
        return ""
    return say("the server waits at port {port}, and {file} names {other}", port=port, file=client.name, other=named[0])


def cause_of_a_call(exam: Exam) -> str:
    """Return where a thread has no function to call, or does not start, in the reader's language; empty: nowhere."""
    for file in exam.submission:
        for line in never_started(exam.source(file)):
            return say("{file}, line {line}: nothing starts this thread: Thread(…).start()", file=file.name, line=line)
        for line, function in calls_for_a_thread(exam.source(file)):
            return say(
                "{file}, line {line}: target={function}(…) calls it at once, and the thread has nothing to do:"
                " target={function}, args=(…,)",
                file=file.name,
                line=line,
                function=function,
            )
    return ""


def cause_of_a_change(exam: Exam) -> str:
    """Return where a server takes out of a list while it loops over it, in the reader's language; empty: nowhere."""
    server = exam.submission.server
    for line, name in changed_in_its_loop(exam.source(server)):
        return say(
            "{file}, line {line}: the loop goes over {name} while something is taken out of it, and leaves out another:"
            " for … in list({name})",
            file=server.name,
            line=line,
            name=name,
        )
    return ""


def cause_of_a_turn(exam: Exam) -> str:
    """Return where a server waits for a thread that it has started, in the reader's language; empty: nowhere."""
    server = exam.submission.server
    for line, name in waits_for_a_thread(exam.source(server)):
        where = {"file": server.name, "line": line}
        return (
            say("{file}, line {line}: join() waits here until the thread has ended: leave it out", **where)
            if name == "join"
            else say("{file}, line {line}: run() calls the function here, start() in a thread of its own", **where)
        )
    return ""
