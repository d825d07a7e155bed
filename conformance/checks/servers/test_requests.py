"""REQ and REP: how a server reads a request, and how it builds a reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.as_client import peers
from conformance.as_client.conversation import (
    Subscription,
    answers,
    challenge,
    good_before_and_after,
    require_service,
    split_replies,
)
from conformance.as_client.exchange import as_text
from conformance.as_client.judgement import require_replies, require_reply, require_status
from conformance.as_client.silence import collect_datagrams
from conformance.blame import about
from conformance.expected.oracle import CHALLENGE, error, expected_reply, expected_stream, masked, ok, tick
from conformance.expected.services import SERVICE_TABLE
from conformance.expected.strategies import good_requests, names, requests
from conformance.prerequisites import ANY_GOOD_REQUEST, ANY_REQUEST
from conformance.targets.server import Server
from spec.limits import LINE_BYTES

NEVER = pytest.mark.options("--interval", "86400")


def converse(server: Server, asked: list[bytes]) -> None:
    """Send requests as they stand on the wire. Raise AssertionError unless the server answers as the oracle says."""
    if server.transport == "tcp":
        with peers.TcpPeer(server.address) as peer:
            peer.send(b"".join(asked))
            peer.half_close()
            came = [masked(raw) for raw in split_replies(peer.rest())]
            require_replies(came, expected_stream(server.service, asked, "86400"))
    else:
        with peers.UdpPeer(server.address) as peer:
            expected = [expected_reply(server.service, "udp", raw) for raw in asked]
            require_replies(collect_datagrams(peer, server.service, asked), expected)


@NEVER
@pytest.mark.requirement("REP-1")
@pytest.mark.needs(*ANY_GOOD_REQUEST)
@given(data=st.data())
def test_any_good_requests(server: Server, data: st.DataObject) -> None:
    """Each reply is as expected, byte for byte."""
    converse(server, data.draw(st.lists(good_requests(server.service, server.transport), min_size=1, max_size=8)))


@NEVER
@pytest.mark.requirement("ERR-3")
@pytest.mark.needs(*ANY_REQUEST)
@given(data=st.data())
def test_any_requests(server: Server, data: st.DataObject) -> None:
    """Good requests, bad ones and noise, in any order: each reply is as expected, byte for byte."""
    converse(server, data.draw(st.lists(requests(server.service, server.transport), min_size=1, max_size=8)))


@NEVER
@pytest.mark.requirement("REQ-1")
@pytest.mark.needs("ECHO-8", "ERR-6", "ERR-8", "ERR-9", "TCP-8")
@pytest.mark.parametrize(
    "after_verb", ["", " ", "  ", " a", "  a", "   a ", "a", "\ta", "\u00a0a", " a ECHO TIME"], ids=ascii
)
def test_the_first_space_ends_the_verb(server: Server, after_verb: str) -> None:
    converse(server, [SERVICE_TABLE[server.service].verb + after_verb.encode() + b"\n"])
    require_service(server)


@NEVER
@pytest.mark.requirement("REQ-2")
@pytest.mark.needs("ERR-6", "TCP-5", "TCP-8")
def test_verbs_are_compared_as_bytes(server: Server) -> None:
    verb = SERVICE_TABLE[server.service].verb
    near = [
        verb.lower(),
        verb.title(),
        verb.swapcase()[:1] + verb[1:],
        "".join(map(chr, (c + 0xFEE0 for c in verb))).encode(),
        "\ufeff".encode() + verb,  # a byte order mark to who reads a file
    ]
    with good_before_and_after(server):
        converse(server, [word + b" a\n" for word in near])


@NEVER
@pytest.mark.requirement("REQ-3")
@pytest.mark.needs("ERR-8", "TCP-8")
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r\n"])
def test_one_carriage_return_belongs_to_the_end(server: Server, end: bytes) -> None:
    requests = [SERVICE_TABLE[server.service].verb + b" a" + end]
    if server.transport == "udp":
        requests += [SERVICE_TABLE[server.service].verb + a + end + b"x: y" + end for a in (b" a", b"")]
    converse(server, requests)
    require_service(server)


@NEVER
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(LINE_BYTES - 1, marks=pytest.mark.requirement("REQ-4")),
        pytest.param(LINE_BYTES, marks=pytest.mark.requirement("REQ-4")),
        pytest.param(LINE_BYTES + 1, marks=pytest.mark.requirement("ERR-4")),
    ],
)
@pytest.mark.parametrize("letter", ["a", "я", "\U0001f468"])
@pytest.mark.needs("LOAD-3", "REQ-3", "TCP-3", "TCP-5", "TCP-8")
def test_a_line_at_the_limit(server: Server, end: bytes, size: int, letter: str) -> None:
    head = SERVICE_TABLE[server.service].verb + b" "
    letters = letter.encode() * ((size - len(head)) // len(letter.encode()))
    line = (head + letters).ljust(size, b".")
    converse(server, [line + end, SERVICE_TABLE[server.service].verb + b" next" + end])


@NEVER
@pytest.mark.transport("udp")
@pytest.mark.requirement("REQ-4", "ERR-4")
def test_a_field_at_the_limit(server: Server) -> None:
    """The limit holds for each line; a datagram may have many lines."""
    longest, longer = (b"x: ".ljust(size, b".") for size in (LINE_BYTES, LINE_BYTES + 1))
    head = SERVICE_TABLE[server.service].verb + b" a\n"
    converse(server, [head + longest, head + longest + b"\n", head + b"\n".join([longest] * 10)])
    with about("ERR-4"):
        converse(server, [head + longer, head + longer + b"\n"])


@NEVER
@pytest.mark.transport("udp")
@pytest.mark.requirement("ERR-7", "ERR-5", "ERR-4", "REQ-5")
def test_the_end_of_the_longest_datagram_counts(server: Server) -> None:
    """65507 bytes are the most that UDP over IPv4 carries; the last few of them decide about the answer."""
    head = SERVICE_TABLE[server.service].verb + b" a\n"
    for id_, end in (
        ("REQ-5", b"x: y"),
        ("ERR-7", b"no field"),
        ("ERR-5", b"x: \xff"),
        ("ERR-4", b"x: ".ljust(LINE_BYTES + 1, b"y")),
    ):
        room = 65507 - len(head) - len(end)
        field = b"x: ".ljust(LINE_BYTES - 2, b"y") + b"\n"
        short, whole = room % len(field), room // len(field)  # bytes of a shorter field, and how many long ones follow
        assert short > 4, "the check is wrong"
        with about(id_):
            converse(server, [head + b"x: " + b"y" * (short - 4) + b"\n" + field * whole + end])


@NEVER
@pytest.mark.transport("udp")
@pytest.mark.requirement("REQ-5")
def test_unknown_fields_are_ignored(server: Server) -> None:
    head = SERVICE_TABLE[server.service].verb + b" a"
    further = [
        b"x: y",
        b"x: ",
        b"a-9: \xd1\x8f",
        b"message: b",
        b"name: b",
        b"x: y\nx: z\nnote: \xf0\x9f\x91\xa8",
        b"length: -1: 2",
    ]
    converse(server, [head + b"\n" + fields + end for fields in further for end in (b"", b"\n", b"\r\n")])


@NEVER
@pytest.mark.service("time")
@pytest.mark.transport("udp")
@pytest.mark.requirement("REQ-5")
def test_unknown_fields_beside_a_token_are_ignored(server: Server) -> None:
    with peers.UdpPeer(server.address) as peer:
        token = challenge(peer, "a").encode()
        answer = peer.ask(b"TIME a\nx: y\ntoken: " + token + b"\nname: b\n")
        require_reply(answer, ok("time", "udp", "a", "86400"))


@NEVER
@pytest.mark.service("time")
@pytest.mark.transport("udp")
@pytest.mark.requirement("REQ-6")
def test_the_first_of_several_tokens_counts(server: Server) -> None:
    with peers.UdpPeer(server.address) as peer:
        token = challenge(peer, "a").encode()
        require_reply(peer.ask(b"TIME a\ntoken: 0\ntoken: " + token), CHALLENGE)
        require_reply(peer.ask(b"TIME a\ntoken: \ntoken: " + token), CHALLENGE)
        require_status(peer.ask(b"TIME a\ntoken: " + token + b"\ntoken: 0"), "OK")


@NEVER
@pytest.mark.service("time")
@pytest.mark.requirement("REP-1")
@given(name=names())
def test_the_replies_to_a_subscriber(server: Server, name: str) -> None:
    """OK, TICK, CHALLENGE and ERR have all their fields, in their order, and no others."""
    with peers.connect(server) as peer:
        subscription = Subscription(peer, name)
        require_reply(subscription.ok, ok("time", server.transport, name, "86400"))
        require_reply(peer.reply(), tick(name, 1))
        with about("ERR-9"):
            require_reply(peer.ask(b"TIME"), error("bad-name"))
        if server.transport == "udp":
            challenge(peer, name)
        subscription.request(name)
        answer = peer.reply()
        with about("LEASE-5"):
            refused = answer.raw.startswith(b"CHALLENGE")
            assert not refused, f"a token is refused when another has been sent: {as_text(answer.raw)}"
        require_reply(answer, ok("time", server.transport, name, "86400"))


@pytest.mark.requirement("REP-2")
@pytest.mark.needs("TCP-5", "TCP-8")
def test_lines_of_replies_end_with_lf(server: Server) -> None:
    """Also if the lines of the request ended with CRLF."""
    requests = [SERVICE_TABLE[server.service].verb + argument + b"\r\n" for argument in (b" \x7f", b" \xff", b" a")]
    with peers.connect(server) as peer:
        with about("ERR-1"):  # two of them are faulty
            came = answers(peer, server.service, requests)
        for raw in came:
            assert b"\r" not in raw and raw.endswith(b"\n\n"), f"a line does not end with LF alone: {as_text(raw)}"
