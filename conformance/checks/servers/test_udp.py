"""UDP: one datagram is one message; and what a server must never answer."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.as_client.conversation import (
    GOOD_ARGUMENT,
    Subscription,
    collect_datagrams,
    good_before_and_after,
    good_request,
    require_silence,
)
from conformance.as_client.judgement import require_replies, require_reply
from conformance.as_client.peers import UdpPeer
from conformance.expected.oracle import VERBS, owed
from conformance.expected.strategies import datagrams
from conformance.running.fixtures import StartServer
from conformance.targets.server import Server
from conformance.targets.terms import Service
from conformance.timing import PATIENCE

pytestmark = [pytest.mark.transport("udp"), pytest.mark.options("--interval", "86400")]

STATUSES = [b"OK", b"ERR", b"TICK", b"CHALLENGE"]
REPLIES = [
    "OK\nmessage: привет\nreversed: тевирп\nupper: ПРИВЕТ\nlength: 6\n\n".encode(),
    b"OK\nname: a\ninterval: 3\nlease: 9\n\n",
    b"ERR\ncode: bad-name\nreason: a name is not empty\n\n",
    b"TICK\nname: a\ntime: 2026-11-23T12:00:03.000Z\nseq: 1\n\n",
    b"CHALLENGE\ntoken: 0123456789abcdef\n\n",
]
UNSERVED = [
    b"",
    b"\n",
    b"\r\n",
    b" ",
    b"\x00",
    b"\xff",
    b"HELLO",
    b"GET / HTTP/1.1\r\n\r\n",
    b"\n\n\n",
    b"a" * 65507,
    b"\n" * 1000,
]


def other_requests(service: Service) -> list[bytes]:
    """Requests of another service, and verbs that are nearly those of this one."""
    verb, other = VERBS[service], VERBS["time" if service == "echo" else "echo"]
    near = [
        verb.lower(),
        b" " + verb,
        verb + b"\t",
        verb + b"\x00",
        verb + b"\r",
        verb + b"a",
        verb[:-1],
        b"\xef\xbb\xbf" + verb,
    ]
    return [other + b" a", other, *near, *(word + b" a\n" for word in near), verb.lower() + b" " + b"a" * 9999]


@pytest.mark.requirement("UDP-1")
def test_the_last_end_of_line_may_be_missing(server: Server) -> None:
    """A CR alone at the end is no end of line."""
    line = good_request(server.service)
    asked = [line + rest for rest in (b"", b"\n", b"\r\n", b"\r", b"\nx: y", b"\nx: y\n", b"\r\nx: y\r\n", b"\nx: y\r")]
    with good_before_and_after(server), UdpPeer(server.address) as peer:
        due = [owed(server.service, "udp", raw) for raw in asked]
        require_replies(collect_datagrams(peer, server.service, asked), due)


@pytest.mark.requirement("UDP-2")
def test_an_unserved_verb_has_no_answer(server: Server) -> None:
    with good_before_and_after(server), UdpPeer(server.address) as peer:
        for datagram in UNSERVED + other_requests(server.service):
            peer.send(datagram)
            require_silence(peer, server.service)


@pytest.mark.requirement("UDP-2")
@given(datagram=st.binary(max_size=100))
def test_noise_has_no_answer(server: Server, datagram: bytes) -> None:
    with UdpPeer(server.address) as peer:
        if owed(server.service, "udp", datagram) is None:
            peer.send(datagram)
        require_silence(peer, server.service)


@pytest.mark.requirement("UDP-3")
def test_a_reply_has_no_answer(server: Server) -> None:
    """Replies of all kinds, bad ones too, and this server's own."""
    with good_before_and_after(server), UdpPeer(server.address) as peer:
        own = [peer.ask(VERBS[server.service] + argument).raw for argument in (b" a", b" \x7f", b" \xff")]
        for reply in [*own, *REPLIES, *STATUSES, *(status + b" a" for status in STATUSES)]:
            peer.send(reply)
            require_silence(peer, server.service)


@pytest.mark.requirement("UDP-4")
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
def test_answers_come_from_the_bound_address(start_server: StartServer, service: Service, host: str) -> None:
    """Also ticks. The socket here is not connected, so that an answer from elsewhere would be seen."""
    server = start_server("--host", host, "--interval", "0.05")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        request = good_request(service)
        sock.sendto(request, server.address)
        answer, source = sock.recvfrom(1 << 16)
        assert server.host == host, f"bound to {host}, the server says that it waits on {server.host}"
        assert source[:2] == server.address, f"the answer came from {source[:2]}, not from {server.address}"
        if service == "time":
            sock.sendto(request + b"\n" + answer.split(b"\n")[1], server.address)
            sources = {sock.recvfrom(1 << 16)[1][:2] for _ in range(3)}
            assert sources == {server.address}, f"an OK and ticks came from {sources}, not from {server.address}"


@pytest.mark.requirement("UDP-5")
@given(data=st.data())
def test_one_reply_to_each_request(server: Server, data: st.DataObject) -> None:
    asked = data.draw(st.lists(datagrams(server.service), min_size=1, max_size=6))
    with UdpPeer(server.address) as peer:
        due = [owed(server.service, "udp", raw) for raw in asked]
        require_replies(collect_datagrams(peer, server.service, asked), due)


@pytest.mark.service("time")
@pytest.mark.requirement("UDP-5")
def test_one_reply_to_each_renewal(server: Server) -> None:
    with UdpPeer(server.address) as peer:
        subscription = Subscription(peer, GOOD_ARGUMENT["time"])
        subscription.tick()
        for _ in range(3):
            subscription.request(subscription.name)
            require_reply(peer.reply(), subscription.ok.raw)
            require_silence(peer, "time")


@pytest.mark.service("echo")
@pytest.mark.requirement("UDP-5")
def test_the_longest_reply_is_one_datagram(server: Server) -> None:
    """U+0390 makes the most of a request: 4.98 bytes come back for each, in one datagram."""
    request = b"ECHO " + "\u0390".encode() * 2048
    with UdpPeer(server.address) as peer:
        require_reply(peer.ask(request), owed("echo", "udp", request))
        require_silence(peer, "echo")
