"""Options, fixtures and honesty of the suite: what is selected, what a check must cite, what is counted.

A check runs once for each target, service and transport that it names as a fixture and that is selected. The markers
``service`` and ``transport`` narrow a check to where it applies; what is not selected is deselected, never skipped.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from conformance import timing, wire
from conformance.cases import Outcome, load_case
from conformance.citations import blame
from conformance.profiles import PROFILES, Profile
from conformance.programs import Program, heed_interrupts
from conformance.recorder import Recorder, citations, parameters_of, role_of
from conformance.targets import (
    BUNDLED,
    ROLES,
    SERVICES,
    TARGET_HELP,
    TRANSPORTS,
    RunningServer,
    Server,
    Service,
    Target,
    TargetError,
    Transport,
    find_target,
)
from spec.requirements import REQUIREMENTS

StartServer = Callable[..., Server]
StartClient = Callable[..., Program]

_recorder = pytest.StashKey[Recorder]()
runs_beside = pytest.StashKey[bool]()
"""In the stash of a check that another thread than pytest's runs."""

for _profile in PROFILES.values():
    hypothesis.settings.register_profile(
        _profile.name,
        max_examples=_profile.examples,
        deadline=None,
        database=None,
        phases=[phase for phase in hypothesis.Phase if phase is not hypothesis.Phase.explain],
        # The server that a check talks to lives longer than one example, on purpose: it must survive them all.
        suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
    )


class Hooks:
    """What a plugin may decide."""

    @pytest.hookspec(firstresult=True)
    def pytest_sockspec_targets(self, metafunc: pytest.Metafunc) -> Sequence[Target] | None:
        """Return what a check is to judge, or None for what is selected on the command line."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sockspec")
    group.addoption(
        "--implementation",
        action="append",
        metavar="TARGET",
        help=f"{TARGET_HELP}; repeatable",
    )
    for option, everything in (("role", ROLES), ("transport", TRANSPORTS), ("service", SERVICES)):
        group.addoption(f"--{option}", action="append", choices=list(everything), help="(repeatable; default: both)")
    group.addoption(
        "--requirement", action="append", metavar="ID", help="only the checks that cite it (repeatable; default: all)"
    )
    group.addoption(
        "--profile", choices=list(PROFILES), default="standard", help="how many generated examples and other cases"
    )
    group.addoption("--seed", type=int, default=0, help="which of all examples and cases (default: 0)")
    group.addoption(
        "--requirement-results", metavar="FILE", type=Path, help="write JSON: target, requirement, passed and failed"
    )
    group.addoption("--events", metavar="FD", type=int, help="write each case to this descriptor, as a line of JSON")
    group.addoption("--replay", metavar="FILE", type=Path, help="run one stored case again")
    group.addoption("--every-case", action="store_true", help="leave out no check or case for the profile's sake")
    group.addoption("--in-turn", action="store_true", help="run no check beside others")


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "requirement(*ids): the requirements of SPEC.md that a check proves, the main one first; every check has it",
        "service(name): the check is about this service only",
        "transport(name): the check is about this transport only",
        "long: the quick profile leaves the check out",
        "options(*words): the `server` of this check is started with these options",
    ):
        config.addinivalue_line("markers", line)
    heed_interrupts()
    hypothesis.settings.load_profile(config.getoption("--profile"))
    replayed = load_case(config.getoption("--replay")) if config.getoption("--replay") else None
    config.stash[_recorder] = Recorder(profile_of(config), config.getoption("--events"), replayed)
    config.pluginmanager.register(config.stash[_recorder], "recorder")


def profile_of(config: pytest.Config) -> Profile:
    """Return the profile of a run, with its seed."""
    profile = PROFILES[config.getoption("--profile")]._replace(seed=config.getoption("--seed"))
    return profile._replace(cases=1, checks=1) if config.getoption("--every-case") else profile


def _named_targets(config: pytest.Config) -> list[Target]:
    try:
        return [find_target(word) for word in config.getoption("--implementation") or BUNDLED]
    except TargetError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a check everywhere it applies; what is not selected is dropped later, so that it counts as deselected."""
    if "target" in metafunc.fixturenames:
        targets = metafunc.config.hook.pytest_sockspec_targets(metafunc=metafunc)
        if targets is None:
            targets = _named_targets(metafunc.config)
        metafunc.parametrize("target", targets, ids=[target.name for target in targets], scope="session")
    own = " ".join(str(marker.args[0]) for marker in metafunc.definition.iter_markers("parametrize"))
    for fixture, everything in (("service", SERVICES), ("transport", TRANSPORTS)):
        if fixture in metafunc.fixturenames and fixture not in own:
            marker = metafunc.definition.get_closest_marker(fixture)
            metafunc.parametrize(fixture, marker.args if marker else everything, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a check that cites nothing; drop what is not selected or cannot be; prepare the rest."""
    checks = [item for item in items if isinstance(item, pytest.Function) and item.path.parent.name == "checks"]
    if wrong := [
        f"{item.nodeid} cites {' '.join(unknown) or 'no requirement'}"
        for item in checks
        if (unknown := [id_ for id_ in citations(item) if id_ not in REQUIREMENTS]) or not citations(item)
    ]:
        raise pytest.UsageError("every check cites requirements that SPEC.md has:", *wrong)
    recorder = config.stash[_recorder]
    selected = [item for item in checks if _is_selected(config, item)]
    for item in selected:
        if (outcome := _hindrance(item)) is not None:
            recorder.leave_out(item, outcome)
    applying = [item for item in selected if item.nodeid not in recorder.cases]
    if file := config.getoption("--replay"):
        replayed = load_case(file)
        left = {item for item in applying if recorder.case(item, "error").title == replayed.title}
    else:
        left = _thinned(config, applying)
    dropped = [item for item in checks if item not in left]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]
    for any_item in items:
        if any_item.get_closest_marker("timeout") is None:
            any_item.add_marker(pytest.mark.timeout(timing.CHECK_TIMEOUT))
    for check in left:
        if hypothesis.is_hypothesis_test(check.obj):
            hypothesis.seed(config.getoption("--seed"))(check.obj)
        recorder.prepare(check)


def _thinned(config: pytest.Config, checks: list[pytest.Function]) -> set[pytest.Function]:
    """Return the checks that the profile leaves: of those that start programs of their own a share."""
    profile = profile_of(config)
    left: set[pytest.Function] = set()
    judged: dict[object, set[str]] = defaultdict(set)
    starting: dict[object, dict[str, list[pytest.Function]]] = defaultdict(lambda: defaultdict(list))
    for item in checks:
        parameters = parameters_of(item)
        where = getattr(parameters.get("target"), "name", None), parameters.get("transport"), role_of(item)
        if "server" in item.fixturenames:
            left.add(item)
            judged[where].update(citations(item))
        else:
            name = item.nodeid.partition("[")[0]
            starting[where][f"{name} {parameters.get('partner')}"].append(item)  # a pair is more than a case
    for place, of_check in starting.items():
        cases = [item for those in of_check.values() for item in profile.select(those)]
        left.update(profile.select_checks({item: set(citations(item)) for item in cases}, judged[place]))
    return left


def _is_selected(config: pytest.Config, item: pytest.Item) -> bool:
    for name, everything in (("service", SERVICES), ("transport", TRANSPORTS)):
        marker = item.get_closest_marker(name)
        applies = [parameters_of(item)[name]] if name in parameters_of(item) else marker.args if marker else everything
        if not set(applies) & set(config.getoption(f"--{name}") or everything):
            return False
    requirements = config.getoption("--requirement")
    if requirements and not set(requirements) & set(citations(item)):
        return False
    if item.get_closest_marker("long") and config.getoption("--profile") == "quick":
        return False
    return role_of(item) in (config.getoption("--role") or ROLES)


def _hindrance(item: pytest.Function) -> Outcome | None:
    """Return why a check cannot be run on its target; None: it can."""
    parameters = parameters_of(item)
    target = parameters.get("target")
    if not isinstance(target, Target):
        return None
    marker = item.get_closest_marker("transport")
    transports = [parameters["transport"]] if "transport" in parameters else marker.args if marker else TRANSPORTS
    marker = item.get_closest_marker("service")
    service = parameters.get("service", marker.args[0] if marker else None)
    if not any(target.offers(role_of(item), transport, service) for transport in transports):
        return "unsupported"
    if target.url:
        options = item.get_closest_marker("options")
        as_it_runs = options is None or (service == "echo" and "--idle-timeout" not in options.args)
        return None if "server" in item.fixturenames and as_it_runs else "inconclusive"
    return None


def pytest_sessionfinish(session: pytest.Session) -> None:
    if file := session.config.getoption("--requirement-results"):
        results = session.config.stash[_recorder].results()
        file.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")


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
            server = RunningServer(target) if target.url else target.server(service, transport, *options)
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


@contextmanager
def own_server(item: pytest.Function) -> Iterator[Server]:
    """A server for one check alone, with that check's parameters, judged as a shared one is."""
    target, service, transport = (parameters_of(item)[name] for name in ("target", "service", "transport"))
    if target.url:
        yield RunningServer(target)
        return
    with target.server(service, transport, *_options(item)) as server:
        yield server
        _require_health(server)


def _options(item: pytest.Item) -> tuple[str, ...]:
    marker = item.get_closest_marker("options")
    return marker.args if marker else ()


def _require_health(server: Server) -> None:
    for id_, is_well, problem in (
        ("LOAD-3", server.running, "the server died"),
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

        def start(*options: str, env: Mapping[str, str] | None = None) -> Server:
            server = target.server(service, transport, *options, env=env)
            servers.callback(server.kill)
            return server

        yield start


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
def _exchanges() -> None:
    wire.begin_check()
