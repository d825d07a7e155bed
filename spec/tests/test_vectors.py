"""The golden vectors and SPEC.md's examples, run against the core at one fixed moment."""

import re

import pytest

from spec.limits import REASON_CHARACTERS, TOKEN_CHARACTERS
from spec.requirements import SPECIFICATION
from spec.tests.support import CLIENT, NOW, UTC, a_session, an_endpoint
from spec.vectors import Vector, load_vectors, read_examples

VECTORS = load_vectors() + read_examples(SPECIFICATION.read_text(encoding="utf-8"))
FORMS = {
    b"reason": rb"[\x20-\x7e]{1,%d}" % REASON_CHARACTERS,
    b"token": rb"[\x21-\x7e]{1,%d}" % TOKEN_CHARACTERS,
    b"time": rb"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z",
}


def matches(reply: bytes, expected: bytes) -> bool:
    """Whether the bytes are the expected ones, with something of the right form for each placeholder."""
    pattern = re.sub(rb"\\\{(reason|token|time)\\\}", lambda placeholder: FORMS[placeholder[1]], re.escape(expected))
    return re.fullmatch(pattern, reply) is not None


def over_udp(vector: Vector) -> list[bytes]:
    endpoint, token, out = an_endpoint(vector.service), b"", []
    for datagram in vector.input:
        for reply in endpoint.receive(datagram.replace(b"{token}", token), CLIENT, NOW, UTC):
            out.append(reply)
            if reply.startswith(b"CHALLENGE\n"):
                token = reply.splitlines()[1].removeprefix(b"token: ")
    return out


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_vector(vector: Vector) -> None:
    if vector.transport == "tcp":
        session = a_session(vector.service)
        out = b"".join([session.receive(chunk, NOW, UTC) for chunk in vector.input])
        assert matches(out, b"".join(vector.output))
        return
    datagrams = over_udp(vector)
    assert len(datagrams) == len(vector.output)
    for datagram, expected in zip(datagrams, vector.output, strict=True):
        assert matches(datagram, expected)


def test_a_placeholder_stands_for_the_right_form_alone() -> None:
    expected = b"ERR\ncode: busy\nreason: {reason}\n\n"
    assert matches(b"ERR\ncode: busy\nreason: full (1000)\n\n", expected)
    for reason in (b"", b"a" * 41, b"\xd1\x8f", b"a\nb", b"\t"):
        assert not matches(expected.replace(b"{reason}", reason), expected)
    assert not matches(b"OK\nmessage: b\n\n", b"OK\nmessage: .\n\n")
