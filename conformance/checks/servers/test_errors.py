"""ERR: how a server answers faulty requests, and which of several faults it reports."""

import time
from contextlib import ExitStack
from itertools import chain, combinations

import psutil
import pytest

from conformance.as_client import peers
from conformance.as_client.conversation import (
    Subscription,
    challenge,
    good_before_and_after,
    good_request,
    read_tick,
    require_seqs,
    wait_until,
)
from conformance.as_client.exchange import as_text
from conformance.as_client.judgement import require_reply, require_status
from conformance.as_client.observed import Reply
from conformance.as_client.peers import TcpPeer, UdpPeer
from conformance.as_client.server_lines import require_left
from conformance.blame import about
from conformance.expected.fields import OTHER_FIELDS
from conformance.expected.oracle import FAULTS, REQUIREMENTS, Request, error, expected_reply, fault
from conformance.expected.services import SERVICE_TABLE
from conformance.expected.strategies import BAD_UTF_8, CONTROLS
from conformance.running.fixtures import StartServer
from conformance.targets.server import Server
from conformance.targets.terms import Service, Transport
from conformance.timing import JUDGE_LATENESS, PATIENCE, interval
from spec.limits import CLIENTS_DEFAULT, LINE_BYTES, MESSAGE_BYTES, NAME_CHARACTERS, REASON_CHARACTERS

pytestmark = pytest.mark.needs("LOAD-3")

NEVER = pytest.mark.options("--interval", "86400")

#: A limit of clients so high that a server that keeps a few percent in reserve is found.
FULL = 20
REFUSED_IDLE = interval(1.5)
#: Seconds that a request may be on its way.
CROSSING = 0.05


def lines_with(code: str, service: Service) -> list[bytes]:
    """Return requests of one line, without its end, whose first fault is this one."""
    verb = SERVICE_TABLE[service].request("")
    return {
        "too-long": [verb.ljust(LINE_BYTES + 1, b"a"), verb + "я".encode() * LINE_BYTES],
        "bad-encoding": [*(verb + b"a" + bad for bad in BAD_UTF_8), *(verb + bad + b"b" for bad in BAD_UTF_8)],
        "unknown-verb": [
            b"",
            b" ",
            b"HELLO",
            verb.lower() + b"a",
            b"OK",
            b"ERR",
            b"\x00",
            "ЭХО".encode(),
        ],
        "bad-character": [verb + f"a{control}b".encode() for control in CONTROLS if control not in "\t\n"],
        "bad-name": [b"TIME", b"TIME ", b"TIME  a", b"TIME a ", b"TIME " + b"a" * (NAME_CHARACTERS + 1)],
    }[code]


LINE_FAULTS = [
    pytest.param(code, marks=pytest.mark.requirement(id_))
    for code, id_ in (("too-long", "ERR-4"), ("bad-encoding", "ERR-5"), ("bad-character", "ERR-8"))
]


def require_error(server: Server, code: str, requests: list[bytes]) -> None:
    """Raise AssertionError unless each request is answered with this code, and good requests around them are served."""
    good = good_request(server.service)
    with good_before_and_after(server), peers.connect(server) as peer:
        for request in requests:
            assert fault(Request(server.service, server.transport, request + b"\n")) == code, "the check is wrong"
            require_reply(peer.ask(request), error(code))
        require_status(peer.ask(good), "OK", "CHALLENGE")


@NEVER
@pytest.mark.parametrize("code", LINE_FAULTS)
def test_code(server: Server, code: str) -> None:
    require_error(server, code, lines_with(code, server.service))


@NEVER
@pytest.mark.transport("tcp")
@pytest.mark.requirement("ERR-6")
def test_unknown_verb(server: Server) -> None:
    require_error(server, "unknown-verb", lines_with("unknown-verb", server.service))


NO_FIELDS = [
    b"",
    b"lines",
    b"x",
    b"x:",
    b"x:y",
    b": y",
    b"X: y",
    b"1: y",
    b"-x: y",
    b"x_y: z",
    b" x: y",
    b"x : y",
    b"x\t: y",
]


@NEVER
@pytest.mark.transport("udp")
@pytest.mark.requirement("ERR-7")
@pytest.mark.needs("REQ-3", "REQ-5")
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_bad_request(server: Server, end: bytes) -> None:
    """A further line that is no field, alone or after a good one. An empty line counts only with its line end."""
    good = good_request(server.service) + b"\n"
    bad = [line for line in NO_FIELDS if line or end]
    requests = [good + line + end for line in bad] + [good + b"x: y\n" + line + end for line in bad]
    with good_before_and_after(server), UdpPeer(server.address) as peer:
        for request in requests:
            peer.send(request)
            require_reply(peer.reply(), error("bad-request"))


@NEVER
@pytest.mark.transport("udp")
@pytest.mark.requirement("ERR-5")
def test_bad_encoding_of_further_lines(server: Server) -> None:
    """Encoding counts anywhere in the datagram."""
    good = good_request(server.service)
    with good_before_and_after(server), UdpPeer(server.address) as peer:
        for bad in BAD_UTF_8:
            for line in (b"x: " + bad, bad, bad + b": y"):
                require_reply(peer.ask(good + b"\n" + line), error("bad-encoding"))


@NEVER
@pytest.mark.transport("udp")
@pytest.mark.requirement("ERR-8")
def test_bad_characters_of_values(server: Server) -> None:
    """TAB is a control character in every field's value."""
    good = good_request(server.service)
    with good_before_and_after(server), UdpPeer(server.address) as peer:
        for control in CONTROLS.replace("\n", ""):
            require_reply(peer.ask(good + b"\nx: " + control.encode() + b".\n"), error("bad-character"))


@NEVER
@pytest.mark.service("time")
@pytest.mark.requirement("ERR-9")
def test_bad_name(server: Server) -> None:
    require_error(server, "bad-name", lines_with("bad-name", "time"))


def faulty(service: Service, transport: Transport, codes: tuple[str, ...]) -> bytes:
    """Return a request with just these faults."""
    verb = b"HELLO" if "unknown-verb" in codes else SERVICE_TABLE[service].verb
    argument = b" " * ("bad-name" in codes) + b"a"
    argument += b"\x00" * ("bad-character" in codes) + b"\xff" * ("bad-encoding" in codes)
    argument += b"a" * (LINE_BYTES * ("too-long" in codes))
    return verb + b" " + argument + b"\n" + b"no field\n" * ("bad-request" in codes)


@NEVER
@pytest.mark.requirement("ERR-3")
@pytest.mark.needs("ERR-4", "ERR-5", "ERR-6", "ERR-7", "ERR-8", "ERR-9")
def test_the_first_of_several_faults(server: Server) -> None:
    """Every set of faults that one request can have."""
    impossible = {"bad-request" if server.transport == "tcp" else "unknown-verb"}
    if server.service == "echo":
        impossible.add("bad-name")
    order = [code for code in FAULTS if code not in impossible]
    sets = chain.from_iterable(combinations(order, size) for size in range(1, len(order) + 1))
    with good_before_and_after(server), peers.connect(server) as peer:
        for codes in sets:
            peer.send(faulty(server.service, server.transport, codes))
            require_reply(peer.reply(), error(codes[0]), f"faults: {codes}")


@NEVER
@pytest.mark.transport("udp")
@pytest.mark.requirement("ERR-3")
@pytest.mark.needs("ERR-4", "ERR-5", "ERR-7", "ERR-8", "ERR-9")
def test_the_first_of_several_faults_in_different_lines(server: Server) -> None:
    """The kinds of faults have an order; their places do not matter."""
    verb = SERVICE_TABLE[server.service].verb
    requests = {
        verb + b" \xff\n" + b"x: " + b"a" * LINE_BYTES: "too-long",
        verb + b" \x00\nno field\nx: \xff": "bad-encoding",
        verb + b" \x00\nno field": "bad-request",
        verb + b" a\nx: \x00\nno field": "bad-request",
        verb + b" a\nno field\n" + b"b" * (LINE_BYTES + 1): "too-long",
        verb + b" a\nx: \t": "bad-character",
    }
    if server.service == "time":
        requests |= {b"TIME\nx: \x00": "bad-character", b"TIME  a\nno field": "bad-request", b"TIME\nx: y": "bad-name"}
    with good_before_and_after(server), UdpPeer(server.address) as peer:
        for request, code in requests.items():
            require_reply(peer.ask(request), error(code), f"to {as_text(request[:40])}")


@NEVER
@pytest.mark.requirement("ERR-1", "ERR-2")
def test_the_form_of_errors(server: Server) -> None:
    """For each fault: `ERR`, `code` and `reason`, nothing else, and a reason that a person can read."""
    codes = ["too-long", "bad-encoding", "bad-character"]
    codes += ["bad-name"] if server.service == "time" else []
    codes += ["unknown-verb"] if server.transport == "tcp" else ["bad-request"]
    with peers.connect(server) as peer:
        answers = [(code, _answer_to(peer, server, code)) for code in codes]
        assert any(answer.status == "ERR" for _, answer in answers), f"no fault of {', '.join(codes)} is answered ERR"
        for code, answer in answers:
            with about(REQUIREMENTS[code]):
                require_status(answer, "ERR")
            names = [field.name for field in OTHER_FIELDS["ERR"]]
            wrong = f"{as_text(answer.raw)} came; expected ERR with {' and '.join(names)}"
            assert [*answer.fields] == names, wrong
            reason = answer.fields["reason"]
            with about("ERR-2"):
                assert 1 <= len(reason) <= REASON_CHARACTERS, reason
                assert reason.strip() and all(" " <= character <= "~" for character in reason), reason


def _answer_to(peer: peers.Peer, server: Server, code: str) -> Reply:
    peer.send(faulty(server.service, server.transport, (code,)))
    return peer.reply()


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
        for _ in range(3):
            with TcpPeer(server.address) as third:
                require_reply(third.rest(), error("busy"))
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
    """A client that says nothing counts. Who was refused does not, nor is it announced, however it leaves."""
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
        request = f"TIME Борис\ntoken: {challenge(last, 'Борис')}".encode()
        require_reply(last.ask(request), error("busy"))
        require_left(server)
        require_status(last.ask(request), "OK")


@pytest.mark.service("time")
@pytest.mark.transport("udp")
@pytest.mark.requirement("ERR-11")
def test_busy_over_udp(start_server: StartServer) -> None:
    """At the limit a new client gets `busy`, after other faults; a subscriber renews; a lease that ends makes room."""
    server = start_server("--max-clients", "1", "--interval", interval(0.2))
    with UdpPeer(server.address) as first, UdpPeer(server.address) as second:
        subscription = Subscription(first, "Анна")
        subscription.ticks(1)
        token = f"\ntoken: {challenge(second, 'Борис')}".encode()
        require_reply(second.ask("TIME Борис".encode() + token), error("busy"))
        require_reply(second.ask(b"TIME" + token), error("bad-name"))
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
