"""The oracle and the core: two readings of SPEC.md that share no code must agree on every request."""

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from conformance.as_client.conversation import split_replies
from conformance.expected.oracle import expected_reply, expected_stream, masked
from conformance.expected.strategies import cuttings, datagrams, lines
from conformance.targets.terms import Service
from spec.endpoint import open_endpoint
from spec.program.arguments import parse_server_options
from spec.session import open_session


def ignore(line: str) -> None:
    """Take a line about a client."""


@pytest.mark.parametrize("service", ["echo", "time"])
@given(data=st.data())
def test_lines(service: Service, data: st.DataObject) -> None:
    options = parse_server_options([service, "--interval", "3"], "tcp")
    asked = data.draw(st.lists(lines(service), max_size=5))
    session = open_session(options, "127.0.0.1:1", 0.0, ignore)
    stream = b"".join(session.receive(chunk, 0.0, 0.0) for chunk in data.draw(cuttings(b"".join(asked))))
    assert [masked(raw) for raw in split_replies(stream)] == expected_stream(service, asked, "3")


@pytest.mark.parametrize("service", ["echo", "time"])
@given(data=st.data())
def test_datagrams(service: Service, data: st.DataObject) -> None:
    options = parse_server_options([service, "--interval", "3"], "udp")
    endpoint = open_endpoint(options, bytes(32), ignore)
    raw = data.draw(datagrams(service) | st.binary(max_size=60))
    expected = expected_reply(service, "udp", raw)
    event("silence" if expected is None else expected.decode().split("\n")[1].partition(" ")[2][:14])
    replies = endpoint.receive(raw, ("127.0.0.1", 1), 0.0, 0.0)
    assert list(map(masked, replies)) == ([] if expected is None else [expected])
