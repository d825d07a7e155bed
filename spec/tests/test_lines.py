"""Lines that are written to a stream which perhaps nobody reads."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import TextIOWrapper
from signal import SIGTERM
from typing import NamedTuple

import pytest

from spec.program import lines
from spec.program.lines import WAITING_LINES, LineWriter

if sys.platform == "win32":
    pytest.skip("it has no such pipes and terminals", allow_module_level=True)
else:
    import pty
    import tty

MANY = 3 * WAITING_LINES
"""More lines than a stream and the writer hold together."""
PATIENCE = 30


class Ends(NamedTuple):
    """The ends of a stream: a descriptor to read from, a file to write to."""

    reader: int
    stream: TextIOWrapper

    def read(self, enough: Callable[[list[str]], bool], pause: float = 0) -> list[str]:
        """Return the lines that come until they are enough, with a pause in seconds after each reading."""
        data, came, deadline = b"", list[str](), time.monotonic() + PATIENCE
        while not enough(came):
            assert time.monotonic() < deadline, f"no more than {came[-5:]}"
            data += os.read(self.reader, 4096)
            came = data.decode(errors="replace").replace("\r", "").split("\n")[:-1]
            time.sleep(pause)
        return came


@pytest.fixture(params=["pipe", "terminal", "socket", "shared"])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """Return the ends of a stream of each kind; shared: a pipe that somebody else has made non-blocking."""
    if request.param == "terminal":
        reader, writer = pty.openpty()
        tty.setraw(writer)
    elif request.param == "socket":
        reader, writer = (end.detach() for end in socket.socketpair())
    else:
        reader, writer = os.pipe()
        os.set_blocking(writer, request.param != "shared")
    with open(writer, "w", encoding="utf-8") as stream:
        yield Ends(reader, stream)
    with suppress(OSError):
        os.close(reader)


def written(number: int) -> str:
    return f"client {number} is Анна"


def test_a_reader_in_time_gets_each_line_at_once(ends: Ends) -> None:
    writer = LineWriter(ends.stream)
    for number in range(100):
        writer.post(written(number))
        assert os.read(ends.reader, 4096).decode() == f"{written(number)}\n"
    writer._end()


@pytest.mark.parametrize("how", [LineWriter.post, LineWriter.write])
def test_a_slow_reader_loses_nothing(ends: Ends, how: Callable[[LineWriter, str], None]) -> None:
    writer = LineWriter(ends.stream)
    posted = [written(number) for number in range(WAITING_LINES)]

    def write() -> None:
        for line in posted:
            how(writer, line)

    thread = threading.Thread(target=write)
    thread.start()
    assert ends.read(lambda came: len(came) == len(posted) and came[-1] == posted[-1], pause=0.001) == posted
    thread.join()


def count(came: list[str]) -> int:
    """Return how many lines were written or dropped. They must be in their order, the dropped ones in their place."""
    number = 0
    for line in came:
        if line.startswith("lines dropped: "):
            number += int(line.removeprefix("lines dropped: "))
        else:
            assert line == written(number)
            number += 1
    return number


def test_nobody_reads_for_a_time(ends: Ends) -> None:
    """SRV-17: some lines are dropped, their number is said in their place, and all is well again after that."""
    writer = LineWriter(ends.stream)
    for number in range(MANY):
        writer.post(written(number))
    writer._end()  # it does not wait for ever
    came = ends.read(lambda came: count(came) == MANY)
    assert WAITING_LINES < len(came) < MANY
    writer.post("the next")
    assert ends.read(bool) == ["the next"]


def test_the_reader_leaves_while_lines_wait(ends: Ends) -> None:
    writer = LineWriter(ends.stream)
    for number in range(MANY):
        writer.post(written(number))
    os.close(ends.reader)
    deadline = time.monotonic() + PATIENCE
    while not writer._broken:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    writer.post("lost")


def test_a_stopped_terminal() -> None:
    """Ctrl-S."""
    master, its = pty.openpty()
    with open(its, "w", encoding="utf-8") as stream:
        writer = LineWriter(stream)
        os.write(master, b"\x13")
        for number in range(10):
            writer.post(written(number))
        os.write(master, b"\x11")  # Ctrl-Q
        assert Ends(master, stream).read(lambda came: came[-1:] == [written(9)])[-10:] == [*map(written, range(10))]
    os.close(master)


def test_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is written with the next one, or at the end not at all."""

    def fail(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    reader, its = os.pipe()
    with open(its, "w", encoding="utf-8") as stream, monkeypatch.context() as full:
        monkeypatch.setattr(lines, "_open_at_once", lambda file: None)
        full.setattr(threading.Thread, "start", fail)
        writer = LineWriter(stream)
        writer.post("one")
        full.undo()
        writer.post("two")
        assert Ends(reader, stream).read(lambda came: came[-1:] == ["two"]) == ["one", "two"]
    os.close(reader)


def test_a_pipe_of_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be opened anew, so a thread writes to it."""

    def fail(path: str, flags: int) -> int:
        raise PermissionError(path)

    reader, its = os.pipe()
    with open(its, "w", encoding="utf-8") as stream:
        with monkeypatch.context() as strange:
            strange.setattr(os, "open", fail)
            writer = LineWriter(stream)
        writer.post("one")
        assert os.read(reader, 100) == b"one\n"
    os.close(reader)


POSTING = f"""\
import sys
from spec.program.output import say
for number in range({WAITING_LINES}):
    say(f"client {{number}} is Анна")
"""
SHOWING = """\
from spec.program.output import show
from spec.program.signals import stop_on_signal
stop_on_signal()
while True:
    show("client 1 is Анна")
"""


def start(program: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_at_the_end_a_reader_gets_all() -> None:
    with start(POSTING) as process:
        out, err = process.communicate(timeout=PATIENCE)
        assert out.decode().splitlines() == [*map(written, range(WAITING_LINES))]
        assert (process.returncode, err) == (0, b"")


def test_at_the_end_nobody_is_waited_for() -> None:
    with start(POSTING) as process:
        assert process.wait(PATIENCE) == 0
        assert process.stderr and process.stderr.read() == b""


def test_a_signal_ends_who_waits() -> None:
    """CLI-6: a client whose output nobody reads."""
    with start(SHOWING) as process:
        assert process.stdout and process.stdout.readline()
        time.sleep(0.3)  # it is likely to wait then; if not, there is nothing to see
        process.send_signal(SIGTERM)
        assert process.wait(PATIENCE) == 1
        assert process.stderr and process.stderr.read() == b""
