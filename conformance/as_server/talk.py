"""A client under judgement and the scripted server that it talks to: what a client check is made of."""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from subprocess import PIPE
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from conformance.addresses import OWN_HOST
from conformance.as_server.scripted import RETRANSMITTED, Request, ScriptedTcp, ScriptedUdp, scripted
from conformance.blame import about, blame
from conformance.expected.replies import HIDDEN, LONG, TOKEN, reply, subscribed_fields
from conformance.profiles import Profile
from conformance.targets.programs import ProgramError
from conformance.targets.target import Target
from conformance.targets.terms import Service, Transport
from conformance.timing import CLOCK_GRAIN, JUDGE_LATENESS, PATIENCE
from spec.limits import TIMEOUT_DEFAULT

if TYPE_CHECKING:
    from typing_extensions import Self

LATENESS = 2 * JUDGE_LATENESS
"""What a client and the judge may add to a time, in seconds."""

LONGER = 3 * PATIENCE
"""A timeout, in seconds, in which a check fails before the client gives up."""

STATUSES = {0: "CLI-6", 3: "CLI-9"}
"""What a wrong exit status is about, where this one was due; 1 and 2 have several reasons."""

Item = TypeVar("Item")


class Talk:
    """A client under judgement and the scripted server that it is started against. Use it in a ``with`` block."""

    def __init__(
        self,
        target: Target,
        service: Service,
        transport: Transport,
        *arguments: str,
        host: str = OWN_HOST,
        port: int = 0,
        where: Sequence[str] = ("--host", "{host}", "--port", "{port}"),
        timeout: float | None = PATIENCE,
        absent: bool = False,
        stdin: str | bytes | int | None = "",
        stdout: int = PIPE,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start the client with further `arguments`; its streams and `env` as `Program` takes them.

        The server listens on `host` and `port`; `where` are the options that lead the client there. `timeout` in
        seconds; None: the client's default. With `absent` the server has stopped listening before.
        """
        self.service: Service = service
        self.timeout = TIMEOUT_DEFAULT if timeout is None else timeout
        self._last: Request | None = None
        self.server = scripted(transport, host, port)
        if absent:
            self.server.close()
        where = [word.format(host=host, port=self.server.port) for word in where]
        patience = [] if timeout is None else ["--timeout", f"{timeout:g}"]
        self.program = target.program(
            transport,
            "client",
            service,
            *where,
            *patience,
            *arguments,
            stdin=stdin,
            stdout=stdout,
            env={"TZ": "UTC", **(env or {})},
        )

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.program.kill()
        self.server.close()

    @property
    def udp(self) -> ScriptedUdp:
        """The server, over UDP."""
        assert isinstance(self.server, ScriptedUdp)
        return self.server

    @property
    def tcp(self) -> ScriptedTcp:
        """The server, over TCP."""
        assert isinstance(self.server, ScriptedTcp)
        return self.server

    @property
    def connected(self) -> str:
        """The line of CLI-1."""
        return f"connected to {self.server.url(self.service)}"

    def request(self, *lines: str) -> Request:
        """Return the next request, whatever it is; a failure says that these lines were due."""
        try:
            return self.server.request()
        except AssertionError as error:
            due = f", {lines} was due" if lines else ""
            raise AssertionError(self.program.describe(f"{error}{due}")) from None

    def expect(self, *lines: str) -> Request:
        """Return the next request, which must have just these lines. Retransmissions are passed over."""
        before, request = self._last, self.request(*lines)
        while before and before.data == request.data and request.at - before.at > RETRANSMITTED:
            before, request = request, self.request(*lines)
        self._last = request
        told = self.program.describe(f"not the request {lines}: {request}")
        assert request.lines == [line.encode() for line in lines], told
        return request

    def send(self, *chunks: bytes) -> None:
        """Let the server send each chunk on its own."""
        self.server.send(*chunks)

    def subscribe(self, name: str, interval: str = LONG) -> None:
        """Play a time server's part up to and with the `OK`."""
        transport = self.server.transport
        self.expect(f"TIME {name}")
        if transport == "udp":
            self.send(reply("CHALLENGE", ("token", TOKEN)))
            with about("CLI-16"):
                self.expect(f"TIME {name}", f"token: {TOKEN}")
        self.send(reply("OK", *subscribed_fields(name, interval, transport)))

    def restart(self, outage: float, meanwhile: str = "") -> None:
        """Close the server's UDP socket, and open it again after that many seconds, in which the client must go on.

        `meanwhile` is written to its standard input while nobody listens.
        """
        self.server.close()
        if meanwhile:
            self.program.write(meanwhile)
            self.program.close_stdin()
        self.program.wait_until(lambda: False, outage)
        assert self.program.running, self.program.describe("it gave up while the server restarted")
        self.server = ScriptedUdp(self.server.host, self.server.port)

    def expect_errors(self, count: int, case: str) -> None:
        """Wait for as many lines on standard error in all; `case` says for what the last of them is due."""
        program = self.program
        assert program.wait_until(lambda: len(program.errors) >= count), program.describe(f"{case}: not reported")
        with about("CLI-10"):
            assert len(program.errors) == count, program.describe(f"{case}: not one line on standard error")

    def gave_up(self, within: float = PATIENCE) -> float:
        """Return when the client printed its last line on standard error, after its end within so many seconds.

        Monotonic clock, seconds. Raises ProgramError if it runs on.
        """
        self.program.wait(within)
        lines = self.program.error_lines
        assert lines, self.program.describe("it ended without a word")
        return lines[-1].at

    def expect_no_answer(self) -> None:
        """Nothing of what the server sent so far may have been taken for an answer."""
        output = self.program.output
        assert not self._answers(output), self.program.describe("took one of them for an answer")
        with about("CLI-2"):
            assert not output, self.program.describe("connected before a valid reply has come")

    def ends(
        self,
        status: int,
        output: Sequence[str],
        errors: Sequence[str] | None = (),
        *,
        renewing: bool = False,
        case: str = "",
    ) -> None:
        """Judge the client by its end: the exit status, its whole output, and what else the server saw: nothing.

        Each of `errors` is a regular expression for one line of standard error, in order; there must be no others. None
        leaves them free. If it was `renewing` its lease, more requests like the last one are expected. `case` opens a
        failure's message.
        """
        program, server, ended = self.program, self.server, None
        with contextlib.suppress(ProgramError):  # while it runs on, what it has done wrong tells more
            ended = program.wait()
        patterns = [""] * len(program.errors) if errors is None else errors

        def judge(right: object, problem: str, id_: str | None = None) -> None:
            if not right:
                due = f"due: status {status}, errors {[*patterns]}, output {[*output]}"
                error = AssertionError(program.describe(f"{case}: {problem}; {due}".removeprefix(": ")))
                if id_:
                    blame(error, id_)
                raise error

        told = program.output + program.errors
        judge(not any(map(HIDDEN.search, told)), "a control or direction character", "SRV-14")
        judge(self._answers(program.output) == self._answers(output), "wrong output")
        judge(patterns or not program.errors, "an error where none is")
        last = self._last.data if renewing and self._last else None
        more = [request for request in server.untaken if request.data != last]
        judge(not more, f"it also sent {more}")
        judge(ended == status, "wrong exit status", STATUSES.get(status))
        judge(len(program.errors) == len(patterns), "not one line on standard error for each error", "CLI-10")
        judge(all(map(re.search, patterns, program.errors)), "code or reason not told", "CLI-9")
        judge(program.output == output, "wrong first line", "CLI-1" if self.connected in output else "CLI-2")
        if isinstance(server, ScriptedTcp):
            server.wait_closed()
            judge(server.connections <= 1, f"it made {server.connections} connections", "CLI-4")
            judge(not server.incomplete, "it sent half a line")

    def _answers(self, output: Sequence[str]) -> list[str]:
        return [line for line in output if line != self.connected]


def took(seconds: Sequence[float], due: Sequence[float]) -> bool:
    """Whether each of several waits took the time that was due, or little more."""
    return len(seconds) == len(due) and all(
        least - CLOCK_GRAIN <= each <= least + LATENESS for each, least in zip(seconds, due, strict=True)
    )


def batches(items: Iterable[Item], profile: Profile, size: int = 6) -> Iterator[list[Item]]:
    """Yield the profile's share of the items in lists of so many: as many programs as may well start at once."""
    rest = profile.select(items)
    while rest:
        yield rest[:size]
        del rest[:size]
