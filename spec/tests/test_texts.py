"""The messages or the name that a client sends: SPEC.md, CLI-4, CLI-5 and CLI-8."""

import io
import os
import queue
import sys
from pathlib import Path

import pytest

from spec.limits import MESSAGE_BYTES
from spec.program import texts
from spec.program.system import ATTENTION
from spec.program.texts import _read_lines, read_texts
from spec.tests.support import client_options


class Stream(io.TextIOWrapper):
    """Standard input or output that is, or is not, a terminal."""

    def __init__(self, content: bytes = b"", *, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8", newline="\n", write_through=True)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def read(
    service: str, stdin: Stream, monkeypatch: pytest.MonkeyPatch, text: str | None = None
) -> tuple[list[str], list[str]]:
    """Return the texts to send and the rejections."""
    rejected: list[str] = []
    monkeypatch.setattr(sys, "stdin", stdin)
    return list(read_texts(client_options(service, text=text), rejected.append)), rejected


def test_a_text_that_was_given_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLI-4."""
    assert read("echo", Stream(b"no\n"), monkeypatch, text="да") == (["да"], [])
    assert read("echo", Stream(b"no\n"), monkeypatch, text="") == ([""], [])


def test_each_line_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLI-4, TEXT-3: LF and CRLF end one, nothing else does; the last may lack its end."""
    stdin = Stream("привет\r\n\n a\u2028b\t \nlast".encode())
    assert read("echo", stdin, monkeypatch) == (["привет", "", " a\u2028b\t ", "last"], [])


def test_a_bad_message_is_rejected_and_the_next_one_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLI-8."""
    stdin = Stream(b"one\n\x0b\n\xff\n" + b"a" * (MESSAGE_BYTES + 1) + b"\n" + b"a" * MESSAGE_BYTES + b"\n")
    texts, rejected = read("echo", stdin, monkeypatch)
    assert texts == ["one", "a" * MESSAGE_BYTES]
    assert [line.partition(":")[0] for line in rejected] == ["line 2", "line 3", "line 4"]


def test_the_first_line_is_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLI-4, CLI-8."""
    assert read("time", Stream("Анна\nБорис\n".encode()), monkeypatch) == (["Анна"], [])
    texts, rejected = read("time", Stream("\nБорис\n".encode()), monkeypatch)
    assert texts == [] and len(rejected) == 1 and "bad-name" in rejected[0]


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize(("service", "complaint"), [("echo", "no message"), ("time", "no name")])
def test_nothing_to_send(service: str, complaint: str, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """CLI-8."""
    assert read(service, Stream(terminal=terminal), monkeypatch) == ([], [complaint])


@pytest.mark.parametrize("service", ["echo", "time"])
@pytest.mark.parametrize("content", ["Анна\nБорис\n", "Анна", ""])
@pytest.mark.parametrize(("input_", "output"), [(True, True), (True, False), (False, True), (False, False)])
def test_a_prompt_stands_on_a_terminal_alone(
    service: str, content: str, input_: bool, output: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CLI-5: and one text is asked for. When none comes, the line of the prompt is ended."""
    stdout = Stream(terminal=output)
    monkeypatch.setattr(sys, "stdout", stdout)
    texts, rejected = read(service, Stream(content.encode(), terminal=input_), monkeypatch)
    monkeypatch.undo()
    lines = content.split()
    assert texts == (lines[:1] if input_ or service == "time" else lines)
    assert len(rejected) == (not content)
    assert isinstance(stdout.buffer, io.BytesIO)
    printed = stdout.buffer.getvalue().decode()
    if input_ and output:
        assert printed.endswith(": " if content else ": \n") and len(printed.splitlines()) == 1
    else:
        assert printed == ""


def test_lines_of_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come as they are written; while none comes, signals are heeded again and again."""
    reader, writer = os.pipe()
    timeouts: list[float | None] = []

    class Waiting(queue.Queue[bytes]):
        def get(self, block: bool = True, timeout: float | None = None) -> bytes:
            timeouts.append(timeout)
            if len(timeouts) == 2:  # nothing has come
                timeout = 0
            if len(timeouts) == 3:
                os.write(writer, b"two\nthree")
                os.close(writer)
            return super().get(block, timeout)

    monkeypatch.setattr(texts, "Queue", Waiting)
    with open(reader, "rb") as file:
        os.write(writer, b"one\n")
        assert list(_read_lines(file)) == [b"one\n", b"two\n", b"three"]
    assert timeouts == [ATTENTION] * 5


@pytest.mark.skipif(sys.platform == "win32", reason="there a directory cannot be opened")
def test_what_cannot_be_read_has_no_lines(tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)

    class Unreadable(io.BytesIO):
        def fileno(self) -> int:
            return directory

    assert list(_read_lines(Unreadable())) == []
    os.close(directory)
