"""TCP servers for which the system has no file, no thread, or no word from a client's machine any more."""

import errno
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import impl_raw.tcp_server
import impl_socketserver.tcp_server
import impl_with.tcp_server
from spec.program import open_files
from spec.program.open_files import PAUSE
from spec.session import BUSY
from spec.tests.support import code_of, server_options

if sys.platform != "win32":
    import resource

OPTIONS = server_options("echo", "tcp", idle_timeout=7.25, quiet=True)


@pytest.fixture
def threading_server() -> Iterator[Any]:
    with impl_socketserver.tcp_server.Server(OPTIONS) as server:
        yield server


def no_file() -> None:
    raise OSError(errno.EMFILE, "Too many open files")


def no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_a_server_without_a_free_file_does_not_spin(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    with program.listen(OPTIONS) as listener, socket.create_connection(listener.getsockname(), timeout=20):
        server = program.Server(OPTIONS, listener)
        monkeypatch.setattr(open_files, "sleep", pauses.append)
        server.listener = SimpleNamespace(accept=no_file)
        server.step((), float("inf"))
        assert pauses == [PAUSE]
        server.close()


def test_a_client_for_whom_the_selector_has_no_room_is_refused(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ERR-10, LOAD-3: on Windows the listener and 511 clients are all that a selector takes."""
    monkeypatch.setattr(program, "SELECTOR_CAPACITY", 2)
    options = OPTIONS._replace(max_clients=1)
    with ExitStack() as stack:
        server = program.Server(options, stack.enter_context(program.listen(options)))
        stack.callback(server.close)
        address = server.listener.getsockname()
        first, second = (stack.enter_context(socket.create_connection(address, timeout=20)) for _ in "ab")
        second.sendall(b"ECHO a\n")
        server.step((), float("inf"))
        server.step((), float("inf"))
        assert second.recv(1000) == BUSY and second.recv(1000) == b""
        first.sendall(b"ECHO a\n")
        server.step((), float("inf"))
        assert first.recv(1000).startswith(b"OK\n")


def test_a_client_that_has_left_before_it_was_accepted_costs_no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(open_files, "sleep", pauses.append)
    open_files.pause_if_exhausted(ConnectionAbortedError(errno.ECONNABORTED, "Software caused connection abort"))
    assert pauses == []


def test_the_same_on_socketserver(threading_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(open_files, "sleep", pauses.append)
    with socket.create_connection(threading_server.server_address, timeout=20), monkeypatch.context() as patches:
        without_file = SimpleNamespace(accept=no_file, gettimeout=lambda: 20, fileno=threading_server.socket.fileno)
        patches.setattr(threading_server, "socket", without_file)
        threading_server.handle_request()
    assert pauses == [PAUSE]


def test_a_client_without_a_thread_is_refused(
    threading_server: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """ERR-10, SRV-13."""
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    with socket.create_connection(threading_server.server_address, timeout=20) as client:
        threading_server.handle_request()
        assert client.recv(1000) == BUSY and client.recv(1000) == b""
    assert not threading_server.connections and capsys.readouterr().err == ""


def test_a_client_beyond_the_threads_is_refused(threading_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """ERR-10: although ``--max-clients`` has room."""
    monkeypatch.setattr(impl_socketserver.tcp_server, "THREADS", 1)
    with ExitStack() as clients:
        first, second = (
            clients.enter_context(socket.create_connection(threading_server.server_address, timeout=20)) for _ in "ab"
        )
        threading_server.handle_request()
        threading_server.handle_request()
        assert second.recv(1000) == BUSY and second.recv(1000) == b""
        first.sendall(b"ECHO a\n")
        assert first.recv(1000).startswith(b"OK\n")


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no such option")
@pytest.mark.parametrize("name", ["raw", "with", "socketserver"])
def test_a_client_may_be_out_of_reach_for_the_idle_timeout(name: str, threading_server: Any) -> None:
    """LOAD-4."""
    program = {"raw": impl_raw.tcp_server, "with": impl_with.tcp_server}.get(name)
    listener = program.listen(OPTIONS) if program else threading_server.socket.dup()
    with listener, socket.create_connection(listener.getsockname(), timeout=20):
        listener.setblocking(True)
        with listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7250


@pytest.mark.skipif(sys.platform != "linux", reason="only there another process's limits can be set")
def test_a_server_without_threads_says_busy_and_stops() -> None:
    """ERR-10, SRV-8, SRV-13: there is no memory for another thread's stack."""
    command = [sys.executable, "-m", "impl_socketserver.tcp_server", "echo", "--port", "0", "--quiet"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as server, ExitStack() as stack:
        stack.callback(server.kill)
        assert server.stdout and server.stderr
        port = int(server.stdout.readline().rpartition(":")[2])
        pages = int(Path(f"/proc/{server.pid}/statm").read_text().split()[0])
        room = pages * os.sysconf("SC_PAGE_SIZE") + (32 << 20)
        resource.prlimit(server.pid, resource.RLIMIT_AS, (room, room))
        answers = set()
        for _ in range(40):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            client.send(b"ECHO a\n")
            answers.add(code_of(client.recv(1000)))
        server.terminate()
        assert (server.wait(20), server.stdout.read(), server.stderr.read()) == (0, "stopped\n", "")
        assert answers <= {"OK", "busy"} and "busy" in answers
