"""ECHO: what comes back for a message, field by field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.as_client import peers
from conformance.as_client.judgement import require_fields, require_reply
from conformance.expected.oracle import echo_fields, owed
from conformance.expected.strategies import messages
from conformance.targets.server import Server
from spec.limits import MESSAGE_BYTES

pytestmark = pytest.mark.service("echo")

#: One for each way to be wrong about a field: bytes for characters, UTF-16 units, clusters, ASCII or simple mappings.
TELLING = [
    "привет",
    "straße",
    "ŉ",
    "ΐΰ",
    "ﬁﬃ",
    "ё",
    "е\u0308",
    "й",
    "👨‍👩‍👧",
    "🇷🇺",
    "i",
    "ıi̇",
    "ǆǅ",
    "ა",
    "\U00010428",
    "ﬀ" * 9,
    "σς",
    "a\tb",
]
FIELDS = [
    pytest.param(field, marks=pytest.mark.requirement(id_))
    for field, id_ in (("message", "ECHO-2"), ("reversed", "ECHO-3"), ("upper", "ECHO-4"), ("length", "ECHO-5"))
]
TCP_FIELDS = [
    pytest.param(field, marks=pytest.mark.requirement(id_))
    for field, id_ in (("bytes", "ECHO-6"), ("sha256", "ECHO-7"))
]


def require_field(server: Server, field: str, asked: list[str]) -> None:
    with peers.connect(server) as peer:
        for message in asked:
            due = echo_fields(message, server.transport)[field]
            require_fields(peer.ask(f"ECHO {message}".encode()), {field: due})


@pytest.mark.requirement("ECHO-1")
@given(asked=st.lists(messages(), min_size=1, max_size=5))
def test_a_good_message_is_answered(server: Server, asked: list[str]) -> None:
    """The whole reply, one message after another from one client."""
    with peers.connect(server) as peer:
        for message in asked:
            request = f"ECHO {message}".encode()
            require_reply(peer.ask(request), owed("echo", server.transport, request + b"\n"))


@pytest.mark.parametrize("field", FIELDS)
@given(message=messages())
def test_field(server: Server, field: str, message: str) -> None:
    require_field(server, field, [message])


@pytest.mark.parametrize("field", FIELDS)
def test_field_of_telling_messages(server: Server, field: str) -> None:
    require_field(server, field, TELLING)


@pytest.mark.transport("tcp")
@pytest.mark.parametrize("field", TCP_FIELDS)
@given(message=messages())
def test_field_over_tcp(server: Server, field: str, message: str) -> None:
    require_field(server, field, [message])


@pytest.mark.transport("tcp")
@pytest.mark.parametrize("field", TCP_FIELDS)
def test_field_of_telling_messages_over_tcp(server: Server, field: str) -> None:
    require_field(server, field, TELLING)


@pytest.mark.requirement("REQ-4")
@pytest.mark.parametrize("letter", ["a", "я", "€", "👨", "\u0390"])
def test_the_longest_message(server: Server, letter: str) -> None:
    message = letter * (MESSAGE_BYTES // len(letter.encode()))
    message += "." * (MESSAGE_BYTES - len(message.encode()))
    request = f"ECHO {message}".encode()
    with peers.connect(server) as peer:
        require_reply(peer.ask(request), owed("echo", server.transport, request + b"\n"))


@pytest.mark.requirement("ECHO-8")
@pytest.mark.parametrize("request_", [b"ECHO", b"ECHO "])
def test_the_empty_message(server: Server, request_: bytes) -> None:
    with peers.connect(server) as peer:
        for _ in range(2):
            require_reply(peer.ask(request_), owed("echo", server.transport, b"ECHO\n"))
