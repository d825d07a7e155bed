"""Several clients at once take steps in any order; a model of each client says what is expected."""

from collections.abc import Callable
from typing import Any, ClassVar

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from conformance.addresses import show_address
from conformance.as_client import peers, shrinking
from conformance.as_client.conversation import read_tick, require_seqs
from conformance.as_client.exchange import as_text
from conformance.as_client.judgement import require_reply
from conformance.as_client.peers import TcpPeer
from conformance.as_client.server_lines import require_lines_about
from conformance.blame import about
from conformance.expected.oracle import CHALLENGE, expected_reply
from conformance.expected.services import SERVICE_TABLE
from conformance.profiles import Profile
from conformance.targets.server import Server

INTERVAL = "86400"
CLIENTS = 4
MOST_EXAMPLES = 100  # subscriptions over UDP stay, and the server has room for 1,000 clients

ARGUMENTS = st.sampled_from(["привет", "Анна", "Борис", "ß", "👨‍👩‍👧", " ", "", "\x1b", "x" * 5000])
WHICH = st.integers(0, CLIENTS - 1)


class Client:
    """A client's socket, and a model of it: name, token, half a line, the lines that the server must print."""

    def __init__(self, server: Server, known: set[str]) -> None:
        """Connect from an address that no earlier client had: `known` has those of all clients so far."""
        self.server, self.peer = server, peers.connect(server)
        while show_address(self.peer.address) in known:
            self.peer.close()
            self.peer = peers.connect(server)
        self.address = show_address(self.peer.address)
        known.add(self.address)
        self.name: str | None = None
        self.token = ""
        self.half = b""
        self.was_answered = False
        self.way = ""
        self.printed: list[str] = []
        if server.service == "echo" and server.transport == "tcp":
            self.printed.append(f"client {self.address} connected")

    def ask(self, argument: str, token: str = "", *, is_token_good: bool = False) -> None:
        """Send a request, or the rest of one, and judge all replies to it."""
        request = self.half or SERVICE_TABLE[self.server.service].request(argument)
        rest = b"" if self.half else request
        argument, self.half, self.was_answered = request.partition(b" ")[2].decode(), b"", True
        self.peer.request(rest + (b"\ntoken: " + token.encode() if token else b""))
        expected = expected_reply(self.server.service, self.server.transport, request + b"\n", INTERVAL)
        if self.server.service == "echo" or expected is None or not expected.startswith((b"OK", b"CHALLENGE")):
            if self.server.transport == "udp" and self.server.service == "echo" and not self.printed:
                self.printed.append(f"client {self.address} connected")
            require_reply(self.peer.reply(), expected)
        elif self.server.transport == "udp" and not is_token_good:
            reply = self.peer.reply()
            with about("LEASE-4"):
                require_reply(reply, CHALLENGE)
            self.token = reply.fields["token"]
        else:
            self._subscribe(argument)

    def _subscribe(self, name: str) -> None:
        reply = self.peer.reply()
        with about("TIME-13" if self.name else "TIME-2"):
            assert reply.status == "OK" and reply.fields["name"] == name, f"no OK to {name}: {as_text(reply.raw)}"
            if self.name is None:
                require_seqs([read_tick(self.peer.reply())], [1])
        if self.name is None:
            self.printed.append(f"client {name} ({self.address}) connected")
        elif self.name != name:
            self.printed.append(f"client {self.name} ({self.address}) is now {name}")
        self.name = name

    def leave(self, how: Callable[[Any], object], way: str) -> None:
        """Leave; `way` says how. Over TCP the server must print that."""
        how(self.peer)
        if self.server.transport == "tcp":
            self.way = way
            if self.server.service == "echo":
                self.printed.append(f"client {self.address} left")
            elif self.name is not None:
                self.printed.append(f"client {self.name} ({self.address}) left")


class Together(RuleBasedStateMachine):
    """The steps of several clients. `steps` keeps them, so that a failure can be replayed."""

    server: ClassVar[Server]
    known: ClassVar[set[str]]

    def __init__(self) -> None:
        super().__init__()
        shrinking.begin_example()
        self.clients: list[Client | None] = [None] * CLIENTS
        self.gone: list[Client] = []
        self.steps: list[tuple[str, int, str]] = []

    def perform(self, name: str, which: int, argument: str = "") -> None:
        """Take one step. A failure stores all steps so far."""
        self.steps.append((name, which, argument))
        try:
            getattr(self, f"do_{name}")(which, argument)
        except AssertionError as error:
            shrinking.keep_failure(error, {"steps": self.steps})
            raise

    @rule(which=WHICH, argument=ARGUMENTS)
    def ask(self, which: int, argument: str) -> None:
        self.perform("ask", which, argument)

    def do_ask(self, which: int, argument: str) -> None:
        """A client that is not there connects first; one with a token sends it."""
        client = self._client(which)
        client.ask(argument, client.token, is_token_good=bool(client.token))

    @precondition(lambda self: self.server.transport == "udp" and self.server.service == "time")
    @rule(which=WHICH)
    def ask_with_the_token_of_another(self, which: int) -> None:
        self.perform("ask_with_the_token_of_another", which)

    def do_ask_with_the_token_of_another(self, which: int, argument: str) -> None:
        for other in self.clients:
            if other and other.token and other is not self.clients[which]:
                return self._client(which).ask("Вор", other.token)

    @precondition(lambda self: self.server.transport == "tcp")
    @rule(which=WHICH, argument=st.sampled_from(["полстроки", "Анна"]))
    def send_half_a_line(self, which: int, argument: str) -> None:
        self.perform("send_half_a_line", which, argument)

    def do_send_half_a_line(self, which: int, argument: str) -> None:
        client = self._client(which)
        if not client.half:
            client.half = SERVICE_TABLE[self.server.service].request(argument)
            client.peer.send(client.half)

    @rule(which=WHICH, how=st.sampled_from(["close", "half_close", "reset"]))
    def leave(self, which: int, how: str) -> None:
        self.perform("leave", which, how)

    def do_leave(self, which: int, how: str) -> None:
        """A half-close has no reply: complete lines were answered before, and half a line has no answer."""
        client, self.clients[which] = self.clients[which], None
        if client is None:
            return
        if isinstance(client.peer, TcpPeer) and how == "half_close":
            client.leave(TcpPeer.half_close, "a client shut down its side of the connection")
            with about("TCP-8"):
                assert not (more := client.peer.rest()), f"more bytes than expected: {as_text(more)}"
            client.peer.close()
        elif isinstance(client.peer, TcpPeer) and how == "reset":
            client.leave(TcpPeer.reset, "a client reset its connection")
        else:
            client.leave(peers.Peer.close, "a client closed its connection")
        if client.was_answered or how != "reset":  # a connection may be reset before the server has accepted it
            self.gone.append(client)

    def _client(self, which: int) -> Client:
        client = self.clients[which]
        if client is None:
            client = self.clients[which] = Client(self.server, self.known)
        return client

    def teardown(self) -> None:
        """Judge the lines that the server printed about each client, and close all sockets."""
        try:
            for client in (client for client in [*self.gone, *self.clients] if client and client.printed):
                require_lines_about(self.server, client.address, client.printed, client.way)
        except AssertionError as error:
            shrinking.keep_failure(error, {"steps": self.steps})
            raise
        finally:
            for client in filter(None, self.clients):
                client.peer.close()


@pytest.mark.options("--interval", INTERVAL, "--max-clients", "500")
@pytest.mark.requirement("LOAD-2", "LEASE-4", "SRV-4", "SRV-5", "TCP-8", "TIME-2", "TIME-13", "UDP-5")
@pytest.mark.needs("ERR-4", "ERR-8", "ERR-9", "TCP-3", "TCP-8", "SRV-4", "SRV-5", "SRV-6")
def test_clients_together(server: Server, profile: Profile) -> None:
    machine = type("Together", (Together,), {"server": server, "known": set()})
    if profile.inputs is None:
        settings = hypothesis.settings(stateful_step_count=30, max_examples=min(profile.examples, MOST_EXAMPLES))
        run_state_machine_as_test(hypothesis.seed(profile.seed)(machine), settings=settings)
        return
    again = machine()
    try:
        for step in profile.inputs["steps"]:
            again.perform(*step)
    finally:
        again.teardown()
