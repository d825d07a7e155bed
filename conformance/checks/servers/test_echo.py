"""ECHO: the reply to a message, field by field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.as_client import peers
from conformance.as_client.judgement import require_fields, require_reply
from conformance.expected.fields import OK_FIELDS
from conformance.expected.oracle import expected_reply, ok_fields
from conformance.expected.strategies import messages
from conformance.running.fixtures import StartServer
from conformance.targets.server import Server
from spec.limits import MESSAGE_BYTES

pytestmark = [pytest.mark.service("echo"), pytest.mark.needs("TCP-1")]

#: Each shows another error: counting bytes, UTF-16 units or clusters; upper case for ASCII only or one to one.
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
    "❤\ufe0f",
    "a\u00ad\u034f\u200b\u2060\ufeffz",
    "100%% %s %d %n {0} {{}} ${x}",
    r"C:\temp\new \u0041 \x41 \\",
    "&amp; %41 a+b <b> \"x\" 'y' --",
]
FIELDS = [
    pytest.param(field.name, marks=pytest.mark.requirement(field.requirement))
    for field in OK_FIELDS["echo"]
    if field.transport is None
]
TCP_FIELDS = [
    pytest.param(field.name, marks=pytest.mark.requirement(field.requirement))
    for field in OK_FIELDS["echo"]
    if field.transport == "tcp"
]


def require_field(server: Server, field: str, asked: list[str]) -> None:
    with peers.connect(server) as peer:
        for message in asked:
            expected = ok_fields("echo", server.transport, message)[field]
            require_fields(peer.ask(f"ECHO {message}".encode()), {field: expected})


@pytest.mark.requirement("ECHO-1")
@given(asked=st.lists(messages(), min_size=1, max_size=5))
def test_a_good_message_is_answered(server: Server, asked: list[str]) -> None:
    """The whole reply is judged, for one message after another from one client."""
    with peers.connect(server) as peer:
        for message in asked:
            request = f"ECHO {message}".encode()
            require_reply(peer.ask(request), expected_reply("echo", server.transport, request + b"\n"))


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


@pytest.mark.requirement("ECHO-4")
def test_upper_case_in_any_locale(start_server: StartServer) -> None:
    """In Turkish the upper case of i is another one."""
    require_field(start_server(env={"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}), "upper", ["iı"])


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
        require_reply(peer.ask(request), expected_reply("echo", server.transport, request + b"\n"))


@pytest.mark.requirement("ECHO-8")
@pytest.mark.parametrize("request_", [b"ECHO", b"ECHO "])
def test_the_empty_message(server: Server, request_: bytes) -> None:
    with peers.connect(server) as peer:
        for _ in range(2):
            require_reply(peer.ask(request_), expected_reply("echo", server.transport, b"ECHO\n"))
