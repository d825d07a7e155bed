"""A pytest plugin that turns the suite on itself: checks judge faulty programs, and each fault must be found.

A check runs once for each fault of a requirement that it cites, until one has failed that is about that requirement.
"""

import json
import sys
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import hypothesis
import pytest

from conformance.blame import blamed
from conformance.broken import Fault, faults
from conformance.running.checks import role_of
from conformance.running.fixtures import ServerPool
from conformance.targets.target import Target
from conformance.targets.terms import TRANSPORTS, Role, Transport

SHOWN = 200  # characters of a failure


class Kill(NamedTuple):
    """A fault, the check that found it, and the first line of that check's failure."""

    fault: str
    description: str
    check: str
    failure: str


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("kills")
    group.addoption("--faults", type=Path, required=True, help="JSON: fault's name, check or null for all that cite it")
    group.addoption("--kills", type=Path, required=True, help="where to write what was found, as JSON")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    wanted = json.loads(config.getoption("--faults").read_text(encoding="utf-8"))
    config.option.every_case = True
    config.option.regardless = True  # each check is to find its fault by itself
    config.option.in_turn = True  # most of what would run beside others is never needed
    config.pluginmanager.register(KillSession(wanted, config.getoption("--kills")), "kill-session")
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]  # the shortest failure is of no use here
    hypothesis.settings.register_profile("kills", hypothesis.settings(), phases=phases)
    hypothesis.settings.load_profile("kills")


def guilty(fault: Fault) -> Target:
    """Return the good programs, but with that fault in those of its role."""
    roles: tuple[Role, ...] = ("server", "client")
    commands: dict[tuple[Transport, Role], tuple[str, ...]] = {}
    for transport in TRANSPORTS:
        for role in roles:
            program = f"impl_{fault.implementation}.{transport}_{role}"
            run = ("conformance.broken", fault.name, program) if role == fault.role else (program,)
            commands[transport, role] = (sys.executable, "-m", *run)
    return Target(fault.name, commands)


class KillSession:
    """Tries the faults, and notes what came of it, as `conformance.broken.kills.Findings` says."""

    def __init__(self, wanted: dict[str, str | None], file: Path) -> None:
        known = faults()
        self._wanted = wanted
        self._faults = {name: known[name] for name in wanted}
        self._targets = {name: guilty(fault) for name, fault in self._faults.items()}
        self._file = file
        self._kills: dict[str, Kill] = {}
        self._others: dict[str, list[str]] = {name: [] for name in wanted}
        self._passed: dict[str, int] = dict.fromkeys(wanted, 0)

    @pytest.hookimpl
    def pytest_sockspec_targets(self, metafunc: pytest.Metafunc) -> Sequence[Target]:
        cited = set(_cited(metafunc.definition))
        for marker in metafunc.definition.iter_markers("parametrize"):
            cited.update(id_ for case in marker.args[1] for id_ in _cited_by_case(case))
        return [self._targets[name] for name, fault in self._faults.items() if fault.requirement in cited]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave the checks that may find a fault, by fault."""
        items[:] = [item for item in items if self._may_find(item)]
        order = list(self._faults)
        items.sort(key=lambda item: (order.index(_fault(item)), self._rank(item), item.location))

    def _rank(self, item: pytest.Item) -> tuple[bool, bool, bool, bool]:
        """Return the place of an item among those that may find a fault: first what says most, is quick and certain."""
        off_topic = _cited(item)[0] != self._faults[_fault(item)].requirement
        slow = item.get_closest_marker("slow") is not None
        generated = isinstance(item, pytest.Function) and hypothesis.is_hypothesis_test(item.obj)
        return off_topic, slow, generated, item.path.name == "test_vectors.py"

    def _may_find(self, item: pytest.Item) -> bool:
        fault = self._faults.get(_fault(item))
        if fault is None or fault.requirement not in _cited(item):
            return False
        for name, own in (("service", fault.service), ("transport", fault.transport)):
            marker = item.get_closest_marker(name)
            applies = [_parameters(item)[name]] if name in _parameters(item) else marker.args if marker else [own]
            if own is not None and own not in applies:
                return False
        wanted = self._wanted[fault.name]
        return role_of(item) == fault.role and wanted in (None, _check(item))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if _fault(item) in self._kills:
            pytest.skip("the fault was found")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.excinfo is not None and report.failed:
            error = call.excinfo.value
            fault, first_line = self._faults[_fault(item)], _first_line(error)
            about = blamed(error) or (_cited(item)[0] if call.when == "call" else "the set-up")
            if isinstance(error, AssertionError) and about == fault.requirement:
                self._kills[fault.name] = Kill(fault.name, fault.description, _check(item), first_line)
            else:
                kind = about if isinstance(error, AssertionError) else type(error).__name__
                self._others[fault.name].append(f"{_check(item)} ({call.when}) is about {kind}: {first_line}")
        elif call.when == "call" and report.passed:
            self._passed[_fault(item)] += 1
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """End the servers of a fault that is done with."""
        pool = item.funcargs.get("server_pool") if isinstance(item, pytest.Function) else None
        if isinstance(pool, ServerPool) and (nextitem is None or _fault(nextitem) != _fault(item)):
            pool.close()

    def pytest_sessionfinish(self) -> None:
        found = {"kills": self._kills, "others": self._others, "passed": self._passed}
        self._file.write_text(json.dumps(found), encoding="utf-8")


def _first_line(error: BaseException) -> str:
    """Return what a failure says first, without the command and the state of a program that follow."""
    said = str(error).partition("\n")[0]
    if sys.executable in said:  # in a command, perhaps behind a shell's words
        said = said[: said.index(sys.executable)].rpartition("; ")[0]
    said = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in said)
    return said if len(said) <= SHOWN else f"{said[:SHOWN]}…"


def _parameters(item: pytest.Item) -> dict[str, object]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec else {}


def _fault(item: pytest.Item) -> str:
    target = _parameters(item).get("target")
    return target.name if isinstance(target, Target) else ""


def _check(item: pytest.Item) -> str:
    """Return an item's id without its directory and its target."""
    check = item.nodeid.rpartition("checks/")[2]
    for place in (f"[{_fault(item)}]", f"{_fault(item)}-", f"-{_fault(item)}"):
        check = check.replace(place, "")
    return check


def _cited(node: pytest.Item) -> list[str]:
    return [id_ for marker in node.iter_markers("requirement") for id_ in marker.args]


def _cited_by_case(case: object) -> Iterator[str]:
    for mark in getattr(case, "marks", ()):
        if mark.name == "requirement":
            yield from mark.args
