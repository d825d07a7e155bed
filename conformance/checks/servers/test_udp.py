"""UDP: one datagram is one message; some datagrams must never be answered."""

import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.as_client.conversation import (
    Subscription,
    good_before_and_after,
    good_request,
)
from conformance.as_client.judgement import require_replies, require_reply
from conformance.as_client.observed import Reply
from conformance.as_client.peers import UdpPeer
from conformance.as_client.silence import collect_datagrams, require_silence
from conformance.expected import replies
from conformance.expected.fields import STATUSES
from conformance.expected.oracle import expected_reply
from conformance.expected.services import SERVICE_TABLE
from conformance.expected.strategies import datagrams
from conformance.prerequisites import ANY_REQUEST
from conformance.running.fixtures import StartServer
from conformance.targets.server import Server
from conformance.targets.terms import Service
from conformance.timing import PATIENCE

pytestmark = [pytest.mark.transport("udp"), pytest.mark.options("--interval", "86400")]

REPLIES = [
    replies.ok("echo", "udp", "привет"),
    replies.ok("time", "udp", "a"),
    replies.error(),
    replies.tick("a", 1),
    replies.challenge(),
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
    """Return requests of another service, and verbs that are nearly those of this one."""
    verb = SERVICE_TABLE[service].verb
    others = [each.verb for name, each in SERVICE_TABLE.items() if name != service]
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
    return [
        *(other + end for other in others for end in (b" a", b"")),
        *near,
        *(word + b" a\n" for word in near),
        verb.lower() + b" " + b"a" * 9999,
    ]


@pytest.mark.requirement("UDP-1")
@pytest.mark.needs("ERR-8", "REQ-3", "REQ-5")
def test_the_last_end_of_line_may_be_missing(server: Server) -> None:
    """A CR alone at the end is no line end."""
    line = good_request(server.service)
    asked = [line + rest for rest in (b"", b"\n", b"\r\n", b"\r", b"\nx: y", b"\nx: y\n", b"\r\nx: y\r\n", b"\nx: y\r")]
    with good_before_and_after(server), UdpPeer(server.address) as peer:
        expected = [expected_reply(server.service, "udp", raw) for raw in asked]
        require_replies(collect_datagrams(peer, server.service, asked), expected)


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
        if expected_reply(server.service, "udp", datagram) is None:
            peer.send(datagram)
        require_silence(peer, server.service)


@pytest.mark.requirement("UDP-3")
def test_a_reply_has_no_answer(server: Server) -> None:
    """Replies of all kinds, also bad ones, and this server's own."""
    with good_before_and_after(server), UdpPeer(server.address) as peer:
        own = [peer.ask(SERVICE_TABLE[server.service].verb + argument).raw for argument in (b" a", b" \x7f", b" \xff")]
        for reply in [*own, *REPLIES, *(status.encode() + end for end in (b"", b" a") for status in STATUSES)]:
            peer.send(reply)
            require_silence(peer, server.service)


@pytest.mark.requirement("UDP-4")
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
def test_answers_come_from_the_bound_address(start_server: StartServer, service: Service, host: str) -> None:
    """Also ticks. The socket here is not connected, so that it receives answers from any address."""
    server = start_server("--host", host, "--interval", "0.05")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        request = good_request(service)
        sock.sendto(request, server.address)
        answer, source = sock.recvfrom(1 << 16)
        assert server.host == host, f"bound to {host}, the server prints the address {server.host}"
        assert source[:2] == server.address, f"the answer came from {source[:2]}, not from {server.address}"
        if service == "time":
            token = Reply(answer, time.monotonic()).fields["token"].encode()
            sock.sendto(request + b"\ntoken: " + token, server.address)
            sources = {sock.recvfrom(1 << 16)[1][:2] for _ in range(3)}
            assert sources == {server.address}, f"an OK and ticks came from {sources}, not from {server.address}"


@pytest.mark.requirement("UDP-5")
@pytest.mark.needs(*ANY_REQUEST)
@given(data=st.data())
def test_one_reply_to_each_request(server: Server, data: st.DataObject) -> None:
    asked = data.draw(st.lists(datagrams(server.service), min_size=1, max_size=6))
    with UdpPeer(server.address) as peer:
        expected = [expected_reply(server.service, "udp", raw) for raw in asked]
        require_replies(collect_datagrams(peer, server.service, asked), expected)


@pytest.mark.service("time")
@pytest.mark.requirement("UDP-5")
def test_one_reply_to_each_renewal(server: Server) -> None:
    with UdpPeer(server.address) as peer:
        subscription = Subscription(peer, SERVICE_TABLE["time"].argument)
        subscription.tick()
        for _ in range(3):
            subscription.request(subscription.name)
            require_reply(peer.reply(), subscription.ok.raw)
            require_silence(peer, "time")


@pytest.mark.service("echo")
@pytest.mark.requirement("UDP-5")
def test_the_longest_reply_is_one_datagram(server: Server) -> None:
    """U+0390 gives the longest reply: 4.98 bytes for each byte of the request, in one datagram."""
    request = b"ECHO " + "\u0390".encode() * 2048
    with UdpPeer(server.address) as peer:
        require_reply(peer.ask(request), expected_reply("echo", "udp", request))
        require_silence(peer, "echo")
