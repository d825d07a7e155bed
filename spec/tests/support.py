"""What several of the core's tests share: virtual time, options, parties made ready, and generated text and bytes."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from spec.codec import parse_reply
from spec.endpoint import EchoEndpoint, Endpoint, TimeEndpoint
from spec.limits import LINE_BYTES
from spec.options import ClientOptions, ServerOptions
from spec.replies import FIELDS, FORMS, build_reply
from spec.session import Session, open_session

NOW = 4096.0
"""When a test begins, on the monotonic clock, in seconds."""
UTC = 1_795_424_400.0
"""The same moment on the wall clock: 2026-11-23T09:00:00Z."""
SECRET = bytes(range(16))
CLIENT = ("127.0.0.1", 50312)

SERVICES = ("echo", "time")
STATUSES = ("OK", "ERR", "TICK", "CHALLENGE")

HIDDEN = "".join(
    chr(code)
    for first, last in ((0, 0x1F), (0x7F, 0x9F), (0x61C, 0x61C), (0x200E, 0x200F), (0x2028, 0x202E), (0x2066, 0x2069))
    for code in range(first, last + 1)
)
"""The characters that a program shows as a backslash and digits: SRV-14's list."""


def rfc3339(milliseconds: int) -> str:
    """Return the form of the field ``time`` for a time since 1970, by whole numbers alone."""
    moment = datetime(1970, 1, 1) + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


def server_options(service: str, transport: str = "udp", **changes: Any) -> ServerOptions:
    """Return a server's default options, with changes."""
    return ServerOptions(service, transport, **changes)


def client_options(service: str, transport: str = "udp", **changes: Any) -> ClientOptions:
    """Return a client's default options, with changes."""
    return ClientOptions(service, transport, **changes)


def a_session(service: str, announced: list[str] | None = None, **changes: Any) -> Session:
    """Return the session of a connection accepted at NOW."""
    lines = [] if announced is None else announced
    return open_session(server_options(service, "tcp", **changes), "127.0.0.1:50312", NOW, lines.append)


def an_endpoint(service: str, announced: list[str] | None = None, **changes: Any) -> Endpoint:
    """Return an endpoint; it announces nothing without a list to do so."""
    options, announce = server_options(service, **changes), None if announced is None else announced.append
    return EchoEndpoint(options, announce) if service == "echo" else TimeEndpoint(options, SECRET, announce)


def token_of(replies: list[bytes]) -> str:
    """Return the token of the one CHALLENGE that these datagrams are."""
    (reply,) = replies
    status, fields = parse_reply(reply)
    assert (status, list(fields)) == ("CHALLENGE", ["token"])
    return fields["token"]


def subscribe(endpoint: Endpoint, name: str, address: Any = CLIENT, now: float = NOW) -> tuple[str, list[bytes]]:
    """Go through challenge and proof; return the token and the replies to the proof."""
    token = token_of(endpoint.receive(f"TIME {name}".encode(), address, now, UTC))
    return token, endpoint.receive(f"TIME {name}\ntoken: {token}".encode(), address, now, UTC)


def code_of(reply: bytes) -> str:
    """Return the code of an ERR, or the status of any other reply."""
    status, fields = parse_reply(reply)
    return fields["code"] if status == "ERR" else status


def split_replies(stream: bytes) -> list[bytes]:
    """Return the replies of a stream that ends with a whole one."""
    *replies, rest = stream.split(b"\n\n")
    assert rest == b""
    return [reply + b"\n\n" for reply in replies]


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    """Return the stream as segments, cut at these places."""
    return [stream[a:b] for a, b in pairwise([0, *sorted(places), len(stream)])]


_characters = st.characters(codec="utf-8", exclude_categories=["Cc"])
_telling = st.sampled_from("аЯёß iıŉΐς\u0306\u0308\u200d\u2028\u2029\u202e\ufeff\ufffe\U0001f469\U0010ffff")
messages = st.text(_telling | _characters | st.just("\t"), max_size=40)
"""Good messages: Cyrillic, combining, growing and direction characters more often than chance would bring them."""
names = st.text(_telling | _characters, min_size=1, max_size=64).filter(lambda name: name == name.strip(" "))
fields = st.dictionaries(
    st.from_regex("[a-z][a-z0-9-]{0,8}", fullmatch=True), st.text(_characters, max_size=8), max_size=3
)
intervals = st.decimals(Decimal("0.01"), 86400, places=3)

_arguments = st.one_of(
    messages.map(str.encode),
    st.sampled_from(
        [b"", b" ", b"\xd0\xb8\xcc\x86", b"\xc3(", b"\xed\xa0\x80", b"a\x00", b"\x0b", b"\x85", b"\r", b"\xc2\x85"]
    ),
    st.binary(max_size=12).map(lambda argument: argument.replace(b"\n", b"")),
)
_lengths = st.sampled_from([LINE_BYTES - 1, LINE_BYTES, LINE_BYTES + 1, LINE_BYTES + 2, 2 * LINE_BYTES])
_starts = st.sampled_from(
    [b"ECHO ", b"TIME ", b"ECHO", b"TIME", b"echo ", b"ECHO  ", b"", b" ", b"OK ", b"TICK", b"\xffECHO "]
)
_ends = st.sampled_from([b"\n", b"\r\n", b"\r\r\n"])


@st.composite
def request_lines(draw: st.DrawFn) -> bytes:
    """Lines that are good, nearly good and bad; some of them just at the limit."""
    line = draw(_starts) + draw(_arguments)
    if draw(st.integers(0, 3)) == 0:
        line = line.ljust(draw(_lengths), draw(st.sampled_from([b"a", b"\r", b"\xff"])))
    return line + draw(_ends)


request_streams = st.builds(
    lambda lines, rest: b"".join(lines) + rest, st.lists(request_lines(), max_size=5), _arguments
)
"""Pipelined lines, the last of which may lack its end."""

datagrams = st.one_of(
    request_streams,
    st.binary(max_size=60),
    st.builds(lambda line, token: line + b"token: " + token + b"\n", request_lines(), _arguments),
)
"""What a UDP server may get."""

_reply_values = st.one_of(
    st.sampled_from(
        [
            "привет",
            "1",
            "3",
            "0",
            "0.05",
            "1e400",
            "busy",
            "abc",
            "2026-11-23T09:00:00.000Z",
            "2026-02-30T09:00:00.000Z",
        ]
    ),
    st.sampled_from(["", "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "я" * 64, "a" * 64]),
    messages,
    st.text(st.sampled_from(HIDDEN.replace("\n", "")), max_size=3),
)
_field_names = st.sampled_from([*FIELDS, "x-later", "Bad", "\u202e"])
_good_values = {
    "message": "привет",
    "sha256": "0" * 64,
    "name": "Анна",
    "interval": "3",
    "lease": "12",
    "time": "2026-11-23T09:00:00.000Z",
    "token": "abc",
}


@st.composite
def replies(draw: st.DrawFn) -> bytes:
    """Replies that are good, nearly good and bad."""
    form = draw(st.sampled_from(FORMS))
    number = str(draw(st.integers(1, 5)))
    pairs = [(name, _good_values.get(name, number)) for name in form.fields]
    for _ in range(draw(st.integers(0, 2))):
        pairs[draw(st.integers(0, len(pairs) - 1))] = (draw(_field_names), draw(_reply_values))
    reply = build_reply(draw(st.just(form.status) | st.text(max_size=3)), *pairs)
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, len(reply)))
        reply = reply[:place] + draw(st.binary(max_size=3)) + reply[place + draw(st.integers(0, 3)) :]
    return reply
