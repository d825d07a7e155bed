"""Hypothesis strategies: unusual text, every fault of a request, lengths at the limits, cuts of a stream."""

import json
import unicodedata
from functools import cache
from itertools import pairwise
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.expected.fields import STATUSES
from conformance.expected.services import SERVICE_TABLE
from conformance.targets.terms import Service, Transport
from spec.limits import LINE_BYTES, MESSAGE_BYTES, NAME_CHARACTERS

#: Code points on whose upper case the versions of Unicode do not agree (ECHO-4 allows any from 13.0 on).
UPPER_DISAGREEMENTS = frozenset(
    chr(int(code.removeprefix("U+"), 16))
    for code in json.loads(Path(__file__).with_name("upper_disagreements.json").read_text())["code points"]
)

#: Characters that programs often get wrong: false line ends, upper cases of several letters, marks, joiners,
#: directions, noncharacters, U+FEFF.
CORNERS = (
    "\t \u00a0\u3000\u2028\u2029\ufeff\u00ad\u034f\u200b\u200d\u2060\ufe0e\ufe0f\u200e\u200f\u061c"
    "\u202a\u202e\u2066\u2069\ufffd\ufffe\uffff"
    "\u0301\u0308\u0345\u1e9eßŉǰΐΰևẖﬁﬃᾳΆςσϊiıİǅǆჁᲐаяёйїЀҀԱ\u0439\u0438\u0306\ud7ff\ue000\U0001f468\U0001f3fd\U0001f1e6"
    "\U00010428\U0001e922\U000e0041\U0010fffd\U0010ffff:\\%{}<>&'\"\x7e\u00a0"
)
CONTROLS = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))


def has_agreed_upper(character: str) -> bool:
    """Whether all known versions of Unicode from 13.0 on agree on the upper case of this character."""
    return character not in UPPER_DISAGREEMENTS and unicodedata.category(character) != "Cn"


@cache
def scalars() -> list[str]:
    """Return every Unicode scalar value that is no control character, and TAB."""
    codes = [0x09, *range(0x20, 0x7F), *range(0xA0, 0xD800), *range(0xE000, 0x110000)]
    return [chr(code) for code in codes]


@cache
def texts(smallest: int = 0, largest: int = 40, *, without: str = "") -> SearchStrategy[str]:
    """Good text of `smallest` to `largest` characters, in runs from one alphabet each; its upper case is agreed on."""
    alphabets = [
        st.characters(min_codepoint=0x20, max_codepoint=0x7E),
        st.characters(min_codepoint=0x0400, max_codepoint=0x04FF, exclude_categories=["Cn"]),
        st.sampled_from(
            [character for character in CORNERS if has_agreed_upper(character) and character not in without]
        ),
        st.characters(exclude_categories=["Cs", "Cc", "Cn"], exclude_characters="".join(UPPER_DISAGREEMENTS)),
    ]
    runs = st.one_of([st.text(alphabet, max_size=largest) for alphabet in alphabets])
    whole = st.one_of([st.text(alphabet, min_size=smallest, max_size=largest) for alphabet in alphabets])
    mixed = st.tuples(runs, runs, whole).map(lambda parts: "".join(parts)[-largest:])
    return whole | mixed


@cache
def messages() -> SearchStrategy[str]:
    """Short good messages, the empty one too."""
    return texts()


@cache
def names() -> SearchStrategy[str]:
    """Good names."""
    return texts(1, NAME_CHARACTERS, without="\t").filter(lambda name: name == name.strip(" "))


@cache
@st.composite
def filled(draw: st.DrawFn, size: int, text: SearchStrategy[str]) -> bytes:
    """UTF-8 of exactly `size` bytes: a drawn text, repeated, then dots."""
    unit = draw(text.filter(bool)).encode()
    return unit * (size // len(unit)) + b"." * (size % len(unit))


@cache
def near(limit: int) -> SearchStrategy[int]:
    """One less than a limit, the limit, one more."""
    return st.sampled_from([limit - 1, limit, limit + 1])


#: Not well-formed by RFC 3629: lone continuation, truncated, overlong, surrogates, above U+10FFFF, never occurring.
_BAD_UTF_8 = [
    "80",
    "bf",
    "c0af",
    "c1bf",
    "c3",
    "c328",
    "d0",
    "e08080",
    "e09fbf",
    "e282",
    "eda080",
    "edbfbf",
    "f0808080",
]
_BAD_UTF_8 += ["f08fbfbf", "f09f98", "f4908080", "f5808080", "f8888080", "fe", "ff", "fffe"]
BAD_UTF_8 = list(map(bytes.fromhex, _BAD_UTF_8))


@cache
def arguments(service: Service) -> SearchStrategy[bytes]:
    """Arguments, good and of every fault, alone and together."""
    good = messages() if service == "echo" else names()
    text = good.map(str.encode)
    return st.one_of(
        text,
        near(MESSAGE_BYTES).flatmap(lambda size: filled(size, messages())),
        st.tuples(text, st.sampled_from(CONTROLS.replace("\n", "")).map(str.encode), text).map(b"".join),
        st.tuples(text, st.sampled_from(BAD_UTF_8), text).map(b"".join),
        st.tuples(st.sampled_from([b"", b" ", b"  "]), text, st.sampled_from([b"", b" "])).map(b"".join),
        near(NAME_CHARACTERS).flatmap(lambda size: texts(size, size)).map(str.encode),
        st.tuples(near(MESSAGE_BYTES).flatmap(lambda size: filled(size, messages())), st.sampled_from(BAD_UTF_8)).map(
            b"".join
        ),
    )


@cache
def verbs(service: Service) -> SearchStrategy[bytes]:
    """Mostly the served verb; else another service's verb, a reply's status, a nearly good verb, or bad UTF-8."""
    good = SERVICE_TABLE[service].verb
    near_misses = [
        b"",
        good.lower(),
        good.title(),
        good + b"\t",
        good + b":",
        good[:-1],
        b" " + good,
        b"\xef\xbb\xbf" + good,
    ]
    others = [*(each.verb for each in SERVICE_TABLE.values()), *map(str.encode, STATUSES)]
    return st.one_of(
        st.just(good), st.just(good), st.just(good), st.sampled_from(near_misses + others), st.sampled_from(BAD_UTF_8)
    )


@cache
@st.composite
def first_lines(draw: st.DrawFn, service: Service) -> bytes:
    """A request's first line without its end: verb, and perhaps SP and argument; it holds no LF."""
    verb = draw(verbs(service))
    if not draw(st.integers(0, 7)):
        return verb
    return verb + b" " + draw(arguments(service))


NOISE = st.binary(max_size=60)
LINE_ENDS = st.sampled_from([*[b"\n"] * 4, *[b"\r\n"] * 4, b"\r\r\n"])


@cache
@st.composite
def lines(draw: st.DrawFn, service: Service) -> bytes:
    """A request over TCP, with its LF or CRLF: good, of any fault, or noise."""
    line = draw(first_lines(service) | first_lines(service) | NOISE)
    return line.replace(b"\n", b"") + draw(LINE_ENDS)


FIELD_NAMES = st.sampled_from([b"x", b"token", b"x-2", b"note"])


@cache
def _good_fields() -> SearchStrategy[bytes]:
    """A further line of a datagram that is a field."""
    value = messages().map(lambda text: text.replace("\t", "").encode())
    return st.tuples(FIELD_NAMES, st.just(b": "), value).map(b"".join)


@cache
def _fields() -> SearchStrategy[bytes]:
    """A further line of a datagram, a field or nearly so."""
    good = _good_fields()
    bad_values = st.sampled_from([b"\t", b"\x00", b"\xc2\x85", b"\xff"])
    bad_value = st.tuples(FIELD_NAMES, st.just(b": "), bad_values).map(b"".join)
    near_misses = [b"", b"x", b"x:", b"x:y", b": y", b"X: y", b"-x: y", b"1: y", b"x_y: z", b" x: y", b"x : y"]
    no_field = st.sampled_from([*near_misses, b"\xef\xbb\xbfx: y"])
    too_long = near(LINE_BYTES).flatmap(lambda size: filled(size - 3, messages())).map(lambda text: b"x: " + text)
    return st.one_of(good, good, bad_value, no_field, too_long)


@cache
@st.composite
def datagrams(draw: st.DrawFn, service: Service) -> bytes:
    """A request over UDP: good, of any fault, one that no server answers, or noise."""
    parts = [draw(first_lines(service)).replace(b"\n", b""), *draw(st.lists(_fields(), max_size=2))]
    whole = b"".join(part + draw(LINE_ENDS) for part in parts)
    return draw(
        st.sampled_from([whole, whole, whole.removesuffix(b"\n"), whole.removesuffix(b"\n").removesuffix(b"\r")])
    )


@cache
def requests(service: Service, transport: Transport) -> SearchStrategy[bytes]:
    """Requests as they stand on the wire of a transport."""
    return lines(service) if transport == "tcp" else datagrams(service)


@cache
@st.composite
def good_requests(draw: st.DrawFn, service: Service, transport: Transport) -> bytes:
    """A request without a fault, as it stands on the wire; over UDP perhaps with fields, or without its last LF."""
    if service == "echo":
        argument = draw(messages().map(str.encode) | filled(MESSAGE_BYTES, messages()))
    else:
        argument = draw(names()).encode()
    verb = SERVICE_TABLE[service].verb
    parts = [verb if not argument and draw(st.booleans()) else verb + b" " + argument]
    if transport == "udp":
        parts += draw(st.lists(_good_fields(), max_size=2))
    whole = b"".join(part + draw(st.sampled_from([b"\n", b"\r\n"])) for part in parts)
    if transport == "udp" and draw(st.booleans()):
        return whole.removesuffix(b"\n").removesuffix(b"\r")
    return whole


@st.composite
def cuttings(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    """The chunks of a stream: a few of them or one; of a short stream perhaps single bytes."""
    if len(stream) <= 200 and draw(st.booleans()):
        return [stream[i : i + 1] for i in range(len(stream))]
    cuts = draw(st.sets(st.integers(0, len(stream)), max_size=8))
    bounds = sorted({0, *cuts, len(stream)})
    return [stream[start:end] for start, end in pairwise(bounds)]
