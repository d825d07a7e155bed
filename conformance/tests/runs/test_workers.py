"""Runs over several processes, here and on another machine: what a worker's death costs, and that no case is lost."""

import fcntl
import getpass
import itertools
import json
import mmap
import os
import re
import shutil
import socket
import subprocess
import sys
import termios
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from typing import IO

import psutil
import pytest

from conformance import ROOT
from conformance.profiles import PROFILES
from conformance.running import runner
from conformance.running.cases import Case
from conformance.running.recorder import Recorder
from conformance.running.runner import Planned, Selection
from conformance.running.verdicts import NOT_JUDGED, State, exit_status, judge, state_of
from conformance.targets.discovery import find_target
from conformance.targets.terms import TRANSPORTS

pytest_plugins = "pytester"

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
SOME = "ECHO-3", "TEXT-4", "REQ-1", "LOAD-3"


def select(*requirements: str, workers: Sequence[str] = ("2*popen",)) -> Selection:
    """Return a part of raw's checks; without workers, a unit that a session runs alone."""
    transports = TRANSPORTS if workers else TRANSPORTS[:1]
    return Selection([find_target("raw")], ["server"], transports, ["echo"], requirements, PROFILES["quick"], workers)


def controller() -> psutil.Process:
    """Return the process of pytest that this process has started."""
    [found] = [each for each in children(psutil.Process()) if "pytest" in each.cmdline()]
    return found


def children(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes that a process has started and that run."""
    return [each for each in process.children() if each.status() != psutil.STATUS_ZOMBIE]


def workers() -> list[psutil.Process]:
    """Return the workers: not by their commands, for a program that a worker starts has the same one for a moment."""
    return [each for each in children(controller()) if "keeper_process" not in " ".join(each.cmdline())]


@pytest.mark.skipif(sys.platform != "linux", reason="it asks how much is in a pipe")
def test_an_interrupt_while_the_plan_is_written_ends_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan is longer than a pipe holds, and nobody reads on; a signal that came just before does not end it."""

    def interrupted(lines: IO[str], *_: object) -> Iterator[str]:
        full, unread = fcntl.fcntl(lines, fcntl.F_GETPIPE_SZ), bytearray(4)
        while int.from_bytes(unread, sys.byteorder) <= full - mmap.PAGESIZE:  # the test's own limit of time ends it
            fcntl.ioctl(lines, termios.FIONREAD, unread)
            time.sleep(0.01)
        raise KeyboardInterrupt
        yield ""

    monkeypatch.setattr(runner, "_timely", interrupted)
    monkeypatch.setattr(os, "killpg", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        list(runner.run(select(workers=["1*popen"])))


@pytest.mark.parametrize("signal", [SIGKILL, SIGTERM], ids=str)
def test_a_worker_that_dies_is_replaced(signal: Signals) -> None:
    planned = 0
    done: Counter[str] = Counter()
    outcomes = set()
    for event in runner.run(select(*SOME)):
        if isinstance(event, Planned):
            planned += len(event.cases)
        else:
            if not done:
                [one, _] = workers()
                one.send_signal(signal)
            done[event.key] += 1
            outcomes.add(event.outcome)
    assert (len(done), outcomes, set(done.values())) == (planned, {"passed"}, {1})


def test_a_case_is_told_once_though_its_worker_dies_after_the_report() -> None:
    case = Case("servers/test_x.py::test_x", "*", "raw", "raw", "server", "udp", "echo", ["ECHO-1"], "passed")
    report = pytest.TestReport("test_x[raw]", ("test_x.py", 0, "test_x"), {}, "passed", None, "teardown")
    vars(report)["case"] = json.dumps(case.to_json())
    reading, writing = os.pipe()
    with os.fdopen(reading) as lines:
        with os.fdopen(writing, "w") as events:
            recorder = Recorder(PROFILES["quick"], events.fileno(), None)
            for _ in range(2):  # a worker that replaces another runs again what was not yet known as done
                recorder.pytest_runtest_logreport(report)
        assert [Case.from_json(json.loads(line)) for line in lines] == [case]


@pytest.mark.parametrize("workers", [("2*popen",), ()], ids=["two workers", "no workers"])
def test_what_does_not_finish_is_an_error_of_its_target(workers: Sequence[str]) -> None:
    planned = 0
    cases: list[Case] = []
    for event in runner.run(select(*SOME, workers=workers)):
        if isinstance(event, Planned):
            planned += len(event.cases)
        else:
            if not cases:
                controller().kill()
            cases.append(event)
    assert len(cases) == planned
    assert "error" in {case.outcome for case in cases} <= {"error", "passed"}
    assert "processes of the judge died: 1" in cases[-1].problem
    verdicts = judge(cases)
    assert exit_status({"raw": verdicts}, {}, strict=False) == NOT_JUDGED
    assert state_of(cases, verdicts, {}, strict=False) is State.JUDGE_FAILED


def test_a_session_in_which_nothing_happens_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "STALL", 15)
    planned = 0
    cases: list[Case] = []
    for event in runner.run(select("ECHO-3")):
        if isinstance(event, Planned):
            planned += len(event.cases)
        else:
            if not cases:
                for worker in workers():
                    worker.suspend()
            cases.append(event)
    assert len(cases) == planned
    assert "nothing happened for 15 s" in cases[-1].problem


def test_to_plan_for_many_may_take_longer_than_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can plan in that time, nor be done with a first case."""
    monkeypatch.setattr(runner, "STALL", 0.1)
    planned, first = itertools.islice(runner.run(select("ECHO-3")), 2)
    assert isinstance(planned, Planned)
    assert isinstance(first, Case) and first.outcome == "passed"


@pytest.fixture
def ssh_options(tmp_path: Path) -> Iterator[str]:
    """Start an SSH server on a free port of the loopback net; return the options that a client needs."""
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("needs sshd")
    for name in "host_key", "key":
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    Path("/run/sshd").mkdir(exist_ok=True)
    server = tmp_path / "sshd_config"
    server.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host_key\nAuthorizedKeysFile {tmp_path}/key.pub\n"
        "PidFile none\nPasswordAuthentication no\nUsePAM no\nStrictModes no\nPermitRootLogin yes\n"
    )
    client = tmp_path / "ssh_config"
    client.write_text(
        f"Host judge\nHostName 127.0.0.1\nPort {port}\nUser {getpass.getuser()}\nIdentityFile {tmp_path}/key\n"
        f"IdentitiesOnly yes\nStrictHostKeyChecking no\nUserKnownHostsFile {tmp_path}/known\nLogLevel ERROR\n"
    )
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", server], stderr=subprocess.PIPE, text=True)
    assert process.stderr
    try:
        for line in process.stderr:
            if "Server listening" in line:
                break
        else:
            pytest.skip("sshd does not start")
        yield f"-F {client} judge"
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()


def test_workers_on_another_machine(ssh_options: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(ROOT, elsewhere, ignore=shutil.ignore_patterns(".*", "__pycache__", "*.egg-info"))
    before = set(os.listdir(elsewhere))
    here = _outcomes(select("ECHO-3", "TEXT-4"))
    assert here
    there = f"2*ssh={ssh_options}//python={sys.executable}//chdir={elsewhere}"
    assert _outcomes(select("ECHO-3", "TEXT-4", workers=[there])) == here
    assert set(os.listdir(elsewhere)) == before


def _outcomes(selection: Selection) -> set[tuple[str, str]]:
    return {(event.key, event.outcome) for event in runner.run(selection) if isinstance(event, Case)}


def test_tests_without_targets_are_shared_out_one_by_one(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What belongs to a target stays in one worker; what belongs to none is no unit, which one would run alone."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile("def test_one(): pass\ndef test_another(): pass")
    result = pytester.runpytest_subprocess("-p", "conformance.conftest", "-n2", "-v")
    result.assert_outcomes(passed=2)
    assert set(re.findall(r"\[(gw\d)\]", result.stdout.str())) == {"gw0", "gw1"}


def test_a_worker_tells_why_it_skips(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile("import pytest\ndef test(): pytest.skip('no \\udcd0')")
    result = pytester.runpytest_subprocess("-p", "conformance.conftest", "-n", "1", "-rs")
    result.assert_outcomes(skipped=1)
    assert ".py:2: no \\udcd0\n" in f"{result.stdout}"
