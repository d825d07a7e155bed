"""SRV-18: servers that share a port, where they can."""

from contextlib import ExitStack

import pytest

from conformance.as_client import peers
from conformance.as_client.conversation import Subscription
from conformance.as_client.judgement import require_status
from conformance.inconclusive import Inconclusive
from conformance.running.fixtures import StartServer
from conformance.targets.server import DidNotStart
from conformance.targets.target import Target
from conformance.targets.terms import Service, Transport

CLIENTS = 64
"""A kernel that chooses between two servers gives each one, but once in 2^63 times."""


@pytest.mark.requirement("SRV-18")
def test_two_servers_share_a_port(
    target: Target, start_server: StartServer, service: Service, transport: Transport
) -> None:
    with target.program(transport, "server", service, "--port", "0", "--reuse-port") as program:
        program.wait_until(lambda: bool(program.output))
        if not program.output and program.wait() == 2:
            raise Inconclusive("it does not offer --reuse-port")
    one = start_server("--reuse-port")
    try:
        other = start_server("--reuse-port", "--port", str(one.port))
    except DidNotStart as error:
        raise AssertionError(f"another server cannot have the same port: {error}") from None
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            peer = stack.enter_context(peers.connect(one))
            if service == "time":
                Subscription(peer, "Анна")
            else:
                require_status(peer.ask(b"ECHO a"), "OK")
        for server in one, other:
            server.expect_line("client .* connected")
        for server in one, other:
            assert server.stop() == 0, server.describe("expected exit status 0")
