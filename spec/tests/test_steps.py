"""The steps of ``impl_raw/README.md``: each does what its predecessor does not."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEPS = ["step_1_one_client", "step_2_half_lines", "step_3_several_clients", "step_4_slow_readers", "step_5_signals"]
PATIENCE = 20  # seconds until a reply that must come
LONG_ENOUGH = 0.3  # seconds without a reply that must not come

Start = Callable[[str], tuple["subprocess.Popen[str]", Callable[[], socket.socket]]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a step; return its process and a function that connects to it."""
    with ExitStack() as stack:

        def started(step: str) -> tuple["subprocess.Popen[str]", Callable[[], socket.socket]]:
            command = [sys.executable, "-m", f"impl_raw.steps.{step}"]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout is not None
            port = re.fullmatch(r"waiting on port (\d+)\n", process.stdout.readline())
            assert port is not None

            def connect() -> socket.socket:
                sock = stack.enter_context(socket.socket())
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.settimeout(PATIENCE)
                sock.connect(("127.0.0.1", int(port[1])))
                return sock

            return process, connect

        yield started


def replies(sock: socket.socket, count: int) -> list[dict[str, str]]:
    """Receive so many replies; return their fields."""
    received = b""
    while received.count(b"\n\n") < count:
        data = sock.recv(65536)
        assert data, received
        received += data
    return [
        dict(line.split(": ", 1) for line in reply.split("\n")[1:]) for reply in received.decode().split("\n\n")[:-1]
    ]


def ask(sock: socket.socket, message: str) -> bool:
    """Send a message; return whether its answer comes."""
    sock.sendall(f"ECHO {message}\n".encode())
    return [reply["message"] for reply in replies(sock, 1)] == [message]


def silent(sock: socket.socket) -> bool:
    return not select.select([sock], [], [], LONG_ENOUGH)[0]


@pytest.mark.parametrize("step", STEPS)
def test_each_answers_one_client(step: str, start: Start) -> None:
    _, connect = start(step)
    sock = connect()
    assert ask(sock, "привет") and ask(sock, "мир")


@pytest.mark.parametrize(("step", "kept"), [(STEPS[0], False), *((step, True) for step in STEPS[1:])])
def test_from_step_2_half_a_line_waits_for_its_other_half(step: str, kept: bool, start: Start) -> None:
    _, connect = start(step)
    sock = connect()
    sock.sendall(b"ECHO one")
    if kept:
        assert silent(sock)
        sock.sendall(b" line\n")
        assert [reply["message"] for reply in replies(sock, 1)] == ["one line"]
    else:
        assert [reply["message"] for reply in replies(sock, 1)] == ["one"]


@pytest.mark.parametrize(("step", "served"), [(step, index >= 2) for index, step in enumerate(STEPS)])
def test_from_step_3_the_first_client_does_not_keep_the_second_waiting(step: str, served: bool, start: Start) -> None:
    _, connect = start(step)
    first, second = connect(), connect()
    assert ask(first, "a")
    second.sendall(b"ECHO b\n")
    if served:
        assert replies(second, 1)
    else:
        assert ask(first, "c") and silent(second)


@pytest.mark.parametrize(("step", "served"), [(STEPS[2], False), (STEPS[3], True), (STEPS[4], True)])
def test_from_step_4_who_does_not_read_does_not_keep_the_others_waiting(step: str, served: bool, start: Start) -> None:
    _, connect = start(step)
    slow, other = connect(), connect()
    assert ask(other, "before")
    slow.setblocking(False)
    requests = b"ECHO " + b"a" * 4000 + b"\n"
    while select.select([], [slow], [], LONG_ENOUGH)[1]:  # until nobody takes any more
        try:
            slow.send(requests)
        except BlockingIOError:
            continue
    other.sendall(b"ECHO after\n")
    if served:
        assert replies(other, 1)
    else:
        assert silent(other)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot stop and continue a process, nor send it SIGTERM")
@pytest.mark.parametrize(("step", "orderly"), [(STEPS[3], False), (STEPS[4], True)])
def test_from_step_5_a_signal_ends_it_in_good_order(step: str, orderly: bool, start: Start) -> None:
    process, connect = start(step)
    sock = connect()
    assert ask(sock, "a")
    process.send_signal(signal.SIGSTOP)  # so that the request is there when the signal is seen
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    sock.sendall(b"ECHO last\n")
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    assert process.stdout is not None
    output, status = process.stdout.read(), process.wait(PATIENCE)
    if orderly:
        assert (output, status) == ("stopped\n", 0)
        assert [reply["message"] for reply in replies(sock, 1)] == ["last"] and sock.recv(1) == b""
    else:
        assert (output, status) == ("", -signal.SIGTERM)
        with pytest.raises((AssertionError, ConnectionError)):
            replies(sock, 1)
