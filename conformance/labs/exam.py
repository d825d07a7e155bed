"""One server that runs, and clients that are started beside it as a person would."""

import re
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from conformance.labs.console import Console
from conformance.labs.dialogue import converse, shows_menu
from conformance.labs.errors import IN_USE, TRACEBACK, cause_of_an_error, failed, shown_error
from conformance.labs.exercises import Exercise
from conformance.labs.ladder import StepError, UndecidedError, shown
from conformance.labs.network import LOOPBACK, enter_own_network, free_port
from conformance.labs.source import Source
from conformance.labs.submission import Submission
from conformance.labs.traces import accepted_without_with
from conformance.languages.texts import say
from conformance.targets.terms import WRONG_USAGE, Service
from conformance.timing import SCALE

if TYPE_CHECKING:
    from typing_extensions import Self

START = 5 * SCALE
"""Seconds until a server has opened its port."""

ANSWER = 3 * SCALE
"""Seconds until an answer is on the client's screen."""

START_OF_CLIENT = START
"""Seconds that a client gets to print its first word: what is started on a busy machine is slow to start."""

SERVED = 0.3 * SCALE
"""Seconds until a server that serves once has ended after that."""

BUSY, OBSERVED = 0.2, 0.2
"""A server that waits in no call uses this share of a processor, or more, in so many seconds."""

LOG = 1 * SCALE
"""Seconds until a line about a client is on the server's screen."""

CONNECTED = re.compile(
    r"connect|соедин|соеден|подключ|связь|podkl[ijuy]|soedin"  # English, Russian
    r"|підключ|з.єдн|падключ|қосыл|połącz"  # Ukrainian, Belarusian, Kazakh, Polish
    r"|verbunden|verbindung|conect|conness|collegat|bağlan|连接|已连|接続|연결",  # German to Korean
    re.IGNORECASE,
)
"""What a client prints when it is connected has one of these in it."""


class Exam:
    """Starts the two programs when they are needed. Use it in a ``with`` block: they end with it."""

    def __init__(self, exercise: Exercise, submission: Submission, *, alone: bool = False) -> None:
        """`alone`: whether the programs are in a network of their own, in which nobody else can have their port."""
        self.exercise, self.submission, self._alone = exercise, submission, alone
        self._programs = ExitStack()
        self._server: Console | None = None
        self._words: tuple[str, ...] = ()
        self._opened = 0.0, 0.0  # when the server had its port, and the processor time until then
        self.is_asked = False
        """Whether the client asks for more than the message, and is answered question by question."""
        self._names_service = False  # whether a client has it as its first word, though the server needs no words
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
            except FileNotFoundError:
                raise StepError(
                    say("{file} is a Python program", file=file.name),
                    say("{file} is not there any more: does a program delete it?", file=file.name),
                ) from None
            except SyntaxError as error:
                expected = say("{file} is a Python program", file=file.name)
                came = say("line {line}: {error}", line=error.lineno, error=error.msg) if error.lineno else error.msg
                cause = say("it is saved in another encoding: save it as UTF-8") if "'utf-8' codec" in error.msg else ""
                raise StepError(expected, came, cause) from None
        return self._sources[file]

    @property
    def service(self) -> Service:
        """What the two programs do, by the exercise or by the server's source."""
        if len(self.exercise.services) == 1:
            return self.exercise.services[0]
        return self.source(self.submission.server).service

    @property
    def server(self) -> Console:
        """The server, started if it does not run, with its port open. Raises StepError, and UndecidedError."""
        if self._server is None:
            self._server = self._start_server()
        return self._server

    @property
    def serves_once(self) -> bool:
        """Whether the server may end when it has served: an exercise on the framework allows ``handle_request``."""
        return self.exercise.framework and self.source(self.submission.server).serves_once

    def renew_server(self) -> None:
        """If a server serves one client and then ends, start it again after it has done so."""
        if self._server is None or not self.serves_once or not self._server.program.ends_within(SERVED):
            return
        if not failed(self._server):
            self.revive_server()

    def revive_server(self) -> None:
        """Start a server again that has ended, for a step that its end has nothing to do with."""
        if self._server is not None and not self._server.running:
            self.close()
            if self._alone:
                enter_own_network()  # in the old one its port may be taken for a minute more

    def _start_server(self) -> Console:
        file, transport = self.submission.server, self.exercise.transport
        console = self._start(file, *self._words)
        is_open = lambda: bool(console.sockets(transport))  # noqa: E731
        if self.source(file).calls_of({"input"}):
            [port, *_] = self.source(self.submission.client).ports or [free_port(transport)]
            converse(console, None, (LOOPBACK, port), is_open, START)
        if console.wait_for(is_open, START):
            self._opened = time.monotonic(), console.processor_seconds
            return console
        if not self._words and not console.running and console.program.wait() == WRONG_USAGE:
            self._words = (self.service,)  # it is on its way to SPEC.md, where the service is a word (SRV-10)
            return self._start_server()
        self.require_running(console)
        expected = say("the server opens a {transport} port and waits", transport=transport.upper())
        other = "tcp" if transport == "udp" else "udp"
        if console.sockets("tcp" if transport == "udp" else "udp"):
            came = say("it opened a {transport} port", transport=other.upper())
            cause = say("SOCK_DGRAM is UDP, SOCK_STREAM is TCP")
            if self.exercise.framework:
                cause = say("UDPServer and ThreadingUDPServer are UDP, TCPServer and ThreadingTCPServer are TCP")
            raise StepError(expected, came, cause)
        came = say("no port is open after {seconds:g} s; it printed {text}", seconds=START, text=shown(console.text))
        inputs = self.source(file).calls_of({"input"})
        cause = say("it waits for something to be typed: let it start without a question, with its port in the source")
        raise StepError(expected, came, cause if inputs else "")

    def require_running(self, server: Console) -> None:
        """Raise StepError, or UndecidedError, if a server has ended when it should begin to serve."""
        if server.running:
            return
        expected = say("the server opens a {transport} port and waits", transport=self.exercise.transport.upper())
        file, came = self.submission.server, say("it ended: {error}", error=shown_error(server))
        source = self.source(file)
        if IN_USE.search(said_by(server)):
            if self._alone:
                raise StepError(expected, came, say("one port is bound twice"))
            raise UndecidedError(
                say("the server's port is in use: another program has it, perhaps a server of yours that still runs")
            )
        cause = cause_of_an_error(server, file)
        takes_words = source.uses("argv") or source.uses("ArgumentParser")
        if not cause and takes_words and server.program.wait() > 0:
            cause = say("it wants words after its name: let it do without them")
        if server.program.wait() == 0:
            came = say("it ended without an error; it printed {text}", text=shown(said_by(server)))
            cause = say(
                "it came to its last line: the loop with recvfrom() or accept(), or serve_forever(), is missing"
                " or is not called"
            )
        if server.program.runs_on:
            cause = say("it has started another process and left it alone: let it serve itself, without fork()")
        raise StepError(expected, came, cause)

    def client(self, message: str) -> Console:
        """Start a client and type its message, unless it asks for more; it is also its last word if it reads words.

        Raises StepError if its source is no Python.
        """
        words = [message] if self.source(self.submission.client).takes_words else []
        service = [self.service] if self._names_service else self._words
        line = None if self.is_asked else message
        prompts = self.source(self.submission.client).prompts
        client = self._start(self.submission.client, *service, *words, line_for_prompt=line if prompts else None)
        if line is not None and not prompts:
            client.type(line)
        return client

    def _start(self, file: Path, *words: str, line_for_prompt: str | None = None) -> Console:
        in_package = self.source(file).is_in_package
        return self._programs.enter_context(
            Console(file, *words, in_package=in_package, line_for_prompt=line_for_prompt)
        )

    def remarks(self, *, is_whole: bool) -> list[str]:
        """Return what is worth a word and costs no step, in the reader's language; `is_whole`: all steps are taken."""
        return [*self._remarks_on_the_run(is_whole=is_whole), *self._remarks_on_the_source()]

    def _remarks_on_the_source(self) -> list[str]:
        server = self.submission.server
        if not self.exercise.with_block or self.exercise.framework:
            return []
        return [
            say(
                "{file}, line {line}: no with block closes the connection that accept() returns here:"
                " with connection: in the function that serves it",
                file=server.name,
                line=line,
            )
            for line in accepted_without_with(self.source(server))[:1]
        ]

    def _remarks_on_the_run(self, *, is_whole: bool) -> list[str]:
        if self._server is None:
            return []
        if is_whole and failed(self._server):
            return [say("the server printed an error and went on: {error}", error=shown_error(self._server))]
        if not self._is_busy(self._server, *self._opened):
            return []
        now = time.monotonic(), self._server.processor_seconds
        if self._server.program.ends_within(OBSERVED) or not self._is_busy(self._server, *now):
            return []
        return [
            say("the server keeps a processor busy while nobody asks: let it wait in recvfrom() or accept(), or sleep")
        ]

    @staticmethod
    def _is_busy(server: Console, since: float, spent: float) -> bool:
        return server.processor_seconds - spent >= BUSY * (time.monotonic() - since)

    def learn(self, client: Console) -> bool:
        """Return whether clients are started or answered in another way from now on, by what one did that failed."""
        if not client.running and client.program.wait() == WRONG_USAGE and not self._names_service:
            self._names_service = self.source(self.submission.client).takes_words
            return self._names_service
        if self.is_asked or not self.asks_more(client):
            return False
        self.is_asked = True
        return True

    def unlearn(self) -> None:
        """Start clients as at first."""
        self.is_asked = self._names_service = False

    def asks_more(self, client: Console) -> bool:
        """Return whether a client may ask for more than the message."""
        source = self.source(self.submission.client)
        # getpass() throws away what was typed before its prompt.
        return source.questions > 1 or source.uses("getpass") or shows_menu(_without_traceback(client))

    @property
    def address(self) -> tuple[str, int]:
        """Where the server can be reached: host and port; port 0 if it has ended."""
        [(host, port), *_] = [*self.server.sockets(self.exercise.transport), (LOOPBACK, 0)]
        return (LOOPBACK if host in ("0.0.0.0", "::") else host), port


def said_by(console: Console) -> str:
    """Return all that a person sees of a program: what it printed, prompts and errors too, but for our Ctrl-C."""
    was_interrupted = "".join(console.errors[-1:]).startswith("KeyboardInterrupt")
    return console.screen(errors_before=TRACEBACK if was_interrupted else "")


def says_connected(console: Console) -> bool:
    """Return whether a client says that it is connected. A traceback is not its word."""
    return bool(CONNECTED.search(_without_traceback(console)))


def _without_traceback(console: Console) -> str:
    return console.screen(errors_before=TRACEBACK)


class News:
    """What a program prints from now on."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._seen, self._errors = len(console.screen()), len(console.errors)

    @property
    def text(self) -> str:
        """What a person sees of it, on both streams."""
        return self.console.screen()[self._seen :]

    @property
    def failed(self) -> bool:
        """Whether there is a traceback in it."""
        return failed(self.console, self._errors)
