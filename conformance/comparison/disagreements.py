"""Finds what targets answer differently from the baseline, or each two of them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import combinations, product

from conformance.as_client.differential import OPTIONS, Outcome, describe, find_difference
from conformance.as_client.observed import Observed
from conformance.comparison.model import Disagreement
from conformance.languages.texts import say
from conformance.profiles import Profile
from conformance.targets.programs import ProgramError
from conformance.targets.server import Server
from conformance.targets.target import Target
from conformance.targets.terms import Service, Transport

SHRINKING = 3
"""Seconds for making a difference shorter."""


def disagreements(
    targets: Sequence[Target],
    baseline: str | None,
    services: Sequence[Service],
    transports: Sequence[Transport],
    profile: Profile,
    step: Callable[[str], None],
) -> Iterator[Disagreement]:
    """Send two servers of a service and a transport the same requests, and yield what was found.

    One of the two is of the target called `baseline`; None: each two servers are compared. `step` is called with a text
    before each pair. A server that does not start is left out.
    """
    for service, transport in product(services, transports):
        with ExitStack() as stack:
            servers: list[tuple[Target, Server]] = []
            for target in targets:
                if target.offers("server", transport, service):
                    try:
                        servers.append(
                            (target, stack.enter_context(target.server(service, transport, "--quiet", *OPTIONS)))
                        )
                    except ProgramError:
                        continue  # the measurements say why
            for (first, one), (second, two) in combinations(servers, 2):
                if baseline not in (None, first.name, second.name):
                    continue
                step(
                    say(
                        "{service} over {transport}: {first} and {second}",
                        service=service,
                        transport=transport,
                        first=first.name,
                        second=second.name,
                    )
                )
                yield _compare((first, second), (one, two), profile)


def _compare(targets: tuple[Target, Target], servers: tuple[Server, Server], profile: Profile) -> Disagreement:
    names = targets[0].name, targets[1].name
    service, transport = servers[0].service, servers[0].transport
    try:
        outcome = find_difference(servers, profile, SHRINKING)
    except Observed as observed:
        return Disagreement(names, service, transport, 0, f"one of them does not answer: {observed}", forbidden=True)
    difference = outcome.difference
    if difference is None:
        return Disagreement(names, service, transport, outcome.agreed)
    text = describe(Outcome(outcome.agreed, difference), targets)
    return Disagreement(names, service, transport, outcome.agreed, text, difference.kind == "forbidden")
