"""Lines on standard output and standard error."""

import io
import os
import sys

import pytest

from spec.program.arguments import parse_client_options, parse_server_options
from spec.program.output import complain, explain, fail, say, show
from spec.program.texts import read_texts

Capture = pytest.CaptureFixture[str]


def test_output_is_utf_8_and_leaves_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """SRV-1: whatever the locale says; lone surrogates do no harm."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # one that has no encoding is left alone
    parse_server_options(["echo"], "udp")
    say("client Анна \udcff")
    assert isinstance(stream.buffer, io.BytesIO)
    assert stream.buffer.getvalue() == "client Анна \\udcff\n".encode()


def test_printing(capsys: Capture) -> None:
    """CLI-10, SRV-12, SRV-14."""
    say("a")
    show("b")
    complain("d\ne\x1b")
    assert capsys.readouterr() == ("a\nb\n", "error: d\\u000ae\\u001b\n")
    with pytest.raises(SystemExit) as exit_:
        fail("f", 3)
    assert exit_.value.code == 3
    assert capsys.readouterr() == ("", "error: f\n")


def test_a_reader_that_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server goes on, a client ends; neither complains, nor does the interpreter when it flushes at the end."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8", buffering=1) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        say("lost")
        say("lost too")
        monkeypatch.undo()
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8", buffering=1) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(SystemExit) as exit_:
            show("lost")
        assert exit_.value.code == 1
        monkeypatch.undo()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux alone has a device that is always full")
def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """LOAD-3: a server serves on; a client says so, and not that the network failed (CLI-10)."""
    for speak in say, show:
        with open("/dev/full", "w", encoding="utf-8", buffering=1) as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            if speak is say:
                say("lost")
            else:
                with pytest.raises(SystemExit) as exit_:
                    show("lost")
                assert exit_.value.code == 1
            monkeypatch.undo()
    assert capsys.readouterr().err.startswith("error: cannot print: No space left on device")


def test_closed_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLI-8: no line at all; and what is said is lost, but does no harm."""
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    options = parse_client_options(["echo"], "udp")
    rejected: list[str] = []
    say("lost")
    complain("lost")
    assert list(read_texts(options, rejected.append)) == [] and rejected == ["no message"]
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.close()


def test_a_client_whose_output_is_closed(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """CLI-6: nobody sees what it prints."""
    with monkeypatch.context() as closed:
        closed.setattr(sys, "stdout", None)
        parse_client_options(["echo", "a"], "udp")
        with sys.stdout, pytest.raises(SystemExit) as exit_:
            show("a line")
    assert exit_.value.code == 1
    assert capsys.readouterr().err == "error: cannot print: Bad file descriptor\n"


def test_explain() -> None:
    """SRV-12, CLI-10."""
    assert explain(OSError(98, "Address already in use")).startswith("Address already in use")
    assert explain(OSError("no words of its own")) == "no words of its own"
    assert explain(TimeoutError()) == "TimeoutError"
    with pytest.raises(UnicodeError) as wrong:
        "a..b".encode("idna")
    assert "host" in explain(wrong.value)
