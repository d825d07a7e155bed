"""What each client program does with its client."""

import io
import sys

import pytest

from spec.client import Client
from spec.program.clients import run_client
from spec.program.signals import Stopped
from spec.stream_client import open_stream_client
from spec.tests.support import client_options
from spec.tests.test_texts import Stream

URL = "echo+tcp://127.0.0.1:7007"


def run(texts: str, monkeypatch: pytest.MonkeyPatch, failing: dict[str, object]) -> tuple[list[str], int, str]:
    """Return the texts that were sent, the exit status and what was complained about."""
    options = client_options("echo", "tcp")
    complaints: list[str] = []
    client: Client = open_stream_client(options, URL, lambda line: None, complaints.append)
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
    status = run_client(client, options, exchange)
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
