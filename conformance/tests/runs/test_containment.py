"""What holds a program: its environment, its limits, what is kept of its output, and the end of all that it started."""

import contextlib
import re
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from conformance import ROOT
from conformance.targets.limits import Limits
from conformance.targets.output import FIRST_LINES, LAST_BYTES, LINE_BYTES, Output
from conformance.targets.programs import Program
from conformance.tests.test_programs import python, runs, wait_for
from conformance.timing import PATIENCE


def test_the_environment_is_a_named_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that would hide what checks look for, or that an author has by chance."""
    for name in (
        "PYTHONUNBUFFERED",
        "NODE_OPTIONS",
        "JAVA_TOOL_OPTIONS",
        "LD_PRELOAD",
        "SECRET",
        "LC_TIME",
        "VIRTUAL_ENV",
    ):
        monkeypatch.setenv(name, "")
    with Program([sys.executable, "-c", "import os; print(*os.environ)"], env={"MINE": "1"}) as program:
        program.wait()
        names = set(program.output[0].split())
    assert {"PATH", "LC_TIME", "VIRTUAL_ENV", "MINE"} <= names
    assert not names & {"PYTHONUNBUFFERED", "NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "LD_PRELOAD", "SECRET"}


def test_what_an_honest_server_prints_is_kept_whole() -> None:
    """One that announces 10,000 clients and that each left."""
    lines = [f"client Анна ({at}) {how}" for at in range(10_000) for how in ("connected", "left")]
    with python(
        "for at in range(10_000):\n for how in 'connected', 'left': print(f'client Анна ({at}) {how}')"
    ) as program:
        program.wait(60)
        assert program.output == lines
        for line in lines[9990:]:
            program.expect_line(re.escape(line))


def test_of_much_output_the_first_and_the_last_lines_are_kept() -> None:
    output = Output()
    for number in range(0, 200_000, 10):
        output.add(b"".join(b"%d\n" % (number + each) for each in range(10)), float(number))
    output.add(b"no end", 7.0)
    output.end(8.0)
    texts = [line.text for line in output.lines()]
    assert texts[:FIRST_LINES] == [str(number) for number in range(FIRST_LINES)]
    last = texts[FIRST_LINES + 1 :]
    assert (
        last == [*map(str, range(200_001 - len(last), 200_000)), "no end"] and LAST_BYTES / 8 < len(last) < LAST_BYTES
    )
    left_out = 200_001 - FIRST_LINES - len(last)
    assert texts[FIRST_LINES].startswith(f"… {left_out} lines, ")
    assert (output.lines()[-1].at, output.lines()[-2].at) == (8.0, 199_990.0)
    number, found = output.since(5)
    assert (number, found[0].text) == (5, "5")
    number, found = output.since(199_998)
    assert (number, [line.text for line in found]) == (199_998, ["199998", "199999", "no end"])
    number, found = output.since(FIRST_LINES)
    assert (number, found[0].text) == (FIRST_LINES + left_out, str(FIRST_LINES + left_out))
    number, found = output.since(200_000)
    assert (number, [line.text for line in found]) == (200_000, ["no end"])
    output.shrink()
    assert len(output.lines()) < len(texts) and output.lines()[0].text == "0" and output.lines()[-1].text == "no end"


def test_a_line_without_end_takes_little() -> None:
    output = Output()
    for _ in range(1000):
        output.add(b"x" * 10_000, 0.0)
    assert output.lines() == []
    output.add(b"\nnext\n", 1.0)
    assert [line.text for line in output.lines()] == [
        "x" * LINE_BYTES + f" … ({10_000_000 - LINE_BYTES} bytes more)",
        "next",
    ]


def test_a_line_is_waited_for_also_after_very_many() -> None:
    # So many that the last ones are left out too, however they are cut where they are read.
    source = f"for number in range(8 * {FIRST_LINES}): print(number)\nprint(input())"
    with python(source, stdin=None) as program:
        program.expect_line(str(FIRST_LINES - 1))
        program.expect_line(str(8 * FIRST_LINES - 1), within=60)
        program.write("last\n")
        program.expect_line("last")
        assert len(program.output) < 8 * FIRST_LINES and program.output[0] == "0" and program.output[-1] == "last"


PRINT_ENDLESSLY = "import os\nwhile True: os.write({stream}, {what!r} * 100_000)"


@pytest.mark.parametrize("stream", [1, 2])
@pytest.mark.parametrize("what", [b"x", b"\n", b"debug\n"])
def test_a_program_that_prints_too_much_is_ended(stream: int, what: bytes) -> None:
    with python(PRINT_ENDLESSLY.format(stream=stream, what=what), limits=Limits(output=5)) as program:
        assert program.wait() == -signal.SIGKILL
        assert program.ended_because == "it printed more than 5 MiB"
        assert "is ended by the suite, because it printed more than 5 MiB" in program.describe("it died")
        assert sum(map(len, program.output + program.errors)) < 5 << 20


def test_who_has_printed_too_much_is_read_no_more() -> None:
    """Also if a process in another session goes on."""
    child = PRINT_ENDLESSLY.format(stream=1, what=b"x")
    source = (
        f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True).wait()"
    )
    with python(source, limits=Limits(output=1)) as program:
        start = time.monotonic()
        assert program.wait() == -signal.SIGKILL and program.ended_because
        assert time.monotonic() - start < PATIENCE / 2, "its output was waited for"


def test_a_program_that_takes_too_much_memory_is_ended() -> None:
    """With what it has started, and measured together with it."""
    child = "import time; mine = b'x' * (40 << 20); print('here', flush=True); time.sleep(60)"
    source = f"""
import subprocess, sys, time
children = [subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True) for _ in range(3)]
print(*(child.pid for child in children))
time.sleep(60)
"""
    with python(source, limits=Limits(memory=100)) as program:
        children = [int(pid) for pid in program.expect_line(r"\d+ \d+ \d+")[0].split()]
        assert program.wait() == -signal.SIGKILL
        assert program.ended_because == "it took more than 100 MiB of memory"
        assert wait_for(lambda: not any(map(runs, children)))


def test_memory_that_processes_share_counts_once() -> None:
    """A server that starts a process for each client has much in common with it."""
    source = """
import os, time
mine = b'x' * (60 << 20)
for _ in range(4):
    if os.fork() == 0: time.sleep(60)
print('here')
time.sleep(2)
print('still here')
"""
    with python(source, limits=Limits(memory=150)) as program:
        program.expect_line("still here")
        assert not program.ended_because


def test_a_program_that_starts_too_many_processes_is_ended() -> None:
    source = """
import os, time
for _ in range(30):
    if os.fork() == 0: break
time.sleep(60)
"""
    with python(source, limits=Limits(processes=20)) as program:
        assert program.wait() == -signal.SIGKILL
        assert program.ended_because == "it had more than 20 processes"
        assert program.family.living() == [] or wait_for(lambda: program.family.living() == [])


@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit")
def test_limits_that_the_kernel_holds() -> None:
    with python("import time; print(1); time.sleep(60)", limits=Limits(open_files=123)) as program:
        limit = psutil.Process(program.pid).rlimit
        assert (limit(psutil.RLIMIT_NOFILE), limit(psutil.RLIMIT_CORE)) == ((123, 123), (0, 0))


DAEMON = "import time; time.sleep(600)"
LEAVES_A_DAEMON = """
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        {then}os.execve(sys.executable, [sys.executable, '-c', {daemon!r}], {environment})
    os._exit(0)
os.wait()
{end}
"""


@pytest.mark.skipif(sys.platform != "linux", reason="finds what has left its family by what Linux offers")
@pytest.mark.parametrize("environment", ["os.environ", "{}"])
@pytest.mark.parametrize("end", ["", "import time; time.sleep(600)"])
def test_a_daemon_is_ended_and_told_of(end: str, environment: str) -> None:
    """Forked twice, in a session of its own, with the environment cleared; its program has ended, or is ended."""
    source = LEAVES_A_DAEMON.format(daemon=DAEMON, environment=environment, end=end, then="input(); ")
    with python(source, stdin=None) as program:
        daemon = int(program.expect_line(r"\d+")[0])
        assert wait_for(lambda: daemon in program.family.members), "it is not found"
        program.write("go on\n")
        assert wait_for(lambda: DAEMON in psutil.Process(daemon).cmdline())
        if not end:
            assert program.process.wait(10) == 0
    assert not psutil.pid_exists(daemon), "the daemon runs on, or nobody waits for it"
    assert program.left_behind == [f"{sys.executable} -c {DAEMON}"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere init adopts orphans")
@pytest.mark.parametrize("session", ["", "os.setsid()"])
def test_orphans_that_have_ended_do_not_pile_up(session: str) -> None:
    """A server that forks twice for each client leaves one each time, and is at no fault."""
    source = f"""
import os, time
for _ in range(300):
    if os.fork() == 0:
        {session}
        if os.fork() == 0: time.sleep(0.1)
        os._exit(0)
    os.wait()
    time.sleep(0.01)
print('forked')
time.sleep(60)
"""
    before = ended_children()
    with python(source, limits=Limits(processes=150)) as program:
        program.expect_line("forked", within=60)
        assert wait_for(lambda: ended_children() <= before), f"{len(ended_children() - before)} were not waited for"
        assert program.running, program.describe("it was ended")


def ended_children() -> set[int]:
    """Return the children of this process that nobody has waited for."""
    found = set()
    for each in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it was waited for meanwhile
            found |= {each.pid} if each.status() == psutil.STATUS_ZOMBIE else set()
    return found


def test_a_child_that_ends_with_its_program_is_not_left_behind() -> None:
    """A little later is soon enough."""
    child = "import time; print('here', flush=True); time.sleep(0.1)"
    source = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}])"
    with python(source) as program:
        program.expect_line("here")
        program.wait()
    assert program.left_behind == []
    with python(
        "import subprocess; subprocess.Popen(['sleep', '600']); print('here'); subprocess.os.wait()"
    ) as program:
        program.expect_line("here")
    assert program.left_behind == []


JUDGE = """
import sys, threading, time
from conformance.targets.programs import Program
def start(source):
    program = Program([sys.executable, '-uc', source])
    print(program.pid, program.expect_line('.*')[0], flush=True)
for source in sys.argv[1:]:
    thread = threading.Thread(target=start, args=[source])
    thread.start()
    thread.join()
print('started', flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere what has left its session lives on")
def test_a_judge_that_is_killed_leaves_nothing_behind() -> None:
    """Of programs that threads have started which ended since, and of what they started in sessions of their own."""
    plain = "import signal, time; signal.signal(15, signal.SIG_IGN); print(0); time.sleep(600)"
    daemon = LEAVES_A_DAEMON.format(
        daemon=DAEMON, environment="os.environ", end="import time; time.sleep(600)", then=""
    )
    child = f"import subprocess; print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid); {DAEMON}"
    with Program([sys.executable, "-c", JUDGE, plain, daemon, child], cwd=ROOT) as judge:
        judge.expect_line("started")
        pids = [int(pid) for line in judge.output[:-1] for pid in line.split() if pid != "0"]
        assert len(pids) == 5 and all(map(runs, pids))
        judge.signal(signal.SIGKILL)
        assert wait_for(lambda: not any(map(runs, pids))), [pid for pid in pids if runs(pid)]


@pytest.mark.skipif(sys.platform != "linux", reason="its children are found by /proc")
def test_a_run_that_is_killed_leaves_nothing_behind() -> None:
    """Neither its pytest processes nor the servers that those have started."""
    with Program([sys.executable, "-m", "conformance", "run", "raw", "--profile=quick"], cwd=ROOT) as judge:
        started: list[psutil.Process] = []

        def servers_run() -> bool:
            with contextlib.suppress(psutil.Error):
                started[:] = psutil.Process(judge.pid).children(recursive=True)
                pytests = [each for each in started if "pytest" in each.cmdline()]
                children = [child for each in pytests for child in each.children(recursive=True)]
                return any("impl_raw" in " ".join(child.cmdline()) for child in children)
            return False

        assert wait_for(servers_run, 60)
        judge.signal(signal.SIGKILL)
        assert wait_for(lambda: not any(runs(each.pid) for each in started), 3), "some live on"


def test_the_keeper_ends_with_its_judge() -> None:
    source = "from conformance.targets.keeper import keeper; keeper.start(); print(keeper._process.pid)"
    with Program([sys.executable, "-c", source], cwd=ROOT) as judge:
        assert judge.wait() == 0, judge.describe("the judge failed")
        assert not runs(int(judge.output[0]))


FLOODS = r"""
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
print(f"waiting for clients on echo+udp://127.0.0.1:{sock.getsockname()[1]}", flush=True)
while True:
    data, address = sock.recvfrom(65535)
    for _ in range(20):
        print("debug " + "x" * 1_000_000, flush=True)
    m = data.decode(errors="replace").strip()[5:]
    reply = f"OK\nmessage: {m}\nreversed: {m[::-1]}\nupper: {m.upper()}\nlength: {len(m)}\n\n"
    sock.sendto(reply.encode(), address)
"""
WEIGHED = """
import resource, subprocess, sys
status = subprocess.run([sys.executable, "-m", "conformance", "run", *sys.argv[1:]]).returncode
print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def judge_a_flood(directory: Path, more: str) -> tuple[int, int, Program]:
    """Return the exit status, the KiB of memory that a process of the judge took at most, and the judge."""
    (directory / "server.py").write_text(FLOODS)
    manifest = directory / "sockspec.toml"
    manifest.write_text(
        f'name = "floods"\nservices = ["echo"]\n[programs]\nudp_server = ["{{python}}", "server.py"]\n{more}'
    )
    few = [f"--requirement={id_}" for id_ in ("ECHO-3", "UDP-2", "UDP-3")]
    words = [str(manifest), "--profile=quick", f"--failures={directory}", *few]
    with Program([sys.executable, "-c", WEIGHED, *words], cwd=ROOT) as judge:
        assert judge.wait(100) == 0
    status, most = judge.output[-1].split()
    return int(status), int(most), judge


@pytest.mark.timeout(120)
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
def test_the_judge_stays_small_beside_a_server_that_prints_20_mb_for_each_request(tmp_path: Path) -> None:
    """Even if it may: what it prints in all is more than the judge may take."""
    status, most, judge = judge_a_flood(tmp_path, "[limits]\noutput = 100_000")
    assert status in (0, 1), judge.describe("it was not judged")
    assert most < 300 << 10, f"a process of the judge took {most >> 10} MiB"


@pytest.mark.timeout(120)
def test_who_is_judged_is_told_what_its_program_was_ended_for(tmp_path: Path) -> None:
    _, _, judge = judge_a_flood(tmp_path, "")
    assert any("ended by the suite, because it printed more than 64 MiB" in line for line in judge.output)
