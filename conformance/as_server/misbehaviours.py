"""What a server may do wrong to a client, as plain data: names, spoiled replies, and strategies that draw them."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.expected.oracle import FAULTS
from conformance.expected.replies import challenge, error, tick
from conformance.expected.strategies import BAD_UTF_8
from conformance.targets.terms import Service, Transport
from spec.limits import REPLY_BYTES


class Misbehaviour(NamedTuple):
    """Something that the server does wrong once, or from then on."""

    name: str
    reply: int
    """The number of the reply with which it begins, from 0."""
    detail: str = ""
    """One of the details of its `Kind`."""

    def __str__(self) -> str:
        return f"reply {self.reply}: {self.name}" + f" ({self.detail})" * bool(self.detail)


class Scenario(NamedTuple):
    """One conversation of a client with an adversary."""

    service: Service
    transport: Transport
    texts: tuple[str, ...]
    """The messages, or the one name."""
    ticks: int
    """How many ticks the client must print (--ticks); 0 for an echo client."""
    misbehaviours: tuple[Misbehaviour, ...] = ()


class Kind(NamedTuple):
    """The requirement that a misbehaviour tests, and the details that it can have."""

    requirement: str
    details: tuple[str, ...] = ("",)


Change = Callable[[bytes, str], bytes]
"""Takes a reply and a detail; returns the reply as it is sent."""


def _in_value(reply: bytes, inserted: bytes) -> bytes:
    """Insert bytes into a text or a token; not into `message`, by which a client recognizes its answer."""
    return re.sub(rb"\n(reversed|name|token|reason): ", lambda match: match[0] + inserted, reply, count=1)


def _repeated(reply: bytes, _: str) -> bytes:
    names = re.findall(rb"^(message|reversed|upper|name|code|reason): ", reply, re.MULTILINE)
    return reply[:-1] + b"".join(name + ": второй\n".encode() for name in names) + b"\n"


ODD: Mapping[str, Change] = {
    "unknown fields": lambda reply, _: reply.replace(b"\n", "\nx-1: \nconstructor: a: б\u3000в\n".encode(), 1),
    "repeated fields": _repeated,
    "direction characters": lambda reply, code: re.sub(
        rb"\n(reversed|name|reason): ", rb"\g<0>" + chr(int(code, 16)).encode(), reply
    ),
    "an error": lambda _, code: error(code, f"the server says {code}"),
}
"""Unusual but good replies."""

FORMS: Mapping[str, Callable[[bytes], bytes]] = {
    "no field": lambda reply: reply.replace(b"\n", b"\nwell\n", 1),
    "a field is missing": lambda reply: re.sub(rb"[^\n]*\n\n\Z", b"\n", reply),
    "the last value starts with 0": lambda reply: re.sub(rb": (?=[^\n]*\n\n\Z)", b": 0", reply),
    "no space": lambda reply: reply.replace(b": ", b":", 1),
    "CRLF": lambda reply: reply.replace(b"\n", b"\r\n", 1),
    "status in lower case": lambda reply: re.sub(rb"\A[A-Z]+", lambda match: match[0].lower(), reply),
    "name in upper case": lambda reply: re.sub(rb"\n[a-z]+", lambda match: match[0].upper(), reply, count=1),
}
"""Ways to be malformed."""

BAD: Mapping[str, Change] = {
    "malformed": lambda reply, form: FORMS[form](reply),
    "unknown status": lambda reply, _: re.sub(rb"\A[A-Z]+", b"MAYBE", reply),
    "another status": lambda _, status: {
        "CHALLENGE": challenge(),
        "TICK": tick("Анна", 1),
    }[status],
    "bad UTF-8": lambda reply, code: _in_value(reply, bytes.fromhex(code)),
    "escape sequences": lambda reply, escaped: _in_value(
        reply, bytes(escaped, "ascii").decode("unicode_escape").encode()
    ),
    "extra bytes": lambda reply, extra: reply + (reply if extra == "itself" else b"x\n"),
    "endless": lambda reply, _: reply[:-1] + b"x: " + b"x" * REPLY_BYTES,
    "truncated": lambda reply, missing: reply[: -int(missing)],
}
"""Replies that a client must not take. Over UDP the good reply follows; over TCP the conversation is over."""

CODES = (*FAULTS, "busy", "yet-unknown")


class Kinds(NamedTuple):
    """Misbehaviours by name, the simpler first."""

    quick: dict[str, Kind]
    """The client can go on at once."""
    slow: dict[str, Kind]
    """The client can go on after a while."""
    fatal: dict[str, Kind]
    """The client must end."""


RENEWALS = {"the token expired": Kind("CLI-16"), "restarted": Kind("CLI-21")}


def kinds(service: Service, transport: Transport) -> Kinds:
    """Return what a server of this service may do wrong over this transport."""
    echo, udp = service == "echo", transport == "udp"
    quick = {
        "unknown fields": Kind("CLI-12"),
        "repeated fields": Kind("REQ-6"),
        "direction characters": Kind("SRV-14", ("202E", "061C", "200F", "2028", "2066", "2069")),
    }
    slow: dict[str, Kind] = {}
    fatal = {"an error": Kind("CLI-9", CODES)}
    bad = {
        "malformed": Kind("CLI-11", tuple(FORMS)),
        "unknown status": Kind("CLI-11"),
        "bad UTF-8": Kind("CLI-11", tuple(code.hex() for code in BAD_UTF_8)),
        "escape sequences": Kind("SRV-14", ("\\x1b[31m", "\\x07", "\\x9b2J", "\\r")),
        "extra bytes": Kind("CLI-11", ("x", "itself")),
        "endless": Kind("CLI-11"),
    }
    if echo or not udp:
        bad["another status"] = Kind("CLI-11", ("CHALLENGE", "TICK") if echo else ("CHALLENGE",))
    late = Kind("CLI-14" if echo else "CLI-20")
    if udp:
        quick |= {"doubled": late, "the one before again": late}
        quick |= {"forged": Kind("CLI-15", ("another port", "another host"))}
        quick |= {**bad, "truncated": Kind("CLI-11", ("1", "2", "9", "20"))}
        slow |= {"lost": Kind("CLI-13"), "delayed": Kind("CLI-13"), "out of order": late}
    else:
        quick["single bytes"] = Kind("CLI-3" if echo else "CLI-19")
        fatal |= bad | dict.fromkeys(("finished in", "reset in"), Kind("CLI-7", ("nothing", "half", "all but 1")))
    if not echo:
        quick |= {"seq falls": Kind("CLI-20"), "the clock is set back": Kind("CLI-20")}
    if not (echo or udp):
        quick |= dict.fromkeys(("doubled", "the one before again", "out of order"), late)
    if not echo and udp:
        quick |= RENEWALS
        fatal["challenges for ever"] = Kind("CLI-17")
    return Kinds(quick, slow, fatal | {"silence": Kind("CLI-7")})


TEXTS: dict[Service, SearchStrategy[tuple[str, ...]]] = {
    "echo": st.sampled_from([("раз",), ("раз", "два"), ("раз", "два", "три")]),
    "time": st.just(("Анна",)),
}


REPLIES = [0, 1, 2, 0, 1, 3, 4]
"""Which replies may be spoiled, the first ones more often."""


def one_of(kinds: dict[str, Kind]) -> SearchStrategy[Misbehaviour]:
    """A misbehaviour of these kinds."""

    def of(name: str) -> SearchStrategy[Misbehaviour]:
        return st.builds(Misbehaviour, st.just(name), st.sampled_from(REPLIES), st.sampled_from(kinds[name].details))

    return st.sampled_from(list(kinds)).flatmap(of)


def samples(service: Service, transport: Transport, seed: int) -> list[Scenario]:
    """Return a conversation without misbehaviours, then one for each of them; the seed picks details and replies."""
    echo = service == "echo"
    plain = Scenario(service, transport, ("раз", "два"), 0) if echo else Scenario(service, transport, ("Анна",), 3)
    every = [each for group in kinds(service, transport) for each in group.items()]
    spoiled = [
        # A token can expire only after it was valid: at the first renewal.
        Misbehaviour(name, 3 if name in RENEWALS else n % (2 if echo else 3), kind.details[n % len(kind.details)])
        for n, (name, kind) in enumerate(every, seed)
    ]
    return [plain, *(plain._replace(misbehaviours=(each,)) for each in spoiled)]


def scenarios(service: Service, transport: Transport) -> SearchStrategy[Scenario]:
    """Conversations with several quick misbehaviours, and at most one that is slow or fatal."""
    quick, *others = map(one_of, filter(None, kinds(service, transport)))
    last = st.one_of([st.just(()), *(other.map(lambda each: (each,)) for other in others)])
    several = st.lists(quick, max_size=8, unique_by=lambda each: each[:2])
    return st.builds(
        Scenario,
        st.just(service),
        st.just(transport),
        TEXTS[service],
        st.integers(1, 3) if service == "time" else st.just(0),
        st.builds(lambda several, last: (*several, *last), several, last),
    )
