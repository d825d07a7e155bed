"""Schedules say what a network does to a conversation: plain data that Hypothesis draws and shrinks.

A schedule counts datagrams or bytes, so the same traffic always meets the same fate. The default schedules are
transparent, and the simplest.
"""

from functools import cache
from typing import Literal, NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.targets.terms import Service


class Fate(NamedTuple):
    """What happens to one datagram; by default it goes on at once."""

    delays: tuple[float, ...] = (0.0,)
    """Seconds after which a copy goes on, one for each copy; empty: the datagram is lost."""
    behind: int = 0
    """How many later datagrams of its direction must come before it goes on: reordering without a clock."""


class Lane(NamedTuple):
    """What happens to the datagrams of one direction: to the first ones one by one, then to all the rest."""

    fates: tuple[Fate, ...] = ()
    rest: Fate = Fate()


class UdpSchedule(NamedTuple):
    """What happens between a client and a server over UDP."""

    requests: Lane = Lane()
    replies: Lane = Lane()


class Piece(NamedTuple):
    """Bytes of a stream that are sent on together, `size` of them; the next ones follow after `pause` seconds."""

    size: int
    pause: float = 0.0


class End(NamedTuple):
    """How a stream ends early, and after how many bytes (at least 1). FIN ends one direction, RST both."""

    how: Literal["FIN", "RST"]
    after: int


class Stream(NamedTuple):
    """What happens to one direction of a connection: cut into pieces, then as it comes; it may end early."""

    pieces: tuple[Piece, ...] = ()
    end: End | None = None


class TcpSchedule(NamedTuple):
    """What happens between a client and a server over TCP."""

    requests: Stream = Stream()
    replies: Stream = Stream()


Schedule = UdpSchedule | TcpSchedule


LOST = Fate(())
HARMLESS = [Fate(), Fate((0.0, 0.0)), Fate((0.02,)), Fate((0.0, 0.12)), Fate((0.12,)), Fate((0.0, 0.0, 0.02))]
HOLES = [LOST, Fate(behind=1)]
"""What costs a retransmission where a client waits for that very datagram."""

HANDSHAKE = 8
"""How many requests a subscription over UDP takes, if one of them and two replies are lost. Later ones renew it."""


@cache
@st.composite
def _lanes(draw: st.DrawFn, holes: int, outages: SearchStrategy[int]) -> Lane:
    """At most `holes` holes, then perhaps an outage of `outages` datagrams; after that all datagrams go on, or none."""
    fates = draw(st.lists(st.sampled_from(HARMLESS), max_size=10))
    for place in draw(st.sets(st.integers(0, 5), max_size=holes)):
        fates += [Fate()] * (place + 1 - len(fates))
        fates[place] = draw(st.sampled_from(HOLES))
    if outage := draw(outages):
        fates += [Fate()] * (HANDSHAKE - len(fates)) + [LOST] * outage
    return Lane(tuple(fates), draw(st.sampled_from([Fate()] * 4 + [LOST])))


@cache
def udp_schedules(service: Service) -> SearchStrategy[UdpSchedule]:
    """Holes that a client repairs within 7 s, three of them at most; a time client's renewals get lost for a while."""
    outages = st.integers(0, 12) if service == "time" else st.just(0)
    return st.builds(UdpSchedule, _lanes(1, outages), _lanes(2, st.just(0)))


@cache
def _streams() -> SearchStrategy[Stream]:
    """Cut finely or coarsely, with pauses of at most a second in all."""
    pieces = st.builds(Piece, st.integers(1, 30) | st.integers(1, 3000), st.sampled_from([0.0, 0.002, 0.05]))
    single_bytes = st.integers(1, 60).map(lambda count: (Piece(1, 0.002),) * count)
    return (st.lists(pieces, max_size=12).map(tuple) | single_bytes).map(Stream)


@cache
@st.composite
def tcp_schedules(draw: st.DrawFn) -> TcpSchedule:
    """Both directions cut; one of them may end early."""
    schedule = TcpSchedule(draw(_streams()), draw(_streams()))
    ends = st.builds(
        End, st.sampled_from(["FIN", "RST"]), st.integers(1, 20) | st.integers(1, 400) | st.integers(1, 13000)
    )
    match draw(st.sampled_from(["", "requests", "replies"])):
        case "requests":
            return schedule._replace(requests=schedule.requests._replace(end=draw(ends)))
        case "replies":
            return schedule._replace(replies=schedule.replies._replace(end=draw(ends)))
    return schedule
