"""A program under test as a subprocess: its lines as they come, its exit status, and its certain end."""

import contextlib
import os
import re
import selectors
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM
from types import TracebackType
from typing import IO, TYPE_CHECKING, NamedTuple

from conformance.targets.interrupts import reaped, starting
from conformance.timing import PATIENCE

if TYPE_CHECKING:
    from typing_extensions import Self

SHOWN_LINES = 20
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f]")

PIPE_CAPACITY = 1 << 16
"""Bytes: one reading takes all that a pipe holds."""

ENDING = 1
"""Seconds that a program which has closed its output gets to end."""


def _shown(line: str) -> str:
    """Return a line for the judge's own terminal, which what a program prints must not command."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", line)


class Line(NamedTuple):
    """A line of output without its LF, and when it was read, in seconds of ``time.monotonic``."""

    text: str
    at: float


class ProgramError(AssertionError):
    """A program did not do what it must; the message holds what it printed last."""


class _Pipe:
    """The end of a program's stream at which it is read, and the lines that came."""

    def __init__(self, file: IO[bytes], lines: list[Line]) -> None:
        os.set_blocking(file.fileno(), False)
        self.file = file
        self.lines = lines
        self.ended = False
        self._incomplete = b""

    def take(self) -> list[Line]:
        """Return the lines that are there to be read; at the end of the stream also one without LF."""
        try:
            data = os.read(self.file.fileno(), PIPE_CAPACITY)
        except BlockingIOError:
            return []
        *lines, self._incomplete = (self._incomplete + data).split(b"\n")
        if not data:
            self.ended = True
            lines += [self._incomplete] if self._incomplete else []
        at = time.monotonic()
        return [Line(line.decode("utf-8", "backslashreplace"), at) for line in lines]


class Program:
    """A running subprocess. Use it in a ``with`` block: however that ends, the process is killed and reaped.

    What it prints is read as it comes, so it never blocks on a full pipe; bytes that are not UTF-8 show as ``\\xNN``.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | bytes | int | None = "",
        stdout: int = subprocess.PIPE,
    ) -> None:
        """Start `command`. `env` is added to this process's environment.

        `stdin` is written at once, then the pipe is closed; None keeps it open for `write`. Both streams may be the
        descriptor of a terminal, to which the caller writes and from which it reads.
        """
        self.command = list(command)
        # A variable that changes how Python buffers or encodes its output would hide what the checks look for.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        with starting(self):
            self.process = subprocess.Popen(
                self.command,
                cwd=cwd,
                env=environment | dict(env or {}),
                stdin=stdin if isinstance(stdin, int) else subprocess.PIPE,
                stdout=stdout,
                stderr=subprocess.PIPE,
                start_new_session=True,  # a Ctrl-C meant for the judge is not meant for the judged
            )
        self.pid = self.process.pid
        self._changed = threading.Condition()
        self._lines: list[Line] = []
        self._errors: list[Line] = []
        self._next = 0
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if isinstance(stdin, str | bytes):
            self.write(stdin)
            self.close_stdin()

    def _read(self) -> None:
        """Take the lines of both streams, standard error first: what was printed before an error comes with it."""
        with selectors.DefaultSelector() as selector:
            for file, lines in (self.process.stderr, self._errors), (self.process.stdout, self._lines):
                if file:
                    selector.register(file, selectors.EVENT_READ, _Pipe(file, lines))
            while pipes := [key.data for key in selector.get_map().values()]:
                selector.select()
                taken = [pipe.take() for pipe in pipes]
                with self._changed:
                    for pipe, lines in zip(pipes, taken, strict=True):
                        pipe.lines += lines
                    self._changed.notify_all()
                for pipe in pipes:
                    if pipe.ended:
                        selector.unregister(pipe.file)
                        pipe.file.close()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def lines(self) -> list[Line]:
        """The lines on standard output so far."""
        with self._changed:
            return list(self._lines)

    @property
    def output(self) -> list[str]:
        """The text of `lines`."""
        return [line.text for line in self.lines]

    @property
    def error_lines(self) -> list[Line]:
        """The lines on standard error so far."""
        with self._changed:
            return list(self._errors)

    @property
    def errors(self) -> list[str]:
        """The text of `error_lines`."""
        return [line.text for line in self.error_lines]

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet."""
        return self.process.poll() is None

    def expect_line(self, pattern: str, within: float = PATIENCE) -> re.Match[str]:
        """Return the match of the next line of output that `pattern` matches whole; those before it are passed over.

        Raises ProgramError if none comes within that many seconds, or the output ends.
        """
        deadline = time.monotonic() + within
        with self._changed:
            while True:
                while self._next < len(self._lines):
                    line = self._lines[self._next].text
                    self._next += 1
                    if match := re.fullmatch(pattern, line):
                        return match
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    break
                self._changed.wait(left)
        if self._ended:
            with contextlib.suppress(subprocess.TimeoutExpired):  # it is about to end: then its status can be told
                self.process.wait(ENDING)
        raise ProgramError(self.describe(f"no line like {pattern!r} within {within:g} s"))

    def wait_until(self, condition: Callable[[], bool], within: float = PATIENCE) -> bool:
        """Return whether a condition on this program's output becomes true within that many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: condition() or self._ended, within)
            return condition()

    def write(self, text: str | bytes) -> None:
        """Write to standard input. A program that reads no more is no error here."""
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(text.encode() if isinstance(text, str) else text)
            self.process.stdin.flush()

    def close_stdin(self) -> None:
        """End standard input, unless it is a terminal's."""
        with contextlib.suppress(BrokenPipeError):
            if self.process.stdin:
                self.process.stdin.close()

    def signal(self, number: int) -> None:
        """Send a signal to the process, and to it alone."""
        self.process.send_signal(number)

    def wait(self, within: float = PATIENCE) -> int:
        """Return the exit status, when all output has been read. Raises ProgramError after that many seconds."""
        try:
            status = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise ProgramError(self.describe(f"still running after {within:g} s")) from None
        self._reader.join(PATIENCE)
        return status

    def stop(self, number: int = SIGTERM, within: float = PATIENCE) -> int:
        """Send a signal and return the exit status, as `wait` does."""
        self.signal(number)
        return self.wait(within)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the process (SIGSTOP) for the length of a ``with`` block."""
        self.signal(SIGSTOP)
        try:
            yield
        finally:
            self.signal(SIGCONT)

    def end(self) -> None:
        """Kill the process, if it has not ended, and what it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, SIGKILL)  # it leads a session of its own

    def kill(self) -> None:
        """End the process if it has not ended, and what it has started, and reap it."""
        self.end()
        self.process.wait()
        reaped(self)
        self.close_stdin()
        self._reader.join(PATIENCE)

    def describe(self, problem: str) -> str:
        """Return the problem with the command, the exit status and the last lines that the program printed."""
        status = self.process.poll()
        state = "running" if status is None else f"ended with status {status}"
        output, errors = self.output[-SHOWN_LINES:], self.errors[-SHOWN_LINES:]
        told = [f"stdout: {_shown(line)}" for line in output] + [f"stderr: {_shown(line)}" for line in errors]
        return "\n".join([f"{problem}; {' '.join(self.command)} is {state}", *(told or ["it printed nothing"])])
