"""The servers and programs that a check takes as fixtures."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from conformance.as_client.shrinking import begin_check, cause_of
from conformance.blame import blame, blamed
from conformance.inconclusive import Unjudged
from conformance.running.checks import parameters_of
from conformance.targets.host import NO_MEMORY, require_option
from conformance.targets.programs import Program
from conformance.targets.server import Server
from conformance.targets.target import Target
from conformance.targets.terms import Service, Transport

StartServer = Callable[..., Server]
StartClient = Callable[..., Program]

runs_beside = pytest.StashKey[bool]()
"""In the stash of a check that another thread than pytest's runs."""


class ServerPool:
    """The servers that checks share, one for each target, service, transport and options, started when needed."""

    def __init__(self) -> None:
        self._servers: dict[tuple[str, Service, Transport, tuple[str, ...]], Server] = {}

    def get(self, target: Target, service: Service, transport: Transport, options: tuple[str, ...]) -> Server:
        key = target.name, service, transport, options
        server = self._servers.get(key)
        if server is None or not server.running or server.errors:
            if server:
                server.kill()
            server = target.server(service, transport, *options)
            self._servers[key] = server
        return server

    def close(self) -> None:
        for server in self._servers.values():
            server.kill()


@pytest.fixture(scope="session")
def server_pool() -> Iterator[ServerPool]:
    pool = ServerPool()
    yield pool
    pool.close()


@pytest.fixture
def server(
    request: pytest.FixtureRequest, server_pool: ServerPool, target: Target, service: Service, transport: Transport
) -> Iterator[Server | None]:
    """A ready server, shared with other checks. One that dies or writes to standard error fails the check."""
    if runs_beside in request.node.stash:
        yield None  # it has a server of its own, where it runs
        return
    server = server_pool.get(target, service, transport, _options(request.node))
    yield server
    _require_health(server)


def blame_death(server: Server, error: BaseException) -> None:
    """Let a failure be about the death of the server that was asked, if that has died; show what it said of it.

    One whose main thread has ended with an error may run on, since another thread does.
    """
    error = cause_of(error)
    if not isinstance(error, AssertionError):
        return
    may_be_of_death = blamed(error) in (None, "SRV-13")  # SRV-13: of its traceback
    if may_be_of_death and server.is_dying() and has_died(server):
        error.args = (server.describe(f"the server died: {error}"),)
        vars(error)["requirement"] = "LOAD-3"
    elif server.errors and "\nstderr: " not in str(error):
        error.args = (server.describe(str(error)),)


def has_died(server: Server) -> bool:
    """Return whether a server has ended by itself: with an error, and not by a signal."""
    return not server.running and server.process.returncode > 0


@contextmanager
def own_server(item: pytest.Function) -> Iterator[Server]:
    """A server for one check alone, with that check's parameters, judged as a shared one is."""
    target, service, transport = (parameters_of(item)[name] for name in ("target", "service", "transport"))
    with target.server(service, transport, *_options(item)) as server:
        try:
            yield server
        except Exception as error:
            blame_death(server, error)
            raise
        _require_health(server)


def _options(item: pytest.Item) -> tuple[str, ...]:
    marker = item.get_closest_marker("options")
    return marker.args if marker else ()


def _require_health(server: Server) -> None:
    if server.errors:
        server.is_dying()
    is_running = server.running
    if not is_running and server.lacked_memory:
        raise Unjudged(NO_MEMORY)
    for id_, is_well, problem in (
        ("LOAD-3", is_running, "the server died"),
        ("SRV-13", not server.errors, "the server wrote to standard error"),
    ):
        if not is_well:
            error = pytest.fail.Exception(server.describe(problem), pytrace=False)
            blame(error, id_)
            raise error


@contextmanager
def starting_servers(target: Target, service: Service, transport: Transport) -> Iterator[StartServer]:
    """Start servers with these options, and `env` as `Program` takes it; killed in the end."""
    with ExitStack() as servers:
        started: list[Server] = []

        def start(*options: str, env: Mapping[str, str] | None = None) -> Server:
            require_option(transport, options)
            server = target.server(service, transport, *options, env=env)
            servers.callback(server.kill)
            started.append(server)
            return server

        try:
            yield start
        except Exception as error:
            for server in started:
                blame_death(server, error)
            raise


@contextmanager
def starting_clients(target: Target, service: Service, transport: Transport) -> Iterator[StartClient]:
    """Start clients with these arguments, and `stdin` and `env` as `Program` takes them; killed in the end."""
    with ExitStack() as clients:

        def start(*arguments: str, **how: Any) -> Program:
            client = target.program(transport, "client", service, *arguments, **how)
            clients.callback(client.kill)
            return client

        yield start


@pytest.fixture
def start_server(target: Target, service: Service, transport: Transport) -> Iterator[StartServer]:
    """Start servers of the check's own."""
    with starting_servers(target, service, transport) as start:
        yield start


@pytest.fixture
def start_client(target: Target, service: Service, transport: Transport) -> Iterator[StartClient]:
    """Start clients of the check's service."""
    with starting_clients(target, service, transport) as start:
        yield start


@pytest.fixture(autouse=True)
def new_check() -> None:
    begin_check()
