"""SRV-2, SRV-3, SRV-10 to SRV-12, SRV-15 and SRV-16: how a server starts, where it listens, what it refuses."""

import re
import socket
from contextlib import ExitStack
from signal import SIGTERM

import pytest

from conformance.addresses import OWN_HOST, show_address
from conformance.as_client import peers
from conformance.as_client.conversation import (
    Subscription,
    good_request,
    require_reachable,
    require_seqs,
    require_service,
)
from conformance.as_client.judgement import require_status
from conformance.as_client.peers import TcpPeer, UdpPeer
from conformance.as_client.server_lines import (
    require_host,
    require_line,
    require_output,
    require_stop,
    require_url,
    url,
)
from conformance.as_server.talk import batches
from conformance.blame import about
from conformance.expected.services import SERVICE_TABLE
from conformance.profiles import Profile
from conformance.running.fixtures import StartServer
from conformance.targets.host import (
    addresses_of_localhost,
    is_unknown,
    require_address,
    require_foreign,
    require_localhost,
)
from conformance.targets.programs import Program, ProgramError
from conformance.targets.redirected import UNWRITABLE, unwritable
from conformance.targets.server import Server
from conformance.targets.target import Target
from conformance.targets.terms import SERVICES, Service, Transport
from conformance.timing import interval
from spec.limits import CLIENTS_DEFAULT

ECHO = pytest.mark.service("echo")
TCP = pytest.mark.transport("tcp")

SHORT = interval(0.2)


@pytest.mark.requirement("SRV-2")
def test_url(start_server: StartServer, service: Service, transport: Transport) -> None:
    """It has the port that the kernel chose or the one in --port, and the address of a host name."""
    first, second = start_server("--host", OWN_HOST), _second_server(start_server)
    assert first.port != second.port, f"two servers say that they have port {first.port}"
    for server in (first, second):
        require_host(server, OWN_HOST)
        require_reachable(server)
    second.stop()
    again = start_server("--host", OWN_HOST, "--port", str(second.port))
    require_url(again, second.url)
    require_reachable(again)
    require_localhost(transport)
    named = start_server("--host", "localhost")
    hosts = {"127.0.0.1", "::1"} | addresses_of_localhost()
    require_url(named, *(url(service, transport, host, named.port) for host in sorted(hosts)))
    require_reachable(named)


def _second_server(start_server: StartServer) -> Server:
    try:
        return start_server("--host", OWN_HOST)
    except ProgramError as error:
        raise AssertionError(f"of two servers with --port 0 the second fails (does it heed --port?): {error}") from None


@pytest.mark.requirement("SRV-3")
def test_default_port(target: Target, service: Service, transport: Transport) -> None:
    host = OWN_HOST
    require_address(transport, host, SERVICE_TABLE[service].port)
    with target.program(transport, "server", service, "--host", host) as program:
        program.expect_line(r"[^\n]+")
        expected = url(service, transport, host, SERVICE_TABLE[service].port)
        require_output(program, [f"waiting for clients on {expected}"])


WRONG_USAGE = [
    *[[], ["chat"], ["ECHO"], ["echo", "time"], ["echo", ""], ["--port", "0"], ["echo", "--quiet", "yes"]],
    *[["echo", option] for option in ("--unknown", "-x", "--port", "--quie", "-", "--qui\net", "\udcff")],
    *[["echo", "--", "a"], ["echo", "--", "--quiet"]],
    *[["echo", "--por", "0"], ["echo", "--port=7007 "], ["echo", "--quiet=true"], ["echo", "-port", "0"]],
    *[
        ["echo", "--port", value]
        for value in ("-1", "65536", "x", "7007.0", "٣", "+7007", "1_0", " 7007", "70\n07", "7007\n", "")
    ],
    *[["time", "--interval", value] for value in ("0", "0.009", "86400.001", "nan", "1e1", "0.0101", "86401", "0.005")],
    *[["time", "--interval", value] for value in ("1e-1", ".5", "3.", "+3", "3 ", "3.0000")],
    *[["echo", "--max-clients", value] for value in ("0", "1.5", "+5", "-1")],
    *[["echo", "--idle-timeout", value] for value in ("0", "-1", "nan", "inf", "1e1", "3.", ".5")],
    # Options that the service has no use for.
    *[["echo", "--interval", "0"], ["time", "--idle-timeout", "0"], ["time", "--max-clients", "many"]],
    ["echo", "--port", "x", "--port", "0"],
]


def require_refusal(program: Program, status: int) -> None:
    """Raise AssertionError unless the program ends with this status, one line on standard error and no other line."""
    came = program.wait()
    assert came == status, program.describe(f"its exit status is {came}; expected {status}")
    with about("SRV-12"):
        wrong = program.describe("expected one line on standard error")
        assert len(program.errors) == 1 and program.errors[0].strip(), wrong
    require_output(program, [])


def with_service_of(target: Target, words: list[str]) -> list[str]:
    """Return words for a server, with a service that the target has: one that it lacks is wrong usage by itself."""
    lacks = words and words[0] in SERVICES and words[0] not in target.services
    return [target.services[0], *words[1:]] if lacks else words


@pytest.mark.divided
@pytest.mark.requirement("SRV-10", "SRV-12")
def test_wrong_usage(target: Target, transport: Transport, profile: Profile) -> None:
    usages = [*WRONG_USAGE, *[["echo", "--max-clients", "1000000000"]] * (transport == "tcp")]  # too many open files
    usages = [with_service_of(target, words) for words in usages]
    for batch in batches(profile.divide(usages, transport, target.transports("server"))):
        with ExitStack() as stack:
            programs = [stack.enter_context(target.program(transport, "server", *words)) for words in batch]
            for program in programs:
                require_refusal(program, 2)


@ECHO
@pytest.mark.requirement("SRV-10")
@pytest.mark.parametrize("where", UNWRITABLE)
def test_wrong_usage_that_cannot_be_told(target: Target, transport: Transport, where: str) -> None:
    with unwritable(target, transport, "server", where, "echo", "--port", "x") as program:
        came = program.wait()
        assert came == 2, program.describe(
            f"standard error is {UNWRITABLE[where]}, and its exit status is {came}; expected 2"
        )


@ECHO
@pytest.mark.requirement("SRV-10")
def test_all_options_are_accepted(start_server: StartServer) -> None:
    """Also options that the service or transport does not use, and the least and greatest values."""
    options = ["--host", "127.0.0.1", "--interval", "86400", "--max-clients", "1", "--idle-timeout", "0.5", "--quiet"]
    require_service(start_server(*options))
    require_service(start_server("--interval", "0.01", "--max-clients", "500", "--idle-timeout", "1000000"))
    server = start_server("--host", OWN_HOST, "--port", "65535")
    require_service(server)
    if server.transport == "udp":  # its clients need no open files
        require_service(start_server("--max-clients", "5000000000"))


@pytest.mark.requirement("SRV-10")
def test_forms_of_options(start_server: StartServer) -> None:
    """A value behind `=`, leading zeros, and options that are given twice: the last counts.

    The host that does not count is not looked up. And the longest numbers that no server may refuse, whatever the width
    of its integers.
    """
    before = start_server("--host", OWN_HOST)
    before.stop()
    clients = {"udp": "004294967296", "tcp": "0010"}[before.transport]  # each client over TCP is an open file
    options = ["--host", "unknown.invalid", "--port", "1", "--interval=0.5"]
    options += [
        "--idle-timeout=007.123456789",
        "--idle-timeout",
        "999999999",
        "--max-clients=1",
        f"--max-clients={clients}",
    ]
    server = start_server(*options, "--interval=03.0", f"--port=000{before.port}", f"--host={OWN_HOST}")
    require_url(server, before.url)
    with ExitStack() as stack:
        for name in "a", "b":
            peer = stack.enter_context(peers.connect(server))
            if server.service == "time":
                Subscription(peer, name)
            else:
                require_status(peer.ask(good_request("echo")), "OK")


@pytest.mark.transport("tcp")
@ECHO
@pytest.mark.requirement("SRV-10")
@pytest.mark.parametrize("files", [CLIENTS_DEFAULT // 2, CLIENTS_DEFAULT + 2])
def test_more_clients_than_files(target: Target, transport: Transport, files: int) -> None:
    """The default limit of clients, where no program may open so many files: three it has from the start."""
    target.need("many-sockets")
    command = ["/bin/sh", "-c", f'ulimit -n {files} && exec "$0" "$@"', *target.command(transport, "server")]
    words = [*command, "echo", "--port", "0"]
    with Program(words, cwd=target.cwd, env=target.environment, limits=target.limits) as program:
        require_refusal(program, 2)


@pytest.mark.requirement("SRV-11", "SRV-12")
def test_cannot_listen(start_server: StartServer, target: Target, service: Service, transport: Transport) -> None:
    kind, other = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM, start_server()
    with socket.socket(socket.AF_INET, kind) as taken, ExitStack() as stack:
        taken.bind(("127.0.0.1", 0))
        if transport == "tcp":
            taken.listen()
        attempts = [
            ["--port", str(taken.getsockname()[1])],
            ["--port", str(other.port)],
            *[
                ["--host", host, "--port", "0"]
                for host in ("unknown host", "a" * 64, "256.256.256.256")
                if is_unknown(host)
            ],
        ]
        programs = [stack.enter_context(target.program(transport, "server", service, *words)) for words in attempts]
        for program in programs:
            require_refusal(program, 1)
        require_service(other)


@pytest.mark.requirement("SRV-11", "SRV-12")
def test_tells_why_it_cannot_listen(
    start_server: StartServer, target: Target, service: Service, transport: Transport
) -> None:
    """An address that is in use, and one that is not its own: each has a line of its own."""
    require_foreign(transport, "192.0.2.1")
    with ExitStack() as stack:
        attempts = [["--port", str(start_server().port)], ["--host", "192.0.2.1", "--port", "0"]]
        programs = [stack.enter_context(target.program(transport, "server", service, *words)) for words in attempts]
        for program in programs:
            require_refusal(program, 1)
        in_use, not_its_own = (re.sub(r"[\d.:]+", "", program.errors[0]) for program in programs)
        with about("SRV-12"):
            assert in_use != not_its_own, f"two different reasons give the same line: {in_use!r}"


@TCP
@pytest.mark.requirement("SRV-16")
def test_a_stopped_server_starts_again(start_server: StartServer, service: Service) -> None:
    """The server closed its connections first, so the kernel keeps them in TIME-WAIT."""
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


@pytest.mark.requirement("SRV-15")
@pytest.mark.needs("SRV-4", "SRV-5", "SRV-8")
def test_ipv6(start_server: StartServer, service: Service, transport: Transport) -> None:
    server = start_server("--host", "::1", "--interval", SHORT)
    require_url(server, f"{service}+{transport}://[::1]:{server.port}")
    require_service(server)
    with peers.connect(server) as peer:
        address = f"[::1]:{peer.address[1]}"
        if service == "time":
            subscription = Subscription(peer, "Анна")
            require_line(server, f"client Анна ({address}) connected")
            require_seqs(subscription.ticks(2), [1, 2])
        else:
            require_status(peer.ask(b"ECHO a"), "OK")
            require_line(server, f"client {address} connected")
    require_stop(server, SIGTERM)


@pytest.mark.requirement("SRV-15")
@pytest.mark.needs("SRV-4", "SRV-5")
def test_ipv4_at_the_ipv6_wildcard(start_server: StartServer) -> None:
    server = start_server("--host", "::")
    require_url(server, f"{server.service}+{server.transport}://[::]:{server.port}")
    for host in ("127.0.0.1", "::1"):
        require_address(server.transport, host)
        kind = TcpPeer if server.transport == "tcp" else UdpPeer
        with about("SRV-15", "with --host ::"), kind((host, server.port)) as peer:
            if server.service == "time":
                Subscription(peer, "Анна")
                require_line(server, f"client Анна ({show_address(peer.address)}) connected")
            else:
                require_status(peer.ask(good_request("echo")), "OK")
                require_line(server, f"client {show_address(peer.address)} connected")
