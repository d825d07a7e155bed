"""A program under test as a subprocess: its lines as they come, its exit status, and its certain end."""

import contextlib
import errno
import itertools
import os
import re
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals
from types import TracebackType
from typing import TYPE_CHECKING

import psutil

from conformance.patience import more_patience, note_wait, patience
from conformance.targets.environment import MARK, clean_environment
from conformance.targets.families import Family, adopt_orphans, starting_child
from conformance.targets.host import NO_MEMORY, OUT_OF, killed_for_memory
from conformance.targets.interrupts import reaped, starting
from conformance.targets.keeper import keeper
from conformance.targets.limits import DEFAULT_LIMITS, MIB, Limits, apply_limits
from conformance.targets.output import Line, Output, Pipe
from conformance.targets.watcher import watcher
from conformance.timing import PATIENCE, SCALE

if TYPE_CHECKING:
    from typing_extensions import Self

SHOWN_LINES = 20
SHOWN_CHARACTERS = 400
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f]")

ENDING = 1
"""Seconds that a program which has closed its output gets to end."""

DYING, LIVING = 0.5 * SCALE, 0.05 * SCALE
"""Seconds after a failure in which a program that dies has ended: one that is busy, and one that waits."""

BUSY = psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP

WATCHED = 0.2
"""Seconds for which a program is watched that is perhaps starved."""

LAST_LOOK = 0.01
"""Seconds in which a line is read that has come while the program was watched."""

ENOUGH = 2 * SCALE
"""Seconds on a processor after which a program is not starved: it has had its chance, and is perhaps in a loop."""

RUNS_ON = "it has ended by itself, and what it has started runs on; expected it to stay in the foreground"

_numbers = itertools.count(1)


def _processor_seconds(processes: Iterable[psutil.Process]) -> float:
    return sum(times.user + times.system for times in map(psutil.Process.cpu_times, processes))


def _shown(line: str) -> str:
    """Return a line for the judge's own terminal, which what a program prints must not command."""
    if len(line) > SHOWN_CHARACTERS:
        line = f"{line[:SHOWN_CHARACTERS]} … ({len(line) - SHOWN_CHARACTERS} characters more)"
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", line)


def status_or_signal(returncode: int) -> str:
    """Return what a process has ended with, as `subprocess` has it: "status 1", or "signal SIGSEGV"."""
    if returncode >= 0:
        return f"status {returncode}"
    try:
        return f"signal {Signals(-returncode).name}"
    except ValueError:  # a real-time signal
        return f"signal {-returncode}"


class ProgramError(AssertionError):
    """A program did not do what it must; the message holds what it printed last."""


class NotRun(ProgramError):
    """The system does not run a program."""


class Program:
    """A running subprocess. Use it in a ``with`` block: however that ends, the process is killed and reaped.

    What it prints is read as it comes, so it never blocks on a full pipe; bytes that are not UTF-8 show as ``\\xNN``.
    Of much output the first and the last lines are kept. What goes beyond its limits is ended; then `ended_because`
    says why. `left_behind` has, after `kill`, the commands of the processes that ran on when it had ended, or that the
    end of its session did not reach.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | bytes | int | None = "",
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Start `command`. `env` is added to the part of this process's environment that programs get.

        `stdin` is written at once, then the pipe is closed; None keeps it open for `write`. Each stream may be a
        descriptor, such as that of a terminal; at its other end the caller writes and reads.

        Raises NotRun; OSError, if this host is out of something.
        """
        self.command = list(command)
        self.limits = limits
        self.ended_because: str | None = None
        self._is_killed = False
        self._killed_before = killed_for_memory()
        self.left_behind: list[str] = []
        self.is_server = False
        self._is_gone = False
        keeper.start()
        adopt_orphans()
        mark = f"{keeper.token}.{next(_numbers)}"
        with starting_child(), starting(self):
            try:
                self.process = subprocess.Popen(
                    self.command,
                    cwd=cwd,
                    env=clean_environment() | dict(env or {}) | {MARK: mark},
                    stdin=stdin if isinstance(stdin, int) else subprocess.PIPE,
                    stdout=stdout,
                    stderr=stderr,
                    start_new_session=True,  # a Ctrl-C meant for the judge is not meant for the judged
                )
            except OSError as error:
                if error.errno in OUT_OF:
                    raise
                script = "; a script names its interpreter in its first line, such as #!/usr/bin/env python3"
                hint = script if error.errno == errno.ENOEXEC else ""
                raise NotRun(f"{error.filename}: {error.strerror}{hint}") from None
            self.pid = self.process.pid
            self.family = Family(self.pid, mark)
            keeper.tell("+", self.pid)
        apply_limits(self.pid, limits)
        self._changed = threading.Condition()
        self._output, self._errors = Output(), Output()
        self._next = 0
        self._ended = False
        self._reading = threading.Event()
        self._reading.set()
        watcher.add(self)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if isinstance(stdin, str | bytes):
            self.write(stdin)
            self.close_stdin()

    def _read(self) -> None:
        """Take what both streams have, standard error first: what was printed before an error comes with it."""
        most, total = self.limits.output * MIB, 0
        with selectors.DefaultSelector() as selector:
            for file, output in (self.process.stderr, self._errors), (self.process.stdout, self._output):
                if file:
                    selector.register(file, selectors.EVENT_READ, Pipe(file, output))
            while pipes := [key.data for key in selector.get_map().values()]:
                selector.select()
                self._reading.wait()
                taken = [pipe.take() for pipe in pipes]
                total += sum(map(len, taken))
                if total > most:
                    self.end_because(f"it printed more than {self.limits.output} MiB")
                at = time.monotonic()
                with self._changed:
                    for pipe, data in zip(pipes, taken, strict=True):
                        pipe.output.add(data, at)
                        pipe.ended = pipe.ended or total > most
                        if pipe.ended:
                            pipe.output.end(at)
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
            return self._output.lines()

    @property
    def output(self) -> list[str]:
        """The text of `lines`."""
        return [line.text for line in self.lines]

    @property
    def error_lines(self) -> list[Line]:
        """The lines on standard error so far."""
        with self._changed:
            return self._errors.lines()

    @property
    def errors(self) -> list[str]:
        """The text of `error_lines`."""
        return [line.text for line in self.error_lines]

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet."""
        return self.process.poll() is None

    @property
    def runs_on(self) -> bool:
        """Whether the process has ended, and what it has started has not."""
        return not self.running and bool(self.family.living())

    @property
    def patience(self) -> float:
        """How long to wait for this program, in seconds. A client may be waiting itself, so it always gets all."""
        return patience() if self.is_server else PATIENCE

    def expect_text(self, text: str) -> None:
        """Wait for a line of output that is this text, as `expect_line` does. Raises ProgramError."""
        self.expect_line(re.escape(text), shown=text)

    def expect_line(self, pattern: str, within: float | None = None, shown: str = "") -> re.Match[str]:
        """Return the match of the next line of output that `pattern` matches whole; those before it are passed over.

        Raises ProgramError if none comes within that many seconds (None: `patience`), or the output ends. Its message
        has `shown` in place of the pattern.
        """
        start = time.monotonic()
        deadline = start + (self.patience if within is None else within)
        gave_up = False
        with self._changed:
            while True:
                while (found := self._output.since(self._next))[1]:
                    for self._next, line in enumerate(found[1], found[0] + 1):
                        if match := re.fullmatch(pattern, line.text):
                            return match
                left = deadline - time.monotonic()
                if self._ended or (gave_up and left <= 0):
                    break
                if left <= 0:
                    gave_up = not self.is_starved()
                    last = LAST_LOOK if self.running else ENDING  # its last lines may not have been read yet
                    left = last if gave_up else more_patience()
                    deadline = time.monotonic() + left
                self._changed.wait(left)
        if self._ended:
            with contextlib.suppress(subprocess.TimeoutExpired):  # it is about to end: then its status can be told
                self.process.wait(ENDING)
        waited = time.monotonic() - start
        note_wait(waited)
        raise ProgramError(self.describe(f"no line like {(shown or pattern)!r} in {waited:.1f} s"))

    def wait_until(self, condition: Callable[[], bool], within: float | None = None) -> bool:
        """Return whether a condition on this program's output becomes true within that many seconds."""
        with self._changed:
            most = self.patience if within is None else within
            came = self._changed.wait_for(lambda: condition() or self._ended, most)
            while not came and within is None and self.is_starved():
                came = self._changed.wait_for(lambda: condition() or self._ended, more_patience())
            if not came and within is None:
                note_wait(most)
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

    def wait(self, within: float | None = None) -> int:
        """Return the exit status, when all output has been read. Raises ProgramError after that many seconds."""
        within = self.patience if within is None else within
        try:
            status = self.process.wait(within)
        except subprocess.TimeoutExpired:
            if self.is_starved():
                return self.wait(more_patience())
            note_wait(within)
            raise ProgramError(self.describe(f"still running after {within:g} s")) from None
        self._reader.join(PATIENCE)
        return status

    def ends_within(self, seconds: float) -> bool:
        """Return whether the process ends by itself within that many seconds. Its output may end a little earlier."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return not self.running

    def is_dying(self) -> bool:
        """Return whether the process has ended, or ends now: it is watched while it is busy, for half a second at most.

        A connection ends before the program that had it, and by how much depends on what else the machine does.
        """
        start = time.monotonic()
        while self.running and (spent := time.monotonic() - start) < DYING:
            if spent > LIVING and not self._is_busy():
                break
            time.sleep(0.005)
        return not self.running

    def _is_busy(self) -> bool:
        with contextlib.suppress(psutil.Error):
            return any(each.status() in BUSY for each in self._processes())
        return False

    def is_starved(self) -> bool:
        """Return whether the process could run while it is watched, but has less than half of a processor.

        One that has had `ENOUGH` is not starved, nor one that waits for anything else. Only Linux tells.
        """
        start = time.monotonic()
        with contextlib.suppress(psutil.Error):
            processes = self._processes()
            before = _processor_seconds(processes)
            if sys.platform != "linux" or before > ENOUGH:
                return False
            while time.monotonic() < start + WATCHED:
                if psutil.STATUS_RUNNING not in map(psutil.Process.status, processes):
                    return False
                time.sleep(WATCHED / 10)
            return _processor_seconds(processes) - before < (time.monotonic() - start) / 2
        return False

    def _processes(self) -> list[psutil.Process]:
        """Return the process and its descendants. Raises psutil.Error if it is gone."""
        process = psutil.Process(self.pid)
        return [process, *process.children(recursive=True)]

    def stop(self, number: int = SIGTERM, within: float | None = None) -> int:
        """Send a signal and return the exit status, as `wait` does. Raises ProgramError if it `runs_on`."""
        self._require_foreground()
        self.signal(number)
        try:
            return self.wait(within)
        except ProgramError as error:
            error.args = (f"after the signal {Signals(number).name}: {error}",)
            raise

    def _require_foreground(self) -> None:
        if self.runs_on:
            raise ProgramError(self.describe(RUNS_ON))

    def stop_at_any_moment(self, *numbers: int) -> int:
        """Send signals, as `signal_until_it_ends` does, and return the exit status, as `stop` does."""
        self.signal_until_it_ends(*numbers)
        return self.wait()

    def signal_until_it_ends(self, *numbers: int) -> None:
        """Send these signals in turn, hundreds a second, until it has ended. Its output may be held by a child of it.

        Raises ProgramError if it `runs_on`.
        """
        self._require_foreground()
        deadline = time.monotonic() + self.patience
        for number in itertools.cycle(numbers):
            if not self.running or time.monotonic() > deadline:
                break
            self.signal(number)
            time.sleep(0.001)

    @contextlib.contextmanager
    def unread(self) -> Iterator[None]:
        """Do not read what the process prints for the length of a ``with`` block."""
        self._reading.clear()
        try:
            yield
        finally:
            self._reading.set()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the process (SIGSTOP) for the length of a ``with`` block. It has stopped, or ended, when that begins."""
        self.signal(SIGSTOP)
        with contextlib.suppress(ChildProcessError, psutil.NoSuchProcess):  # it has ended, and that was noted
            if hasattr(os, "waitid"):
                os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            else:  # macOS before Python 3.13
                while psutil.Process(self.pid).status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
                    time.sleep(0.001)
        try:
            yield
        finally:
            self.signal(SIGCONT)

    def end(self) -> None:
        """Kill the process, if it has not ended, and what it has started in its session."""
        if not self._is_gone:
            self._is_killed = self._is_killed or self.process.poll() is None
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, SIGKILL)  # it leads a session of its own

    def end_because(self, reason: str) -> None:
        """Kill the process and all that it has started; `reason` is a clause, such as "it printed too much"."""
        self.ended_because = self.ended_because or reason
        self.end()
        self.family.end()

    def kill(self) -> None:
        """End the process if it has not ended, and what it has started, wherever that is, and reap it."""
        if self._is_gone:
            return
        has_ended = self.process.poll() is not None and self.ended_because is None
        left = self.family.living(outside_session=not has_ended)
        if not has_ended:
            self.end()
        self.process.wait()
        self.left_behind = self.family.end_what_is_left(left, grace=has_ended)
        self.end()
        self._is_gone = True
        watcher.remove(self)
        keeper.tell("-", self.pid)
        reaped(self)
        self.close_stdin()
        self._reader.join(PATIENCE)
        with self._changed:
            self._output.shrink()
            self._errors.shrink()

    @property
    def ending(self) -> str:
        """What it has ended with: "status 1", "signal SIGSEGV"."""
        ending = status_or_signal(self.process.wait())
        return f"{ending}, since {NO_MEMORY}" if self.lacked_memory else ending

    @property
    def lacked_memory(self) -> bool:
        """Whether the kernel has killed it since no memory was left."""
        is_killed = self.process.poll() == -SIGKILL and not self._is_killed
        return is_killed and killed_for_memory() > self._killed_before

    def describe(self, problem: str) -> str:
        """Return the problem with the command, the exit status and the last lines that the program printed."""
        state = "running" if self.running else f"ended with {self.ending}"
        if self.ended_because:
            state = f"ended by the suite, because {self.ended_because}"
        output, errors = self.output[-SHOWN_LINES:], self.errors[-SHOWN_LINES:]
        told = [f"stdout: {_shown(line)}" for line in output] + [f"stderr: {_shown(line)}" for line in errors]
        return "\n".join([f"{problem}; {' '.join(self.command)} is {state}", *(told or ["it printed nothing"])])
