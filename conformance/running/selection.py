"""Which checks run: those that are selected and apply, and of them the profile's share.

A check runs once for each target, service and transport that it names as a fixture and that is selected. The markers
``service`` and ``transport`` narrow a check to where it applies; what is not selected is deselected, never skipped.
"""

import gc
from collections import Counter, defaultdict
from typing import Any

import hypothesis
import pytest

from conformance import timing
from conformance.running.cases import Outcome, load_case
from conformance.running.checks import cell_of, citations, parameters_of, role_of
from conformance.running.options import named_targets, profile_of, recorder_key
from conformance.targets.server import ONLY_REPLIES
from conformance.targets.target import Target
from conformance.targets.terms import ROLES, SERVICES, TRANSPORTS
from spec.requirements import REQUIREMENTS


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, obj: Any) -> list[pytest.Item] | None:
    """Pass over a check that cites no selected requirement, for it takes time to make an item of each case."""
    cited = {id_ for marker in getattr(obj, "pytestmark", ()) if marker.name == "requirement" for id_ in marker.args}
    wanted = collector.config.getoption("--requirement")
    return [] if cited and wanted and cited.isdisjoint(wanted) else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a check everywhere it applies; what is not selected is dropped later, so that it counts as deselected."""
    if "target" in metafunc.fixturenames:
        targets = metafunc.config.hook.pytest_sockspec_targets(metafunc=metafunc)
        if targets is None:
            targets = named_targets(metafunc.config)
        metafunc.parametrize("target", targets, ids=[target.name for target in targets], scope="session")
    own = " ".join(str(marker.args[0]) for marker in metafunc.definition.iter_markers("parametrize"))
    for fixture, everything in (("service", SERVICES), ("transport", TRANSPORTS)):
        if fixture in metafunc.fixturenames and fixture not in own:
            marker = metafunc.definition.get_closest_marker(fixture)
            metafunc.parametrize(fixture, marker.args if marker else everything, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a check that cites nothing; drop what is not selected or cannot be; prepare the rest."""
    checks = [item for item in items if isinstance(item, pytest.Function) and item.path.parent.parent.name == "checks"]
    if wrong := [
        f"{item.nodeid} cites {' '.join(unknown) or 'no requirement'}"
        for item in checks
        if (unknown := [id_ for id_ in citations(item) if id_ not in REQUIREMENTS]) or not citations(item)
    ]:
        raise pytest.UsageError("every check cites requirements that SPEC.md has:", *wrong)
    recorder = config.stash[recorder_key]
    selected = [item for item in checks if _is_selected(config, item)]
    for item in selected:
        if (outcome := _hindrance(item)) is not None:
            recorder.leave_out(item, outcome, ONLY_REPLIES if outcome == "inconclusive" else "")
    applying = [item for item in selected if item.nodeid not in recorder.cases]
    recorder.applying = Counter(cell_of(item).target for item in applying)
    if file := config.getoption("--replay"):
        replayed = load_case(file)
        left = {item for item in applying if recorder.case(item, "error").title == replayed.title}
    else:
        left = _thinned(config, applying)
    dropped = {item: None for item in checks if item not in left}
    if dropped:
        config.hook.pytest_deselected(items=[*dropped])
        items[:] = [item for item in items if item not in dropped]
    for check in left:
        if check.get_closest_marker("timeout") is None:
            check.add_marker(pytest.mark.timeout(timing.CHECK_TIMEOUT))
        if hypothesis.is_hypothesis_test(check.obj):
            hypothesis.seed(config.getoption("--seed"))(check.obj)
        recorder.prepare(check)


def pytest_collection_finish() -> None:
    """Have the garbage collector pass over what lasts as long as the run: the checks, and what they have imported."""
    gc.collect()
    gc.freeze()


def _thinned(config: pytest.Config, checks: list[pytest.Function]) -> set[pytest.Function]:
    """Return the checks that the profile leaves: of the cases of those that start programs of their own a share.

    All are left of a target that is one program: it takes less time than four.
    """
    profile = profile_of(config)
    left: set[pytest.Function] = {item for item in checks if _SHARING & {*item.fixturenames}}
    starting: dict[tuple[str, str], list[pytest.Function]] = defaultdict(list)
    for item in checks:
        if item not in left:
            starting[cell_of(item).target, item.nodeid.partition("[")[0]].append(item)
    for cases in profile.select(starting.values(), profile.parts):
        target = parameters_of(cases[0]).get("target")
        is_one = isinstance(target, Target) and sum(len(target.transports(role)) for role in ROLES) == 1
        if is_one or cases[0].get_closest_marker("divided"):
            left.update(cases)
        else:
            left.update(profile.select_cases(_places(cases)))
    return left


_SHARING = {"server", "server_pool"}
"""The fixtures with which a check shares a server with others."""


def _places(cases: list[pytest.Function]) -> dict[pytest.Function, list[int]]:
    """Return, for each case of a check, the place of each of its parameters among the values that it has."""
    values: dict[str, list[object]] = defaultdict(list)
    places: dict[pytest.Function, list[int]] = {}
    for item in cases:
        places[item] = []
        for name, value in parameters_of(item).items():
            if value not in values[name]:
                values[name].append(value)
            places[item].append(values[name].index(value))
    return places


def _is_selected(config: pytest.Config, item: pytest.Item) -> bool:
    for name, everything in (("service", SERVICES), ("transport", TRANSPORTS)):
        marker = item.get_closest_marker(name)
        applies = [parameters_of(item)[name]] if name in parameters_of(item) else marker.args if marker else everything
        applies = [value for value in applies if value in (config.getoption(f"--{name}") or everything)]
        if not applies:
            return False
        target = parameters_of(item).get("target")
        offered = isinstance(target, Target) and [target.offers(role_of(item), each) for each in applies]
        if name == "transport" and offered and not any(offered):
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
