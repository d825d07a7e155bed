"""What exercises about a message ask for: the message, reversed, in upper case, and the number of its characters."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from conformance.labs.answer import Parts, additions, number_pattern, times_of
from conformance.labs.console import Console
from conformance.labs.dialogue import SETTLED, converse
from conformance.labs.errors import cause_of_an_error, failed, last_error, shown_error
from conformance.labs.exam import (
    ANSWER,
    LOG,
    START_OF_CLIENT,
    Exam,
    News,
    said_by,
    says_connected,
)
from conformance.labs.ladder import Step, StepError, shown
from conformance.labs.mistakes import (
    MANY,
    cause_in_the_server,
    cause_of_a_cut,
    cause_of_a_hole,
    cause_of_a_question,
    cause_of_an_unused_result,
    cause_of_no_act,
    cause_of_no_line,
    cause_of_nothing_sent,
    cause_of_other_bytes,
    cause_of_silence,
    cause_of_spinning,
    cause_of_waiting,
)
from conformance.labs.order import (
    cause_of_a_hidden_log,
    cause_of_an_empty_one,
    cause_of_no_turn,
    cause_of_one_call,
    cause_of_pieces,
    cause_of_two_encodings,
)
from conformance.languages.texts import mark, say

NAME = "Анна"
"""What a client gets that asks for a name beside the message."""

FIRST = "Привет, мой Мир"
SECOND = "Ещё одно сообщение"
LONG = "Съешь же ещё этих мягких французских булок. " * 9

_MANY_TIMES = 20
"""How often an answer may show its message, in all that is made of it."""

_HOST = r"(?:\d+\.){3}\d+|::1|localhost"
_ANY_PORT = re.compile(r"(?<!\d)(3[2-9]|[45]\d|6[0-5])\d{3}(?!\d)")
"""A port as a system gives one to a client: of one that has ended at once, the port was not seen."""

_REFUSAL = re.compile(r"empty|пуст|нельзя|must|долж", re.IGNORECASE)
_ASKED_AGAIN = re.compile(r"(.*?[:>?]\s*)\1+")
_LEAVING = re.compile(r"exit|quit|выход|выйти|заверш", re.IGNORECASE)


def take_first_words(exam: Exam) -> None:
    """The server prints that it waits for clients, before one comes."""
    server = exam.server
    has_spoken = server.wait_for(lambda: bool(said_by(server).strip()), LOG)
    if server.program.is_dying():  # it had opened its port
        exam.require_running(server)
    if not has_spoken:
        expected = say("a line that says that the server waits for clients")
        file = exam.submission.server
        cause = cause_of_a_hidden_log(exam, file) or cause_of_no_line(exam, file)
        raise StepError(expected, shown(said_by(server)), cause)


def take_connected(exam: Exam) -> None:
    """The client prints that it is connected."""
    require_connected(exam, ask(exam, FIRST).client)


def require_connected(exam: Exam, client: Console) -> None:
    """Raise StepError unless a client has said that it is connected."""
    if says_connected(client):
        return
    file = exam.submission.client
    came = say("it printed {text}", text=shown(said_by(client)))
    cause = cause_of_other_bytes(client, file)
    if failed(client):
        came = say("{file} ended with {error}", file=file.name, error=shown_error(client))
        cause = cause or cause_of_an_error(client, file)
        if not cause and "ConnectionRefused" in last_error(client):
            cause = cause_of_silence(exam)
    elif client.running or not said_by(client).strip():
        cause = cause or cause_of_no_turn(exam) or cause_of_no_act(exam, client)
    if not failed(client):
        cause = cause or cause_of_a_hidden_log(exam, file)
    expected = say("a line of the client with the word “connected”, or as you say it in your language")
    raise StepError(expected, came, cause or cause_of_a_question(exam, client))


def take_parts(exam: Exam) -> None:
    """All four parts come back, and the client prints them: the server makes them."""
    asking = require_parts(exam, FIRST)
    server, client = (exam.source(file) for file in exam.submission)
    if (times := said_by(asking).count(FIRST)) > _MANY_TIMES:
        raise StepError(
            say("one answer to a message that was typed once"),
            say("the client printed it {count} times, until it was ended", count=times),
            say("the loop of the client sends the same message again: ask for the next one in the loop"),
        )
    if server.is_whole and not server.transforms_text and client.mirrors_text and client.uses("upper"):
        names = {"file": exam.submission.server.name, "other": exam.submission.client.name}
        raise StepError(
            say("the server makes all four parts, and the client prints them"),
            say("{file} turns no text round and puts none in upper case, {other} does", **names),
        )


def take_named(exam: Exam) -> None:
    """The server says which client connected."""
    _, news, ports, *_ = ask(exam, FIRST)

    own = re.compile(rf"(?:{_HOST})\D{{1,5}}{exam.address[1] or '-'}(?!\d)")

    def is_named() -> bool:
        has_host = re.search(_HOST, own.sub("", news.text))
        seen = any(str(port) in news.text for port in ports) if ports else _ANY_PORT.search(own.sub("", news.text))
        return bool(has_host) or bool(seen)

    if not news.console.wait_for(is_named, LOG):
        is_own = own.search(news.text)
        raise StepError(
            say("a line of the server that says which client connected, with its address"),
            say("it printed {text}", text=shown(news.text)),
            cause_of_silence(exam)
            or cause_of_a_hidden_log(exam, exam.submission.server)
            or (
                say("what is written to a file is not seen here: print it, too")
                if not news.text.strip() and exam.source(exam.submission.server).calls_of({"open"})
                else ""
            )
            or (
                say("this is the server's own address: print the one that recvfrom() returns")
                if is_own and exam.exercise.transport == "udp"
                else ""
            )
            or (say("this is the server's own address: print the one that accept() returns") if is_own else "")
            or say("recvfrom() and accept() return the client's address beside the rest"),
        )


def take_addition(exam: Exam) -> None:
    """The answer has more than the four parts."""
    client = require_parts(exam, FIRST)
    text = said_by(client) if Parts(FIRST).lacking(client.text) else client.text
    if not additions(text, FIRST, exam.source(exam.submission.client).texts):
        raise StepError(
            say("a line in the answer beside the four parts: the addition that exercise 4 asks for"),
            say("the client printed {text}", text=shown(client.text)),
            say("there is nothing beside the four parts: the number of words or of bytes would do"),
        )


def take_second_client(exam: Exam) -> None:
    """A second client, with another message, is served as the first was."""
    require_parts(exam, FIRST)
    require_parts(exam, SECOND, cause_of_one_call(exam))


def take_empty(exam: Exam) -> None:
    """An empty message has an answer, or a word that it may not be empty, or the client asks again or ends."""
    usual = said_by(ask(exam, FIRST).client)
    exam.revive_server()

    counted = number_pattern(len(FIRST))
    zeros = {counted.sub("0", line).strip() for line in usual.splitlines() if counted.search(line)}

    def is_told(client: Console) -> bool:
        text = said_by(client)
        if zeros & {line.strip() for line in text.splitlines()}:
            return True  # a code beside it, as base64, may have fewer zeros than for another message
        more = times_of(0, text) > times_of(0, usual) or len(_REFUSAL.findall(text)) > len(_REFUSAL.findall(usual))
        return more or any(_ASKED_AGAIN.fullmatch(line) for line in text.splitlines() if len(line) < MANY)

    client, news, *_ = talk(exam, "", is_told)
    if failed(client) or news.failed:
        culprit = client if failed(client) else news.console
        raise StepError(say("an answer to an empty message"), shown_error(culprit))
    if is_told(client) or _leaves(client):
        return
    raise StepError(
        say("the number 0 for an empty message, or a word that it may not be empty"),
        say("the client printed {text}", text=shown(said_by(client))),
        _cause_of_an_answer(usual, said_by(client))
        or cause_of_an_empty_one(exam)
        or cause_of_silence(exam)
        or cause_of_nothing_sent(exam),
    )


def _cause_of_an_answer(usual: str, text: str) -> str:
    """Return that an empty message was answered as another one is, in the reader's language; empty: it was not.

    `usual` is the screen of a client with another message, `text` that with the empty one.
    """
    alike = next((place for place, pair in enumerate(zip(usual, text, strict=False)) if len({*pair}) > 1), len(usual))
    has_numbers = re.search(r"\d", text[alike:]) and not times_of(0, text)
    return say("an answer came, but no 0: is another text sent in place of the empty one?") if has_numbers else ""


def _leaves(client: Console) -> bool:
    """Return whether a client takes an empty line for the wish to end, and has said so."""
    return bool(_LEAVING.search(said_by(client))) and not client.running and client.program.wait() == 0


def take_long(exam: Exam) -> None:
    """A message of some hundred characters comes back as a whole."""
    exam.revive_server()
    require_parts(exam, LONG.strip())


class Asked(NamedTuple):
    """A client that was started and has had a message typed, what the server has printed since, and its ports.

    `waits`: whether it was still running when nothing more was to be expected of it, `spins`: and waited for
    nothing.
    """

    client: Console
    news: News
    ports: set[int]
    waits: bool
    spins: bool


@lru_cache(maxsize=8)
def ask(exam: Exam, message: str) -> Asked:
    """Start a client and type a message, until all four parts are on its screen; once for each message."""
    parts = Parts(message)

    def is_answered(client: Console) -> bool:
        return not parts.lacking(said_by(client))

    asked = talk(exam, message, is_answered)
    if is_answered(asked.client) or not exam.learn(asked.client):
        return asked
    again = talk(exam, message, is_answered)
    has_begun = parts.begins(said_by(again.client)) and not failed(again.client)
    if is_answered(again.client) or has_begun:  # what is wrong then is no question
        return again
    exam.unlearn()
    return asked


def talk(exam: Exam, message: str, is_answered: Callable[[Console], bool]) -> Asked:
    """Start a client and type a message. It is ended when it has its answer, or nothing more is to be expected."""
    exam.renew_server()
    news, ports = News(exam.server), set[int]()
    client = exam.client(message)

    def is_done() -> bool:
        ports.update(client.own_ports(exam.exercise.transport))
        return is_answered(client)

    client.wait_for(lambda: bool(said_by(client).strip()) and not client.waits_for_prompt, START_OF_CLIENT)
    if exam.is_asked:
        converse(client, message, exam.address, is_done, ANSWER, name=NAME)
    client.wait_for(lambda: is_done() or not news.console.running, ANSWER)
    if not news.console.running:  # its last answer may be on its way
        client.wait_for(is_done, LOG)
    spins = not is_answered(client) and client.never_waits
    if waits := client.running:
        if message and is_answered(client):
            client.wait_for(lambda: said_by(client).count(message) > _MANY_TIMES, SETTLED)
        client.interrupt()
    return Asked(client, news, ports, waits, spins)


def require_parts(exam: Exam, message: str, likely: str = "") -> Console:
    """Ask, and return the client. Raises StepError unless all parts are on its screen; `likely` is why they are not."""
    client, news, _, waits, spins = ask(exam, message)
    parts = Parts(message)
    lacking = parts.lacking(said_by(client))
    if not lacking:
        return client
    expected = say("on the client's screen: {parts}", parts=", ".join(say(name) for name in lacking))
    has_upper = exam.source(exam.submission.server).uses("upper")
    ended = [(news.console, exam.submission.server)] if news.failed else []
    ended += [(client, exam.submission.client)] if failed(client) else []
    cause = cause_of_a_hole(exam, ended) or likely or cause_of_an_unused_result(exam, lacking)
    cause = cause or parts.mistake(said_by(client), has_upper=has_upper)
    cause = cause or cause_of_other_bytes(client, exam.submission.client)
    for program, file in ended[:1]:
        came = say("{file} ended with {error}", file=file.name, error=shown_error(program))
        cause = cause or cause_of_an_error(program, file) or cause_of_a_cut(exam, message, program)
        if program is client:
            cause = cause or cause_of_silence(exam) or cause_of_a_question(exam, client)
        else:
            cause = cause or cause_in_the_server(exam)
        raise StepError(expected, came, cause)
    came = say("the client printed {text}", text=shown(said_by(client)))
    if "the message" in lacking and parts.begins(said_by(client)):
        cause = cause or cause_of_two_encodings(exam)
    cause = cause or cause_of_silence(exam) or cause_of_a_cut(exam, message, None)
    cause = cause or cause_of_a_question(exam, client)
    if parts.begins(said_by(client)):
        cause = cause or cause_of_pieces(exam)
    elif spins:
        cause = cause or cause_of_spinning(exam)
    elif waits:
        cause = cause or cause_of_waiting(exam)
    raise StepError(expected, came, cause)


START = Step[Exam](
    mark("the server starts and says that it waits for clients"),
    mark("Whoever starts a server has to see that it runs."),
    mark("Print the line after bind() (TCP: after listen()), before the loop."),
    take_first_words,
    is_basic=True,
)
NAMED = Step[Exam](
    mark("the server says which client connected"),
    mark("With many clients, the address tells them apart."),
    mark("recvfrom() and accept() return the address of the client: print it."),
    take_named,
)
CONNECTS = Step[Exam](
    mark("the client says that it is connected"),
    mark("Somebody who waits wants to know what the program waits for."),
    mark("Print it after connect(); over UDP, where nothing connects, when the socket is ready."),
    take_connected,
)
PARTS = Step[Exam](
    mark("the client prints the message, the message reversed, in upper case, and the number of its characters"),
    "",
    mark("decode() what comes, work on the text, encode() what goes: text[::-1], text.upper(), len(text)."),
    take_parts,
)
ADDITION = Step[Exam](
    mark("the answer over TCP has an addition"),
    mark("Exercise 4 asks for one."),
    mark("Add a line: the number of words, of bytes, the time."),
    take_addition,
)
SECOND_CLIENT = Step[Exam](
    mark("a second client gets its answer too"),
    mark("A server serves more than one client."),
    mark("Put accept() or recvfrom() into a loop: while True."),
    take_second_client,
)
EMPTY = Step[Exam](
    mark("an empty message has an answer"),
    mark("Someone will press Enter at once."),
    mark("Over TCP nothing is sent for an empty text: let each message end with a line's end."),
    take_empty,
)
LONG_ONE = Step[Exam](
    mark("a message of 400 characters comes back whole"),
    mark("recv(1024) returns up to 1,024 bytes; a Russian letter takes two, and the answer is three times as long."),
    mark("Over UDP receive up to 65,535 bytes. Over TCP go on until the end of the message has come."),
    take_long,
)


def echo_steps(*, addition: bool) -> list[Step[Exam]]:
    """Return the steps of an exercise about a message; with the addition or without."""
    return [START, CONNECTS, PARTS, *([ADDITION] if addition else []), NAMED, SECOND_CLIENT, EMPTY, LONG_ONE]
