"""SRV: how a server is started, what it prints, how it ends."""

import re
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from signal import SIGINT, SIGTERM

import pytest

from conformance import wire
from conformance.citations import about
from conformance.conftest import StartServer
from conformance.conversation import Subscription, good_request, require_seqs, require_service, split_replies
from conformance.judgement import require_replies, require_reply, require_status
from conformance.oracle import error, owed
from conformance.profiles import Profile
from conformance.programs import OWN_HOST, Program, ProgramError
from conformance.talk import batches
from conformance.targets import Server, Service, Target, Transport, show_address
from conformance.timing import JUDGE_LATENESS, PATIENCE, interval
from conformance.wire import Peer, TcpPeer, UdpPeer
from spec.limits import ECHO_PORT, STOP_SECONDS, TIME_PORT

ECHO = pytest.mark.service("echo")
TIME = pytest.mark.service("time")
TCP = pytest.mark.transport("tcp")
UDP = pytest.mark.transport("udp")

SHORT = interval(0.2)


def url(service: str, transport: str, host: str, port: int) -> str:
    """Return the URL that a server there prints."""
    return f"{service}+{transport}://{show_address((host, port))}"


def require_url(server: Server, *due: str) -> None:
    """The ready line must have that URL, or one of these."""
    assert server.url in due, f"the server says that it waits on {server.url}; due is {' or '.join(due)}"


def require_output(program: Program, due: list[str]) -> None:
    """This must be all of the output so far."""
    assert program.output == due, program.describe(f"{due} was due")


def require_lines(program: Program, count: int) -> None:
    """So many lines must be all of the output so far."""
    assert len(program.output) == count, program.describe(f"{count} lines were due")


def printed(server: Server, line: str) -> None:
    """Wait for this line."""
    server.expect_line(line.replace("(", r"\(").replace(")", r"\)").replace("[", r"\[").replace("\\u", r"\\u"))


@pytest.mark.requirement("SRV-1")
def test_ready_line(target: Target, service: Service, transport: Transport) -> None:
    """It is the first line, and the server can be reached at once: no second try."""
    for _ in range(2):
        with target.server(service, transport) as server:
            require_output(server, [f"waiting for clients on {url(service, transport, '127.0.0.1', server.port)}"])
            require_service(server)


@pytest.mark.requirement("SRV-1")
def test_each_line_is_written_out_into_a_file(
    target: Target, service: Service, transport: Transport, tmp_path: Path
) -> None:
    file = tmp_path / "output"
    command = [*target.command(transport, "server"), service, "--port", "0"]
    with Program(["sh", "-c", 'exec "$0" "$@" > ' + str(file), *command], cwd=target.cwd):
        deadline = time.monotonic() + PATIENCE
        while not (file.exists() and file.read_bytes().startswith(b"waiting for clients on ")):
            assert time.monotonic() < deadline, "no ready line in the file while the server runs"
            time.sleep(0.01)


@TIME
@pytest.mark.requirement("SRV-1")
def test_output_is_utf_8(start_server: StartServer) -> None:
    """In a locale without UTF-8 too."""
    server = start_server(env={"LC_ALL": "C", "LANG": "C"})
    with wire.connect(server) as peer:
        Subscription(peer, "Анна 👨")
        printed(server, f"client Анна 👨 ({show_address(peer.address)}) connected")


@pytest.mark.requirement("SRV-2")
def test_url(start_server: StartServer, service: Service, transport: Transport) -> None:
    """The port that the kernel chose, or the one asked for; the address of a name."""
    first, second = start_server("--host", OWN_HOST), start_server("--host", OWN_HOST)
    assert first.port != second.port, f"two servers say that they have port {first.port}"
    for server in (first, second):
        require_url(server, url(service, transport, OWN_HOST, server.port))
        require_service(server)
    second.stop()
    again = start_server("--host", OWN_HOST, "--port", str(second.port))
    require_url(again, second.url)
    require_service(again)
    named = start_server("--host", "localhost")
    require_url(named, *(url(service, transport, host, named.port) for host in ("127.0.0.1", "::1")))
    require_service(named)


@pytest.mark.requirement("SRV-3")
def test_default_port(target: Target, service: Service, transport: Transport) -> None:
    host = OWN_HOST
    with target.program(transport, "server", service, "--host", host) as program:
        program.expect_line(r"[^\n]+")
        expected = url(service, transport, host, ECHO_PORT if service == "echo" else TIME_PORT)
        require_output(program, [f"waiting for clients on {expected}"])


@ECHO
@pytest.mark.requirement("SRV-4")
def test_connected_echo_client(start_server: StartServer) -> None:
    """Over TCP before it has said anything; over UDP at its first request, and once."""
    server = start_server()
    with ExitStack() as stack:
        for _ in range(2):
            peer = stack.enter_context(wire.connect(server))
            if server.transport == "udp":
                peer.ask(b"ECHO a")
                peer.ask(b"ECHO b")
            printed(server, f"client {show_address(peer.address)} connected")
        require_lines(server, 3)


@ECHO
@UDP
@pytest.mark.requirement("SRV-4")
def test_who_is_not_answered_is_not_connected(start_server: StartServer) -> None:
    """Datagrams keep their order, so the server has seen the strangers' when it answers the client's."""
    server = start_server()
    with UdpPeer(server.address) as stranger, UdpPeer(server.address) as client:
        for datagram in (b"ECHOhi", b"HELLO", b"TIME a", b"OK\n\n", b"", b"\xff"):
            stranger.send(datagram)
        require_status(client.ask(b"ECHO a"), "OK")
        connected = f"client {show_address(client.address)} connected"
        printed(server, connected)
        assert server.output[1:] == [connected], "who was not answered is announced"


@TIME
@pytest.mark.requirement("SRV-5")
def test_connected_time_client(start_server: StartServer) -> None:
    """When the subscription starts: not at the connection, nor at a bad name or a challenge, nor at a renewal."""
    server = start_server()
    with ExitStack() as stack:
        for name in ("Анна", "Борис"):
            peer = stack.enter_context(wire.connect(server))
            peer.ask(b"TIME ")
            subscription = Subscription(peer, name)
            printed(server, f"client {name} ({show_address(peer.address)}) connected")
            subscription.tick()
            subscription.request(name)
            peer.reply()
        require_lines(server, 3)


@ECHO
@TCP
@pytest.mark.requirement("SRV-6")
@pytest.mark.parametrize("leave", [TcpPeer.close, TcpPeer.half_close, TcpPeer.reset])
def test_left_echo_client(start_server: StartServer, leave: Callable[[TcpPeer], None]) -> None:
    server = start_server()
    with TcpPeer(server.address) as stays, TcpPeer(server.address) as peer:
        peer.ask(b"ECHO a")
        leave(peer)
        printed(server, f"client {show_address(peer.address)} left")
        stays.ask(b"ECHO a")
        require_lines(server, 4)


@ECHO
@UDP
@pytest.mark.requirement("SRV-6", "SRV-4")
def test_left_silent_echo_client(start_server: StartServer) -> None:
    """After the idle timeout from its last request; and then it is a new client."""
    server = start_server("--idle-timeout", interval(0.3))
    with UdpPeer(server.address) as peer:
        for _ in range(2):
            before = time.monotonic()
            peer.ask(b"ECHO a")
            with about("SRV-4"):
                printed(server, f"client {show_address(peer.address)} connected")
            printed(server, f"client {show_address(peer.address)} left")
            silent = server.lines[-1].at - before
            told = f"{silent:.3f} s after its request, with an idle timeout of {interval(0.3)} s"
            assert float(interval(0.3)) <= silent < 2 * float(interval(0.3)) + JUDGE_LATENESS, told


@ECHO
@UDP
@pytest.mark.requirement("SRV-6", "SRV-4")
def test_left_forgotten_echo_client(start_server: StartServer) -> None:
    """At the limit of clients, the one that was silent longest makes room; none is refused."""
    server = start_server("--max-clients", "2")
    with UdpPeer(server.address) as first, UdpPeer(server.address) as second, UdpPeer(server.address) as third:
        for peer in (first, second, first, third):
            require_status(peer.ask(b"ECHO a"), "OK")
        printed(server, f"client {show_address(second.address)} left")
        with about("SRV-4"):
            printed(server, f"client {show_address(third.address)} connected")
            require_lines(server, 5)


@TIME
@pytest.mark.requirement("SRV-6")
def test_left_time_client(start_server: StartServer) -> None:
    """With the name it had last; the change of name is told too."""
    server = start_server("--interval", SHORT)
    with wire.connect(server) as peer:
        subscription = Subscription(peer, "Анна")
        subscription.tick()
        subscription.request("Борис")
        address = show_address(peer.address)
        printed(server, f"client Анна ({address}) is now Борис")
        if server.transport == "tcp":
            peer.close()
        printed(server, f"client Борис ({address}) left")
        require_lines(server, 4)


@pytest.mark.requirement("SRV-7")
def test_quiet(start_server: StartServer) -> None:
    """Clients come, change their name, fail and leave without a word."""
    server = start_server("--quiet", "--interval", SHORT, "--idle-timeout", interval(0.3))
    with wire.connect(server) as peer:
        if server.service == "time":
            subscription = Subscription(peer, "Анна")
            subscription.tick()
            subscription.request("Борис")
        peer.ask(good_request(server.service) + b"\x00")
    if server.service == "time":
        # The first client has left when this one's lease, or end, is over.
        with wire.connect(server) as peer:
            Subscription(peer, "Анна").ticks(4)
    require_service(server)
    assert server.stop() == 0, server.describe("wrong exit status")
    require_output(server, [f"waiting for clients on {server.url}", "stopped"])


def require_stop(server: Server, signal: int) -> None:
    """A signal must end the server in time, with `stopped` as its last line and nothing on standard error."""
    start = time.monotonic()
    status = server.stop(signal)
    assert status == 0, server.describe("wrong exit status")
    assert time.monotonic() - start <= STOP_SECONDS + JUDGE_LATENESS, "it did not stop in time"
    assert server.output[-1] == "stopped" and server.output.count("stopped") == 1, server.describe("wrong last line")
    with about("SRV-13"):
        assert server.errors == [], server.describe("it wrote to standard error")


@pytest.mark.requirement("SRV-8")
@pytest.mark.parametrize("signal", [SIGINT, SIGTERM])
def test_stop_without_clients(start_server: StartServer, signal: int) -> None:
    server = start_server()
    require_stop(server, signal)
    require_lines(server, 2)


@pytest.mark.requirement("SRV-8")
@pytest.mark.parametrize("signal", [SIGINT, SIGTERM])
def test_stop_with_clients(start_server: StartServer, signal: int) -> None:
    """Two hundred: silent, in the middle of a line, served, subscribed."""
    server = start_server("--interval", SHORT)
    with ExitStack() as stack:
        for number in range(200):
            peer = stack.enter_context(wire.connect(server))
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


@pytest.mark.requirement("SRV-9")
def test_replies_are_sent_before_the_stop(start_server: StartServer) -> None:
    """Requests lie before a sleeping server when the signal comes, those of connections not yet accepted among them."""
    server = start_server("--interval", "86400")
    request = good_request(server.service)
    expected = owed(server.service, server.transport, request + b"\n", "86400")
    with ExitStack() as stack:
        peers = [stack.enter_context(wire.connect(server)) for _ in range(5)]
        for peer in peers:
            require_status(peer.ask(b"ECHO first" if server.service == "echo" else request), "OK", "CHALLENGE")
            if server.service == "time" and server.transport == "tcp":
                peer.reply()
        with server.paused():
            for peer in peers:
                for _ in range(5):
                    peer.request(request)
            late = [stack.enter_context(wire.connect(server)) for _ in range(3)]
            for peer in late:
                peer.request(request)
            server.signal(SIGTERM)
        assert server.wait() == 0, server.describe("wrong exit status")
        for peer in peers:
            with about("SRV-9", "it stopped without its replies"):
                require_replies([peer.reply().raw for _ in range(5)], [expected] * 5)
            if isinstance(peer, TcpPeer):
                assert (more := peer.rest()) == b"", f"more than was owed: {more!r}"
        for peer in late:
            with about("SRV-9", "it stopped without the replies to those who came last"):
                require_reply(peer.reply(), expected)


@TCP
@pytest.mark.requirement("ERR-10", "SRV-9")
def test_who_finds_no_room_is_told_before_the_stop(start_server: StartServer) -> None:
    """At the limit, several new connections lie before a sleeping server when the signal comes."""
    server = start_server("--max-clients", "1", "--interval", "86400")
    with TcpPeer(server.address) as client, ExitStack() as stack:
        require_status(client.ask(good_request(server.service)), "OK")
        with server.paused():
            late = [stack.enter_context(TcpPeer(server.address)) for _ in range(3)]
            server.signal(SIGTERM)
        for peer in late:
            require_reply(peer.rest(), error("busy"))
        assert server.wait() == 0, server.describe("wrong exit status")


@ECHO
@TCP
@pytest.mark.requirement("SRV-9")
def test_large_replies_are_sent_before_the_stop(start_server: StartServer) -> None:
    """More than the sockets hold, for requests that have reached the server, to a client that takes them at once."""
    server = start_server()
    line = b"ECHO " + b"a" * 4096 + b"\n"
    with TcpPeer(server.address, receive_buffer=1 << 14) as peer:
        peer.send(line * 12)
        first = peer.reply().raw
        server.signal(SIGTERM)
        replies = [first, *split_replies(peer.rest())]
        assert server.wait() == 0, server.describe("wrong exit status")
    require_replies(replies, [owed("echo", "tcp", line)] * 12)


WRONG_USAGE = [
    *[[], ["chat"], ["ECHO"], ["echo", "time"], ["echo", ""], ["--port", "0"], ["echo", "--quiet", "yes"]],
    *[["echo", option] for option in ("--unknown", "-x", "--port", "--quie")],
    *[["echo", "--port", value] for value in ("-1", "65536", "x", "7007.0", "٣")],
    *[["time", "--interval", value] for value in ("0", "0.009", "86400.001", "nan", "1e1", "0.0101")],
    *[["echo", "--max-clients", value] for value in ("0", "1.5")],
    *[["echo", "--idle-timeout", value] for value in ("0", "-1", "nan", "inf", "1e1")],
]


def require_refusal(program: Program, status: int) -> None:
    """A program must end with this status, one line on standard error and none on standard output."""
    assert program.wait() == status, program.describe("wrong exit status")
    with about("SRV-12"):
        told = program.describe("not one line on standard error")
        assert len(program.errors) == 1 and program.errors[0].strip(), told
    require_output(program, [])


@pytest.mark.requirement("SRV-10", "SRV-12")
def test_wrong_usage(target: Target, transport: Transport, profile: Profile) -> None:
    for batch in batches(WRONG_USAGE, profile):
        with ExitStack() as stack:
            programs = [stack.enter_context(target.program(transport, "server", *words)) for words in batch]
            for program in programs:
                require_refusal(program, 2)


@ECHO
@pytest.mark.requirement("SRV-10")
def test_all_options_are_accepted(start_server: StartServer) -> None:
    """Those too that the service or transport has no use for, and the ends of what is allowed."""
    options = ["--host", "127.0.0.1", "--interval", "86400", "--max-clients", "1", "--idle-timeout", "0.5", "--quiet"]
    require_service(start_server(*options))
    require_service(start_server("--interval", "0.01", "--max-clients", "1000", "--idle-timeout", "1000000"))
    server = start_server("--host", OWN_HOST, "--port", "65535")
    require_service(server)
    if server.transport == "udp":  # its clients cost no files
        require_service(start_server("--max-clients", "1000000000"))


@ECHO
@pytest.mark.requirement("SRV-11", "SRV-12")
def test_cannot_listen(target: Target, service: Service, transport: Transport) -> None:
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    with target.server(service, transport) as other, socket.socket(socket.AF_INET, kind) as taken, ExitStack() as stack:
        taken.bind(("127.0.0.1", 0))
        if transport == "tcp":
            taken.listen()
        attempts = [
            ["--port", str(taken.getsockname()[1])],
            ["--port", str(other.port)],
            ["--host", "192.0.2.1", "--port", "0"],
            ["--host", "unknown host", "--port", "0"],
            ["--host", "a" * 64, "--port", "0"],
            ["--host", "256.256.256.256", "--port", "0"],
        ]
        programs = [stack.enter_context(target.program(transport, "server", service, *words)) for words in attempts]
        for program in programs:
            require_refusal(program, 1)
        in_use, not_its_own = (re.sub(r"[\d.:]+", "", programs[which].errors[0]) for which in (0, 2))
        with about("SRV-12"):
            assert in_use != not_its_own, f"not why, but the same for two reasons: {in_use!r}"
        require_service(other)


@TCP
@pytest.mark.requirement("SRV-16")
def test_a_stopped_server_starts_again(start_server: StartServer, service: Service) -> None:
    """It has closed its connections first, so the kernel keeps their addresses for a while."""
    server = start_server("--host", OWN_HOST)
    with ExitStack() as stack:
        for peer in [stack.enter_context(TcpPeer(server.address)) for _ in range(3)]:
            peer.ask(good_request(service))
        server.stop()
    try:
        again = start_server("--host", OWN_HOST, "--port", str(server.port))
    except ProgramError as error:
        raise AssertionError(f"the port is not free again: {error}") from None
    require_service(again)


@pytest.mark.requirement("SRV-13")
def test_peers_leave_nothing_on_standard_error(start_server: StartServer) -> None:
    """Noise, faults, resets, half lines, replies, ports closed before the answer."""
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
            with wire.connect(server) as peer:
                peer.send(data)
                if isinstance(peer, TcpPeer):
                    end(peer)
    if server.service == "time":
        with wire.connect(server) as peer:
            Subscription(peer, "Анна").tick()
        with wire.connect(server) as peer:
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
def test_what_a_peer_sent_is_shown_safely(start_server: StartServer) -> None:
    server = start_server("--interval", "86400")
    with wire.connect(server) as peer:
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


@pytest.mark.requirement("SRV-15")
def test_ipv6(start_server: StartServer, service: Service, transport: Transport) -> None:
    server = start_server("--host", "::1", "--interval", SHORT)
    require_url(server, f"{service}+{transport}://[::1]:{server.port}")
    require_service(server)
    with wire.connect(server) as peer:
        address = f"[::1]:{peer.address[1]}"
        if service == "time":
            subscription = Subscription(peer, "Анна")
            printed(server, f"client Анна ({address}) connected")
            require_seqs(subscription.ticks(2), [1, 2])
        else:
            require_status(peer.ask(b"ECHO a"), "OK")
            printed(server, f"client {address} connected")
    require_stop(server, SIGTERM)


@pytest.mark.requirement("SRV-15")
def test_ipv4_at_the_ipv6_wildcard(start_server: StartServer) -> None:
    server = start_server("--host", "::")
    require_url(server, f"{server.service}+{server.transport}://[::]:{server.port}")
    for host in ("127.0.0.1", "::1"):
        with (TcpPeer if server.transport == "tcp" else UdpPeer)((host, server.port)) as peer:
            require_status(peer.ask(good_request(server.service)), "OK", "CHALLENGE")
            if server.service == "echo":
                printed(server, f"client {show_address(peer.address)} connected")
