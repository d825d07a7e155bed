"""SRV-1, SRV-4 to SRV-7, SRV-13 and SRV-14: the lines that a server prints."""

import os
import select
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from signal import SIGTERM

import pytest

from conformance.addresses import show_address
from conformance.as_client import peers
from conformance.as_client.conversation import Subscription, good_request, require_reachable, require_service
from conformance.as_client.judgement import require_status
from conformance.as_client.peers import Peer, TcpPeer, UdpPeer
from conformance.as_client.server_lines import require_line, require_line_count, require_output, require_stop, url
from conformance.blame import about
from conformance.running.fixtures import StartServer
from conformance.targets.target import Target
from conformance.targets.terms import Service, Transport
from conformance.timing import JUDGE_LATENESS, PATIENCE, interval

ECHO = pytest.mark.service("echo")
TIME = pytest.mark.service("time")
TCP = pytest.mark.transport("tcp")
UDP = pytest.mark.transport("udp")

SHORT = interval(0.2)


@pytest.mark.requirement("SRV-1")
def test_ready_line(start_server: StartServer, service: Service, transport: Transport) -> None:
    """It is the first line, and the server can be reached at once: the judge tries only once."""
    for _ in range(2):
        server = start_server()
        require_output(server, [f"waiting for clients on {url(service, transport, '127.0.0.1', server.port)}"])
        require_reachable(server)


@pytest.mark.requirement("SRV-17", "SRV-8")
@pytest.mark.needs("SRV-2", "SRV-8", "ECHO-1", "TIME-2", "LEASE-1")
def test_goes_on_when_nobody_can_read_its_output(
    start_server: StartServer, target: Target, service: Service, transport: Transport
) -> None:
    """Who read the ready line has closed the pipe when clients come. SIGPIPE does not kill the server."""
    target.need("output-files")
    server = start_server()
    server.stop()
    reader, writer = os.pipe()
    with ExitStack() as stack:
        stack.callback(os.close, writer)
        words = [service, "--port", str(server.port)]
        program = stack.enter_context(target.program(transport, "server", *words, stdout=writer))
        ready, _, _ = select.select([reader], [], [], PATIENCE)
        os.close(reader)
        assert ready, program.describe("no ready line")
        with about("SRV-17", "its standard output is broken"):
            for _ in range(3):
                require_service(server)
        assert program.stop(SIGTERM) == 0, program.describe("its standard output is broken; expected exit status 0")


@pytest.mark.requirement("SRV-1")
def test_each_line_is_written_out_into_a_file(
    start_server: StartServer, target: Target, service: Service, transport: Transport, tmp_path: Path
) -> None:
    target.need("output-files")
    start_server()  # what is wrong with any start has nothing to do with a file
    file = tmp_path / "output"
    with (
        file.open("wb") as output,
        target.program(transport, "server", service, "--port", "0", stdout=output.fileno()) as program,
    ):
        deadline = time.monotonic() + PATIENCE
        while True:
            may_print = program.running and time.monotonic() < deadline
            told = file.read_text(encoding="utf-8", errors="backslashreplace")
            if told.startswith("waiting for clients on "):
                break
            assert may_print, program.describe(f"the output is a file, and the ready line is not in it, but {told!r}")
            time.sleep(0.01)


@pytest.mark.requirement("SRV-1")
def test_output_is_english(start_server: StartServer, service: Service, transport: Transport) -> None:
    """Also in the locale of somebody who speaks another language."""
    russian = dict.fromkeys(("LC_ALL", "LANG"), "ru_RU.UTF-8") | {"LANGUAGE": "ru"}
    server = start_server(env=russian)
    require_output(server, [f"waiting for clients on {url(service, transport, '127.0.0.1', server.port)}"])


@TIME
@pytest.mark.requirement("SRV-1")
@pytest.mark.needs("LEASE-1", "TIME-2")
def test_output_is_utf_8(start_server: StartServer) -> None:
    """Also in a locale without UTF-8."""
    server = start_server(env={"LC_ALL": "C", "LANG": "C"})
    with peers.connect(server) as peer:
        Subscription(peer, "Анна 👨")
        with about("SRV-5"):
            server.expect_line(r"client .* connected")
        address, came = show_address(peer.address), server.output[1:]
        expected = [f"client Анна 👨 ({address}) connected"]
        is_garbled = came[0].endswith(f" ({address}) connected") and "Анна 👨" not in came[0]
        with about("SRV-1" if is_garbled else "SRV-5"):
            assert came == expected, server.describe(f"it printed {came}; expected {expected}")


@ECHO
@pytest.mark.requirement("SRV-4")
@pytest.mark.needs("LOAD-2")
def test_connected_echo_client(start_server: StartServer) -> None:
    """Over TCP before its first request; over UDP at its first request, a bad one too, and only once."""
    server = start_server()
    with ExitStack() as stack:
        for first in (b"ECHO a", b"ECHO \x01"):
            peer = stack.enter_context(peers.connect(server))
            if server.transport == "udp":
                peer.ask(first)
            require_line(server, f"client {show_address(peer.address)} connected")
            peer.ask(b"ECHO b")
        require_line_count(server, 3)


@ECHO
@UDP
@pytest.mark.requirement("SRV-4")
def test_who_is_not_answered_is_not_connected(start_server: StartServer) -> None:
    """Datagrams keep their order: the server has read the stranger's when it answers the client's."""
    server = start_server()
    with UdpPeer(server.address) as stranger, UdpPeer(server.address) as client:
        for datagram in (b"ECHOhi", b"HELLO", b"TIME a", b"OK\n\n", b"", b"\xff"):
            stranger.send(datagram)
        require_status(client.ask(b"ECHO a"), "OK")
        connected = f"client {show_address(client.address)} connected"
        require_line(server, connected)
        assert server.output[1:] == [connected], "it printed 'connected' for an address that it did not answer"


@TIME
@pytest.mark.requirement("SRV-5")
def test_connected_time_client(start_server: StartServer) -> None:
    """Printed when the subscription starts: not at the connection, a bad name, a challenge or a renewal."""
    server = start_server()
    with ExitStack() as stack:
        for name in ("Анна", "Борис"):
            peer = stack.enter_context(peers.connect(server))
            peer.ask(b"TIME ")
            subscription = Subscription(peer, name)
            require_line(server, f"client {name} ({show_address(peer.address)}) connected")
            subscription.tick()
            subscription.request(name)
            peer.reply()
        require_line_count(server, 3)


@ECHO
@TCP
@pytest.mark.requirement("SRV-6")
@pytest.mark.needs("LOAD-2", "TCP-8")
@pytest.mark.parametrize("leave", [TcpPeer.close, TcpPeer.half_close, TcpPeer.reset])
def test_left_echo_client(start_server: StartServer, leave: Callable[[TcpPeer], None]) -> None:
    server = start_server()
    with TcpPeer(server.address) as stays, TcpPeer(server.address) as peer:
        peer.ask(b"ECHO a")
        leave(peer)
        require_line(server, f"client {show_address(peer.address)} left")
        stays.ask(b"ECHO a")
        require_line_count(server, 4)


@ECHO
@UDP
@pytest.mark.requirement("SRV-6", "SRV-4")
def test_left_silent_echo_client(start_server: StartServer) -> None:
    """It has left when it sent nothing that is answered for the idle timeout. After that it is a new client."""
    idle = float(interval(0.5))
    server = start_server("--idle-timeout", interval(0.5))
    with UdpPeer(server.address) as peer:
        for last in b"ECHO a", b"ECHO \xff":
            peer.ask(b"ECHO a")
            server.wait_until(lambda: False, 0.4 * idle)
            before = time.monotonic()
            peer.ask(last)
            with about("SRV-4"):
                require_line(server, f"client {show_address(peer.address)} connected")
            require_line(server, f"client {show_address(peer.address)} left")
            silent = server.lines[-1].at - before
            wrong = f"'left' came {silent:.3f} s after its request, with an idle timeout of {idle:g} s"
            assert idle <= silent < 2 * idle + JUDGE_LATENESS, wrong


@ECHO
@UDP
@pytest.mark.requirement("SRV-6", "SRV-4")
def test_left_forgotten_echo_client(start_server: StartServer) -> None:
    """At the limit of clients, the one that was silent longest is forgotten, again and again; no client is refused."""
    server = start_server("--max-clients", "2")
    with UdpPeer(server.address) as first, UdpPeer(server.address) as second, UdpPeer(server.address) as third:
        for peer in (first, second, first, third):
            require_status(peer.ask(b"ECHO a"), "OK")
        require_line(server, f"client {show_address(second.address)} left")
        with about("SRV-4"):
            require_line(server, f"client {show_address(third.address)} connected")
            require_line_count(server, 5)
        for peer, forgotten in (second, first), (first, third):
            require_status(peer.ask(b"ECHO a"), "OK")
            require_line(server, f"client {show_address(forgotten.address)} left")
            require_line(server, f"client {show_address(peer.address)} connected")
        require_line_count(server, 9)


@TIME
@pytest.mark.requirement("SRV-6")
def test_left_time_client(start_server: StartServer) -> None:
    """With its last name; the change of name has a line too, if only of its letters. Who never had a name has none."""
    server = start_server("--interval", SHORT)
    with peers.connect(server) as stranger:
        stranger.ask(b"TIME")
    with peers.connect(server) as peer:
        subscription = Subscription(peer, "Анна")
        subscription.tick()
        subscription.request("АННА")
        address = show_address(peer.address)
        require_line(server, f"client Анна ({address}) is now АННА")
        if server.transport == "tcp":
            peer.close()
        require_line(server, f"client АННА ({address}) left")
        require_line_count(server, 4)


@pytest.mark.requirement("SRV-7")
@pytest.mark.needs("SRV-8", "ERR-8")
def test_quiet(start_server: StartServer) -> None:
    """Clients come, change their name, send faulty requests and leave; no line is printed."""
    server = start_server("--quiet", "--interval", SHORT, "--idle-timeout", interval(0.3))
    with peers.connect(server) as peer:
        if server.service == "time":
            subscription = Subscription(peer, "Анна")
            subscription.tick()
            subscription.request("Борис")
        peer.ask(good_request(server.service) + b"\x00")
    if server.service == "time":
        # The first client has left when this one's lease, or end, is over.
        with peers.connect(server) as peer:
            Subscription(peer, "Анна").ticks(4)
    require_service(server)
    assert server.stop() == 0, server.describe("expected exit status 0")
    require_output(server, [f"waiting for clients on {server.url}", "stopped"])


@pytest.mark.requirement("SRV-13")
@pytest.mark.needs("SRV-8")
def test_peers_leave_nothing_on_standard_error(start_server: StartServer) -> None:
    """Noise, faulty requests, resets, half lines, replies, ports closed before the answer."""
    server = start_server("--interval", SHORT, "--idle-timeout", interval(0.3))
    noise = [
        b"",
        b"\x00\xff",
        b"\n" * 1000,
        b"a" * 60000,
        b"OK\n\n",
        good_request(server.service),
        b"ECHO \xff\nTIME \xff\n",
        b"TIME",
    ]
    for data in noise:
        for end in (Peer.close, TcpPeer.half_close, TcpPeer.reset):
            with peers.connect(server) as peer:
                peer.send(data)
                if isinstance(peer, TcpPeer):
                    end(peer)
    if server.service == "time":
        with peers.connect(server) as peer:
            Subscription(peer, "Анна").tick()
        with peers.connect(server) as peer:
            Subscription(peer, "Анна").ticks(4)
    require_service(server)
    require_stop(server, SIGTERM)


DISPLAYED = {
    "\u061c": "\\u061c",
    "a\u200eb\u200f": "a\\u200eb\\u200f",
    "\u2028": "\\u2028",
    "a\u2029b": "a\\u2029b",
    "\u202a\u202b\u202c\u202d\u202e": "\\u202a\\u202b\\u202c\\u202d\\u202e",
    "\u2066\u2067\u2068\u2069": "\\u2066\\u2067\\u2068\\u2069",
    "a\\u202eb": "a\\u202eb",
    "\\": "\\",
    "\u200b\u200d\u2010\u2027\u202f\u2065\u206a\ufeffя👨": "\u200b\u200d\u2010\u2027\u202f\u2065\u206a\ufeffя👨",
}


@TIME
@pytest.mark.requirement("SRV-14")
@pytest.mark.needs("SRV-5")
def test_what_a_peer_sent_is_shown_safely(start_server: StartServer) -> None:
    server = start_server("--interval", "86400")
    with peers.connect(server) as peer:
        address = show_address(peer.address)
        expected, before = [f"waiting for clients on {server.url}"], ""
        subscription = Subscription(peer, next(iter(DISPLAYED)))
        for name, shown in DISPLAYED.items():
            subscription.request(name)
            expected.append(
                f"client {before} ({address}) is now {shown}" if before else f"client {shown} ({address}) connected"
            )
            before = shown
        server.expect_line(f".* is now {before}")
        require_output(server, expected)
