"""ERR: how a server answers faulty requests, and which of several faults it reports."""

from itertools import chain, combinations

import pytest

from conformance.as_client import peers
from conformance.as_client.conversation import good_before_and_after, good_request, skip_ticks
from conformance.as_client.exchange import as_text
from conformance.as_client.judgement import require_reply, require_status
from conformance.as_client.observed import Reply
from conformance.as_client.peers import UdpPeer
from conformance.blame import about
from conformance.expected.fields import OTHER_FIELDS
from conformance.expected.oracle import FAULTS, REQUIREMENTS, Request, error, fault
from conformance.expected.services import SERVICE_TABLE
from conformance.expected.strategies import BAD_UTF_8, CONTROLS
from conformance.targets.server import Server
from conformance.targets.terms import Service, Transport
from spec.limits import LINE_BYTES, NAME_CHARACTERS, REASON_CHARACTERS

pytestmark = pytest.mark.needs("LOAD-3")

NEVER = pytest.mark.options("--interval", "86400")


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
    "ж: y".encode(),
    "x\u0663: y".encode(),
    b"-x: y",
    b"x_y: z",
    b" x: y",
    b"x : y",
    b"\xef\xbb\xbfx: y",
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
                assert answer.status == "ERR", f"{as_text(answer.raw)} came; expected ERR, code: {code}"
            names = [field.name for field in OTHER_FIELDS["ERR"]]
            wrong = f"{as_text(answer.raw)} came; expected ERR with {' and '.join(names)}"
            assert [*answer.fields] == names, wrong
            reason = answer.fields["reason"]
            wrong = f"reason is {reason!r}; expected 1 to {REASON_CHARACTERS} characters of ASCII, not only spaces"
            with about("ERR-2"):
                assert 1 <= len(reason) <= REASON_CHARACTERS and reason.strip(), wrong
                assert all(" " <= character <= "~" for character in reason), wrong


def _answer_to(peer: peers.Peer, server: Server, code: str) -> Reply:
    """Return what answers a request with that fault, and no tick to a client whose faulty TIME was accepted."""
    request = faulty(server.service, server.transport, (code,))
    peer.send(request)
    with about(REQUIREMENTS[code], f"the answer to {as_text(request[:40])}"):
        return skip_ticks(peer)[1]
