"""Two servers, the same generated conversation: the shortest difference, and whether SPEC.md leaves it free."""

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Literal, NamedTuple

import hypothesis
import hypothesis.errors
from hypothesis import strategies as st

from conformance.as_client import peers, shrinking
from conformance.as_client.conversation import split_replies
from conformance.as_client.peers import TcpPeer
from conformance.expected.oracle import masked, owed
from conformance.expected.strategies import has_agreed_upper, requests, scalars
from conformance.profiles import Profile
from conformance.targets.server import Server
from conformance.targets.target import Target
from conformance.targets.terms import Service, Transport
from conformance.timing import SHRINKING

INTERVAL = "86400"
OPTIONS = ("--interval", INTERVAL)
"""What both servers are started with, so that no tick comes between."""

#: Two requests over UDP whose replies differ, so that it shows where the replies to what went before end.
PROBES = {"echo": (b"ECHO first", b"ECHO second"), "time": (b"TIME ", b"TIME \x00")}


class Difference(NamedTuple):
    """The shortest conversation found, as it stands on the wire, and what each server sent for it.

    ``forbidden``: one of them, or both, as `at_fault` says, do not send what SPEC.md demands; ``free``: both do.
    """

    conversation: list[bytes]
    replies: tuple[list[bytes], list[bytes]]
    kind: Literal["forbidden", "free"]
    at_fault: tuple[bool, bool]


class Outcome(NamedTuple):
    """How many conversations were answered alike, before the first that was not; and the shortest of those."""

    agreed: int
    difference: Difference | None


class _Differ(Exception):
    """The servers differ."""


def compare(first: Target, second: Target, service: Service, transport: Transport, profile: Profile) -> Outcome:
    """Start a server of each, or take the one that runs, and return how they differ. Raises peers.Observed."""
    with ExitStack() as stack:
        one, two = (
            stack.enter_context(target.server(service, transport, "--quiet", *OPTIONS)) for target in (first, second)
        )
        return find_difference((one, two), profile)


def describe(outcome: Outcome, targets: Sequence[Target]) -> str:
    """Return an outcome as text; of a difference what was sent, what each replied, who is wrong."""
    difference = outcome.difference
    if difference is None:
        return f"no difference in {outcome.agreed} conversations"
    lines = ["they differ, and SPEC.md " + ("leaves it free" if difference.kind == "free" else "forbids it")]
    lines += [f"  both were sent {each!r}" for each in difference.conversation]
    for target, replies, wrong in zip(targets, difference.replies, difference.at_fault, strict=True):
        lines.append(f"  {target.name} {'wrongly ' * wrong}sent {b''.join(replies)!r}")
    return "\n".join(lines)


def find_difference(servers: tuple[Server, Server], profile: Profile, shrink_seconds: float = SHRINKING) -> Outcome:
    """Talk to two servers of one service and transport, as long as the profile says; return how they differ.

    A difference is made shorter for so many seconds. Raises peers.Observed if one of them does not answer.
    """
    service, transport = servers[0].service, servers[0].transport
    free_text = st.text(st.sampled_from([each for each in scalars() if not has_agreed_upper(each)][:2000]), max_size=3)
    drawn = requests(service, transport)
    if service == "echo":
        drawn |= free_text.map(lambda text: b"ECHO " + text.encode() + b"\n")
    found: list[Difference] = []
    agreed = 0
    end = math.inf

    @hypothesis.seed(profile.seed)
    @hypothesis.settings(phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink], print_blob=False)
    @hypothesis.given(st.lists(drawn, min_size=1, max_size=5))
    def converse_with_both(conversation: list[bytes]) -> None:
        nonlocal agreed, end
        if time.monotonic() > end:
            raise shrinking.TimeIsUp
        first, second = (converse(server, conversation) for server in servers)
        if [_without_chance(each) for each in first] != [_without_chance(each) for each in second]:
            at_fault = not _is_owed(servers[0], conversation, first), not _is_owed(servers[1], conversation, second)
            found.append(Difference(conversation, (first, second), "forbidden" if any(at_fault) else "free", at_fault))
            end = min(end, time.monotonic() + shrink_seconds)
            raise _Differ
        agreed += not found

    with suppress(_Differ, shrinking.TimeIsUp, hypothesis.errors.Flaky):  # flaky: they did not differ when tried again
        converse_with_both()
    return Outcome(agreed, min(found, key=lambda each: sum(map(len, each.conversation)), default=None))


def converse(server: Server, conversation: Sequence[bytes]) -> list[bytes]:
    """Send a conversation from a new socket; return the replies, but for a subscription's first tick."""
    with peers.connect(server) as peer:
        if isinstance(peer, TcpPeer):
            peer.send(b"".join(conversation))
            peer.half_close()
            replies = split_replies(peer.rest())
            return [reply for reply in replies if not reply.startswith(b"TICK\n")]
        replies = []
        probes = PROBES[server.service]
        ends = [masked(peer.ask(probe).raw) for probe in probes]
        for datagram in conversation:
            peer.send(datagram)
            for probe in probes:
                peer.request(probe)
            came = [peer.reply().raw, peer.reply().raw]
            while [masked(raw) for raw in came[-2:]] != ends:
                came.append(peer.reply().raw)
            replies.append(b"".join(came[:-2]))
        return replies


def _without_chance(reply: bytes) -> bytes:
    """Return a reply without its token, which no two servers share; its reason stays, though it is free."""
    return masked(reply) if reply.startswith(b"CHALLENGE\n") else reply


def _is_owed(server: Server, conversation: Sequence[bytes], replies: Sequence[bytes]) -> bool:
    """Whether each reply is what SPEC.md demands; what versions of Unicode disagree on is not looked at."""
    due = [owed(server.service, server.transport, each, INTERVAL) or b"" for each in conversation]
    return len(due) == len(replies) and all(
        masked(reply) == expected or (_lacks_agreement(expected) and _without_upper(reply) == _without_upper(expected))
        for reply, expected in zip(replies, due, strict=True)
    )


def _lacks_agreement(reply: bytes) -> bool:
    return not all(map(has_agreed_upper, reply.decode()))


def _without_upper(reply: bytes) -> list[bytes]:
    return [line for line in reply.split(b"\n") if not line.startswith(b"upper: ")]
