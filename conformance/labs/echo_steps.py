"""What exercises about a message ask for: the message, reversed, in upper case, and the number of its characters."""

import re
from typing import NamedTuple

from conformance.labs.console import Console
from conformance.labs.exam import ANSWER, CONNECTED, LOG, Exam, failed, last_error, said_by
from conformance.labs.ladder import Step, StepError, shown
from conformance.labs.mistakes import cause_of_a_cut, cause_of_a_hole, cause_of_silence
from conformance.languages.texts import mark, say

FIRST = "Привет, Мир"
SECOND = "Ещё одно сообщение"
LONG = "Съешь же ещё этих мягких французских булок. " * 9

_REFUSAL = re.compile(r"empty|пуст|нельзя|must|долж", re.IGNORECASE)


class Parts(NamedTuple):
    """The four parts of an answer to a message, and which of them a text lacks."""

    message: str

    def lacking(self, text: str) -> list[str]:
        """Return the names of the parts that are not in a text, in English."""
        message = self.message.strip()
        found = {
            mark("the message"): message in text,
            mark("the message reversed"): message[::-1] in text,
            mark("the message in upper case"): message.upper() in text,
            mark("the number of its characters"): bool(self.has_number(text, {len(message), len(self.message)})),
        }
        return [name for name, is_there in found.items() if not is_there]

    @staticmethod
    def has_number(text: str, numbers: set[int]) -> bool:
        """Return whether one of these numbers stands in a text."""
        return any(re.search(rf"(?<!\d){number}(?!\d)", text) for number in numbers)

    def mistake(self, text: str) -> str:
        """Return the name of a known mistake in an answer, in the reader's language; empty: none is known."""
        data = self.message.encode()
        backwards = data[::-1].decode("utf-8", "replace")
        if any(part in text for part in (backwards, data[::-1].decode("utf-8", "backslashreplace"))):
            return say("the bytes were reversed, not the characters: decode first, then reverse")
        if self.message not in text and repr(data)[2:-1] in text:
            return say("bytes were printed as b'…': decode what comes before it is printed")
        lacking = self.lacking(text)
        if len(lacking) == 1 and lacking[0] == "the number of its characters":
            if self.has_number(text, {len(data)}):
                return say(
                    "the bytes were counted ({bytes}), not the characters ({characters})",
                    bytes=len(data),
                    characters=len(self.message),
                )
            if self.has_number(text, {len(self.message) + 1, len(self.message) + 2}):
                return say("the end of the line was counted too: strip it first")
        if lacking == ["the message in upper case"]:
            return say("upper() of bytes knows the Latin letters alone: decode first")
        return ""


def take_first_words(exam: Exam) -> None:
    """The server prints that it waits for clients, before one comes."""
    server = exam.server
    if not server.wait_for(lambda: bool(server.text.strip()), LOG):
        raise StepError(say("a line that says that the server waits for clients"), shown(server.text))


def take_connected(exam: Exam) -> None:
    """The client prints that it is connected."""
    client = ask(exam, FIRST)[0]
    if not CONNECTED.search(said_by(client)):
        raise StepError(
            say("a line of the client with the word “connected”, or as you say it in your language"),
            say("it printed {text}", text=shown(said_by(client))),
        )


def take_parts(exam: Exam) -> None:
    """All four parts come back, and the client prints them."""
    require_parts(exam, FIRST)


def take_named(exam: Exam) -> None:
    """The server says which client connected."""
    _, before, ports = ask(exam, FIRST)
    server = exam.server

    def is_named() -> bool:
        news = server.text[len(before) :]
        return bool(re.search(r"127\.0\.0\.1|::1|localhost", news)) or any(str(port) in news for port in ports)

    if not server.wait_for(is_named, LOG):
        raise StepError(
            say("a line of the server that says which client connected, with its address"),
            say("it printed {text}", text=shown(server.text[len(before) :])),
            say("recvfrom() and accept() return the client's address beside the rest"),
        )


def take_addition(exam: Exam) -> None:
    """The answer has more than the four parts."""
    client = require_parts(exam, FIRST)
    parts = {FIRST, FIRST[::-1], FIRST.upper()}
    lines = [line.strip() for line in client.text.splitlines()]
    others = [
        line
        for line in lines
        if line
        and not line.endswith(":")
        and not CONNECTED.search(line)
        and not any(part in line for part in parts)
        and not re.search(rf"(?<!\d){len(FIRST)}(?!\d)", line)
    ]
    if not others:
        raise StepError(
            say("a line in the answer beside the four parts: the addition that exercise 4 asks for"),
            say("the client printed {text}", text=shown(client.text)),
            say("the number of words or of bytes would do"),
        )


def take_second_client(exam: Exam) -> None:
    """A second client, with another message, is served as the first was."""
    require_parts(exam, FIRST)
    require_parts(exam, SECOND)


def take_empty(exam: Exam) -> None:
    """An empty message has an answer, or a word that it may not be empty."""
    client, _, _ = ask(exam, "")
    text = said_by(client)
    if failed(client) or failed(exam.server):
        culprit = client if failed(client) else exam.server
        raise StepError(say("an answer to an empty message"), shown(last_error(culprit)))
    if not Parts.has_number(text, {0}) and not _REFUSAL.search(text):
        raise StepError(
            say("the number 0 for an empty message, or a word that it may not be empty"),
            say("the client printed {text}", text=shown(client.text)),
            say(
                "over TCP an empty send() sends nothing at all, and the server waits on: say where a message ends,"
                " with a line's end or a length"
            )
            if exam.exercise.transport == "tcp"
            else "",
        )


def take_long(exam: Exam) -> None:
    """A message of some hundred characters comes back as a whole."""
    require_parts(exam, LONG.strip())


def ask(exam: Exam, message: str) -> tuple[Console, str, set[int]]:
    """Start a client and type a message. Return the client, what the server had printed before, and the client's ports.

    The client is ended when all four parts are on its screen, or nothing more is to be expected.
    """
    server = exam.server
    before = server.text
    client = exam.client()
    parts, ports = Parts(message), set[int]()

    def is_answered() -> bool:
        ports.update(client.own_ports(exam.exercise.transport))
        return bool(message) and not parts.lacking(client.text)

    client.type(message)
    client.wait_for(is_answered, ANSWER if message else ANSWER / 2)
    if client.running:
        client.interrupt()
    return client, before, ports


def require_parts(exam: Exam, message: str) -> Console:
    """Ask, and return the client. Raises StepError unless all parts are on its screen."""
    client, _, _ = ask(exam, message)
    parts = Parts(message)
    lacking = parts.lacking(client.text)
    if not lacking:
        return client
    expected = say("on the client's screen: {parts}", parts=", ".join(say(name) for name in lacking))
    server = exam.server
    for program, name in (server, exam.submission.server.name), (client, exam.submission.client.name):
        if failed(program):
            came = say("{file} ended with {error}", file=name, error=shown(last_error(program)))
            cause = cause_of_a_hole(exam) or parts.mistake(said_by(client)) or cause_of_a_cut(exam, message, program)
            raise StepError(expected, came, cause)
    came = say("the client printed {text}", text=shown(client.text))
    cause = cause_of_a_hole(exam) or parts.mistake(client.text) or cause_of_silence(exam)
    raise StepError(expected, came, cause or cause_of_a_cut(exam, message, None))


START = Step[Exam](
    mark("the server starts and says that it waits for clients"),
    mark("Who starts a server has to see that it runs."),
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
    mark("Who waits wants to know for what."),
    mark("Print it after connect(); over UDP, where nothing connects, when the socket is ready."),
    take_connected,
)
PARTS = Step[Exam](
    mark("the client prints the message, the message reversed, in upper case, and the number of its characters"),
    mark("This is the exercise; the letters are Russian, so bytes and characters differ."),
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
