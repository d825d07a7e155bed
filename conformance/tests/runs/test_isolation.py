"""The judge is bent by nobody's settings: not by those of Python, of pytest or of the project that it is run in."""

import errno
import io
import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from conformance import ROOT
from conformance.commands.judging import judge_selection
from conformance.profiles import PROFILES
from conformance.running import preflight, runner
from conformance.running.cases import Case
from conformance.running.checks import Cell
from conformance.running.runner import JudgeError, Planned, Selection
from conformance.targets.discovery import BUNDLED

COMMAND = [
    sys.executable,
    "-m",
    "conformance",
    "run",
    "raw",
    "--requirement=ECHO-3",
    "--profile=quick",
    "--role=server",
]

HOSTILE_FILES = {
    "pytest.ini": "[pytest]\naddopts = -k unit\npython_files = nothing_*.py\npython_functions = never_*\n",
    "conftest.py": "raise SystemExit('the conftest.py of the project')\n",
    "setup.cfg": "[tool:pytest]\naddopts = --no-such-option\n",
    "tox.ini": "[pytest]\naddopts = --collect-only\n",
    "pyproject.toml": '[tool.pytest.ini_options]\naddopts = ["--maxfail=1", "-x"]\n',
    "hostile_plugin.py": "import pytest\n\n\ndef pytest_collection_modifyitems(items):\n    items[:] = []\n",
    "sitecustomize.py": "",
}

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "nothing": {},
    "PYTEST_ADDOPTS": {"PYTEST_ADDOPTS": "-k unit"},
    "PYTEST_PLUGINS": {"PYTEST_PLUGINS": "hostile_plugin", "PYTHONPATH": "."},
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    "PYTEST_TIMEOUT": {"PYTEST_TIMEOUT": "1"},
    "PYTHONOPTIMIZE": {"PYTHONOPTIMIZE": "1"},
    "PYTHONWARNINGS": {"PYTHONWARNINGS": "error"},
    "PYTHONSAFEPATH": {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(ROOT)},
    "HYPOTHESIS": {"HYPOTHESIS_STORAGE_DIRECTORY": "/nowhere"},
}


def run(directory: Path, extra: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join(filter(None, [str(ROOT), extra.get("PYTHONPATH", "")]))
    environment = {**os.environ, **extra, "PYTHONPATH": path, "NO_COLOR": "1"}
    return subprocess.run(COMMAND, cwd=directory, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a run says in a directory of its own: the counts of its checks."""
    done = run(tmp_path_factory.mktemp("empty"), {})
    assert done.returncode == 0, done.stdout + done.stderr
    return counts(done.stdout)


def counts(output: str) -> str:
    return output.splitlines()[-1].partition(", quick profile")[0]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_settings_of_others_change_nothing(name: str, tmp_path: Path, expected: str) -> None:
    for file, text in HOSTILE_FILES.items():
        tmp_path.joinpath(file).write_text(text, encoding="utf-8")
    done = run(tmp_path, ENVIRONMENTS[name])
    assert (done.returncode, counts(done.stdout)) == (0, expected), done.stdout + done.stderr
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == set(HOSTILE_FILES)


def test_a_file_that_is_called_like_a_module_of_python_is_not_imported(tmp_path: Path, expected: str) -> None:
    for name in "socket", "random", "queue", "psutil", "pytest", "spec":
        tmp_path.joinpath(f"{name}.py").write_text(
            f"raise SystemExit('the {name}.py of the project')\n", encoding="utf-8"
        )
    done = run(tmp_path, {})
    assert (done.returncode, counts(done.stdout)) == (0, expected), done.stdout + done.stderr


def test_a_user_without_a_home_can_judge() -> None:
    """In a container, where a number has no name and HOME is not set."""
    source = (
        "import os, pwd; from conformance.profiles import PROFILES; from hypothesis import given, strategies as st\n"
        "def fail(number): raise KeyError(number)\n"
        "pwd.getpwuid = fail\n"
        "os.environ.pop('HOME', None); os.environ.pop('XDG_CACHE_HOME', None)\n"
        "PROFILES['quick'].load(); given(st.text())(lambda text: None)()\n"
    )
    command = [sys.executable, "-c", source]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_path_without_a_shell_is_no_fault_of_the_target(tmp_path: Path) -> None:
    words = "--transport=tcp", "--service=echo", "--requirement=CLI-8", "--requirement=SRV-10"
    command = [*COMMAND[:5], "--profile=quick", *words]
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_server_does_not_conform_without_assertions(tmp_path: Path) -> None:
    """Python leaves assertions out with ``-O``; the checks are made of them."""
    server = tmp_path / "server.py"
    server.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from impl_raw.tcp_server import main\n"
        "try:\n    status = main()\nexcept SystemExit as error:\n    status = error.code\n"
        "sys.exit(status and status + 40)\n",
        encoding="utf-8",
    )
    program = f'["{sys.executable}", "server.py"]'
    tmp_path.joinpath("sockspec.toml").write_text(f"[programs]\ntcp_server = {program}\n", encoding="utf-8")
    command = [
        sys.executable,
        "-O",
        "-m",
        "conformance",
        "run",
        str(tmp_path),
        "--requirement=SRV-10",
        "--profile=quick",
    ]
    environment = {**os.environ, "PYTHONOPTIMIZE": "2", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "expected 2" in done.stdout


def test_nothing_is_left_in_the_directory_for_temporary_files(tmp_path: Path) -> None:
    """Nor does it matter whose directories of pytest's are there."""
    place = tmp_path / "temporary"
    place.mkdir()
    assert run(tmp_path, {"TMPDIR": str(place)}).returncode == 0
    assert [*place.iterdir()] == []


def test_few_open_files_are_no_fault_of_the_target() -> None:
    """A shell on macOS lets a process have 256 to begin with."""
    words = "-m conformance run raw --profile quick --requirement LOAD-2 --requirement CLI-1 --transport tcp"
    command = ["bash", "-c", f"ulimit -Sn 28; exec {sys.executable} {words}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("problem", "noted"),
    [
        (OSError(errno.EMFILE, "a"), 0),
        (OSError(errno.ENOMEM, "a"), 0),
        (OSError(errno.ENOENT, "a"), 1),
        (KeyError(), 0),
    ],
)
def test_what_the_host_or_the_judge_lacks_is_no_fault_of_the_target(
    monkeypatch: pytest.MonkeyPatch, problem: Exception, noted: int
) -> None:
    class Noting:
        problems = 0

        def note_problem(self, *arguments: object) -> None:
            self.problems += 1

    def fail(*arguments: object) -> None:
        raise problem

    monkeypatch.setattr(preflight, "try_server", fail)
    admission: Any = Noting()
    preflight.try_program(BUNDLED["raw"], Cell("raw", "server", "tcp", "echo"), admission)
    assert admission.problems == noted


UNSHARE = "unshare", "--map-root-user", "--net"
"""What starts a command in a network of its own, which is down."""

UP = "ip link set lo up && echo $0 > /proc/sys/net/ipv4/ip_local_port_range && exec "


@pytest.fixture
def own_network() -> None:
    if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this host gives no network of its own")


UNFIT = {
    "this host has no loopback that works (127.0.0.1): Network is unreachable": [*UNSHARE, "--", *COMMAND[:3]],
    "this host has no /proc that shows its processes": [
        *("unshare", "--map-root-user", "--mount", "sh", "-c"),
        f'mount -t tmpfs none /proc && exec {shlex.join(COMMAND[:3])} "$@"',
        "sh",
    ],
}


@pytest.mark.usefixtures("own_network")
@pytest.mark.parametrize("told", UNFIT)
@pytest.mark.parametrize("words", ["run raw", "check-target raw", "diff raw with", "compare raw", "demo raw"])
def test_an_unfit_host_judges_nothing(told: str, words: str) -> None:
    command = [*UNFIT[told], *words.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", f"sockspec: {told}\n")


@pytest.mark.skipif(shutil.which("faketime") is None, reason="only faketime gives a process another clock")
def test_a_judge_with_another_clock_judges_nothing() -> None:
    command = ["faketime", "2020-02-29 23:59:58", *COMMAND]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    told = "sockspec: this process has another clock than the programs that it starts (LD_PRELOAD)\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, "", told)


@pytest.mark.usefixtures("own_network")
def test_a_host_without_processes_judges_no_exercise(tmp_path: Path) -> None:
    (tmp_path / "server.py").touch()
    (tmp_path / "client.py").touch()
    [told] = [each for each in UNFIT if "/proc" in each]
    command = [*UNFIT[told], "lab", "1", str(tmp_path), "--lang=en"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", f"sockspec: {told}\n")


KILLED_FOR_MEMORY = """
import os, socket
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(f"waiting for clients on echo+tcp://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    while True:
        connection, _ = listener.accept()
        while line := connection.recv(100):
            if line != b"ECHO hi\\n":
                with open("vmstat", "r+") as file:
                    killed = int(file.read().split()[1])
                    file.seek(0)
                    file.write(f"oom_kill {killed + 1}\\n")
                os.kill(os.getpid(), 9)
            connection.sendall(b"OK\\n\\n")
"""


@pytest.mark.usefixtures("own_network")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says whom it has killed")
def test_what_the_kernel_kills_for_want_of_memory_is_not_judged(tmp_path: Path) -> None:
    """Neither a server that is asked, nor one that several checks share."""
    (tmp_path / "server.py").write_text(KILLED_FOR_MEMORY, encoding="utf-8")
    (tmp_path / "vmstat").write_text("oom_kill 1\n", encoding="utf-8")
    manifest = tmp_path / "sockspec.toml"
    command = json.dumps([sys.executable, "server.py"])
    manifest.write_text(f"name = 'hungry'\n[programs]\ntcp_server = {command}\n", encoding="utf-8")
    own_vmstat = f'mount --bind {shlex.quote(str(tmp_path / "vmstat"))} /proc/vmstat && exec "$@"'
    run = [*COMMAND[:3], "run", str(manifest), "--service=echo", "--requirement=ECHO-1", "--requirement=TEXT-1"]
    wrapped = ["unshare", "--map-root-user", "--mount", "sh", "-c", own_vmstat, "sh", *run, "--profile=quick"]
    done = subprocess.run(wrapped, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 3 and "this host has no memory left for programs" in done.stdout, done
    assert "FAILED" not in done.stdout, done.stdout


def test_arguments_are_utf8_in_any_locale() -> None:
    """A locale such as ru_RU.KOI8-R has another encoding; ASCII is the one that each system has."""
    words = "-m", "conformance", "run", "raw", "--requirement=CLI-1", "--transport=tcp", "--profile=quick"
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment.pop("PYTHONIOENCODING", None)
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.isascii()


def test_words_are_handed_on_as_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """In EUC-JP, what Python makes of words in UTF-8 has no way back."""
    from conformance import __main__ as main

    source = (
        "import sys; sys.orig_argv[-1] = '\\u589c\\x80'; from conformance import __main__ as main;"
        " print(main.command_line()[-1].decode())"
    )
    command = [sys.executable, "-X", "utf8", "-c", source, "привет"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == "привет\n"

    def fail() -> None:
        raise UnicodeEncodeError("euc_jp", "\x80", 0, 1, "illegal multibyte sequence")

    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "euc_jp")
    monkeypatch.setattr(main, "speak_utf8", fail)
    assert main.main() == 3


@pytest.mark.usefixtures("own_network")
def test_a_host_with_few_ports_judges_nothing() -> None:
    command = [*UNSHARE, "sh", "-c", UP + shlex.join(COMMAND), "40000 40020"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert "this host has 21 local ports for all programs" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.usefixtures("own_network")
def test_a_host_with_one_loopback_address_is_no_fault_of_the_target() -> None:
    """As on macOS, where 127.0.0.2 is no address of the host."""
    words = *COMMAND[:5], "--profile=quick", "--transport=udp", "--requirement=LEASE-4", "--requirement=CLI-15"
    network = "ip link set lo up && ip addr del 127.0.0.1/8 dev lo && ip addr add 127.0.0.1/32 dev lo && exec "
    command = [*UNSHARE, "sh", "-c", network + shlex.join(words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not decided, this host lacks the address 127.0.0.9: LEASE-4" in done.stdout


@pytest.mark.usefixtures("own_network")
def test_a_host_without_localhost_is_no_fault_of_the_target(tmp_path: Path) -> None:
    """As in a container with an empty /etc/hosts, and no DNS."""
    (tmp_path / "hosts").touch()
    words = *COMMAND[:5], "--profile=quick", "--transport=tcp", "--requirement=SRV-2", "--requirement=CLI-1"
    names = f"ip link set lo up && mount --bind {shlex.quote(str(tmp_path / 'hosts'))} /etc/hosts && exec "
    command = [*UNSHARE, "--mount", "sh", "-c", names + shlex.join(words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not decided, this host lacks an address of localhost: CLI-1 SRV-2" in done.stdout


ODD_HOSTS = {
    "foreign addresses": (
        "echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind",
        "--transport=tcp --service=time --requirement=SRV-11",
        "not decided, this host lets programs listen on 192.0.2.1: SRV-11",
    ),
    "another localhost": (
        "echo 127.0.1.1 localhost >hosts && mount --bind hosts /etc/hosts",
        "--transport=tcp --service=echo --requirement=SRV-2",
        "",
    ),
    "names from elsewhere": (
        "echo hosts: dns >nsswitch && mount --bind nsswitch /etc/nsswitch.conf",
        "--role=client --transport=tcp --requirement=CLI-7",
        "not decided, a program cannot have an /etc/hosts of its own on this host: CLI-7",
    ),
    "no terminals": (
        "mount -t tmpfs none /dev/pts && mount --bind /dev/null /dev/ptmx",
        "--role=client --transport=tcp --service=echo --requirement=CLI-5 --requirement=CLI-3",
        "not decided, this host lacks pseudo-terminals: CLI-5",
    ),
    "small buffers": (
        "for each in tcp_rmem tcp_wmem; do echo 4096 16384 32768 >/proc/sys/net/ipv4/$each; done",
        "--role=server --transport=tcp --service=echo --requirement=LOAD-3",
        "",
    ),
    "tiny buffers": (
        "for each in tcp_rmem tcp_wmem; do echo 4096 8192 16384 >/proc/sys/net/ipv4/$each; done",
        "--role=server --transport=tcp --service=echo --requirement=LOAD-3",
        "not decided, this host has buffers of 16 KiB for each connection: LOAD-3",
    ),
    "large buffers": (
        "for each in tcp_rmem tcp_wmem; do echo 4096 12582912 16777216 >/proc/sys/net/ipv4/$each; done",
        "--role=server --transport=tcp --requirement=LOAD-5 --requirement=TIME-17 --requirement=ECHO-1",
        "not decided, this host has buffers of 24576 KiB for each connection: TIME-17 LOAD-1",
    ),
    "a firewall": (
        "nft 'table inet t { chain o { type filter hook output priority 0; meta l4proto { icmp, icmpv6 } drop; }; }'",
        "--role=client --transport=udp --requirement=CLI-7 --requirement=CLI-13",
        "not decided, this host does not report that nobody listens on a UDP port of ::1: CLI-7",
    ),
}
"""What is done to a host, what is judged there, and what is said of it. What that host lacks is no target's fault."""


@pytest.mark.usefixtures("own_network")
@pytest.mark.parametrize("name", ODD_HOSTS)
def test_an_odd_host_is_no_fault_of_the_target(name: str, tmp_path: Path) -> None:
    oddity, words, told = ODD_HOSTS[name]
    network = [*UNSHARE, "--mount", "sh", "-ec", f'ip link set lo up\n{oddity}\nexec "$@"', "sh"]
    if subprocess.run([*network, "true"], cwd=tmp_path, capture_output=True, check=False).returncode:
        pytest.skip("this host cannot be made so")
    command = [*network, *COMMAND[:5], *words.split()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert told in done.stdout, done.stdout


def test_a_host_with_few_threads_judges_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container with ``--pids-limit``, or ``ulimit -u``: a server with a thread for each client is at no fault."""

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    selection = Selection([BUNDLED["raw"]], [], [], [], [], PROFILES["quick"])
    with pytest.raises(OSError, match=r"no more than 0 threads .* and the checks need 1000"):
        next(iter(runner.run(selection)))


def test_a_host_with_few_open_files_judges_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """After ``ulimit -n 256`` a server for 1000 clients, the default, refuses to start."""
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 256))
    selection = Selection([BUNDLED["raw"]], [], [], [], [], PROFILES["quick"])
    with pytest.raises(OSError, match=r"no more than 256 open files \(ulimit -Hn\), and the checks need 1024"):
        next(iter(runner.run(selection)))


@pytest.mark.parametrize(("limit", "command"), [("RLIMIT_AS", "ulimit -v"), ("RLIMIT_DATA", "ulimit -d")])
def test_a_host_with_few_addresses_judges_nothing(limit: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ``ulimit -v 1500000`` 150 threads do not start, since Linux reserves 8 MiB for each."""
    most = 1_500_000 << 10
    unlimited = resource.RLIM_INFINITY, resource.RLIM_INFINITY
    number = getattr(resource, limit)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (most, most) if which == number else unlimited)
    selection = Selection([BUNDLED["raw"]], [], [], [], [], PROFILES["quick"])
    told = rf"no more than 1464 MiB of addresses \({command}\), and the checks need 4096"
    with pytest.raises(OSError, match=told):
        next(iter(runner.run(selection)))


def test_what_was_judged_is_not_lost_with_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("a.py::a", "", "raw", "raw", "client", "tcp", "echo", ["CLI-1"], "passed")

    def run(selection: object) -> Iterator[Planned | Case]:
        yield Planned([case, replace(case, check="a.py::b")], {"raw": 2})
        yield case
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(runner, "run", run)
    judged = judge_selection(Console(file=io.StringIO()), Selection([], [], [], [], [], PROFILES["quick"]))
    assert judged.problem == "can't start new thread"
    assert [each.outcome for each in judged.cases] == ["passed", "unjudged"]


def test_why_nothing_was_judged_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.py").write_text("def pytest_runtestloop():\n    raise KeyError('broken')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(runner, "OWN_CONFIGURATION", (*runner.OWN_CONFIGURATION, "-p", "broken"))
    with pytest.raises(JudgeError, match=r"\Apytest ended with status 3: KeyError: 'broken'\Z"):
        runner.plan()


@pytest.mark.parametrize(
    ("before", "status", "told"),
    [("umask 777", 0, ""), ("chmod 0 .", 3, "sockspec: the current directory: Permission denied\n")],
)
def test_rights_that_the_judge_lacks_are_no_verdict(tmp_path: Path, before: str, status: int, told: str) -> None:
    rights = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    shell = [*rights, "sh", "-c", f"{before} && exec {shlex.join(COMMAND)} --json report.json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(shell, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (status, told), done.stdout
    tmp_path.chmod(0o700)
    assert [file.stat().st_mode & 0o777 for file in tmp_path.iterdir()] == [0o600] * (status == 0)


@pytest.mark.usefixtures("own_network")
@pytest.mark.parametrize("left", [0, 5])
def test_ports_that_others_have_are_no_fault_of_the_target(left: int) -> None:
    source = (
        "import resource, socket, subprocess, sys, time\n"
        "most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))\n"
        "held = []\n"
        "for kind in socket.SOCK_DGRAM, socket.SOCK_STREAM:\n"
        "    try:\n"
        "        while True:\n"
        "            held.append(socket.socket(socket.AF_INET, kind))\n"
        "            held[-1].bind(('127.0.0.1', 0))\n"
        "    except OSError:\n"
        f"        del held[-1 - {left}:]\n"
        "sys.exit(subprocess.call(sys.argv[1:]))\n"
    )
    words = ["run", "raw", "--profile=quick", "--requirement=ECHO-1", "--requirement=CLI-3", "--requirement=TIME-2"]
    command = [sys.executable, "-c", source, sys.executable, "-m", "conformance", *words]
    shell = [*UNSHARE, "sh", "-c", UP + shlex.join(command), "40000 42100"]
    done = subprocess.run(shell, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert "FAIL" not in done.stdout and "ERROR" not in done.stdout, done.stdout + done.stderr
    assert done.returncode in (0, 3) if left else done.returncode == 3, done.stdout + done.stderr


def test_a_run_that_was_stopped_and_continued_has_not_stalled() -> None:
    source = (
        "import subprocess, sys; from conformance.running import runner\n"
        "session, stalled = subprocess.Popen(['sleep', '60'], start_new_session=True), []\n"
        "lines = runner._timely(iter(sys.stdin.readline, ''), session, stalled, planning=5)\n"
        "print('waiting', flush=True); print(next(lines).strip(), stalled, flush=True); session.kill()\n"
    )
    command = [sys.executable, "-c", source]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(6)
        process.send_signal(signal.SIGCONT)
        time.sleep(1)
        process.stdin.write("a line\n")
        process.stdin.flush()
        assert process.stdout.readline() == "a line []\n"


def test_ignored_and_blocked_signals_are_not_handed_on() -> None:
    """A shell or a supervisor that has ignored or blocked them is no fault of the target."""
    source = (
        "import os, signal as s, sys; [s.signal(each, s.SIG_IGN) for each in (s.SIGHUP, s.SIGINT, s.SIGCHLD)];"
        " s.pthread_sigmask(s.SIG_BLOCK, [s.SIGTERM, s.SIGINT, s.SIGHUP]); os.execv(sys.executable, sys.argv[1:])"
    )
    words = ["-m", "conformance", "run", "raw", "--profile=quick", "--requirement=SRV-8", "--requirement=CLI-6"]
    command = [sys.executable, "-c", source, sys.executable, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
