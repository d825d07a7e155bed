"""The suite's honesty: every requirement has a check, every check cites one, and each of these gates can fail."""

import ast
import json
import sys
from pathlib import Path

import pytest

from conformance.commands.list import find_checks
from conformance.running import gate
from conformance.running.runner import CHECKS
from conformance.targets.discovery import BUNDLED
from conformance.targets.target import Target
from spec.requirements import REQUIREMENTS, Requirement

pytest_plugins = "pytester"

#: A server that gets ready and ``refuses`` everything; if ``noisy``, with words on standard error; or it ``dies``.
FAKE = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(f"waiting for clients on echo+tcp://127.0.0.1:{listener.getsockname()[1]}", flush=True)
while True:
    connection, _ = listener.accept()
    if "refuses" not in sys.argv:
        print("Traceback of a fake", file=sys.stderr, flush=True)
    if "dies" in sys.argv:
        sys.exit(3)
    connection.sendall(b"ERR\\ncode: busy\\nreason: no\\n\\n")
"""

HEAD = """
import pytest
from conformance.as_client import peers
"""


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Put fakes in the place of the bundled targets."""
    program = tmp_path / "fake.py"
    program.write_text(FAKE, encoding="utf-8")
    for name, fake in (("raw", "refuses"), ("with", "noisy"), ("socketserver", "dies")):
        target = Target(fake, {("tcp", "server"): (sys.executable, str(program), fake)})
        monkeypatch.setitem(BUNDLED, name, target)


def run_checks(pytester: pytest.Pytester, source: str, *options: str) -> tuple[pytest.RunResult, gate.Results]:
    """Run checks against fakes; return what pytest said, and the results file."""
    pytester.mkdir("checks")
    pytester.mkdir("checks/servers").joinpath("test_it.py").write_text(HEAD + source, encoding="utf-8")
    pytester.makeini("[pytest]")
    file = pytester.path / "results.json"
    arguments = ["-p", "conformance.conftest", "-p", "no:cacheprovider", f"--requirement-results={file}", *options]
    result = pytester.runpytest_inprocess("checks", *arguments)
    return result, json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def test_every_testable_requirement_has_a_check() -> None:
    checks = find_checks()
    assert [id_ for id_, requirement in REQUIREMENTS.items() if requirement.testable and not checks[id_]] == []
    assert not checks["LEASE-3"], "a requirement that no test can check has one"


def test_each_assertion_of_a_check_says_what_is_wrong() -> None:
    """What pytest makes of one that says nothing is not for those whose program failed."""
    for file in CHECKS.rglob("*.py"):
        silent = [
            node.lineno
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.Assert) and node.msg is None
        ]
        assert not silent, f"{file.name}: the assertions in lines {silent} say nothing"


def test_a_check_that_cites_nothing_is_refused(pytester: pytest.Pytester) -> None:
    result, _ = run_checks(pytester, "def test_nothing(): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_nothing cites no requirement*"])


def test_a_check_that_cites_what_is_not_there_is_refused(pytester: pytest.Pytester) -> None:
    result, _ = run_checks(pytester, "@pytest.mark.requirement('ECHO-1', 'ECHO-99')\ndef test_it(): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_it cites ECHO-99*"])


def test_what_passed_and_failed_is_counted(pytester: pytest.Pytester) -> None:
    source = """
@pytest.mark.requirement('ECHO-1', 'ECHO-2')
@pytest.mark.parametrize('good', [True, True, False])
def test_it(target, good): assert good

@pytest.mark.requirement('ECHO-3')
def test_skipped(target): pytest.skip()

@pytest.fixture
def broken(): raise ValueError

@pytest.mark.requirement('ECHO-4')
def test_error(target, broken): pass

@pytest.fixture
def broken_after():
    yield
    raise ValueError

@pytest.mark.requirement('ECHO-5')
def test_error_after(target, broken_after): pass
"""
    _, results = run_checks(pytester, source, "--implementation=raw", "--every-case")
    assert results == {
        "refuses": {
            "ECHO-1": {"passed": 2, "failed": 1},
            "ECHO-2": {"passed": 2, "failed": 0},
            "ECHO-4": {"passed": 0, "failed": 1},
            "ECHO-5": {"passed": 0, "failed": 1},
        }
    }


def test_what_is_not_selected_is_deselected(pytester: pytest.Pytester) -> None:
    source = """
@pytest.mark.requirement('ECHO-1')
def test_all(target, service, transport): pass

@pytest.mark.requirement('TIME-1')
@pytest.mark.service('time')
def test_time(target, transport): pass
"""
    result, results = run_checks(pytester, source, "--implementation=raw", "--service=echo", "--transport=tcp")
    result.assert_outcomes(passed=1, deselected=5)
    assert results == {"refuses": {"ECHO-1": {"passed": 1, "failed": 0}}}


ASK = """
@pytest.mark.service('echo')
@pytest.mark.transport('tcp')
@pytest.mark.requirement('ECHO-1')
def test_it(server):
    with peers.connect(server) as peer:
        assert server.wait_until(lambda: bool(server.errors))
        if server.command[2] == 'dies':
            server.wait()
"""


def test_a_server_that_writes_to_standard_error_fails(pytester: pytest.Pytester) -> None:
    result, results = run_checks(pytester, ASK, "--implementation=with")
    result.stdout.fnmatch_lines(["the server wrote to standard error; * is running", "stderr: Traceback of a fake"])
    assert results["noisy"]["SRV-13"] == {"passed": 0, "failed": 1}


def test_a_server_that_dies_fails(pytester: pytest.Pytester) -> None:
    result, results = run_checks(pytester, ASK, "--implementation=socketserver")
    result.stdout.fnmatch_lines(["the server died; * is ended with status 3", "stderr: Traceback of a fake"])
    assert results["dies"]["LOAD-3"] == {"passed": 0, "failed": 1}


def test_a_server_that_does_not_get_ready_fails(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    command = (sys.executable, "-c", "import sys; print('hello'); sys.exit('no')")
    monkeypatch.setitem(BUNDLED, "raw", Target("mute", {("tcp", "server"): command}))
    result, results = run_checks(pytester, ASK, "--implementation=raw")
    result.stdout.fnmatch_lines(["*the first line is 'hello', no ready line*", "*stdout: hello*"])
    assert results == {"mute": {"SRV-1": {"passed": 0, "failed": 1}}}


def test_a_failure_shows_the_exchange_and_the_requirement(pytester: pytest.Pytester) -> None:
    source = """
@pytest.mark.service('echo')
@pytest.mark.transport('tcp')
@pytest.mark.requirement('ECHO-8')
def test_it(server):
    with peers.connect(server) as peer:
        assert peer.ask(b'ECHO').status == 'OK'
"""
    result, _ = run_checks(pytester, source, "--implementation=raw")
    result.stdout.fnmatch_lines(["*C 5 bytes: 'ECHO?n'", "*S 27 bytes: 'ERR?ncode: busy*", "ECHO-8. A server MUST *"])


SMALL = {
    id_: Requirement(id_, level, "…")
    for id_, level in (("A-1", "MUST"), ("A-2", "SHOULD"), ("A-3", "MAY"), ("A-4", ""))
}
GOOD = {"passed": 1, "failed": 0}


def test_gate() -> None:
    assert gate.find_gaps({"x": {"A-1": GOOD, "A-2": GOOD}}, SMALL) == []
    assert gate.find_gaps({"x": {"A-1": GOOD}}, SMALL) == ["x: A-2: no check ran and passed"]
    assert gate.find_gaps({"x": {"A-1": GOOD, "A-2": {"passed": 5, "failed": 1}}}, SMALL) == ["x: A-2: 1 checks failed"]
    assert gate.find_gaps({"x": {"A-1": GOOD, "A-2": GOOD}, "y": {"A-2": GOOD}}, SMALL) == [
        "y: A-1: no check ran and passed"
    ]


def test_gate_merges_runs() -> None:
    merged = gate.merge([{"x": {"A-1": GOOD}}, {"x": {"A-1": {"passed": 2, "failed": 3}, "A-2": GOOD}}])
    assert merged == {"x": {"A-1": {"passed": 3, "failed": 3}, "A-2": GOOD}}


def test_gate_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    proved = {id_: GOOD for id_, requirement in REQUIREMENTS.items() if requirement.testable}
    good.write_text(json.dumps({"x": proved}))
    bad.write_text(json.dumps({"x": {"ECHO-3": {"passed": 0, "failed": 1}}}))
    assert gate.main([str(good)]) == 0
    assert gate.main([str(good), str(bad)]) == 1
    assert "x: ECHO-3: 1 checks failed" in capsys.readouterr().out
    assert gate.main([]) == 3
