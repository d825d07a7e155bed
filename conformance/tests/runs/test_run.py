"""``sockspec run`` where things go wrong: bad programs, a class of them, no time, interrupts, a full disk."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import psutil
import pytest

from conformance import ROOT
from conformance.commands import demo
from conformance.commands.main import main
from conformance.reports.screen import Screen
from conformance.running import runner
from conformance.running.threads import MOST_AT_ONCE
from conformance.targets.discovery import BUNDLED, find_target
from conformance.targets.terms import Transport

FEW = ["--requirement=ECHO-3", "--profile=quick"]

READY = "import socket, sys, time\n"
SERVERS = {
    "has_an_error": "def main(:\n    pass\n",
    "hangs": READY + "time.sleep(600)\n",
    "says_hello": READY + "print('hello', flush=True)\ntime.sleep(600)\n",
    "answers_nothing": READY
    + "sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    + "sock.bind(('127.0.0.1', 0))\n"
    + "print(f'waiting for clients on echo+udp://127.0.0.1:{sock.getsockname()[1]}', flush=True)\n"
    + "while True:\n    sock.recvfrom(65535)\n",
    "good": f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom impl_raw.udp_server import main\nsys.exit(main())\n",
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def target(kind: str, name: str = "") -> str:
    """Return the directory of a manifest whose only program is that server; its name is by default its kind."""
    directory = Path(name or kind)
    directory.mkdir(exist_ok=True)
    (directory / "server.py").write_text(SERVERS[kind], encoding="utf-8")
    (directory / "sockspec.toml").write_text(
        f'name = "{kind}"\nservices = ["echo"]\n[programs]\nudp_server = ["{{python}}", "server.py"]\n'
    )
    return str(directory)


def run(*words: str) -> tuple[int, dict[str, Any]]:
    """Return the exit status and the JSON report."""
    status = main(["run", "--json=report.json", *words])
    return status, json.loads(Path("report.json").read_text(encoding="utf-8"))


def test_each_target_of_a_class_is_a_row_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """One bad program costs no other its verdict, and two that are called alike are told apart."""
    directories = [target(kind) for kind in SERVERS] + [target("good", "another")]
    status, report = run(*directories, *FEW, "--html=page.html", "--junit=junit.xml")
    assert status == 3
    assert report["states"] == {
        "has_an_error": "did not start",
        "hangs": "did not start",
        "says_hello": "not judged",  # ECHO-3 is, for want of SRV-1
        "answers_nothing": "not judged",
        "good": "conforms",
        "good-2": "conforms",
    }
    said = capsys.readouterr()
    assert not said.err
    printed = said.out
    assert "SyntaxError" in printed and "does it flush?" in printed
    assert Path("page.html").exists() and Path("junit.xml").exists()
    alive = [each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE]
    assert all("keeper_process" in " ".join(each.cmdline()) for each in alive)


def test_a_server_that_does_not_start_into_a_file_shows_its_error(capsys: pytest.CaptureFixture[str]) -> None:
    """As one does that has removed its own source since it was first started."""
    file = Path(target("good"), "server.py")
    file.write_text(
        f"import os, stat\nstat.S_ISREG(os.fstat(1).st_mode) and 1 / 0\n{SERVERS['good']}", encoding="utf-8"
    )
    run("good", "--requirement=SRV-1", "--profile=quick")
    assert "stderr: ZeroDivisionError" in capsys.readouterr().out


def test_a_server_that_ends_its_judge_is_asked_about(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "RESTARTS", 1)
    file = Path(target("good"), "server.py")
    file.write_text("import os\nos.kill(os.getppid(), 9)\n", encoding="utf-8")
    status, report = run("good", *FEW)
    assert status == 3 and report["states"] == {"good": "judge failed"}
    assert "\n    the check did not finish: processes of the judge died: 2 (does a program" in capsys.readouterr().out


def test_a_wrong_ready_line_is_shown_with_what_is_expected(capsys: pytest.CaptureFixture[str]) -> None:
    """And not as what is missing in a file, which its output goes to in one check."""
    run(target("says_hello"), "--requirement=SRV-1", "--profile=quick")
    assert "\n    the first line is 'hello', no ready line; expected: waiting for" in capsys.readouterr().out


def test_a_server_that_goes_into_the_background_is_told_to_stay(capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(target("good"), "server.py")
    file.write_text(f"import os\nif os.fork(): os._exit(0)\nos.setsid()\n{SERVERS['good']}", encoding="utf-8")
    status, _ = run("good", "--requirement=ECHO-3", "--requirement=SRV-8", "--profile=quick")
    printed = capsys.readouterr().out
    assert status == 1 and "\n1. FAILED good: SRV-8" in printed
    assert "it has ended by itself, and what it has started runs on; expected it to stay in the foreground" in printed


def test_what_the_budget_cuts_off_is_not_judged(capsys: pytest.CaptureFixture[str]) -> None:
    status, report = run("raw", "--profile=quick", "--transport=udp", "--budget=2s")
    assert (status, report["states"]["raw"]) == (3, "timed out")
    cut = {case["requirements"][0] for case in report["cases"] if case["outcome"] == "unjudged"}
    assert cut and not any(report["verdicts"]["raw"][id_] == "PASS" for id_ in cut)
    assert "\nnot judged, the time for this target was used up: 2 s: " in capsys.readouterr().out


def test_fail_fast() -> None:
    status, report = run(target("answers_nothing"), "--profile=quick", "--fail-fast=1")
    failed = sum(case["outcome"] == "failed" for case in report["cases"])
    assert status == 1 and 1 <= failed <= MOST_AT_ONCE + 1  # those that ran beside the first
    assert any(case["problem"] == "enough checks of this target had failed" for case in report["cases"])


def test_what_cannot_be_judged_names_what_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    status, report = run(target("says_hello"), *FEW)
    assert status == 3
    assert report["verdicts"]["says_hello"] == {"ECHO-3": "NOT_JUDGED", "SRV-1": "NOT_JUDGED"}
    printed = capsys.readouterr().out
    assert "the first line is 'hello', no ready line; expected: waiting for clients on echo+udp" in printed


SOON = """
import runpy
from conformance.commands import judging
judging.SAID_EACH = 20
runpy.run_module("conformance", run_name="__main__", alter_sys=True)
"""
COMMAND = [sys.executable, "-c", SOON, "run", "raw", "--profile=quick", "--json=report.json"]


def started(words: Sequence[str] = ()) -> "subprocess.Popen[str]":
    """Return a run that has begun to judge."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([*COMMAND, *words], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert "checks" in process.stdout.readline()
    return process


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGINT, []),
        (signal.SIGINT, ["--transport=tcp"]),
        (signal.SIGTERM, ["--transport=udp"]),
        (signal.SIGHUP, []),
    ],
)
def test_an_interrupt_loses_nothing(number: signal.Signals, words: list[str]) -> None:
    """With workers, and where one process judges alone."""
    process = started(words)
    below = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    output, _ = process.communicate()
    assert process.returncode == 3
    report = json.loads(Path("report.json").read_text(encoding="utf-8"))
    outcomes = [case["outcome"] for case in report["cases"]]
    assert outcomes.count("passed") >= 20 and "unjudged" in outcomes
    assert "not all was judged: interrupted" in output
    _, alive = psutil.wait_procs(below, 10)
    assert not alive


def test_an_interrupt_at_the_start_is_no_error_of_the_suite() -> None:
    """Before a command is read a second goes by with imports."""
    command = [sys.executable, "-X", "importtime", "-m", "conformance", "list"]
    with subprocess.Popen(command, cwd=ROOT, stdout=DEVNULL, stderr=PIPE, encoding="utf-8") as process:
        assert process.stderr
        while not process.stderr.readline().endswith(" conformance.commands.streams\n"):
            pass
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in process.stderr.read()


def test_a_demo_goes_on_after_a_program_that_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In both services the server does not start, which is told whole, in a line."""
    command = '["{python}", "-c", "import sys; sys.exit(\'not today\')"]'
    text = f'name = "mine"\n[programs]\nudp_server = {command}\nudp_client = {command}\n'
    (tmp_path / "sockspec.toml").write_text(text, encoding="utf-8")
    demo.show_at_work(Screen(), find_target(str(tmp_path / "sockspec.toml")), ["udp"], ["echo", "time"])
    said = capsys.readouterr().out
    assert said.count("\nstderr: not today\n") == 2
    assert "it ended before it printed anything, but the ready line was expected" in said


def test_a_file_that_cannot_be_written_loses_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk, a file in the way."""
    words = [target("answers_nothing"), *FEW, "--requirement=ECHO-1", "--failures=/dev/null/x", "--junit=/dev/full"]
    status, report = run(*words, "--html=page.html")
    assert status == 3
    assert report["cases"] and Path("page.html").exists()
    said = capsys.readouterr()
    assert "cannot write /dev/full" in said.err and "cannot write /dev/null/x" in said.err
    assert "FAILED" in said.out


def manifest() -> str:
    """Return a manifest of the programs of `raw`."""
    text = (ROOT / "impl_raw" / "sockspec.toml").read_text(encoding="utf-8")
    Path("sockspec.toml").write_text(text.replace('"raw"', '"mine"').replace('".."', f'"{ROOT}"'), encoding="utf-8")
    return "sockspec.toml"


KINDS = "name", "manifest", "URL by name", "URL of IPv4", "URL of IPv6"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_every_kind_of_target_is_judged_alike(kind: str, transport: str) -> None:
    """What needs more than a server's address is INCONCLUSIVE there; nothing is an error or a failure."""
    host = "::1" if kind == "URL of IPv6" else "127.0.0.1"
    select = [f"--transport={transport}", "--service=echo", "--role=server", "--profile=quick"]
    with BUNDLED["raw"].server("echo", transport, "--host", host) as server:  # type: ignore[arg-type]
        word = {
            "name": "raw",
            "manifest": manifest(),
            "URL by name": f"echo+{transport}://localhost:{server.port}",
        }.get(kind, server.url)
        status, report = run(word, *select)
    assert status == 0
    [verdicts] = report["verdicts"].values()
    assert set(verdicts.values()) <= {"PASS", "INCONCLUSIVE", "UNSUPPORTED"}
    assert all(verdicts[id_] == "PASS" for id_ in ("ECHO-1", "ECHO-3", "ERR-1", "REQ-3", "TEXT-1"))
    problems = {case["problem"] for case in report["cases"] if case["outcome"] == "inconclusive"}
    assert all(problems) and ("URL" in kind) == bool(problems)


@pytest.mark.parametrize(("transport", "interval"), [("udp", "0.25"), ("tcp", "7.5")])
def test_a_time_server_that_runs_already_has_its_own_interval(transport: Transport, interval: str) -> None:
    with BUNDLED["raw"].server("time", transport, "--interval", interval) as server:
        status, report = run(server.url, "--profile=quick")
    assert (status, [case for case in report["cases"] if case["outcome"] == "failed"]) == (0, [])


def test_a_server_that_lets_few_connections_wait_conforms() -> None:
    """With listen(1) the system leaves a third one without an answer until the server has accepted one."""
    program = "import sys; from impl_raw import tcp_server; tcp_server.BACKLOG = 1; sys.exit(tcp_server.main())"
    manifest = f'directory = "{ROOT}"\n[programs]\ntcp_server = {json.dumps(["{python}", "-c", program])}\n'
    Path("sockspec.toml").write_text(manifest, encoding="utf-8")
    ids = [f"--requirement={id_}" for id_ in ("SRV-9", "SRV-17", "ERR-10")]
    status, report = run(".", "--profile=quick", "--service=echo", *ids)
    assert status == 0, report["verdicts"]


@pytest.mark.parametrize("words", [["echo+udp://127.0.0.1:65536"], ["echo+udp://no.such.host.invalid:7007"]])
def test_a_wrong_url_is_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_no_more_workers_are_started_than_have_work() -> None:
    assert run(target("good"), *FEW, "--workers=5000")[0] == 0


@pytest.mark.parametrize("scale", ["0,5", "0", "-1", "nan", "x"])
def test_a_wrong_setting_is_wrong_usage(scale: str) -> None:
    environment = {**os.environ, "SOCKSPEC_TIME_SCALE": scale, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "conformance", "list"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and "SOCKSPEC_TIME_SCALE" in done.stderr


def test_a_fault_of_the_suite_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("conformance.running.runner.run", lambda selection: 1 / 0)
    assert main(["run", "raw", *FEW]) == 3
    assert "ZeroDivisionError" in capsys.readouterr().err
