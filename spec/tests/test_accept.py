"""Between ``accept()`` and a connection's place among the clients a step can fail: then the socket is closed."""

import socket
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from spec.tests.support import server_options


@pytest.fixture
def accepted() -> Iterator[socket.socket]:
    """The server's end of a connection that is about to be accepted."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield theirs


@pytest.fixture
def server(program: ModuleType, accepted: socket.socket) -> Iterator[Any]:
    """A server whose next accept() returns that connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = program.Server(server_options("echo", "tcp", host="127.0.0.1"), listener)
        server.listener = SimpleNamespace(accept=lambda: (accepted, ("127.0.0.1", 50312)))
        yield server
        server.close()


def fail(*arguments: object, **named: object) -> None:
    raise RuntimeError("injected")


def test_a_connection_without_a_session_is_closed(
    program: ModuleType, server: Any, accepted: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "open_session", fail)
    with pytest.raises(RuntimeError, match="injected"):
        server.accept()
    assert accepted.fileno() == -1 and not server.connections


def test_a_connection_that_cannot_be_waited_for_is_closed_and_its_session_too(
    server: Any, accepted: socket.socket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patches:
        patches.setattr(server.selector, "register", fail)
        with pytest.raises(RuntimeError, match="injected"):
            server.accept()
    assert accepted.fileno() == -1 and not server.connections
    address = "127.0.0.1:50312"
    assert capsys.readouterr().out == f"client {address} connected\nclient {address} left\n"


def test_a_good_connection_stays_open(server: Any, accepted: socket.socket) -> None:
    assert server.accept() and accepted.fileno() != -1 and len(server.connections) == 1


@pytest.mark.parametrize(("error", "there_may_be_others"), [(ConnectionAbortedError, True), (BlockingIOError, False)])
def test_who_left_before_it_was_accepted_hides_no_others(
    server: Any, error: type[OSError], there_may_be_others: bool
) -> None:
    """SRV-9: at the stop a server accepts all whose connections stand. Linux hands out broken ones, too."""

    def accept() -> None:
        raise error

    server.listener = SimpleNamespace(accept=accept)
    assert server.accept() is there_may_be_others
