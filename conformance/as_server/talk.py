"""Runs a client against a scripted server, and judges what it sent, what it printed and how it ended."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from subprocess import PIPE
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from conformance.addresses import OWN_HOST
from conformance.as_client.exchange import as_text
from conformance.as_server.scripted import RETRANSMITTED, Request, ScriptedTcp, ScriptedUdp, scripted
from conformance.blame import about, blame
from conformance.clocks import loopback_delay
from conformance.expected.replies import HIDDEN, LONG, TOKEN, challenge, ok
from conformance.expected.services import SERVICE_TABLE
from conformance.targets.host import require_address
from conformance.targets.programs import ProgramError
from conformance.targets.target import Target
from conformance.targets.terms import Service, Transport
from conformance.timing import CLOCK_GRAIN, JUDGE_LATENESS, PATIENCE
from spec.limits import TIMEOUT_DEFAULT

if TYPE_CHECKING:
    from typing_extensions import Self

LATENESS = 2 * JUDGE_LATENESS
"""Seconds that the client and the judge may add to a time."""

LONGER = 3 * PATIENCE
"""A client's timeout, in seconds, that is longer than any check waits."""

STATUSES = {0: "CLI-6", 3: "CLI-9"}
"""The requirement that a wrong exit status breaks, by the expected status. For 1 and 2 it depends on the check."""

Item = TypeVar("Item")


FORMS_OF_NO_TEXT = [b"ECHO "], [b"ECHO"]
"""The lines of a request with the empty message: a client may leave out the space."""


class Talk:
    """A client, and the scripted server that it talks to. Use it in a ``with`` block."""

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
        """Start the server, then the client.

        Args:
            arguments: more arguments of the client
            host, port: where the server listens; port 0: any free one
            where: the options that name the server, with ``{host}`` and ``{port}``
            timeout: the client's option --timeout, in seconds; None: its default
            absent: stop listening before the client starts
            stdin, stdout, env: as `Program` takes them
        """
        self.service: Service = service
        self.timeout = TIMEOUT_DEFAULT if timeout is None else timeout
        self._last: Request | None = None
        self._reported = ""
        self._reads = stdin != ""
        self._input_goes_on = stdin is None
        require_address(transport, host, port)
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
        """The first line that the client must print (CLI-1)."""
        return f"connected to {self.server.url(self.service)}"

    def request(self, *lines: str) -> Request:
        """Return the next request, whatever it is. If none comes, the message says that these lines were expected."""
        try:
            self._last = self.server.request()
            return self._last
        except AssertionError as error:
            expected = f"; expected {_as_text(lines)}" if lines else ""
            raise AssertionError(self.program.describe(f"{self._nothing_came(error)}{expected}")) from None

    @property
    def was_reached(self) -> bool:
        """Whether anything of the client has reached the server."""
        return bool(self.server.requests) or (isinstance(self.server, ScriptedTcp) and self.server.connections > 0)

    def _nothing_came(self, error: AssertionError) -> str:
        """Return what came instead of a request."""
        if not self.program.running and self.server.requests:
            return f"the client has ended with {self.program.ending}, and no further request came"
        if not self.program.running:
            return f"the client has ended with {self.program.ending}, and no request came"
        if self._input_goes_on and not self.server.requests:
            return f"{error} (does it wait for its input to end?)"
        if not self.was_reached:
            return f"{error} (does it heed --host and --port?)"
        if isinstance(self.server, ScriptedTcp) and self.server.incomplete:
            return f"it sent {as_text(self.server.incomplete)}, and no LF"
        return str(error)

    def expect(self, *lines: str) -> Request:
        """Return the next request; it must have just these lines. Retransmissions are skipped."""
        before, request = self._last, self.request(*lines)
        while before and before.data == request.data and request.at - before.at > RETRANSMITTED:
            before, request = request, self.request(*lines)
        self._last = request
        wrong = self.program.describe(f"it sent {request}; expected {_as_text(lines)}")
        assert request.lines == [line.encode() for line in lines], wrong
        return request

    def send(self, *chunks: bytes) -> None:
        """Send each chunk on its own, from the server."""
        self.server.send(*chunks)

    def subscribe(self, name: str, interval: str = LONG) -> None:
        """Answer the client as a time server does, up to the `OK`. `interval` in seconds, as TIME-3 writes it."""
        transport, request = self.server.transport, SERVICE_TABLE["time"].request(name).decode()
        self.expect(request)
        if transport == "udp":
            self.send(challenge())
            with about("CLI-16"):
                self.expect(request, f"token: {TOKEN}")
        self.send(ok("time", transport, name, interval))

    def restart(self, outage: float, meanwhile: str = "") -> None:
        """Close the server's UDP socket, and open it again after so many seconds. Meanwhile the client must not end.

        `meanwhile` is written to the client's standard input while nobody listens.
        """
        self.server.close()
        if meanwhile:
            self.program.write(meanwhile)
            self.program.close_stdin()
        self.program.wait_until(lambda: False, outage)
        assert self.program.running, self.program.describe("it gave up while the server restarted")
        self.server = ScriptedUdp(self.server.host, self.server.port)

    def expect_errors(self, count: int, case: str) -> None:
        """Wait until there are so many lines on standard error in all; there must be no more.

        `case` names what the last of them must report, and opens a failure's message.
        """
        program = self.program
        reported = program.wait_until(lambda: len(program.errors) >= count)
        missing = case if program.running else self._reported or case  # who has ended took the one before for an answer
        assert reported, program.describe(f"{missing}: not reported")
        self._reported = case
        if len(program.errors) > count and program.is_dying():  # an uncaught exception is told in many lines
            raise AssertionError(program.describe(f"{case}: the client has ended with {program.ending}"))
        with about("CLI-10"):
            assert len(program.errors) == count, program.describe(f"{case}: expected one line on standard error")

    def gave_up(self, within: float = PATIENCE) -> float:
        """Wait until the client ends. Return when it printed its last line on standard error.

        The time is in seconds of ``time.monotonic``. Raises ProgramError if it runs longer than so many seconds.
        """
        self.program.wait(within)
        lines = self.program.error_lines
        assert lines, self.program.describe("it ended without a line on standard error")
        return lines[-1].at

    def expect_no_answer(self) -> None:
        """Raise AssertionError if the client took a reply so far for an answer."""
        output = self.program.output
        assert not self._answers(output), self.program.describe("it took one of the replies for an answer")
        with about("CLI-2"):
            assert not output, self.program.describe("it said 'connected' before a valid reply came")

    def ends(
        self,
        status: int,
        output: Sequence[str],
        errors: Sequence[str] | None = (),
        *,
        renewing: bool = False,
        within: float | None = None,
        case: str = "",
    ) -> None:
        """Wait until the client ends, then judge its exit status, its whole output, and that it sent no more requests.

        Args:
            status: the expected exit status
            output: the expected lines on standard output
            errors: a regular expression for each expected line on standard error, in order; None: they are free
            renewing: whether more requests like the last one are expected, because the client renews a lease
            within: seconds in which it ends; None: the judge's patience
            case: opens a failure's message
        """
        program, server, ended = self.program, self.server, None
        with contextlib.suppress(ProgramError):  # if it runs on, its output says more about why
            ended = program.wait(within)
        patterns = [""] * len(program.errors) if errors is None else errors

        def judge(right: object, problem: str, id_: str | None = None) -> None:
            if not right:
                expected = f"expected status {status}, errors {[*patterns]}, output {[*output]}"
                error = AssertionError(program.describe(f"{case}: {problem}; {expected}".removeprefix(": ")))
                if id_:
                    blame(error, id_)
                raise error

        printed = program.output + program.errors
        judge(not any(map(HIDDEN.search, printed)), "it printed a control or direction character", "SRV-14")
        answers, wanted = self._answers(program.output), self._answers(output)
        prompts = self._reads and begins_with_a_prompt(program.output, output)
        judge(not prompts, f"{self._what_differs(program.output, output)} (is it a prompt?)", "CLI-5")
        if answers and answers[1:] == wanted and self.connected in output and program.output[0] != self.connected:
            judge(False, f"the first line is {answers[0]!r}", "CLI-1")
        judge(answers == wanted, self._what_differs(answers, wanted))
        judge(patterns or not program.errors, "it reported an error where there is none")
        last = self._last.data if renewing and self._last else None
        more = [request for request in server.untaken if request.data != last]
        judge(not more, f"it also sent {more}")
        runs_on = f"it still runs after {within or program.patience:g} s"
        judge(ended == status, runs_on if ended is None else f"its exit status is {ended}", STATUSES.get(status))
        judge(len(program.errors) == len(patterns), "expected one line on standard error for each error", "CLI-10")
        judge(all(map(re.search, patterns, program.errors)), "code or reason is not on standard error", "CLI-9")
        judge(program.output == output, "wrong first line", "CLI-1" if self.connected in output else "CLI-2")
        if isinstance(server, ScriptedTcp):
            server.wait_closed()
            judge(server.connections <= 1, f"it made {server.connections} connections", "CLI-4")
            judge(not server.incomplete, "it sent half a line")

    def _answers(self, output: Sequence[str]) -> list[str]:
        return [line for line in output if line != self.connected]

    def _what_differs(self, printed: Sequence[str], expected: Sequence[str]) -> str:
        """Return the first line that differs from what was expected."""
        # Who has ended has flushed, or never will, and who reports an error says itself what is wrong.
        may_not_flush = self.program.running and not self.program.errors
        for number, (one, other) in enumerate(zip_longest(printed, expected), 1):
            if one != other:
                nothing = "it printed nothing more (does it flush?)" if may_not_flush else "it printed nothing more"
                came = nothing if one is None else f"it printed {one!r}"
                return (
                    f"{came}; answer line {number} is expected to be {other!r}"
                    if other is not None
                    else f"{came} besides"
                )
        return "wrong output"


def begins_with_a_prompt(printed: Sequence[str], expected: Sequence[str]) -> bool:
    """Return whether a line has something before what was expected; one that was not, whether it ends as prompts do."""
    return any(
        one != other and one.endswith(other) and bool(other or one.endswith((" ", *":>?")))
        for one, other in zip_longest(printed, expected, fillvalue="")
    )


def _as_text(lines: Sequence[str]) -> str:
    return as_text("\n".join(lines).encode())


def took(seconds: Sequence[float], expected: Sequence[float]) -> bool:
    """Return whether each of several waits took the expected seconds, or little more."""
    earlier = CLOCK_GRAIN + loopback_delay()  # what began the wait was seen later than it was
    return len(seconds) == len(expected) and all(
        least - earlier <= each <= least + LATENESS for each, least in zip(seconds, expected, strict=True)
    )


def batches(items: Sequence[Item], size: int = 8) -> Iterator[Sequence[Item]]:
    """Yield the items in parts of at most `size`: so many programs may run at once."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
