"""REQ and REP: how a request is read, and how a reply is built."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.as_client import peers
from conformance.as_client.conversation import (
    Subscription,
    answers,
    challenge,
    collect_datagrams,
    good_before_and_after,
    require_service,
    split_replies,
)
from conformance.as_client.judgement import require_replies, require_reply, require_status
from conformance.blame import about
from conformance.expected.oracle import CHALLENGE, VERBS, error, masked, owed, owed_stream, reply
from conformance.expected.strategies import names, requests
from conformance.targets.server import Server
from spec.limits import LINE_BYTES

NEVER = pytest.mark.options("--interval", "86400")


def converse(server: Server, asked: list[bytes]) -> None:
    """Send requests as they stand on the wire; the server must answer them as the oracle says, and nothing else."""
    if server.transport == "tcp":
        with peers.TcpPeer(server.address) as peer:
            peer.send(b"".join(asked))
            peer.half_close()
            answers = [masked(raw) for raw in split_replies(peer.rest())]
            require_replies(answers, owed_stream(server.service, asked, "86400"))
    else:
        with peers.UdpPeer(server.address) as peer:
            due = [owed(server.service, "udp", raw) for raw in asked]
            require_replies(collect_datagrams(peer, server.service, asked), due)


@NEVER
@pytest.mark.requirement("REP-1")
@given(data=st.data())
def test_any_requests(server: Server, data: st.DataObject) -> None:
    """Good, bad and noise, in any order: each reply is the one that is owed, byte for byte."""
    converse(server, data.draw(st.lists(requests(server.service, server.transport), min_size=1, max_size=8)))


@NEVER
@pytest.mark.requirement("REQ-1")
@pytest.mark.parametrize(
    "after_verb", ["", " ", "  ", " a", "  a", "   a ", "a", "\ta", "\u00a0a", " a ECHO TIME"], ids=ascii
)
def test_the_first_space_ends_the_verb(server: Server, after_verb: str) -> None:
    converse(server, [VERBS[server.service] + after_verb.encode() + b"\n"])
    require_service(server)


@NEVER
@pytest.mark.requirement("REQ-2")
def test_verbs_are_compared_as_bytes(server: Server) -> None:
    verb = VERBS[server.service]
    near = [
        verb.lower(),
        verb.title(),
        verb.swapcase()[:1] + verb[1:],
        "".join(map(chr, (c + 0xFEE0 for c in verb))).encode(),
    ]
    with good_before_and_after(server):
        converse(server, [word + b" a\n" for word in near])


@NEVER
@pytest.mark.requirement("REQ-3")
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r\n"])
def test_one_carriage_return_belongs_to_the_end(server: Server, end: bytes) -> None:
    requests = [VERBS[server.service] + b" a" + end]
    if server.transport == "udp":
        requests.append(VERBS[server.service] + b" a" + end + b"x: y" + end)
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
def test_a_line_at_the_limit(server: Server, end: bytes, size: int, letter: str) -> None:
    head = VERBS[server.service] + b" "
    letters = letter.encode() * ((size - len(head)) // len(letter.encode()))
    line = (head + letters).ljust(size, b".")
    converse(server, [line + end, VERBS[server.service] + b" next" + end])


@NEVER
@pytest.mark.transport("udp")
@pytest.mark.requirement("REQ-4", "ERR-4")
def test_a_field_at_the_limit(server: Server) -> None:
    """The limit is on each line, and a datagram may have many."""
    longest, longer = (b"x: ".ljust(size, b".") for size in (LINE_BYTES, LINE_BYTES + 1))
    head = VERBS[server.service] + b" a\n"
    converse(server, [head + longest, head + longest + b"\n", head + b"\n".join([longest] * 10)])
    with about("ERR-4"):
        converse(server, [head + longer, head + longer + b"\n"])


@NEVER
@pytest.mark.transport("udp")
@pytest.mark.requirement("REQ-5")
def test_unknown_fields_are_ignored(server: Server) -> None:
    head = VERBS[server.service] + b" a"
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
        require_reply(answer, reply("OK", name="a", interval="86400", lease="259200"))


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
    """The fields of OK and TICK, all of them in their order; a subscriber's CHALLENGE and ERR have no others."""
    lease = {"lease": "259200"} if server.transport == "udp" else {}
    with peers.connect(server) as peer:
        subscription = Subscription(peer, name)
        require_reply(subscription.ok, reply("OK", name=name, interval="86400", **lease))
        tick = peer.reply()
        require_reply(tick, reply("TICK", name=name, time="{time}", seq="1"))
        require_reply(peer.ask(b"TIME"), error("bad-name"))
        if server.transport == "udp":
            challenge(peer, name)
        subscription.request(name)
        require_reply(peer.reply(), reply("OK", name=name, interval="86400", **lease))


@pytest.mark.requirement("REP-2")
def test_lines_of_replies_end_with_lf(server: Server) -> None:
    """Also where the request's ended with CRLF."""
    requests = [VERBS[server.service] + argument + b"\r\n" for argument in (b" \x7f", b" \xff", b" a")]
    with peers.connect(server) as peer:
        for raw in answers(peer, server.service, requests):
            assert b"\r" not in raw and raw.endswith(b"\n\n"), f"not each line ends with LF alone: {raw!r}"
