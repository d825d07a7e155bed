"""SRV-8 and SRV-9: how a server stops, and which replies it must still send."""

import time
from contextlib import ExitStack, suppress
from signal import SIGHUP, SIGINT, SIGTERM

import pytest

from conformance.as_client import peers
from conformance.as_client.conversation import (
    Subscription,
    challenge,
    good_request,
    let_arrive,
    read_tick,
    require_seqs,
    split_replies,
    take_turns,
)
from conformance.as_client.exchange import as_text
from conformance.as_client.judgement import require_replies, require_reply, require_status, require_whole
from conformance.as_client.observed import Reset
from conformance.as_client.peers import SMALLEST_BUFFER, TcpPeer, room
from conformance.as_client.server_lines import require_line_count, require_output, require_stop
from conformance.blame import about
from conformance.expected.oracle import error, expected_reply
from conformance.expected.services import SERVICE_TABLE
from conformance.inconclusive import Inconclusive
from conformance.running.fixtures import StartServer
from conformance.running.stalls import MEASURED_AGAIN
from conformance.targets.target import Target
from conformance.timing import STOP_TIME, interval
from spec.limits import STOP_SECONDS

ECHO = pytest.mark.service("echo")
TCP = pytest.mark.transport("tcp")

SHORT = interval(0.2)
SOON = 0.2
#: Seconds for which a server that stops waits for a client that takes its replies, at the least.
LEAST_WAIT = 0.5
#: Requests of each client that a server has not read when it is to stop.
UNREAD = 20


@pytest.mark.requirement("SRV-8")
@pytest.mark.parametrize("signal", [SIGINT, SIGTERM, SIGHUP])
def test_stop_without_clients(target: Target, start_server: StartServer, signal: int) -> None:
    if signal == SIGHUP:
        target.need("sighup")
    server = start_server()
    require_stop(server, signal)
    require_line_count(server, 2)


@pytest.mark.requirement("SRV-8")
def test_several_signals(start_server: StartServer) -> None:
    """Two find a paused server, so they come together. They go on until it has ended."""
    server = start_server()
    server.wait_until(lambda: False, SOON)  # by then it waits for clients
    with server.paused():
        server.signal(SIGINT)
        server.signal(SIGTERM)
        start = time.monotonic()
    server.signal_until_it_ends(SIGTERM, SIGINT)
    took = time.monotonic() - start
    status = server.wait()
    assert status == 0, server.describe(f"several signals stopped it with status {status}; expected 0")
    late = f"it took {took:.1f} s to stop while signals went on; expected at most {STOP_SECONDS} s"
    assert took <= STOP_TIME, server.describe(late)
    require_output(server, [f"waiting for clients on {server.url}", "stopped"])
    with about("SRV-8", "several signals made it write to standard error"):
        assert server.errors == [], server.describe("expected nothing on standard error")


@pytest.mark.requirement("SRV-8")
@pytest.mark.needs("LOAD-2")
@pytest.mark.parametrize("signal", [SIGINT, SIGTERM])
def test_stop_with_clients(start_server: StartServer, signal: int) -> None:
    """Two hundred: silent, in the middle of a line, served, subscribed."""
    server = start_server("--interval", SHORT)
    with ExitStack() as stack:
        for number in range(200):
            peer = stack.enter_context(peers.connect(server))
            if number % 4 == 1:
                peer.send(b"ECHO half a li")
            elif number % 4 == 2:
                peer.ask(good_request(server.service))
            elif number % 4 == 3 and server.service == "time":
                Subscription(peer, f"Клиент {number}")
        require_stop(server, signal)


@ECHO
@TCP
@pytest.mark.requirement("SRV-8")
def test_stop_with_a_client_that_does_not_read(start_server: StartServer) -> None:
    server = start_server()
    with TcpPeer(server.address, receive_buffer=1 << 12) as peer:
        peer.flood(b"ECHO " + b"a" * 4096 + b"\n", 1 << 24)
        require_stop(server, SIGTERM)


@ECHO
@TCP
@pytest.mark.requirement("SRV-8")
def test_a_second_signal_changes_nothing(start_server: StartServer) -> None:
    """It comes while the server still has replies for a client that reads only then."""
    server = start_server()
    line = b"ECHO " + b"a" * 4096 + b"\n"
    with TcpPeer(server.address, receive_buffer=1 << 12) as peer:
        peer.flood(line * 50, 1 << 25)
        server.signal(SIGTERM)
        server.wait_until(lambda: False, 0.1)
        if server.running:
            server.signal(SIGTERM)
        with suppress(Reset):  # it leaves with requests unread
            peer.rest()
        assert server.wait() == 0, server.describe("expected exit status 0")


@pytest.mark.requirement("SRV-9")
@pytest.mark.needs("TCP-5")
def test_replies_are_sent_before_the_stop(start_server: StartServer) -> None:
    """When the signal comes, a paused server has unread requests, some on connections that it has not accepted.

    Two such connections: with listen(1) there is room for no more. Of the requests there are more than a library
    takes from a socket in one turn, such as the 32 datagrams of libuv.
    """
    server = start_server("--interval", "86400")
    request = good_request(server.service)
    expected = expected_reply(server.service, server.transport, request + b"\n", "86400")
    with ExitStack() as stack:
        clients = [stack.enter_context(peers.connect(server)) for _ in range(5)]
        for peer in clients:
            require_status(peer.ask(SERVICE_TABLE[server.service].probes[0]), "OK", "CHALLENGE")
            if server.service == "time" and server.transport == "tcp":
                peer.reply()
        with server.paused():
            for peer in clients:
                for _ in range(UNREAD):
                    peer.request(request)
            late = [stack.enter_context(peers.connect(server)) for _ in range(2)]
            for peer in late:
                peer.request(request)
            let_arrive(clients[-1])
            server.signal(SIGTERM)
        assert server.wait() == 0, server.describe("expected exit status 0")
        for peer in clients:
            with about("SRV-9", "a reply is missing"):
                require_replies([peer.reply().raw for _ in range(UNREAD)], [expected] * UNREAD)
            if isinstance(peer, TcpPeer):
                assert (more := peer.rest()) == b"", f"more bytes than expected: {as_text(more)}"
        for peer in late:
            with about("SRV-9", "the reply to a connection not yet accepted is missing"):
                require_reply(peer.reply(), expected)


@pytest.mark.service("time")
@pytest.mark.requirement("SRV-9")
@pytest.mark.needs("LEASE-5")
def test_who_subscribes_at_the_stop_gets_the_first_tick(start_server: StartServer) -> None:
    server = start_server("--interval", "86400")
    with peers.connect(server) as peer:
        request = "TIME Анна"
        if server.transport == "udp":
            request += f"\ntoken: {challenge(peer, 'Анна')}"
        else:
            require_status(peer.ask(b"TIME"), "ERR")
        with server.paused():
            peer.request(request.encode())
            let_arrive(peer)
            server.signal(SIGTERM)
        assert server.wait() == 0, server.describe("expected exit status 0")
        with about("SRV-9", "the signal came with the TIME"):
            require_status(peer.reply(), "OK")
            require_seqs([read_tick(peer.reply())], [1])


@TCP
@pytest.mark.requirement("ERR-10", "SRV-9")
@pytest.mark.needs("SRV-9")
def test_who_finds_no_room_is_told_before_the_stop(start_server: StartServer) -> None:
    """When the signal comes, a paused server at its limit has two new connections to accept."""
    server = start_server("--max-clients", "1", "--interval", "86400")
    with TcpPeer(server.address) as client, ExitStack() as stack:
        require_status(client.ask(good_request(server.service)), "OK")
        with server.paused():
            late = [stack.enter_context(TcpPeer(server.address)) for _ in range(2)]
            let_arrive(client)
            server.signal(SIGTERM)
        for peer in late:
            require_reply(peer.rest(), error("busy"), "to a connection that waits when the signal comes")
        assert server.wait() == 0, server.describe("expected exit status 0")


@ECHO
@TCP
@pytest.mark.requirement("SRV-9")
@pytest.mark.needs("TCP-5", "TCP-8", "LOAD-2")
def test_large_replies_are_sent_before_the_stop(start_server: StartServer) -> None:
    """The kernel has no room for the last ones when the signal comes; from then on the client reads."""
    line = b"ECHO " + b"a" * 4096 + b"\n"
    expected = expected_reply("echo", "tcp", line) or b""
    count = room() // len(expected) + 2
    for _ in range(MEASURED_AGAIN + 1):
        server = start_server()
        with TcpPeer(server.address, receive_buffer=SMALLEST_BUFFER) as peer, TcpPeer(server.address) as other:
            peer.send(line * count)
            take_turns(other)
            start = time.monotonic()
            server.signal(SIGTERM)
            peer.widen()
            stream = b""
            with suppress(Reset):
                stream = peer.rest()
            took = time.monotonic() - start
            assert server.wait() == 0, server.describe("expected exit status 0")
        if took < LEAST_WAIT:
            require_whole(split_replies(stream), expected, count)
            return
    raise Inconclusive(f"this machine takes {took:.1f} s for the replies that a server sends when it stops")
