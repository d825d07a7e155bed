"""A subprocess: its lines, its end, and what is said about it."""

import itertools
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import FrameType
from typing import Any

import psutil
import pytest

from conformance import ROOT
from conformance.targets import programs
from conformance.targets.families import refresh_families, starting_child
from conformance.targets.limits import DEFAULT_LIMITS, Limits
from conformance.targets.programs import WATCHED, Program, ProgramError
from conformance.timing import PATIENCE


def python(source: str, *, stdin: str | bytes | None = "", limits: Limits = DEFAULT_LIMITS) -> Program:
    """Start a Python program."""
    return Program([sys.executable, "-uc", source], stdin=stdin, limits=limits)


def test_lines_come_while_it_runs() -> None:
    with python("import time; print('ready'); print('привет'); time.sleep(60)") as program:
        assert program.expect_line("re(a)dy")[1] == "a"
        program.expect_line("привет")
        assert program.output == ["ready", "привет"] and program.running
        assert program.lines[0].at <= program.lines[1].at <= time.monotonic()


def test_a_line_that_does_not_come_is_an_error_at_once_when_the_output_ends() -> None:
    with python("import sys; print('other'); sys.exit('why')") as program, pytest.raises(ProgramError) as error:
        program.expect_line("ready", within=60)
    assert "stdout: other" in str(error.value) and "stderr: why" in str(error.value)


def test_a_line_that_does_not_come_in_time_is_an_error() -> None:
    with python("import time; time.sleep(60)") as program, pytest.raises(ProgramError, match="is running"):
        program.expect_line("ready", within=0.05)


def test_a_line_that_is_expected_as_it_stands_is_shown_as_it_stands() -> None:
    with python("print('a 10:00')") as program, pytest.raises(ProgramError) as error:
        program.expect_text("a 10:00+00:00")
    assert "'a 10:00+00:00'" in str(error.value)


def test_a_program_that_no_signal_stops_is_told_with_the_signal() -> None:
    source = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('ready'); time.sleep(60)"
    with python(source) as program:
        program.expect_line("ready")
        with pytest.raises(ProgramError, match=r"^after the signal SIGINT: still running after 0\.05 s; "):
            program.stop(signal.SIGINT, 0.05)


def test_what_was_printed_before_an_error_is_there_when_the_error_is() -> None:
    """What a program said when it reported an error can be judged as soon as the error has come."""
    with python("import os\nfor n in range(5000): os.write(1, b'printed\\n'); os.write(2, b'reported\\n')") as program:
        assert not program.wait_until(lambda: len(program.errors) > len(program.output))
        assert len(program.output) == len(program.errors) == 5000


def test_bytes_that_are_no_utf_8_are_shown() -> None:
    with python("import os; os.write(1, b'\\xff\\n')") as program:
        program.expect_line(r"\\xff")


def test_what_it_prints_does_not_command_the_judges_terminal() -> None:
    with python("print('\\x1b[31mкрасный\\x9b')") as program:
        program.wait()
        assert "stdout: \\x1b[31mкрасный\\x9b" in program.describe("told")


def test_what_it_has_started_ends_with_it() -> None:
    """A wrapper, such as a shell or a package manager's `run`."""
    source = (
        "import subprocess; print(subprocess.Popen(['sleep', '600']).pid); subprocess.Popen(['sleep', '600']).wait()"
    )
    with python(source) as program:
        started = int(program.expect_line(r"(\d+)")[1])
    assert wait_for(lambda: not runs(started)), "it runs on"


INTERRUPTED = """
import time
from conformance.targets.interrupts import heed_interrupts
from conformance.targets.programs import Program
heed_interrupts()
program = Program(["sleep", "60"], stdin=None)
try:
    print("started", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print(program.process.wait())
    try:
        Program(["true"])
    except KeyboardInterrupt:
        print("interrupted again")
"""


def interrupted_in_a_start(moment: int) -> BaseException | None:
    """Interrupt a block that starts a child where that call begins or ends; None: there were fewer calls."""
    moments = itertools.count()

    def profile(frame: FrameType, event: str, value: Any) -> None:
        if event != "c_call" and next(moments) == moment:  # before the call of a C function no signal is handled
            raise KeyboardInterrupt

    def start() -> None:
        with starting_child():
            pass

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        start()
    except KeyboardInterrupt as error:
        return error  # with its traceback, as pytest keeps it
    finally:
        sys.setprofile(before)
    return None


def test_an_interrupt_at_any_moment_of_a_start_leaves_nothing_locked() -> None:
    for moment in itertools.count():
        error = interrupted_in_a_start(moment)
        with ThreadPoolExecutor(1) as thread:
            thread.submit(refresh_families).result(PATIENCE)
        if error is None:
            break
    assert moment > 3


def test_an_interrupt_ends_all_programs_and_lets_none_start() -> None:
    """Also one that is in no ``with`` block yet."""
    with Program([sys.executable, "-c", INTERRUPTED], cwd=ROOT) as judge:
        judge.expect_line("started")
        judge.signal(signal.SIGINT)
        assert judge.wait() == 0
        assert judge.output == ["started", str(-signal.SIGKILL), "interrupted again"]


def test_what_nobody_has_ended_ends_with_the_judge() -> None:
    source = "from conformance.targets.programs import Program; print(Program(['sleep', '60'], stdin=None).pid)"
    with Program([sys.executable, "-c", source], cwd=ROOT) as judge:
        pid = int(judge.expect_line(r"\d+")[0])
        judge.wait()
        assert not runs(pid)


def test_input() -> None:
    with python("print(input()); print(input())", stdin=None) as program:
        program.write("один\n")
        program.expect_line("один")
        program.write("два\n")
        program.close_stdin()
        assert program.wait() == 0 and program.output == ["один", "два"]


def test_stop_returns_the_exit_status() -> None:
    source = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(7)); print('ready'); time.sleep(60)"
    with python(source) as program:
        program.expect_line("ready")
        assert program.stop() == 7


def test_one_that_does_not_stop_is_an_error_and_is_killed() -> None:
    source = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready'); time.sleep(60)"
    with python(source) as program:
        program.expect_line("ready")
        with pytest.raises(ProgramError, match="still running"):
            program.stop(within=0.05)
    assert not psutil.pid_exists(program.pid) and program.process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("after", "dies"),
    [("while time.process_time() < spent + 0.2: pass", True), ("time.sleep(60)", False)],
    ids=["busy until its end", "waits again"],
)
def test_a_program_that_dies_is_waited_for_while_it_is_busy(
    after: str, dies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes as long as the machine makes it; one that lives on is not waited for, however long one would wait."""
    monkeypatch.setattr(programs, "DYING", math.inf)
    source = f"import time; input(); print('closed'); spent = time.process_time(); {after}"
    with python(source.replace("; while", "\nwhile"), stdin=None) as program:
        program.write("\n")
        program.expect_line("closed")
        assert program.is_dying() is dies


@pytest.fixture(params=[True, False], ids=["waitid", "no waitid"])
def _waitid(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what macOS lacks before Python 3.13, and without."""
    if not request.param:
        monkeypatch.delattr(os, "waitid")


@pytest.mark.usefixtures("_waitid")
def test_paused() -> None:
    with python("print('ready')\nwhile True: pass") as program:
        program.expect_line("ready")
        for _ in range(20):
            with program.paused():
                assert psutil.Process(program.pid).status() == psutil.STATUS_STOPPED
            assert wait_for(lambda: psutil.Process(program.pid).status() != psutil.STATUS_STOPPED)


@pytest.mark.usefixtures("_waitid")
def test_what_has_ended_counts_as_paused() -> None:
    with python("") as program:
        program.wait()
        with program.paused():
            assert not program.running


def wait_for(condition: Callable[[], bool], within: float = 10) -> bool:
    """Return whether a condition becomes true within that many seconds."""
    deadline = time.monotonic() + within
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)
    return condition()


def runs(pid: int) -> bool:
    """Return whether there is such a process, and it has not ended."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who waits for a processor")
def test_a_program_that_gets_no_processor_is_waited_for() -> None:
    """It has the least weight, beside two that want its processor for themselves."""
    pinned = f"import os\nos.sched_setaffinity(0, [{min(os.sched_getaffinity(0))}])\n"
    idle = "os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nprint('begins', flush=True)\n"
    work = "from time import process_time as spent\nend = spent() + 0.05\nwhile spent() < end: pass\nprint('done')\n"
    with ExitStack() as stack:
        rivals = [stack.enter_context(python(f"{pinned}while True: pass")) for _ in range(2)]
        program = stack.enter_context(python(pinned + idle + work))
        program.expect_line("begins")

        def let_go() -> None:
            for rival in rivals:
                rival.kill()

        end = threading.Timer(4 * WATCHED, let_go)
        end.start()
        stack.callback(end.join)
        program.expect_line("done", within=WATCHED)


def test_a_program_whose_child_holds_its_output_has_ended_all_the_same() -> None:
    """How long it took to stop is not how long its output was waited for."""
    source = "import subprocess, time; subprocess.Popen(['sleep', '600']); print('here', flush=True); time.sleep(600)"
    with python(source) as program:
        program.expect_line("here")
        start = time.monotonic()
        program.signal_until_it_ends(signal.SIGTERM)
        assert time.monotonic() - start < PATIENCE / 2 and not program.running
