"""Several UDP servers on one port: one of them is killed, and its subscribers go on at the others."""

import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from spec.codec import DATAGRAM_BYTES
from spec.datagram_client import DatagramClient, open_datagram_client
from spec.limits import LEASE_INTERVALS
from spec.tests.support import client_options

if sys.platform != "linux":
    pytest.skip("Linux alone spreads clients over who shares a port", allow_module_level=True)

ROOT = Path(__file__).parents[2]
SUBSCRIBERS = 200
INTERVAL = 0.5
PATIENCE = 30


class Subscriber:
    """A client, its socket, and when its ticks came."""

    def __init__(self, port: int) -> None:
        self.sock = socket.socket(type=socket.SOCK_DGRAM)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setblocking(False)
        self.ticks: list[float] = []
        self.challenges = 0
        options = client_options("time", "udp")
        self.client: DatagramClient = open_datagram_client(options, "", self.show, self.show)

    def show(self, line: str) -> None:
        if line.startswith("Анна "):
            self.ticks.append(time.monotonic())

    def send(self, out: bytes) -> None:
        if out:
            self.sock.send(out)
            self.client.sent(time.monotonic())

    def receive(self) -> None:
        try:
            datagram = self.sock.recv(DATAGRAM_BYTES)
            self.challenges += datagram.startswith(b"CHALLENGE\n")
            self.send(self.client.receive(datagram, time.monotonic()))
        except ConnectionRefusedError:  # a datagram that was on its way to the server that is gone
            pass


@pytest.fixture
def servers() -> Iterator[list["subprocess.Popen[str]"]]:
    """Start two on one port; the port is the last word of the first line of the first."""
    command = [sys.executable, "-m", "impl_raw.udp_server", "time", "--quiet", "--reuse-port"]
    with ExitStack() as stack:
        running: list[subprocess.Popen[str]] = []
        port = "0"
        for _ in range(2):
            words = [*command, "--interval", str(INTERVAL), "--port", port]
            server = stack.enter_context(subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True))
            stack.callback(server.kill)
            assert server.stdout
            port = server.stdout.readline().strip().rpartition(":")[2]
            running.append(server)
            server.args = port
        yield running


def test_a_server_is_killed(servers: list["subprocess.Popen[str]"]) -> None:
    """SRV-18: nobody is without ticks for longer than a lease and an interval."""
    port = int(str(servers[0].args))
    subscribers = [Subscriber(port) for _ in range(SUBSCRIBERS)]
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for subscriber in subscribers:
            stack.enter_context(subscriber.sock)
            selector.register(subscriber.sock, selectors.EVENT_READ, subscriber)
            subscriber.send(subscriber.client.ask("Анна", time.monotonic()))

        def run_until_all_have(ticks: int, since: float) -> None:
            deadline = time.monotonic() + PATIENCE
            while any(sum(at > since for at in each.ticks) < ticks for each in subscribers):
                assert time.monotonic() < deadline
                for key, _ in selector.select(0.01):
                    key.data.receive()
                for each in subscribers:
                    if time.monotonic() >= each.client.deadline:
                        each.send(each.client.wake(time.monotonic()))

        run_until_all_have(2, 0)
        servers[0].kill()
        killed = time.monotonic()
        run_until_all_have(3, killed)
    assert any(each.challenges > 1 for each in subscribers)  # else there was none at the server that is gone
    waited = max(next(at for at in each.ticks if at > killed) - killed for each in subscribers)
    assert waited < (LEASE_INTERVALS + 1) * INTERVAL
