"""Sends two servers the same generated requests; finds the shortest difference, and whether SPEC.md allows it."""

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from itertools import filterfalse, islice
from typing import Literal, NamedTuple

import hypothesis
import hypothesis.errors
from hypothesis import strategies as st

from conformance.as_client import peers, shrinking
from conformance.as_client.conversation import split_replies
from conformance.as_client.exchange import as_text
from conformance.as_client.observed import Malformed
from conformance.as_client.peers import TcpPeer
from conformance.expected.oracle import expected_reply, masked
from conformance.expected.services import SERVICE_TABLE
from conformance.expected.strategies import has_agreed_upper, requests, scalars
from conformance.profiles import Profile
from conformance.targets.server import Server
from conformance.targets.target import Target
from conformance.targets.terms import Service, Transport
from conformance.timing import SHRINKING

INTERVAL = "86400"
OPTIONS = ("--interval", INTERVAL)
"""Both servers are started with these options, so that no second tick comes during a conversation."""


MOST_REPLIES = 100
"""To one datagram, far more than any server means to send: one that sends on and on is not waited for."""


class Difference(NamedTuple):
    """The shortest conversation found that two servers answer differently."""

    conversation: list[bytes]
    """The requests, as they stand on the wire."""
    replies: tuple[list[bytes], list[bytes]]
    """The replies of each server."""
    kind: Literal["forbidden", "free"]
    """``free``: both servers send what SPEC.md demands. ``forbidden``: one of them does not, or both."""
    at_fault: tuple[bool, bool]
    """Which of them does not."""


class Outcome(NamedTuple):
    """What was found about two servers."""

    agreed: int
    """How many conversations they answered alike, before the first difference."""
    difference: Difference | None
    """The shortest difference; None: there was none."""


class _Differ(Exception):
    """The servers differ."""


def compare(first: Target, second: Target, service: Service, transport: Transport, profile: Profile) -> Outcome:
    """Start a server of each target, unless it runs already, and return how they differ. Raises Observed."""
    with ExitStack() as stack:
        one, two = (
            stack.enter_context(target.server(service, transport, "--quiet", *OPTIONS)) for target in (first, second)
        )
        return find_difference((one, two), profile)


def describe(outcome: Outcome, targets: Sequence[Target], *, hexadecimal: bool = False) -> str:
    """Return an outcome as text: the requests of a difference, the replies to them, and which server is wrong.

    What was sent stands there as text, and in hexadecimal digits too if that is asked for.
    """
    difference = outcome.difference
    if difference is None:
        return f"no difference in {outcome.agreed} conversations"
    verdict = "leaves it free" if difference.kind == "free" else "forbids it"
    asked = [f"  both got the request {_shown(each, hexadecimal)}" for each in difference.conversation]
    sent = [
        f"  {target.name} wrongly sent {came}" if wrong else f"  {target.name} sent {came}"
        for target, came, wrong in zip(
            targets,
            [_shown(b"".join(each), hexadecimal) for each in difference.replies],
            difference.at_fault,
            strict=True,
        )
    ]
    return "\n".join([f"they differ, and SPEC.md {verdict}", *asked, *sent])


def _shown(data: bytes, hexadecimal: bool) -> str:
    digits = f"\n    {data.hex(' ')}" if hexadecimal and data else ""
    return f"{as_text(data) if data else 'nothing'}{digits}"


def find_difference(servers: tuple[Server, Server], profile: Profile, shrink_seconds: float = SHRINKING) -> Outcome:
    """Send two servers of one service and transport as many conversations as the profile has; return how they differ.

    A difference is made shorter for so many seconds. Raises Observed if one of them does not answer.
    """
    service, transport = servers[0].service, servers[0].transport
    free_text = st.text(st.sampled_from(list(islice(filterfalse(has_agreed_upper, scalars()), 2000))), max_size=3)
    drawn = requests(service, transport)
    if service == "echo":
        drawn |= free_text.map(lambda text: SERVICE_TABLE["echo"].request(text) + b"\n")
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
            one, other = servers
            at_fault = not _is_expected(one, conversation, first), not _is_expected(other, conversation, second)
            found.append(Difference(conversation, (first, second), "forbidden" if any(at_fault) else "free", at_fault))
            end = min(end, time.monotonic() + shrink_seconds)
            raise _Differ
        agreed += not found

    with suppress(_Differ, shrinking.TimeIsUp, hypothesis.errors.Flaky):  # flaky: they did not differ when tried again
        converse_with_both()
    return Outcome(agreed, min(found, key=lambda each: sum(map(len, each.conversation)), default=None))


def converse(server: Server, conversation: Sequence[bytes]) -> list[bytes]:
    """Send a conversation from a new socket; return the replies, without ticks. Raises Observed."""
    with peers.connect(server) as peer:
        if isinstance(peer, TcpPeer):
            peer.send(b"".join(conversation))
            peer.half_close()
            replies = split_replies(peer.rest())
            return [reply for reply in replies if not reply.startswith(b"TICK\n")]
        replies = []
        probes = SERVICE_TABLE[server.service].probes
        ends = [masked(peer.ask(probe).raw) for probe in probes]
        for datagram in conversation:
            peer.send(datagram)
            for probe in probes:
                peer.request(probe)
            came = [peer.reply().raw, peer.reply().raw]
            while [masked(raw) for raw in came[-2:]] != ends:
                if len(came) > MOST_REPLIES:
                    raise Malformed(f"more than {MOST_REPLIES} replies came: {as_text(came[-1])}")
                came.append(peer.reply().raw)
            replies.append(b"".join(came[:-2]))
        return replies


def _without_chance(reply: bytes) -> bytes:
    """Return a reply without its token, which is never the same. Its reason stays, though it is free."""
    return masked(reply) if reply.startswith(b"CHALLENGE\n") else reply


def _is_expected(server: Server, conversation: Sequence[bytes], replies: Sequence[bytes]) -> bool:
    """Whether each reply is what SPEC.md demands. An upper case on which versions of Unicode disagree is not judged."""
    expected = [expected_reply(server.service, server.transport, each, INTERVAL) or b"" for each in conversation]
    return len(expected) == len(replies) and all(
        masked(reply) == each or (_lacks_agreement(each) and _without_upper(reply) == _without_upper(each))
        for reply, each in zip(replies, expected, strict=True)
    )


def _lacks_agreement(reply: bytes) -> bool:
    return not all(map(has_agreed_upper, reply.decode()))


def _without_upper(reply: bytes) -> list[bytes]:
    return [line for line in reply.split(b"\n") if not line.startswith(b"upper: ")]
