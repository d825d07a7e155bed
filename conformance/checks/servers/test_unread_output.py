"""SRV-17: a server whose lines nobody reads, for a time or at all."""

import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from signal import SIGTERM

import pytest

from conformance.as_client import peers
from conformance.as_client.conversation import Subscription
from conformance.as_client.judgement import require_status
from conformance.as_client.observed import Observed
from conformance.as_client.peers import Peer, TcpPeer, UdpPeer
from conformance.blame import about
from conformance.running.fixtures import StartServer
from conformance.targets.server import Server
from conformance.targets.terms import Transport
from conformance.timing import PATIENCE, STOP_TIME

LINES = 10_000
"""Four in five of them are more than a pipe holds, and than most servers keep."""

LONG_NAMES = "\u202e" * 13 + "б", "\u202e" * 13 + "а"
"""Shown as 79 characters each (SRV-14): LINES lines with both are more than 1 MiB, and less than the judge keeps."""

STEPS = 500
"""In each, requests are sent before replies are read: a busy machine is slow to go from program to program."""

TOGETHER = 2
"""Connections at once: thousands follow each other, and a server may have few wait until it accepts them."""

DROPPED = re.compile("lines dropped: ([0-9]+)")
RENAMED = re.compile("client .* is now (.*)")


def talkative(start_server: StartServer, transport: Transport) -> Server:
    return start_server("--interval", "86400", *(("--max-clients", "1") if transport == "udp" else ()))


def say_much(server: Server) -> Iterator[None]:
    """Make a server of `talkative` print LINES lines, in STEPS steps. It must answer each request at once."""
    try:
        if server.service == "time":
            yield from rename(server)
        elif server.transport == "tcp":
            for _ in range(STEPS):
                for _ in range(LINES // STEPS // 2 // TOGETHER):
                    with ExitStack() as stack:
                        ask([stack.enter_context(TcpPeer(server.address)) for _ in range(TOGETHER)])
                yield
        else:
            with UdpPeer(server.address) as one, UdpPeer(server.address) as other:  # each is forgotten for the other
                for _ in range(STEPS):
                    ask([one, other] * (LINES // STEPS // 4))
                    yield
    except Observed as observed:
        raise AssertionError(f"it waits for who reads its lines: {observed}") from None


def ask(those: Sequence[Peer]) -> None:
    for peer in those:
        peer.request(b"ECHO a")
    for peer in those:
        require_status(peer.reply(), "OK")


def rename(server: Server) -> Iterator[None]:
    with peers.connect(server) as peer:
        subscription = Subscription(peer, "Анна")
        subscription.tick()
        for _ in range(STEPS):
            for name in [*LONG_NAMES] * (LINES // STEPS // 2):
                subscription.request(name)
            for _ in range(LINES // STEPS):
                require_status(peer.reply(), "OK")
            yield


def lines_about_clients(output: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Yield each line about clients, with the number of those for which it stands."""
    for line in output:
        if dropped := DROPPED.fullmatch(line):
            yield line, int(dropped[1])
        elif line.startswith("client "):
            yield line, 1


def count_lines(server: Server) -> int:
    return sum(count for _, count in lines_about_clients(server.output))


def require_order(output: Iterable[str]) -> None:
    """Raise AssertionError unless each line about a new name, as `rename` has them printed, stands in its place."""
    place = 0
    for line, count in lines_about_clients(output):
        place += count
        if renamed := RENAMED.fullmatch(line):
            name = LONG_NAMES[place % 2].replace("\u202e", "\\u202e")
            assert renamed[1] == name, f"line {place} about clients is {line!r}; expected one with {name}"


@pytest.mark.requirement("SRV-17")
@pytest.mark.needs("LOAD-2", "SRV-4", "SRV-5")
def test_nobody_reads(start_server: StartServer, transport: Transport) -> None:
    server = talkative(start_server, transport)
    with server.unread():
        for _ in say_much(server):
            pass
        server.signal(SIGTERM)
        start = time.monotonic()
        try:
            status = server.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError("it does not stop while nobody reads its lines") from None
        assert time.monotonic() - start <= STOP_TIME, "it did not stop in time"
    assert status == 0, server.describe(f"its exit status is {status}; expected 0")


@pytest.mark.requirement("SRV-17")
@pytest.mark.needs("LOAD-2", "SRV-4", "SRV-5", "SRV-6")
def test_nobody_reads_for_a_time(start_server: StartServer, transport: Transport) -> None:
    """What it printed and what it says it dropped make up all lines, in their order. They are read now and then."""
    server = talkative(start_server, transport)
    said = say_much(server)
    with server.unread():
        for _ in islice(said, STEPS * 4 // 5):
            pass
    for _ in islice(said, STEPS // 20):
        pass
    with server.unread():
        for _ in said:
            pass
    least = LINES - 1  # over UDP the last echo client has not left yet
    server.wait_until(lambda: count_lines(server) >= least)
    with about("SRV-8"):
        assert server.stop() == 0, server.describe("expected exit status 0")
    counted = count_lines(server)
    assert least <= counted <= LINES + 2, server.describe(
        f"lines about clients and 'lines dropped: N' make up {counted}; expected {least} to {LINES + 2}"
    )
    assert server.output[-1] == "stopped", server.describe("expected 'stopped' as the last line")
    require_order(server.output)
