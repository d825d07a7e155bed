"""The golden vectors and the worked examples of SPEC.md."""

import re

import pytest

from conformance.as_client.conversation import split_replies
from conformance.as_client.judgement import require_replies
from conformance.as_client.peers import TcpPeer, UdpPeer
from conformance.expected.fields import OK_FIELDS
from conformance.expected.oracle import REQUIREMENTS, Request, ok_fields
from conformance.targets.server import RunningServer, Server
from spec.requirements import SPECIFICATION
from spec.vectors import Vector, load_vectors, read_examples

VECTORS = load_vectors() + read_examples(SPECIFICATION.read_text(encoding="utf-8"))


def needs(vector: Vector) -> set[str]:
    """Return what a server must be able to do, beside what the vector is about."""
    sent, came = b"".join(vector.input), b"".join(vector.output)
    ids = {id_ for code, id_ in REQUIREMENTS.items() if f"code: {code}\n".encode() in came}
    ids |= {"LOAD-3"} if ids else set()
    ids |= {"REQ-3"} if b"\r\n" in sent else set()
    ids |= {"ECHO-8"} if b"message: \n" in came else set()
    if vector.transport == "tcp":
        ids |= {"TCP-3"} if any(not each.endswith(b"\n") for each in vector.input[:-1]) else set()
        return ids | {"TCP-8"} | ({"TCP-5"} if sent.count(b"\n") > 1 else set())
    return ids | ({"REQ-5"} if any(b"\n" in each[:-1] and b"token" not in each for each in vector.input) else set())


@pytest.mark.parametrize(
    "service, transport, vector",
    [
        pytest.param(
            *(vector.service, vector.transport, vector),
            id=vector.name,
            marks=[pytest.mark.requirement(vector.requirement), pytest.mark.needs(*sorted(needs(vector)))],
        )
        for vector in VECTORS
    ],
)
def test_vector(server: Server, vector: Vector) -> None:
    play = play_over_tcp if vector.transport == "tcp" else play_over_udp
    came, expected = play(server, vector.input), split_replies(b"".join(vector.output))
    require_replies(came, with_interval_of(came, expected) if isinstance(server, RunningServer) else expected)


def with_interval_of(came: list[bytes], expected: list[bytes]) -> list[bytes]:
    """Return the expected replies with the interval of those that came: a server that runs already has its own."""
    told = re.search(rb"^interval: ([0-9.]+)$", b"".join(came), re.MULTILINE)
    interval = told[1].decode() if told else ""
    if not next(field for field in OK_FIELDS["time"] if field.name == "interval").takes(interval):
        return expected
    usual, own = (ok_fields("time", "udp", "", each) for each in ("3", interval))
    for name in ("interval", "lease"):
        before, after = (f"\n{name}: {fields[name]}\n".encode() for fields in (usual, own))
        expected = [reply.replace(before, after) for reply in expected]
    return expected


def play_over_tcp(server: Server, chunks: list[bytes]) -> list[bytes]:
    """Send chunks and half-close; return all replies."""
    with TcpPeer(server.address) as peer:
        peer.send_cut(chunks)
        peer.half_close()
        return split_replies(peer.rest())


def play_over_udp(server: Server, datagrams: list[bytes]) -> list[bytes]:
    """Send datagrams, each after the replies to the one before; return all replies."""
    replies: list[bytes] = []
    token = b"{token}"
    subscribed = False
    with UdpPeer(server.address) as peer:
        for datagram in datagrams:
            peer.send(datagram.replace(b"{token}", token))
            if not Request(server.service, "udp", datagram).is_served:
                continue
            reply = peer.reply()
            replies.append(reply.raw)
            if reply.status == "CHALLENGE":
                token = reply.fields["token"].encode()
            if reply.status == "OK" and server.service == "time" and not subscribed:
                subscribed = True
                replies.append(peer.reply().raw)
    return replies
