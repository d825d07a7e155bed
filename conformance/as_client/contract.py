"""Checks the part of the command-line contract (SPEC.md, section 12) that the suite itself depends on."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from signal import Signals
from typing import NamedTuple

from conformance.as_client import peers
from conformance.as_client.conversation import good_request
from conformance.as_client.observed import Observed
from conformance.languages.texts import say
from conformance.targets.server import Server
from conformance.targets.target import Target
from conformance.targets.terms import ROLES, TRANSPORTS, Role, Service, Transport

AT_ONCE = 4

Attempt = tuple[str, Callable[[], None]]


class Finding(NamedTuple):
    """The result of one attempt."""

    what: str
    """What was tried."""
    problem: str
    """What was wrong: one line, then the last lines that the program printed; empty: nothing."""


def reach(target: Target) -> list[Finding]:
    """Try, for each server that the target offers, whether it gets ready and answers a good request."""
    return _try_all(_servers(target, "", _serve))


def check(target: Target) -> list[Finding]:
    """Try all that the suite needs of each program: ready line, port, signals, wrong usage."""
    if target.url:
        return reach(target)
    attempts = [
        attempt
        for number in (Signals.SIGINT, Signals.SIGTERM)
        for attempt in _servers(target, f", {number.name}", partial(_stop, number))
    ]
    attempts += [
        (say("{program}, wrong usage", program=f"{transport}_{role}"), partial(_refuse, target, transport, role))
        for transport, role in product(TRANSPORTS, ROLES)
        if target.offers(role, transport)
    ]
    return reach(target) + _try_all(attempts)


def _servers(target: Target, what: str, attempt: Callable[[Target, Service, Transport], None]) -> list[Attempt]:
    return [
        (target.url or f"{transport}_server {service}{what}", partial(attempt, target, service, transport))
        for transport, service in product(TRANSPORTS, target.services)
        if target.offers("server", transport, service)
    ]


def _try_all(attempts: list[Attempt]) -> list[Finding]:
    def findings() -> Iterator[Finding]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for what, future in [(what, pool.submit(attempt)) for what, attempt in attempts]:
                try:
                    future.result()
                    yield Finding(what, "")
                except (AssertionError, OSError) as error:
                    yield Finding(what, str(error) or type(error).__name__)

    return list(findings())


def _serve(target: Target, service: Service, transport: Transport) -> None:
    with target.server(service, transport) as server:
        _ask(server)


def _ask(server: Server) -> None:
    try:
        with peers.connect(server) as peer:
            peer.ask(good_request(server.service))
    except Observed as observed:
        raise AssertionError(
            server.describe(f"a good request is not answered: {type(observed).__name__.lower()}")
        ) from None


def _stop(number: Signals, target: Target, service: Service, transport: Transport) -> None:
    with target.server(service, transport) as server:
        status = server.stop(number)
        assert status == 0, server.describe(f"its exit status after {number.name} is {status}; expected 0")
        assert server.output[-1] == "stopped", server.describe("expected 'stopped' as the last line")


def _refuse(target: Target, transport: Transport, role: Role) -> None:
    with target.program(transport, role, "--no-such-option") as program:
        status = program.wait()
        assert status == 2, program.describe(f"its exit status at an unknown option is {status}; expected 2")
        assert len(program.errors) == 1, program.describe("expected one line on standard error at an unknown option")
