"""Runs checks in pytest processes side by side, and passes their cases on as they come."""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from conformance import ROOT
from conformance.profiles import Profile
from conformance.running.cases import Case
from conformance.targets.keeper import keeper
from conformance.targets.target import Target
from conformance.targets.terms import ROLES, SERVICES, TRANSPORTS, Role, Service, Transport

CHECKS = ROOT / "conformance" / "checks"
CELLS_AT_ONCE = 2 * (os.cpu_count() or 1)  # checks wait more than they work


class JudgeError(Exception):
    """A pytest process did not do its work; the message has its last output."""


class Planned(NamedTuple):
    """So many more cases will come."""

    cases: int


@dataclass(frozen=True)
class Selection:
    """What is to be run; each part as a whole, or narrowed."""

    targets: Sequence[Target]
    roles: Sequence[Role]
    transports: Sequence[Transport]
    services: Sequence[Service]
    requirements: Sequence[str]
    profile: Profile


def run(selection: Selection) -> Iterator[Planned | Case]:
    """Run the checks of a selection; yield each case when it is done. Raises JudgeError."""
    yield from _run(
        [
            _arguments(selection, target, transport, roles)
            for target in selection.targets
            for transport in selection.transports or TRANSPORTS
            if (roles := [role for role in selection.roles or ROLES if target.offers(role, transport)])
        ]
    )


def replay(file: str, case: Case, target: Target) -> Iterator[Planned | Case]:
    """Run one stored case again, against a target. Raises JudgeError."""
    arguments = [
        f"--implementation={target.word}",
        f"--profile={case.profile}",
        f"--seed={case.seed}",
        f"--replay={file}",
    ]
    yield from _run([[str(CHECKS / case.check.partition("::")[0]), *arguments]])


def _arguments(selection: Selection, target: Target, transport: Transport, roles: Sequence[Role]) -> list[str]:
    profile = selection.profile
    return [
        str(CHECKS),
        f"--implementation={target.word}",
        *[f"--role={role}" for role in roles],
        f"--transport={transport}",
        *[f"--service={service}" for service in selection.services or SERVICES],
        *[f"--requirement={id_}" for id_ in selection.requirements],
        f"--profile={profile.name}",
        f"--seed={profile.seed}",
    ]


def _run(commands: Sequence[Sequence[str]]) -> Iterator[Planned | Case]:
    events: queue.Queue[Planned | Case | JudgeError | None] = queue.Queue()
    processes: list[subprocess.Popen[bytes]] = []
    stopped = threading.Event()

    def work(arguments: Sequence[str]) -> None:
        try:
            if not stopped.is_set():
                _run_pytest(arguments, events, processes)
        except JudgeError as error:
            events.put(error)
        except (OSError, ValueError) as error:
            events.put(JudgeError(f"{type(error).__name__}: {error}"))
        finally:
            events.put(None)

    with ThreadPoolExecutor(CELLS_AT_ONCE) as pool:
        for arguments in commands:
            pool.submit(work, arguments)
        try:
            left = len(commands)
            while left:
                event = events.get()
                if isinstance(event, JudgeError):
                    raise event
                if event is None:
                    left -= 1
                else:
                    yield event
        finally:
            stopped.set()
            for process in processes:
                process.terminate()


def _run_pytest(
    arguments: Sequence[str],
    events: "queue.Queue[Planned | Case | JudgeError | None]",
    processes: list[subprocess.Popen[bytes]],
) -> None:
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "pytest", "-q", "--tb=native", f"--events={writing}", *arguments]
    # Neither what a failed check leaves open nor a warning of some library is the target's fault.
    command += ["-p", "no:cacheprovider", "-p", "no:unraisableexception", "-W", "default", "--assert=plain"]
    with os.fdopen(reading, encoding="utf-8") as lines, tempfile.TemporaryFile("w+") as output:
        try:
            process = subprocess.Popen(
                command, cwd=ROOT, pass_fds=[writing], stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        finally:
            os.close(writing)
        keeper.start()
        keeper.tell(
            "+", process.pid
        )  # if this process is killed, so is that one, and then its keeper ends the programs
        processes.append(process)
        for line in lines:
            whole = json.loads(line)
            events.put(Planned(whole) if isinstance(whole, int) else Case.from_json(whole))
        status = process.wait()
        keeper.tell("-", process.pid)
        if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED):
            output.seek(0)
            told = [line for line in output.read().splitlines() if line.strip()][-12:]
            raise JudgeError("\n".join([f"pytest ended with status {status}", *told]))
