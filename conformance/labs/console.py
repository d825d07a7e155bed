"""Programs on a pseudo-terminal, where a person starts them, reads them and types."""

import codecs
import contextlib
import os
import pty
import re
import select
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import psutil

from conformance.languages.texts import say
from conformance.targets.programs import Program
from conformance.targets.sockets import sockets_of
from conformance.targets.terms import Transport
from conformance.timing import SCALE

if TYPE_CHECKING:
    from typing_extensions import Self

_READ_BYTES = 1 << 16
_MOST = 1 << 18
"""Bytes that a program may print in an exercise; one that prints more prints without end, and is ended."""

_CONTROL_SEQUENCES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07|[\x00-\x08\x0b-\x1f\x7f]")
ENDING = 1.0
"""Seconds that a program gets to end by itself after Ctrl-C."""

_LOOKS, _BETWEEN = 5, 0.02
"""How often one looks whether a program waits, and the seconds between."""

PROMPT = 2 * SCALE
"""Seconds without a word, after which a program gets its line though it has shown no prompt."""


class Console:
    """A Python program whose standard streams are a terminal of its own. Use it in a ``with`` block.

    The terminal does not repeat what is typed, so that all that it shows was printed by the program. Standard error is
    a pipe of its own: `text` is without it, `errors` is it alone, and `screen` has both.
    """

    def __init__(self, file: Path, *words: str, in_package: bool = False, line_for_prompt: str | None = None) -> None:
        """Start a program in its own directory, with these arguments; `in_package`: as a module, beside the package.

        `line_for_prompt` is typed when input() has written its prompt. One that is typed before may be answered before
        the prompt is read here, and nothing tells then which came first: they come through two streams.
        """
        self.file = file
        self._master, terminal = pty.openpty()
        self._errors_end, errors = os.pipe()
        settings = termios.tcgetattr(terminal)
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(terminal, termios.TCSANOW, settings)
        self._changed = threading.Condition()
        self._pieces: list[tuple[int, bytes]] = []  # as they came, each with the end at which it was read
        self._line_for_prompt = line_for_prompt
        try:
            name = ["-m", f"{file.parent.name}.{file.stem}"] if in_package else [file.name]
            directory = file.parent.parent if in_package else file.parent
            command = [sys.executable, *name, *words]
            self.program = Program(command, cwd=directory, stdin=terminal, stdout=terminal, stderr=errors)
        except BaseException:
            self._close()
            raise
        finally:
            os.close(terminal)
            os.close(errors)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.program.kill()
        self._reader.join(ENDING)
        self._close()

    def _close(self) -> None:
        os.close(self._master)
        os.close(self._errors_end)

    def _read(self) -> None:
        # The terminal first: what is printed is flushed before input() writes its prompt to standard error.
        ends, total = [self._master, self._errors_end], 0
        while ends:
            ready = select.select(ends, [], [], None if self._line_for_prompt is None else PROMPT)[0]
            for end in ready:
                try:
                    data = os.read(end, _READ_BYTES)
                except OSError:  # EIO: no program has the terminal any more
                    data = b""
                total += len(data)
                if total > _MOST:
                    self.program.end_because(say("it printed without end"))
                with self._changed:
                    if total > _MOST:
                        ends.clear()
                    elif data:
                        self._pieces.append((end, data))
                    else:
                        ends.remove(end)
                    self._changed.notify_all()
            if self._line_for_prompt is not None and (not ready or self._errors_end in ready):
                self.type(self._line_for_prompt)
                self._line_for_prompt = None

    def _read_at(self, end: int) -> bytes:
        with self._changed:
            return b"".join(data for at, data in self._pieces if at == end)

    @property
    def text(self) -> str:
        """All that the program has printed, without colours; what is not UTF-8 as ``\\xNN``.

        A carriage return, by which a program writes over its line, begins a line here.
        """
        return _as_text(self._read_at(self._master))

    def screen(self, *, errors_before: str = "") -> str:
        """Return what a person sees, both streams in the order in which they came, each change of stream on a new line.

        `errors_before`: of standard error only what comes before this text.
        """
        most, screen, last = -1, b"", self._master
        if errors_before:
            most = self._read_at(self._errors_end).find(errors_before.encode())
        with self._changed:
            pieces = self._pieces[:]
        for end, data in pieces:
            if end == self._errors_end and most >= 0:
                data, most = data[:most], max(0, most - len(data))
            if data and end != last and screen and not screen.endswith(b"\n"):
                screen += b"\n"
            screen, last = screen + data, end if data else last
        return _as_text(screen)

    @property
    def is_utf8(self) -> bool:
        """Whether all that it has printed is UTF-8."""
        try:
            codecs.getincrementaldecoder("utf-8")().decode(self._read_at(self._master))
        except UnicodeDecodeError:
            return False
        return True

    @property
    def errors(self) -> list[str]:
        """The lines on standard error, without colours."""
        return _as_text(self._read_at(self._errors_end)).splitlines()

    @property
    def waits_for_prompt(self) -> bool:
        """Whether its line for the prompt is still to be typed."""
        return self._line_for_prompt is not None

    @property
    def running(self) -> bool:
        """Whether the program has not ended yet."""
        return self.program.running

    def type(self, line: str) -> None:
        """Type a line and press Enter. A line may be longer than what a terminal takes at once."""
        with contextlib.suppress(OSError):  # the program has ended
            os.write(self._master, f"{line}\n".encode())

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Return whether a condition on the text becomes true in that time, or while the program runs."""
        deadline = time.monotonic() + seconds
        while not (met := condition()) and time.monotonic() < deadline:
            has_ended = not self._reader.is_alive() and self.program.ends_within(0.05)
            with self._changed:
                self._changed.wait(0.05)
            if has_ended:
                return condition()
        return met

    def interrupt(self) -> None:
        """Press Ctrl-C, and kill the program if it does not end."""
        with contextlib.suppress(ProcessLookupError):
            self.program.signal(signal.SIGINT)
        if not self.program.ends_within(ENDING):
            self.program.end()

    @property
    def processor_seconds(self) -> float:
        """The processor time that the program has used."""
        with contextlib.suppress(psutil.Error):
            spent = psutil.Process(self.program.pid).cpu_times()
            return spent.user + spent.system
        return 0.0

    @property
    def never_waits(self) -> bool:
        """Whether it is at work each time that one looks, as a loop is that waits in no call."""
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.program.pid)
            for _ in range(_LOOKS):
                if process.status() != psutil.STATUS_RUNNING:
                    return False
                time.sleep(_BETWEEN)
            return True
        return False

    def sockets(self, transport: Transport) -> list[tuple[str, int]]:
        """Return the addresses, host and port, that the program listens on (TCP) or has bound (UDP)."""
        return [
            (known.laddr.ip, known.laddr.port)
            for known in sockets_of(self.program.pid, transport)
            if transport == "udp" or known.status == psutil.CONN_LISTEN
        ]

    def own_ports(self, transport: Transport) -> set[int]:
        """Return the local ports of all the program's sockets."""
        return {known.laddr.port for known in sockets_of(self.program.pid, transport, descendants=False)}


def _as_text(data: bytes) -> str:
    text = data.decode("utf-8", "backslashreplace")
    return _CONTROL_SEQUENCES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
