"""TEXT: the characters of messages and names, and that they come back unchanged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.as_client import peers
from conformance.as_client.conversation import answers, good_before_and_after
from conformance.as_client.judgement import require_fields, require_reply
from conformance.as_client.observed import Reply
from conformance.expected.fields import OK_FIELDS
from conformance.expected.oracle import error, expected_reply, ok, ok_fields
from conformance.expected.services import SERVICE_TABLE
from conformance.expected.strategies import CONTROLS, has_agreed_upper, messages, names, requests, scalars
from conformance.prerequisites import ANY_REQUEST
from conformance.profiles import Profile
from conformance.targets.server import Server
from spec.limits import MESSAGE_BYTES

pytestmark = pytest.mark.needs("TCP-1")

DECOMPOSED = [
    "é",
    "e\u0301",
    "\u1e9b\u0323",
    "\u212b",
    "\ufb01",
    "й",
    "и\u0306",
    "ё",
    "е\u0308",
    "\uac00",
    "\u1100\u1161",
]
EDGES = [
    " a",
    "a ",
    "  ",
    "a  b",
    "\u00a0a\u00a0",
    "\u3000a\u3000",
    "\ufeffa",
    "a\ufeff",
    "\u200da\u200d",
    "\u00ad",
    "\t\t",
]
NO_LINE_ENDS = ["a\u2028b", "a\u2029b", "\u2028", "\u2029\u2028"]


MAY_HOLD_TAB = {field.name for field in OK_FIELDS["echo"] if field.may_hold_tab}

CHARACTERS_AT_ONCE = MESSAGE_BYTES // 4  # so many fit into a message, whatever they are


def messages_of(characters: list[str]) -> list[str]:
    """Pack characters into messages."""
    return [
        "".join(characters[start : start + CHARACTERS_AT_ONCE])
        for start in range(0, len(characters), CHARACTERS_AT_ONCE)
    ]


@pytest.mark.service("echo")
@pytest.mark.requirement("TEXT-1")
@pytest.mark.needs("REQ-4", "TCP-3", "TCP-5")
def test_every_character_is_good(server: Server, profile: Profile) -> None:
    """All 1,112,000 of them. Upper case is not judged here: it depends on the version of Unicode."""
    with peers.connect(server) as peer:
        for message in profile.select(messages_of(scalars()), profile.characters):
            expected = ok_fields("echo", server.transport, message)
            del expected["upper"]
            require_fields(peer.ask(f"ECHO {message}".encode()), expected)


@pytest.mark.service("echo")
@pytest.mark.requirement("ECHO-4")
@pytest.mark.needs("REQ-4", "TCP-3", "TCP-5")
def test_every_upper_case(server: Server, profile: Profile) -> None:
    """All characters on whose upper case the versions of Unicode agree, many in one message."""
    with peers.connect(server) as peer:
        for message in profile.select(messages_of(scalars()), profile.characters):
            message = "".join(filter(has_agreed_upper, message))
            require_fields(
                peer.ask(f"ECHO {message}".encode()), {"upper": ok_fields("echo", server.transport, message)["upper"]}
            )


@pytest.mark.service("echo")
@pytest.mark.requirement("TEXT-2")
@given(message=messages())
def test_a_message_is_kept_as_it_came(server: Server, message: str) -> None:
    require_kept(server, [message])


@pytest.mark.service("echo")
@pytest.mark.requirement("TEXT-2")
def test_messages_that_are_often_changed(server: Server) -> None:
    require_kept(server, DECOMPOSED + EDGES)


def require_kept(server: Server, asked: list[str]) -> None:
    with peers.connect(server) as peer:
        for message in asked:
            require_fields(peer.ask(f"ECHO {message}".encode()), {"message": message})


@pytest.mark.service("time")
@pytest.mark.transport("tcp")
@pytest.mark.requirement("TEXT-2")
@given(name=names())
def test_a_name_is_kept_as_it_came(server: Server, name: str) -> None:
    require_kept_name(server, name)


@pytest.mark.service("time")
@pytest.mark.transport("tcp")
@pytest.mark.requirement("TEXT-2")
@pytest.mark.parametrize("name", [*DECOMPOSED, "a  b", "\u00a0a\u00a0", "\u3000a\u3000", "\ufeffa"], ids=ascii)
def test_a_name_that_is_often_changed(server: Server, name: str) -> None:
    require_kept_name(server, name)


def require_kept_name(server: Server, name: str) -> None:
    with peers.TcpPeer(server.address) as peer:
        for answer in peer.ask(f"TIME {name}".encode()), peer.reply():
            require_fields(answer, {"name": name})


@pytest.mark.service("echo")
@pytest.mark.requirement("TEXT-3")
def test_a_separator_ends_no_line(server: Server) -> None:
    with peers.connect(server) as peer:
        for message in NO_LINE_ENDS:
            require_reply(peer.ask(f"ECHO {message}".encode()), ok("echo", server.transport, message))


@pytest.mark.requirement("TEXT-3")
@pytest.mark.needs("ERR-8", "ERR-4")
def test_a_control_character_ends_no_line(server: Server) -> None:
    """Each gets exactly one answer; TAB is good in a message and bad in a name."""
    verb = SERVICE_TABLE[server.service].verb.decode()
    with good_before_and_after(server), peers.connect(server) as peer:
        for control in CONTROLS.replace("\n", ""):
            request = f"{verb} a{control}{verb} b".encode()
            require_reply(peer.ask(request), expected_reply(server.service, server.transport, request + b"\n"))
            # The next reply is as expected, so there was no second answer to the request before.
            require_reply(peer.ask(f"{verb} {'.' * MESSAGE_BYTES}.".encode()), error("too-long"))


@pytest.mark.requirement("TEXT-4")
@pytest.mark.needs(*ANY_REQUEST)
@pytest.mark.options("--interval", "86400")
@given(data=st.data())
def test_every_reply_is_clean(server: Server, data: st.DataObject) -> None:
    """Every reply is well-formed UTF-8; of control characters only TAB may come, in the fields of TEXT-4."""
    require_clean(server, data.draw(st.lists(requests(server.service, server.transport), min_size=1, max_size=5)))


@pytest.mark.requirement("TEXT-4")
@pytest.mark.needs("ERR-8", "TCP-5", "TCP-8")
@pytest.mark.options("--interval", "86400")
def test_no_reply_repeats_a_control_character(server: Server) -> None:
    verb = SERVICE_TABLE[server.service].verb.decode()
    require_clean(server, [f"{verb} a{control}\n".encode() for control in CONTROLS.replace("\n", "")])


def require_clean(server: Server, asked: list[bytes]) -> None:
    with peers.connect(server) as peer:
        for raw in answers(peer, server.service, asked):
            fields = Reply(raw, 0.0).fields
            for name, value in fields.items():
                allowed = "\t" if name in MAY_HOLD_TAB else ""
                assert not [c for c in value if c in CONTROLS and c not in allowed], (
                    f"a control character in {name}: {value!r}"
                )
