"""What each client program does with its client."""

import io
import sys
import threading
from collections.abc import Callable

import pytest

from spec.datagram_client import open_datagram_client
from spec.program.clients import ClientRun, run_client, wait_for
from spec.program.signals import Stopped
from spec.stream_client import open_stream_client
from spec.tests.support import client_options
from spec.tests.test_texts import Stream

URL = "echo+tcp://127.0.0.1:7007"


@pytest.fixture(autouse=True)
def _signals(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("heed_no_signal", "stop_on_signal"):
        monkeypatch.setattr(f"spec.program.clients.{name}", lambda: None)


def run(texts: str, monkeypatch: pytest.MonkeyPatch, failing: dict[str, object]) -> tuple[list[str], int, str]:
    """Return the texts that were sent, the exit status and what was complained about."""
    complaints: list[str] = []
    monkeypatch.setattr("spec.program.clients.complain", complaints.append)
    run_ = ClientRun(client_options("echo", "tcp"))
    client = run_.open(open_stream_client, ("127.0.0.1", 7007))
    sent: list[str] = []

    def exchange(request: bytes) -> None:
        text = request.decode().removeprefix("ECHO ").rstrip("\n")
        sent.append(text)
        problem = failing.get(text)
        if isinstance(problem, BaseException):
            raise problem
        if isinstance(problem, str):
            client.unreachable(problem)
        client.waiting = False

    monkeypatch.setattr(sys, "stdin", Stream(texts.encode()))
    status = run_.ask(client, exchange)
    assert isinstance(sys.stdin, io.TextIOWrapper)
    return sent, status, "\n".join(complaints)


def test_each_text_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLI-4, CLI-8."""
    sent, status, complaint = run("one\n\x0b\ntwo\n", monkeypatch, {})
    assert (sent, status) == (["one", "two"], 2) and complaint.startswith("line 2")


def test_no_further_text_is_sent_when_none_can_succeed(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLI-7."""
    sent, status, complaint = run("one\ntwo\n", monkeypatch, {"one": "reset"})
    assert (sent, status) == (["one"], 1) and "reset" in complaint


def test_a_signal_ends_the_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLI-6."""
    sent, status, complaint = run("one\ntwo\n", monkeypatch, {"one": Stopped()})
    assert (sent, status) == (["one"], 1) and complaint == f"stopped ({URL})"


def refuse_but(last: str, asked: list[tuple[str, str]]) -> Callable[[str, float, ClientRun], int]:
    """Return a conversation that is refused at its first request, but at that place."""

    def talk(place: str, seconds: float, run: ClientRun) -> int:
        assert 0 < seconds <= 10
        client = run.open(open_datagram_client, (place, 7007))

        def exchange(request: bytes) -> None:
            asked.append((place, request.decode()))
            if place != last:
                raise ConnectionRefusedError("refused")
            client.waiting = False

        return run.ask(client, exchange)

    return talk


def test_the_next_address_is_tried_with_the_same_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLI-7; the line that was bad counts at the next address, too (CLI-8)."""
    monkeypatch.setattr(sys, "stdin", Stream(b"\x0b\none\ntwo\n"))
    asked: list[tuple[str, str]] = []
    assert run_client(client_options("echo"), lambda: ["a", "b"], refuse_but("b", asked)) == 2
    assert asked == [("a", "ECHO one\n"), ("b", "ECHO one\n"), ("b", "ECHO two\n")]


def test_no_address_is_reached(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """CLI-7, CLI-10."""
    asked: list[tuple[str, str]] = []
    with pytest.raises(SystemExit, match="1"):
        run_client(client_options("echo", text="hi"), lambda: ["a", "b"], refuse_but("c", asked))
    assert [place for place, _ in asked] == ["a", "b"]
    assert capsys.readouterr().err == "error: cannot reach echo+udp://127.0.0.1:0: refused\n"


def test_a_host_that_does_not_resolve(capsys: pytest.CaptureFixture[str]) -> None:
    """CLI-7."""

    def look_up() -> list[str]:
        raise UnicodeError

    with pytest.raises(SystemExit, match="1"):
        run_client(client_options("echo", text="hi"), look_up, refuse_but("a", []))
    assert capsys.readouterr().err == "error: cannot reach echo+udp://127.0.0.1:0: not a host name\n"


@pytest.mark.parametrize("attention", [0.01, 60])
def test_a_look_up_counts_towards_the_timeout(
    attention: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """CLI-7."""
    monkeypatch.setattr("spec.program.clients.ATTENTION", attention)
    answered = threading.Event()

    def look_up() -> list[str]:
        answered.wait(60)
        return ["a"]

    with pytest.raises(SystemExit, match="1"):
        run_client(client_options("echo", text="hi", timeout=0.05), look_up, refuse_but("a", []))
    answered.set()
    assert (
        capsys.readouterr().err
        == "error: cannot reach echo+udp://127.0.0.1:0: the look-up of the host takes too long\n"
    )


def test_the_result_of_a_call_that_is_waited_for() -> None:
    assert wait_for(lambda: None, 60) is None
