"""Runs checks in processes of pytest, and passes their cases on as they come."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from conformance import ROOT
from conformance.profiles import Profile
from conformance.running.cases import Case
from conformance.running.finished import finished_file
from conformance.targets.discovery import BUNDLED
from conformance.targets.families import starting_child, waited_for
from conformance.targets.host import (
    processors,
    require_addresses,
    require_files,
    require_fit_host,
    require_ports,
    require_threads,
)
from conformance.targets.keeper import keeper
from conformance.targets.programs import status_or_signal
from conformance.targets.target import Target
from conformance.targets.terms import ROLES, SERVICES, TRANSPORTS, Role, Service, Transport
from conformance.timing import CHECK_TIMEOUT

CHECKS = ROOT / "conformance" / "checks"
WORKERS = 2 * processors()  # checks wait more than they work
RESTARTS = 8
"""How many workers that died are replaced; what has not finished then is an error."""

STALL = 2 * CHECK_TIMEOUT
"""Seconds without a case after which a session is ended: whatever check hangs should have been ended before."""

LOOK = 1
"""Seconds, the parts in which that time is measured."""

PLANNING = 10
"""Seconds more, for each target, until the first case: a busy machine takes them to collect what is to be run."""

OUTPUT_LINES = 12

_CAUSE = re.compile(r"(?:INTERNALERROR> )?(?:E +)?([\w.]*(?:Error|Exception)\b(?!: Traceback).*)")
"""A line of a traceback, pytest's own or of a worker, that says what went wrong."""

_DIED = "node down: Not properly terminated"
"""What pytest-xdist says of a worker that has died."""

DONE = 0, 1, 5
"""Statuses of pytest: all passed, some failed, there were none."""

OWN_CONFIGURATION = (
    *("-q", "--tb=native", "--assert=plain", "--strict-markers"),
    # No file, plugin or conftest.py but the suite's own. No word is a path that is there:
    # pytest-xdist would take it for one that is to be copied to other machines.
    "--pyargs",
    *("--config-file=/dev/null", "--rootdir=.", "--noconftest", "--disable-plugin-autoload"),
    *("-p", "_hypothesis_pytestplugin", "-p", "pytest_timeout", "-p", "xdist.plugin"),
    *("-p", "conformance.conftest", "-p", "conformance.checks.conftest"),
    # Neither what a failed check leaves open nor a warning of some library is the target's fault.
    *("-p", "no:cacheprovider", "-p", "no:unraisableexception", "-p", "no:threadexception", "-p", "no:warnings"),
    *("-p", "no:logging"),
)
"""Options with which pytest runs the checks alike in every directory and environment."""

OTHERS_SETTINGS = "PYTEST_", "HYPOTHESIS_", "COVERAGE_", "COV_CORE_"
OTHERS_VARIABLES = "PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONSAFEPATH", "PYTHONINSPECT", "PYTHONIOENCODING"


class JudgeError(Exception):
    """The judge did not do its work; the message has its last output."""


class Planned(NamedTuple):
    """The cases that will come, each as an error: that is what they are if they do not come.

    `applying` is how many of each target a profile that leaves nothing out would run.
    """

    cases: list[Case]
    applying: dict[str, int]


@dataclass(frozen=True)
class Selection:
    """What is to be run; each part as a whole, or narrowed.

    `workers` are specifications of ``--tx`` of pytest-xdist; none: as many local ones as fit. Of a target no further
    check is run after `budget` seconds, nor when `fail_fast` checks of it have failed.
    """

    targets: Sequence[Target]
    roles: Sequence[Role]
    transports: Sequence[Transport]
    services: Sequence[Service]
    requirements: Sequence[str]
    profile: Profile
    workers: Sequence[str] = ()
    budget: float | None = None
    fail_fast: int | None = None


def run(selection: Selection, enough: Callable[[Case], bool] = lambda case: False) -> Iterator[Planned | Case]:
    """Run the checks of a selection; yield each case when it is done. Raises JudgeError, and OSError.

    Of a target no further check is run after a case for which `enough` is true.
    """
    require_fit_host(selection.targets)
    if any(not target.url for target in selection.targets):
        require_ports()
        require_files()
        require_addresses()
        require_threads()
    failed: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="sockspec-") as directory:
        for event in _session([*_arguments(selection), f"--finished={directory}"]):
            if isinstance(event, Case):
                failed[event.target] += event.outcome == "failed"
                if failed[event.target] == selection.fail_fast or enough(event):
                    finished_file(Path(directory), event.target).touch()
            yield event


def plan() -> list[Case]:
    """Return all cases of the suite, as for the first bundled target. Raises JudgeError."""
    [planned] = _session(
        ["conformance.checks", "--collect-only", "--every-case", f"--implementation={next(iter(BUNDLED))}"]
    )
    assert isinstance(planned, Planned)
    return planned.cases


def replay(file: str, case: Case, target: Target) -> Iterator[Planned | Case]:
    """Run one stored case again, against a target. Raises JudgeError, and OSError."""
    require_fit_host([target])
    yield from _session(
        [
            f"conformance.checks.{case.check.partition('.py::')[0].replace('/', '.')}",
            f"--implementation={target.word}",
            f"--profile={case.profile}",
            f"--seed={case.seed}",
            f"--replay={file}",
            "--regardless",
        ]
    )


def _arguments(selection: Selection) -> list[str]:
    profile = selection.profile
    transports = selection.transports or TRANSPORTS
    return [
        "conformance.checks",
        *[f"--implementation={target.word}" for target in selection.targets],
        *[f"--name={target.name}" for target in selection.targets],
        *[f"--role={role}" for role in selection.roles or ROLES],
        *[f"--transport={transport}" for transport in transports],
        *[f"--service={service}" for service in selection.services or SERVICES],
        *[f"--requirement={id_}" for id_ in selection.requirements],
        f"--profile={profile.name}",
        f"--seed={profile.seed}",
        *([] if selection.budget is None else [f"--budget={selection.budget}"]),
        *([] if selection.fail_fast is None else [f"--fail-fast={selection.fail_fast}"]),
        *_distribution(selection.workers, len(selection.targets) * len(transports), selection.targets),
    ]


def _distribution(workers: Sequence[str], units: int, targets: Sequence[Target]) -> list[str]:
    """Return the options that have a session share its work; where one unit is all of it, the session does it.

    So it does where a path has bytes that are not UTF-8, which workers cannot be told.
    """
    local = min(WORKERS, units)
    paths = str(ROOT), tempfile.gettempdir(), *[target.word for target in targets]
    if not workers and (local == 1 or not all(map(_is_utf8, paths))):
        return []
    workers = workers or [f"{local}*popen"]
    return ["--dist=loadgroup", f"--max-worker-restart={RESTARTS}", *[f"--tx={spec}" for spec in workers]]


def _is_utf8(path: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in path)


def _session(arguments: Sequence[str]) -> Iterator[Planned | Case]:
    """Run one session of pytest; what it planned and did not finish, however that came about, is an error."""
    collects_only = "--collect-only" in arguments
    reading, writing = os.pipe()
    planning = STALL + PLANNING * sum(argument.startswith("--implementation=") for argument in arguments)
    planned: dict[str, Case] | None = None
    any_ran = False
    stalled: list[float] = []
    with (
        os.fdopen(reading, encoding="utf-8") as lines,
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace") as output,
        tempfile.TemporaryDirectory(prefix="sockspec-", ignore_cleanup_errors=True) as temporary,
    ):
        # pytest's own is shared by all users without a name, and stays when it ends.
        places = f"--events={writing}", f"--basetemp={temporary}/pytest"
        command = [sys.executable, "-m", "pytest", *OWN_CONFIGURATION, *places, *arguments]
        try:
            with starting_child():
                process = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=own_environment(),
                    pass_fds=[writing],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                waited_for.add(process.pid)
        finally:
            os.close(writing)
        keeper.start()
        keeper.tell("+", process.pid)  # if this process is killed, so is that one, and its keeper ends the programs
        try:
            for line in _timely(lines, process, stalled, planning):
                whole = json.loads(line)
                if isinstance(whole, list):
                    applying, cases = whole
                    planned = {case.key: case for case in map(Case.from_json, cases)}
                    yield Planned([*planned.values()], applying)
                    continue
                case = Case.from_json(whole)
                any_ran |= case.ran
                if planned is not None:
                    planned.pop(case.key, None)
                yield case
            status = process.wait()
        finally:
            lines.close()  # it may be writing its plan, which nobody reads any more
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)  # workers too, which would end late
                process.wait()
            keeper.tell("-", process.pid)
            waited_for.discard(process.pid)
        output.seek(0)
        last = [line.rstrip() for line in output if line.strip()]
    ended = f"nothing happened for {stalled[0]:g} s" if stalled else f"pytest ended with {status_or_signal(status)}"
    cause = next(filter(None, map(_CAUSE.fullmatch, map(str.strip, last))), None)
    if cause and not any_ran:
        raise JudgeError(f"{ended}: {cause[1]}")
    problem = "\n".join([ended, *last[-OUTPUT_LINES:]])
    if died := sum(_DIED in line for line in last) or int(status < 0 and not stalled):
        problem = f"processes of the judge died: {died} (does a program end them?)"
    if planned is None or (status not in DONE and not planned):
        raise JudgeError(problem)
    for case in [] if collects_only else planned.values():
        case.about, case.problem = case.requirements[0], f"the check did not finish: {problem}"
        yield case


def _timely(
    lines: Iterable[str], process: subprocess.Popen[bytes], stalled: list[float], planning: float
) -> Iterator[str]:
    """Yield a session's lines. If none comes for longer than any check takes, kill the session.

    The first two, the plan and a case, may take `planning` seconds each. A time that was too long is put in `stalled`.
    Only time counts in which this process runs: it may be stopped on a terminal, by Ctrl-Z, and continued.
    """

    awaited: int | None = None  # the number of the line
    ended = threading.Event()

    def watch() -> None:
        seen, looks = awaited, 0
        while not ended.wait(LOOK):
            looks = looks + 1 if seen == awaited else 0
            seen = awaited
            longest = STALL if seen is not None and seen > 1 else planning
            if seen is not None and looks * LOOK >= longest:
                stalled.append(longest)
                os.killpg(process.pid, signal.SIGKILL)
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        source = iter(lines)
        for number in itertools.count():
            awaited = number
            line = next(source, None)
            awaited = None
            if line is None:
                return
            yield line
    finally:
        ended.set()


def own_environment() -> dict[str, str]:
    """Return the environment without what tells Python, pytest and others to run checks in other ways."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(OTHERS_SETTINGS) and name not in OTHERS_VARIABLES
    }
