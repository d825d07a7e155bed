"""ERR-10, ERR-11: the limit of clients, who counts for it, and what the next one is told."""

import time
from contextlib import ExitStack

import psutil
import pytest

from conformance.as_client.conversation import (
    Subscription,
    challenge,
    good_request,
    read_tick,
    require_seqs,
    wait_until,
)
from conformance.as_client.crowd import crowd
from conformance.as_client.exchange import as_text
from conformance.as_client.judgement import require_reply, require_status
from conformance.as_client.peers import TcpPeer, UdpPeer
from conformance.as_client.server_lines import require_left
from conformance.blame import about
from conformance.expected.oracle import error, expected_reply
from conformance.running.fixtures import StartServer
from conformance.targets.server import Server
from conformance.targets.target import Target
from conformance.timing import JUDGE_LATENESS, PATIENCE, interval
from spec.limits import CLIENTS_DEFAULT, MESSAGE_BYTES

pytestmark = pytest.mark.needs("LOAD-3")

#: A limit of clients so high that a server that keeps a few percent in reserve is found.
FULL = 20
REFUSED_IDLE = interval(1.5)
#: Seconds that a request may be on its way.
CROSSING = 0.05


@pytest.mark.transport("tcp")
@pytest.mark.requirement("ERR-10")
@pytest.mark.needs("LOAD-2", "TCP-8")
def test_busy_over_tcp(start_server: StartServer) -> None:
    """At the limit a new connection gets `busy` unasked, and is closed; when a client has left, a new one is served."""
    server = start_server("--max-clients", "2", "--interval", "86400")
    good = good_request(server.service)
    first, second = TcpPeer(server.address), TcpPeer(server.address)
    with first, second:
        for peer in (first, second):
            require_status(peer.ask(good), "OK")
        waits = []
        for _ in range(3):
            with TcpPeer(server.address) as third:
                answer = third.reply()
                require_reply(answer, error("busy"))
                assert (more := third.rest()) == b"", f"more bytes than expected: {as_text(more)}"
                waits.append(time.monotonic() - answer.at)
        assert min(waits) < JUDGE_LATENESS / 2, f"the stream ended {min(waits):.3f} s after busy; expected at once"
        with server.paused():
            eager = TcpPeer(server.address)
            eager.send(good + b"\n")
        with eager:  # its request is in the socket, unread, when the server accepts it
            require_reply(eager.rest(), error("busy"))
        if server.service == "time":
            require_seqs([read_tick(peer.reply()) for peer in (first, second)], [1, 1])
        second.half_close()
        second.rest()
        require_left(server)
        with TcpPeer(server.address) as fourth:
            require_status(fourth.ask(good), "OK")
        require_reply(first.ask(good), expected_reply(server.service, "tcp", good + b"\n", "86400"))


@pytest.mark.transport("tcp")
@pytest.mark.service("echo")
@pytest.mark.requirement("ERR-10")
@pytest.mark.needs("LOAD-2")
def test_a_request_that_comes_after_busy(start_server: StartServer) -> None:
    """It crosses the `busy` on its way. The client finds the end of the stream, and no reset."""
    server = start_server("--max-clients", "1")
    with TcpPeer(server.address) as client:
        require_status(client.ask(b"ECHO a"), "OK")
        for _ in range(3):
            with TcpPeer(server.address) as refused:
                answer = refused.reply()
                require_reply(answer, error("busy"))
                wait_until(answer.at + CROSSING)
                for _ in range(2):  # a reset by the first shows at the second
                    refused.request(b"ECHO b")
                assert (more := refused.rest()) == b"", f"more bytes than expected: {as_text(more)}"


@pytest.mark.transport("tcp")
@pytest.mark.requirement("ERR-10", "LOAD-3")
def test_who_counts_for_the_limit(start_server: StartServer) -> None:
    """A client that says nothing counts. One that was refused does not, and is not announced, however it leaves."""
    server = start_server("--max-clients", "1", "--interval", "86400")
    with TcpPeer(server.address) as silent, ExitStack() as stack:
        refused = [stack.enter_context(TcpPeer(server.address)) for _ in range(4)]
        for peer in refused:
            require_reply(peer.rest(), error("busy"))
        for peer in refused[:2]:
            peer.reset()
        silent.reset()
        if server.service == "echo":  # which says when it has noticed
            server.expect_line(r".* left")
            with TcpPeer(server.address) as peer:
                require_status(peer.ask(b"ECHO a"), "OK")
        with about("ERR-10", "the only client has left, and yet another one is refused"):
            require_room(server)
        printed = [line for line in server.output if any(f":{peer.address[1]}" in line for peer in refused)]
        assert not printed, f"it printed {printed} about connections that it refused"


def require_room(server: Server) -> None:
    """Raise AssertionError unless a new client is served soon."""
    deadline = time.monotonic() + PATIENCE / 2
    while True:
        with TcpPeer(server.address) as peer:
            answer = peer.ask(good_request(server.service))
        if answer.status == "OK" or time.monotonic() > deadline:
            require_status(answer, "OK")
            return


@pytest.mark.slow
@pytest.mark.service("echo")
@pytest.mark.transport("tcp")
@pytest.mark.requirement("ERR-10", "LOAD-4")
def test_a_refused_connection_ends_by_itself(start_server: StartServer) -> None:
    """The server does not wait for the refused to close theirs: not longer than it would for an idle client."""
    server = start_server("--max-clients", "1", "--idle-timeout", REFUSED_IDLE)
    process = psutil.Process(server.pid)
    with ExitStack() as stack:
        client = stack.enter_context(TcpPeer(server.address))
        require_status(client.ask(b"ECHO a"), "OK")
        before = process.num_fds()
        refused = [stack.enter_context(TcpPeer(server.address)) for _ in range(FULL)]
        for peer in refused:
            require_reply(peer.rest(), error("busy"))
        deadline = time.monotonic() + 2 * float(REFUSED_IDLE) + JUDGE_LATENESS
        while (kept := process.num_fds() - before) > FULL // 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert kept <= FULL // 2, f"of {FULL} refused connections the server has {kept} open still"


@pytest.mark.service("echo")
@pytest.mark.transport("tcp")
@pytest.mark.requirement("LOAD-3", "ERR-10")
def test_a_reset_by_a_client_that_does_not_read_makes_room(start_server: StartServer) -> None:
    server = start_server("--max-clients", "1")
    with TcpPeer(server.address, receive_buffer=1 << 12) as peer:
        peer.flood((b"ECHO " + b"a" * MESSAGE_BYTES + b"\n") * 50, 1 << 25)
        peer.reset()
    with about("LOAD-3", "the only client has left with replies unread, and yet another one is refused"):
        require_room(server)


@pytest.mark.service("echo")
@pytest.mark.transport("tcp")
@pytest.mark.requirement("ERR-10")
@pytest.mark.needs("LOAD-2")
def test_a_tcp_server_fills_up_to_its_limit(start_server: StartServer) -> None:
    """Clients up to the limit are served, the next one is not; one that leaves makes room for one."""
    server = start_server("--max-clients", str(FULL))
    with ExitStack() as stack:
        for number in range(1, FULL + 1):
            peer = stack.enter_context(TcpPeer(server.address))
            assert peer.ask(b"ECHO a").status == "OK", f"client {number} of {FULL} is refused"
        with TcpPeer(server.address) as refused:
            require_reply(refused.rest(), error("busy"))
        peer.close()
        require_left(server)
        with TcpPeer(server.address) as served, TcpPeer(server.address) as refused:
            require_status(served.ask(b"ECHO a"), "OK")
            require_reply(refused.rest(), error("busy"))


@pytest.mark.slow
@pytest.mark.service("time")
@pytest.mark.transport("udp")
@pytest.mark.requirement("ERR-11")
def test_a_udp_server_fills_up_to_its_limit(start_server: StartServer) -> None:
    """Subscribers up to the limit are served; the next one is not, until a lease has run out."""
    server = start_server("--max-clients", str(FULL), "--interval", interval(0.5))
    with ExitStack() as stack:
        for number in range(1, FULL + 1):
            peer = stack.enter_context(UdpPeer(server.address))
            with about("ERR-11", f"subscriber {number} of {FULL} is refused"):
                Subscription(peer, "Анна")
        last = stack.enter_context(UdpPeer(server.address))
        with about("LEASE-1"):
            request = f"TIME Борис\ntoken: {challenge(last, 'Борис')}".encode()
        require_reply(last.ask(request), error("busy"))
        require_left(server)
        require_status(last.ask(request), "OK")


@pytest.mark.service("time")
@pytest.mark.transport("udp")
@pytest.mark.requirement("ERR-11", "LEASE-1")
def test_busy_over_udp(start_server: StartServer) -> None:
    """At the limit a new client gets `busy`, after other faults; a subscriber renews; a lease that ends makes room."""
    server = start_server("--max-clients", "1", "--interval", interval(0.2))
    with UdpPeer(server.address) as first, UdpPeer(server.address) as second:
        subscription = Subscription(first, "Анна")
        subscription.ticks(1)
        with about("LEASE-1"):
            token = f"\ntoken: {challenge(second, 'Борис')}".encode()
        require_reply(second.ask("TIME Борис".encode() + token), error("busy"))
        require_reply(second.ask(b"TIME" + token), error("bad-name"))
        for invalid in "", "\ntoken: x":
            with about("LEASE-1"):
                require_status(second.ask(f"TIME Борис{invalid}".encode()), "CHALLENGE")
        subscription.ticks(1)
        require_left(server, r"Анна \(.*\)")
        while (answer := second.ask("TIME Борис".encode() + token)).status == "CHALLENGE":
            token = f"\ntoken: {answer.fields['token']}".encode()
        require_status(answer, "OK")


@pytest.mark.service("time")
@pytest.mark.transport("udp")
@pytest.mark.requirement("ERR-11")
def test_the_limit_by_default(start_server: StartServer) -> None:
    """Without `--max-clients` the limit is the default of SPEC.md: so many subscriptions, and no more."""
    server = start_server("--interval", "86400", "--quiet")
    for number in range(CLIENTS_DEFAULT + 1):
        with UdpPeer(server.address, source=(f"127.9.{number >> 8}.{number & 0xFF}", 0)) as peer:
            answer = peer.ask(f"TIME a\ntoken: {challenge(peer, 'a')}".encode())
            if number < CLIENTS_DEFAULT:
                assert answer.status == "OK", f"client {number + 1} is refused: {as_text(answer.raw)}"
    require_reply(answer, error("busy"), f"client {CLIENTS_DEFAULT + 1} was not refused")


@pytest.mark.service("echo")
@pytest.mark.transport("tcp")
@pytest.mark.requirement("ERR-10")
@pytest.mark.needs("LOAD-2")
def test_the_limit_of_connections_by_default(target: Target, start_server: StartServer) -> None:
    target.need("many-sockets")
    server = start_server("--quiet")
    with crowd(server.address, CLIENTS_DEFAULT - 1), TcpPeer(server.address) as last:
        with about("ERR-10", f"client {CLIENTS_DEFAULT} without --max-clients"):
            require_status(last.ask(b"ECHO a"), "OK")
        with TcpPeer(server.address) as refused:
            require_reply(refused.rest(), error("busy"), f"client {CLIENTS_DEFAULT + 1} was not refused")
