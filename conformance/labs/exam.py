"""One server that runs, and clients that are started beside it as a person would."""

import re
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from conformance.labs.console import Console
from conformance.labs.exercises import Exercise
from conformance.labs.ladder import StepError, UndecidedError, shown
from conformance.labs.source import Source
from conformance.labs.submission import Submission
from conformance.languages.texts import say
from conformance.targets.terms import Service
from conformance.timing import SCALE

if TYPE_CHECKING:
    from typing_extensions import Self

START = 5 * SCALE
"""Seconds until a server has opened its port."""

WRONG_USAGE = 2
"""With that status a program ends that wants words after its name."""

ANSWER = 3 * SCALE
"""Seconds until an answer is on the client's screen."""

LOG = 1 * SCALE
"""Seconds until a line about a client is on the server's screen."""

CONNECTED = re.compile(r"connect|соедин|подключ", re.IGNORECASE)
"""What a client prints when it is connected has one of these in it."""

_IN_USE = re.compile(r"Address already in use|WinError 10048")


class Exam:
    """Starts the two programs when they are needed. Use it in a ``with`` block: they end with it."""

    def __init__(self, exercise: Exercise, submission: Submission) -> None:
        self.exercise, self.submission = exercise, submission
        self._programs = ExitStack()
        self._server: Console | None = None
        self._words: tuple[str, ...] = ()
        self._sources: dict[Path, Source] = {}

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the programs."""
        self._programs.close()
        self._server = None

    def source(self, file: Path) -> Source:
        """Return the source of one of the programs. Raises StepError if it is no Python."""
        if file not in self._sources:
            try:
                self._sources[file] = Source(file)
            except SyntaxError as error:
                expected = say("{file} is a Python program", file=file.name)
                raise StepError(expected, say("line {line}: {error}", line=error.lineno, error=error.msg)) from None
        return self._sources[file]

    @property
    def service(self) -> Service:
        """What the two programs do, by the exercise or by the server's source."""
        if len(self.exercise.services) == 1:
            return self.exercise.services[0]
        return "time" if self.source(self.submission.server).tells_time else "echo"

    @property
    def server(self) -> Console:
        """The server, started if it does not run, with its port open. Raises StepError, and UndecidedError."""
        if self._server is None:
            self._server = self._start_server()
        return self._server

    def _start_server(self) -> Console:
        file, transport = self.submission.server, self.exercise.transport
        self.source(file)
        console = self._programs.enter_context(Console(file, *self._words))
        opened = console.wait_for(lambda: bool(console.sockets(transport)), START)
        if opened:
            return console
        if not self._words and not console.running and console.program.wait() == WRONG_USAGE:
            self._words = (self.service,)  # it is on its way to SPEC.md, where the service is a word (SRV-10)
            return self._start_server()
        expected = say("the server opens a {transport} port and waits", transport=transport.upper())
        errors = "\n".join(console.errors)
        if _IN_USE.search(errors):
            raise UndecidedError(
                say("the server's port is in use: another program has it, perhaps a server of yours that still runs")
            )
        if not console.running:
            raise StepError(expected, say("it ended: {error}", error=shown(last_error(console))))
        other = "tcp" if transport == "udp" else "udp"
        if console.sockets("tcp" if transport == "udp" else "udp"):
            came = say("it opened a {transport} port", transport=other.upper())
            cause = say("SOCK_DGRAM is UDP, SOCK_STREAM is TCP")
            raise StepError(expected, came, cause)
        came = say("no port is open after {seconds:g} s; it printed {text}", seconds=START, text=shown(console.text))
        raise StepError(expected, came, say("does it wait for something to be typed?"))

    def client(self) -> Console:
        """Start a client. Raises StepError if its source is no Python."""
        self.source(self.submission.client)
        return self._programs.enter_context(Console(self.submission.client, *self._words))


def last_error(console: Console) -> str:
    """Return why a program was ended, or its last line on standard error, or what it printed at all."""
    if console.program.ended_because:
        return console.program.ended_because
    lines = [line for line in console.errors if line.strip()]
    return lines[-1] if lines else console.text


def failed(console: Console) -> bool:
    """Return whether a program printed a traceback, and not because it was interrupted."""
    has_one = any("Traceback (most recent call last)" in line for line in console.errors)
    return has_one and "KeyboardInterrupt" not in last_error(console)


def said_by(console: Console) -> str:
    """Return all that a person sees of a program: what it printed, prompts and errors too, but for our Ctrl-C."""
    errors = "\n".join(console.errors)
    if errors.rstrip().endswith("KeyboardInterrupt"):
        errors = errors.partition("Traceback (most recent call last)")[0]
    return f"{errors}\n{console.text}"
