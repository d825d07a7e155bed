"""Whole exchanges, each a golden vector with some edits: the core and the suite's oracle must agree on the replies.

The vectors are the corpus from which fuzzing starts (`spec.tests.fuzz`). What fails is written as a vector.
"""

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.expected.oracle import REQUIREMENTS, Request, expected_reply, expected_stream, fault, masked
from conformance.targets.terms import Service, Transport
from spec.tests.support import CLIENT, NOW, UTC, a_session, an_endpoint, split_replies
from spec.vectors import load_vectors

FOUND = "SOCKSPEC_FOUND"
"""The environment variable with the file to which a vector of each failure is appended, one a line."""

CORPUS = load_vectors()
PIECES = [b"", b"\n", b"\r", b"\r\n", b" ", b"\t", b"\x00", b"\x7f", b"\xc2\x85", b"\xc3", b"\xed\xa0\x80", b"\xff"]
PIECES += [
    "я".encode(),
    "\U0001f469".encode(),
    b": ",
    b"x: y",
    b"token: ",
    b"ECHO ",
    b"TIME ",
    b"OK",
    b"a" * 64,
    b"a" * 4096,
]


@st.composite
def exchanges(draw: st.DrawFn, service: str, transport: str) -> list[bytes]:
    """Return what a client sends: the input of a vector with up to three edits of its bytes."""
    inputs = [
        vector.input for vector in CORPUS if (vector.service, vector.transport) == (service, transport) and vector.input
    ]
    parts = list(draw(st.sampled_from(inputs)))
    for _ in range(draw(st.integers(0, 3))):
        number = draw(st.integers(0, len(parts) - 1))
        part = parts[number]
        start = draw(st.integers(0, len(part)))
        end = draw(st.integers(start, min(len(part), start + 8)) | st.just(len(part)))
        parts[number] = part[:start] + draw(st.sampled_from(PIECES) | st.binary(max_size=4)) + part[end:]
    return [part for part in parts if part] if transport == "tcp" else parts


def answers(service: str, transport: str, parts: list[bytes]) -> list[bytes]:
    """Return the replies of the core, with placeholders for what a server may choose."""
    if transport == "tcp":
        session = a_session(service)
        replies = split_replies(b"".join(session.receive(part, NOW, UTC) for part in parts))
    else:
        endpoint = an_endpoint(service)
        replies = [reply for part in parts for reply in endpoint.receive(part, CLIENT, NOW, UTC)]
    return list(map(masked, replies))


def expected_answers(service: Service, transport: Transport, parts: list[bytes]) -> list[bytes]:
    """Return the replies that SPEC.md expects."""
    if transport == "tcp":
        *lines, _ = b"".join(parts).split(b"\n")
        return expected_stream(service, [line + b"\n" for line in lines], "3")
    return [reply for part in parts if (reply := expected_reply(service, transport, part)) is not None]


def written(raw: bytes) -> object:
    """Return the bytes as a vector has them."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"hex": raw.hex()}


def as_vector(service: Service, transport: Transport, parts: list[bytes]) -> str:
    """Return the exchange as a vector, in JSON; its name and requirement are a proposal."""
    if transport == "udp" and expected_reply(service, transport, parts[-1]) is None:
        parts = [*parts, f"{service.upper()} a".encode()]  # only a later reply proves that silence was meant
    stream = b"".join(parts).split(b"\n")[:-1] if transport == "tcp" else parts
    raws = [raw + b"\n" if transport == "tcp" else raw for raw in stream]
    codes = [code for raw in raws if (code := fault(Request(service, transport, raw))) in REQUIREMENTS]
    digest = hashlib.sha256(repr((service, transport, parts)).encode()).hexdigest()[:8]
    vector = {
        "name": f"found by fuzzing, {digest}",
        "requirement": REQUIREMENTS[codes[0]] if codes else {"tcp": "TCP-1", "udp": "UDP-5"}[transport],
        "service": service,
        "transport": transport,
        "input": list(map(written, parts)),
        "output": list(map(written, expected_answers(service, transport, parts))),
    }
    return json.dumps(vector, ensure_ascii=False)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("service", ["echo", "time"])
@given(data=st.data())
def test_the_core_answers_as_the_oracle_expects(service: Service, transport: Transport, data: st.DataObject) -> None:
    """TCP-1 to TCP-7, UDP-1 to UDP-5, ECHO-1 to ECHO-8, TIME-1 to TIME-5, ERR-1 to ERR-9, LEASE-1."""
    parts = data.draw(exchanges(service, transport))
    if answers(service, transport, parts) != expected_answers(service, transport, parts):
        vector = as_vector(service, transport, parts)
        if path := os.environ.get(FOUND):
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(vector + "\n")
        pytest.fail(f"the core answers otherwise: {vector}")


def test_what_is_found_is_a_vector(tmp_path: Path) -> None:
    """Not UTF-8, and silence at the end: the two that are written in another way."""
    cases: list[tuple[Service, Transport, list[bytes]]] = [
        ("echo", "tcp", [b"ECHO \xff\n"]),
        ("time", "udp", [b"TIME a", b"nothing"]),
    ]
    for service, transport, parts in cases:
        (tmp_path / "found.json").write_text(f"[{as_vector(service, transport, parts)}]", encoding="utf-8")
        (vector,) = load_vectors(tmp_path)
        assert vector.input[: len(parts)] == parts
        assert vector.output == answers(service, transport, vector.input)
