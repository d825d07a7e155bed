"""The options of the suite in pytest, and what they ask for."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.profiles import PROFILES, Profile
from conformance.running.admission import Admission
from conformance.running.cases import load_case
from conformance.running.distribution import is_worker
from conformance.running.recorder import Recorder
from conformance.targets.discovery import BUNDLED, find_target, target_help
from conformance.targets.interrupts import heed_interrupts
from conformance.targets.limits import open_own_files
from conformance.targets.target import Target, TargetError
from conformance.targets.terms import ROLES, SERVICES, TRANSPORTS

recorder_key = pytest.StashKey[Recorder]()
admission_key = pytest.StashKey[Admission]()


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
        help=f"{target_help()}; repeatable",
    )
    group.addoption("--name", action="append", help="what to call each of them, in their order (default: its name)")
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
        "--parts",
        type=int,
        default=1,
        metavar="N",
        help="of the checks that start programs run one of N; another seed, others",
    )
    group.addoption(
        "--requirement-results", metavar="FILE", type=Path, help="write JSON: target, requirement, passed and failed"
    )
    group.addoption("--events", metavar="FD", type=int, help="write each case to this descriptor, as a line of JSON")
    group.addoption("--replay", metavar="FILE", type=Path, help="run one stored case again")
    group.addoption("--every-case", action="store_true", help="leave out no check or case for the profile's sake")
    group.addoption("--in-turn", action="store_true", help="run no check beside others")
    group.addoption("--budget", type=float, metavar="S", help="judge each target for so many seconds at the most")
    group.addoption("--fail-fast", type=int, metavar="N", help="judge a target no further when so many have failed")
    group.addoption("--finished", type=Path, metavar="DIR", help="where a file says that a target is judged no more")
    group.addoption("--regardless", action="store_true", help="run each check, whatever else has failed")


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "divided: the cases of the check divide its items among them where a profile leaves some out",
        "requirement(*ids): the requirements of SPEC.md that a check proves, the main one first; every check has it",
        "needs(*ids): other requirements without which the check fails; where one does not hold, that is the cause",
        "service(name): the check is about this service only",
        "transport(name): the check is about this transport only",
        "long: the quick profile leaves the check out",
        "options(*words): the `server` of this check is started with these options",
    ):
        config.addinivalue_line("markers", line)
    if not __debug__:
        raise pytest.UsageError("checks are assertions, which PYTHONOPTIMIZE or -O leaves out")
    heed_interrupts()
    open_own_files()
    PROFILES[config.getoption("--profile")].load()
    replayed = load_case(config.getoption("--replay")) if config.getoption("--replay") else None
    events = None if is_worker(config) else config.getoption("--events")  # a worker has not inherited the descriptor
    config.stash[admission_key] = Admission(config)
    config.stash[recorder_key] = Recorder(profile_of(config), events, replayed)
    config.pluginmanager.register(config.stash[recorder_key], "recorder")


def profile_of(config: pytest.Config) -> Profile:
    """Return the profile of a run, with its seed."""
    seed, parts = config.getoption("--seed"), config.getoption("--parts")
    profile = PROFILES[config.getoption("--profile")]._replace(seed=seed, parts=parts)
    if parts > 1:  # else each part, which one seed runs, would always leave out the same cases
        profile = profile._replace(cases=1)
    return profile._replace(cases=1, items=1, characters=1, parts=1) if config.getoption("--every-case") else profile


def named_targets(config: pytest.Config) -> list[Target]:
    """Return the targets that are to be judged. Raises pytest.UsageError."""
    try:
        targets = [find_target(word) for word in config.getoption("--implementation") or BUNDLED]
    except TargetError as error:
        raise pytest.UsageError(str(error)) from None
    names = config.getoption("--name") or [target.name for target in targets]
    return [replace(target, name=name) for target, name in zip(targets, names, strict=True)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    file = session.config.getoption("--requirement-results")
    if file and not is_worker(session.config):
        results = session.config.stash[recorder_key].results()
        file.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
