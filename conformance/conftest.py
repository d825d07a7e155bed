"""Options, fixtures and honesty of the suite: what is selected, what a check must cite, what is counted.

A check runs once for each target, service and transport that it names as a fixture and that is selected. The markers
``service`` and ``transport`` narrow a check to where it applies; what is not selected is deselected, never skipped.
"""

import json
import signal
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from conformance import timing, wire
from conformance.profiles import PROFILES
from conformance.programs import Program
from conformance.targets import BUNDLED, ROLES, SERVICES, TRANSPORTS, Server, Service, Target, Transport
from spec.requirements import REQUIREMENTS

StartServer = Callable[..., Server]
StartClient = Callable[..., Program]

for _profile in PROFILES.values():
    hypothesis.settings.register_profile(
        _profile.name,
        max_examples=_profile.examples,
        deadline=None,
        database=None,
        print_blob=True,
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
        "--implementation", action="append", choices=list(BUNDLED), help="what to judge (repeatable; default: all)"
    )
    group.addoption(
        "--service", action="append", choices=list(SERVICES), help="which service (repeatable; default: both)"
    )
    group.addoption(
        "--transport", action="append", choices=list(TRANSPORTS), help="which transport (repeatable; default: both)"
    )
    group.addoption(
        "--role", action="append", choices=list(ROLES), help="servers or clients (repeatable; default: both)"
    )
    group.addoption(
        "--profile", choices=list(PROFILES), default="standard", help="how many generated examples and other cases"
    )
    group.addoption("--seed", type=int, default=0, help="which of all examples and cases (default: 0)")
    group.addoption(
        "--requirement-results",
        metavar="FILE",
        type=Path,
        help="write JSON: target, requirement, checks passed and failed",
    )


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "requirement(*ids): the requirements of SPEC.md that a check proves; every check has it",
        "service(name): the check is about this service only",
        "transport(name): the check is about this transport only",
        "options(*words): the `server` of this check is started with these options",
    ):
        config.addinivalue_line("markers", line)
    # A suite in the background may have been told to ignore SIGINT, and would hand that on to what it judges.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hypothesis.settings.load_profile(config.getoption("--profile"))
    config.pluginmanager.register(RequirementResults(config.getoption("--requirement-results")), "requirement-results")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a check everywhere it applies; what is not selected is dropped later, so that it counts as deselected."""
    if "target" in metafunc.fixturenames:
        targets = metafunc.config.hook.pytest_sockspec_targets(metafunc=metafunc)
        if targets is None:
            targets = [BUNDLED[name] for name in metafunc.config.getoption("--implementation") or BUNDLED]
        metafunc.parametrize("target", targets, ids=[target.name for target in targets], scope="session")
    own = " ".join(str(marker.args[0]) for marker in metafunc.definition.iter_markers("parametrize"))
    for fixture, everything in (("service", SERVICES), ("transport", TRANSPORTS)):
        if fixture in metafunc.fixturenames and fixture not in own:
            marker = metafunc.definition.get_closest_marker(fixture)
            metafunc.parametrize(fixture, marker.args if marker else everything, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a check that cites nothing; drop what is not selected; give each item its time limit."""
    checks = [item for item in items if _is_check(item)]
    wrong = [
        f"{item.nodeid} cites {cited or 'no requirement'}"
        for item in checks
        for cited in [_wrong_citation(item)]
        if cited is not None
    ]
    if wrong:
        raise pytest.UsageError("every check cites requirements that SPEC.md has:", *wrong)
    selected = _thinned(config, [item for item in checks if _is_selected(config, item)])
    dropped = [item for item in checks if item not in selected]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]
    for item in items:
        if isinstance(item, pytest.Function) and hypothesis.is_hypothesis_test(item.obj):
            hypothesis.seed(config.getoption("--seed"))(item.obj)
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(timing.CHECK_TIMEOUT))
        item.user_properties += [("requirement", id_) for id_ in _citations(item)]
        if (target := _parameters(item).get("target")) is not None:
            item.user_properties.append(("target", target.name))


def _parameters(item: pytest.Item) -> dict[str, Any]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec else {}


def _citations(item: pytest.Item) -> list[str]:
    return [id_ for marker in item.iter_markers("requirement") for id_ in marker.args]


def _is_check(item: pytest.Item) -> bool:
    return "checks" in item.path.parts


def _wrong_citation(item: pytest.Item) -> str | None:
    """Return what is wrong with the citations of a check (``""``: it has none), or None."""
    cited = _citations(item)
    unknown = [id_ for id_ in cited if id_ not in REQUIREMENTS]
    return " ".join(unknown) if unknown or not cited else None


def _thinned(config: pytest.Config, checks: list[pytest.Item]) -> set[pytest.Item]:
    """Return the checks that the profile leaves: of those that start programs of their own a share of the cases."""
    profile = PROFILES[config.getoption("--profile")]._replace(seed=config.getoption("--seed"))
    left: set[pytest.Item] = set()
    cases: dict[tuple[str, object, object], list[pytest.Item]] = defaultdict(list)
    for item in checks:
        assert isinstance(item, pytest.Function)
        if "server" in item.fixturenames:
            left.add(item)
        else:
            parameters = _parameters(item)
            cases[item.originalname, id(parameters.get("target")), parameters.get("transport")].append(item)
    return left.union(*map(profile.select, cases.values()))


def _is_selected(config: pytest.Config, item: pytest.Item) -> bool:
    for name, everything in (("service", SERVICES), ("transport", TRANSPORTS)):
        marker = item.get_closest_marker(name)
        applies = [_parameters(item)[name]] if name in _parameters(item) else marker.args if marker else everything
        if not set(applies) & set(config.getoption(f"--{name}") or everything):
            return False
    role = "client" if item.path.name.startswith("test_client_") else "server"
    return role in (config.getoption("--role") or ROLES)


class RequirementResults:
    """Counts, for each target and requirement, the checks that passed and those that failed in any phase."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._items: dict[str, tuple[str, list[str], set[str]]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = report.user_properties
        cited = [str(value) for name, value in properties if name == "requirement"]
        if not cited:
            return
        target = next((str(value) for name, value in properties if name == "target"), "")
        _, _, outcomes = self._items.get(report.nodeid, ("", [], set[str]()))
        outcomes.add("failed" if report.failed else "passed" if report.passed and report.when == "call" else "")
        self._items[report.nodeid] = target, cited, outcomes

    def results(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return target: requirement: {"passed": n, "failed": n}."""
        results: dict[str, dict[str, dict[str, int]]] = {}
        for target, cited, outcomes in self._items.values():
            verdict = "failed" if "failed" in outcomes else "passed"
            for id_ in dict.fromkeys(cited) if verdict in outcomes else ():
                results.setdefault(target, {}).setdefault(id_, {"passed": 0, "failed": 0})[verdict] += 1
        return results

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.file and not hasattr(session.config, "workerinput"):
            self.file.write_text(json.dumps(self.results(), indent=1, sort_keys=True) + "\n", encoding="utf-8")


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
            server = self._servers[key] = target.server(service, transport, *options)
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
) -> Iterator[Server]:
    """A ready server, shared with other checks. One that dies or writes to standard error fails the check."""
    marker = request.node.get_closest_marker("options")
    server = server_pool.get(target, service, transport, marker.args if marker else ())
    yield server
    _require_health(request.node, server)


def _require_health(item: pytest.Item, server: Server) -> None:
    if not server.running:
        item.user_properties.append(("requirement", "LOAD-3"))
        pytest.fail(server.describe("the server died"), pytrace=False)
    if server.errors:
        item.user_properties.append(("requirement", "SRV-13"))
        pytest.fail(server.describe("the server wrote to standard error"), pytrace=False)


@pytest.fixture
def start_server(target: Target, service: Service, transport: Transport) -> Iterator[StartServer]:
    """Start a server of the check's own with these options, and `env` as `Program` takes it; killed in the end."""
    servers: list[Server] = []

    def start(*options: str, env: Mapping[str, str] | None = None) -> Server:
        servers.append(target.server(service, transport, *options, env=env))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def start_client(target: Target, service: Service, transport: Transport) -> Iterator[StartClient]:
    """Start a client of the check's service with these arguments, and `stdin` and `env` as `Program` takes them."""
    clients: list[Program] = []

    def start(*arguments: str, **how: Any) -> Program:
        clients.append(target.program(transport, "client", service, *arguments, **how))
        return clients[-1]

    yield start
    for client in clients:
        client.kill()


@pytest.fixture(autouse=True)
def _exchanges() -> None:
    wire.begin_check()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show, with a failure, what was sent and received last."""
    report = yield
    if report.failed:
        report.sections += [("exchange", exchange.show()) for exchange in wire.RECENT]
        report.sections += [
            ("requirement", f"{id_}. {REQUIREMENTS[id_].text}") for id_ in _citations(item) if id_ in REQUIREMENTS
        ]
    return report
