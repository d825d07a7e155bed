"""The command line, as its users run it: against good targets and dishonest ones, whose breaches must show."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from rich.table import Table
from rich.text import Text
from scapy.utils import rdpcap

from conformance import ROOT
from conformance.commands import main
from conformance.reports import screen
from conformance.reports.json_report import SCHEMA
from conformance.running.cases import load_case
from spec.requirements import REQUIREMENTS

#: A good echo server over TCP, but for what the name of its target says.
SERVER = f"""
import socket, sys, threading
sys.path.insert(0, {str(ROOT)!r})
fault = sys.argv.pop(1)
if fault == "silent":
    threading.Event().wait()
if fault == "dead":
    sys.exit("the floor is wet")
if fault == "refuses":
    from spec import codec, session
    session.EchoSession._reply = lambda *_: codec.ERROR_REPLIES["bad-request"]
if fault == "reverses-bytes":
    from spec import echo
    original = echo.echo_line
    echo.echo_line = lambda message: original(message).replace(
        f"reversed: {{message[::-1]}}".encode(), b"reversed: " + message.encode()[::-1]
    )
if fault == "dies":
    from spec import session
    good, count = session.EchoSession._reply, iter(range(4))
    def dying(*arguments):
        if next(count, None) is None:
            raise SystemExit("out of breath")
        return good(*arguments)
    session.EchoSession._reply = dying
if fault == "stalls":
    import time
    from spec import session
    swift, next_stall = session.EchoSession._reply, time.monotonic()
    def stalling(*arguments):
        global next_stall
        if time.monotonic() > next_stall:
            time.sleep(0.1)
            next_stall = time.monotonic() + 0.1
        return swift(*arguments)
    session.EchoSession._reply = stalling
from impl_raw.tcp_server import main
sys.exit(main())
"""

FEW = ["--requirement=ECHO-3", "--profile=quick"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def target(fault: str) -> str:
    """Return a manifest of a server with a fault; `good`: without."""
    directory = Path(fault)
    directory.mkdir(exist_ok=True)
    (directory / "server.py").write_text(SERVER, encoding="utf-8")
    command = json.dumps([sys.executable, "server.py", fault])
    manifest = f'name = "{fault}"\nservices = ["echo"]\n[programs]\ntcp_server = {command}\n'
    (directory / "sockspec.toml").write_text(manifest, encoding="utf-8")
    return fault


def run(*words: str) -> tuple[int, dict[str, Any]]:
    """Run the command line; return the exit status and the JSON that it wrote."""
    status = main.main(["run", *words, "--json=report.json"])
    file = Path("report.json")
    return status, json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def test_a_good_target(capsys: pytest.CaptureFixture[str]) -> None:
    status, report = run(target("good"), *FEW)
    assert status == 0
    assert report["verdicts"]["good"]["ECHO-3"] == "PASS"
    output = capsys.readouterr().out
    assert "1/1" in output and "conforms: " in output
    assert not Path("sockspec-failures").exists()


def test_a_failure_is_told_stored_and_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    status, report = run(
        target("good"), target("reverses-bytes"), *FEW, "--junit=junit.xml", "--pcap=captures", "--html=a.html"
    )
    assert status == 1
    assert [report["verdicts"][name]["ECHO-3"] for name in ("good", "reverses-bytes")] == ["PASS", "FAIL"]
    output = capsys.readouterr().out
    stored = {load_case(file).effort: file for file in Path("sockspec-failures").iterdir()}
    assert len(stored) > 1 and output.count("FAILED") == 1, "of failures with one cause one is shown"
    told = output.rpartition("FAILED ")[2]
    assert "ECHO-3. " in told and f"again: sockspec replay {stored[min(stored)]}" in told, "the shortest, in full"
    assert f"{len(stored) - 1} more about ECHO-3" in told
    suites = {suite.get("name"): suite for suite in ElementTree.parse("junit.xml").getroot()}
    assert suites["sockspec good"].get("failures") == "0"
    assert "ECHO-3" in str(suites["sockspec reverses-bytes"].find("testcase/failure").get("message"))  # type: ignore[union-attr]
    assert "reversed: " in Path("a.html").read_text(encoding="utf-8").partition('<article class="failure">')[2]
    assert len(rdpcap("captures/reverses-bytes-ECHO-3-1.pcap")) > 4
    for file in sorted(Path("sockspec-failures").iterdir()):
        assert main.main(["replay", str(file)]) == 1
        assert capsys.readouterr().out.startswith("FAILED reverses-bytes: ECHO-3: ")
        assert main.main(["replay", str(file), "good"]) == 0
        assert capsys.readouterr().out.startswith("FIXED good: ECHO-3: ")


def test_a_page_needs_its_packages(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delattr("conformance.reports.page.page", raising=False)
    monkeypatch.delitem(sys.modules, "conformance.reports.page.page", raising=False)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert main.main(["run", "raw", *FEW, "--html=page.html"]) == 2
    assert "--html needs the Python module jinja2: pip install" in capsys.readouterr().err


def test_the_report_has_the_published_form() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    _, report = run(target("good"), target("reverses-bytes"), *FEW)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(report)
    [failed, *_] = sorted(Path("sockspec-failures").iterdir())
    case = {**schema["$defs"]["case"], "$defs": schema["$defs"]}
    validator.evolve(schema=case).validate(json.loads(failed.read_text(encoding="utf-8")))
    assert not validator.is_valid({**report, "exit_status": 2})


def test_a_server_that_refuses_everything_passes_nothing() -> None:
    negative = ["TEXT-1", "TEXT-2", "REQ-5", "ERR-1", "ERR-3", "ERR-4", "ECHO-1"]
    status, report = run(target("refuses"), "--profile=quick", *[f"--requirement={id_}" for id_ in negative])
    assert status == 1
    judged = {id_: verdict for id_, verdict in report["verdicts"]["refuses"].items() if id_ in negative}
    assert judged and "PASS" not in judged.values()


def test_a_failure_of_a_target_with_a_long_name_is_stored() -> None:
    """A directory may be called so, and its target has its name."""
    directory = Path("я" * 127)
    Path(target("reverses-bytes")).rename(directory)
    manifest = directory / "sockspec.toml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('name = "reverses-bytes"\n', ""), encoding="utf-8")
    assert run(str(directory), *FEW)[0] == 1
    assert list(Path("sockspec-failures").glob("я*-ECHO-3-1.json"))


def test_a_server_that_dies_half_way_fails(capsys: pytest.CaptureFixture[str]) -> None:
    status, report = run(target("dies"), *FEW)
    assert status == 1
    assert report["verdicts"]["dies"]["LOAD-3"] == "FAIL"
    assert "out of breath" in capsys.readouterr().out


@pytest.mark.parametrize(("fault", "words"), [("dead", "the floor is wet"), ("silent", "does it flush?")])
def test_a_server_that_does_not_get_ready_cannot_be_judged(
    fault: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, report = run(target(fault), *FEW)
    assert (status, report["states"][fault]) == (3, "did not start")
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(("role", "requirement"), [("server", "ECHO-3"), ("client", "CLI-9")])
def test_a_program_that_the_system_cannot_run_cannot_be_judged(
    role: str, requirement: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shell would take it for a script of its own."""
    program = Path("program")
    program.write_text("import socket\n", encoding="utf-8")
    program.chmod(0o755)
    Path("sockspec.toml").write_text(f'name = "text"\n[programs]\ntcp_{role} = ["./program"]', encoding="utf-8")
    status, report = run("sockspec.toml", "--profile=quick", f"--requirement={requirement}")
    assert (status, report["states"]["text"]) == (3, "did not start")
    assert "program: Exec format error; a script names its interpreter in its first line" in capsys.readouterr().out
    assert main.main(["check-target", "sockspec.toml"]) == 1
    assert "Exec format error; a script" in capsys.readouterr().out


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_url_where_nothing_listens_cannot_be_judged(transport: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["run", f"echo+{transport}://127.0.0.1:1", "--profile=quick"]) == 3
    assert f"nobody listens at echo+{transport}://127.0.0.1:1" in capsys.readouterr().out


def test_a_url_is_judged() -> None:
    from conformance.targets.discovery import BUNDLED

    with BUNDLED["raw"].server("echo", "udp") as server:
        status, report = run(server.url, "--requirement=ECHO-3", "--requirement=SRV-1", "--profile=quick")
    assert status == 0
    assert report["verdicts"][server.url]["ECHO-3"] == "PASS"
    assert report["verdicts"][server.url]["SRV-1"] == "INCONCLUSIVE"


def test_what_is_not_offered_is_unsupported() -> None:
    _, report = run(target("good"), "--requirement=ECHO-3", "--requirement=TIME-5", "--profile=quick")
    assert report["verdicts"]["good"] == {"ECHO-3": "PASS", "TIME-5": "UNSUPPORTED"}


def test_a_known_failure_is_run_and_must_fail(capsys: pytest.CaptureFixture[str]) -> None:
    Path("known.toml").write_text('[[failure]]\nrequirement = "ECHO-3"\nreason = "bytes"\n')
    status, report = run(target("reverses-bytes"), *FEW, "--known-failures=known.toml")
    assert (status, report["verdicts"]["reverses-bytes"]["ECHO-3"]) == (0, "FAIL")
    assert run(target("good"), *FEW, "--known-failures=known.toml")[0] == 1
    assert "known failure ECHO-3 holds now" in capsys.readouterr().out


def test_nothing_is_selected(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(target("good"), "--requirement=TIME-5", "--profile=quick")[0] == 3
    assert run(target("good"), "--transport=udp", "--profile=quick")[0] == 3
    assert "no check of that selection applies" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["run", "nobody"],
        ["run", "raw", "--requirement=ECHO-99"],
        ["run", "raw", "--known-failures=nowhere.toml"],
        ["run", "echo+sctp://127.0.0.1:7"],
        ["run", "raw", "--json=nowhere/report.json"],
        ["replay", "nowhere.json"],
        ["check-target", "nobody"],
        ["run", "\x1b[31mnobody"],
        ["run", "\x9bnobody.py"],
    ],
)
def test_wrong_usage_is_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(words) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("sockspec: ") and errors.count("\n") == 1 and errors[:-1].isprintable()


@pytest.mark.parametrize(
    "words", [[], ["walk"], ["\x1b[31mwalk"], ["run", "--transport", "sctp"], ["list", "raw"], ["check-target"]]
)
def test_an_unknown_option(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main.main(words)
    assert end.value.code == 2
    errors = capsys.readouterr().err
    assert "usage: sockspec" in errors and errors.replace("\n", "").isprintable()


def test_no_name_of_a_program_or_a_person_commands_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    name = "\x1b]0;Анна\x9b31m\u202e"
    table = Table()
    table.add_column(name)
    table.add_row(name)
    for what in name, Text(name), table, f"{name}\n{name}":
        screen.Screen().print(what)
        shown = capsys.readouterr().out
        assert r"\u001b]0" in shown and shown.replace("\n", "").isprintable()


STORED: dict[str, Any] = {
    "format": 1,
    "check": "gone.py::gone",
    "parameters": "",
    "target": "raw",
    "word": "raw",
    "role": "client",
    "transport": "tcp",
    "service": "echo",
    "requirements": ["CLI-1"],
    "outcome": "failed",
}
"""A failure of a suite that had another check."""


@pytest.mark.parametrize(
    "text",
    [
        '{"format": 1, "check": "x"}',
        "[" * 100_000,
        json.dumps({**STORED, "word": 5}),
        json.dumps({**STORED, "inputs": 5}),
        json.dumps({**STORED, "inputs": {"message": {"bytes": "z"}}}),
        json.dumps({**STORED, "inputs": {"message": {"object": "conformance.gone:Gone", "fields": []}}}),
        json.dumps({**STORED, "profile": "gone"}),
    ],
)
def test_a_file_that_is_no_failure(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.json").write_text(text)
    assert main.main(["replay", "x.json"]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("sockspec: x.json: ") and errors.count("\n") == 1


def test_a_failure_of_a_check_that_is_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.json").write_text(json.dumps(STORED))
    assert main.main(["replay", "x.json"]) == 3
    assert capsys.readouterr() == ("ERROR gone.py::gone: there is no such check for that target\n", "")


def test_a_failure_that_cannot_be_judged_here(capsys: pytest.CaptureFixture[str]) -> None:
    """As on another machine than that of the failure, or with another manifest."""
    manifest = Path(target("good"), "sockspec.toml")
    manifest.write_text(manifest.read_text(encoding="utf-8") + '[lacks]\nsighup = "[bold] why"\n', encoding="utf-8")
    check = {"check": "servers/test_server_stop.py::test_stop_without_clients", "parameters": "*-echo-tcp-1"}
    failure = {**STORED, **check, "role": "server", "requirements": ["SRV-8"], "profile": "quick"}
    Path("x.json").write_text(json.dumps(failure))
    assert main.main(["replay", "x.json", "good"]) == 3
    shown = "not decided, the platform of good lacks the signal SIGHUP: [bold] why: SRV-8\n"
    assert capsys.readouterr() == (shown, "")


@pytest.mark.parametrize("words", [["list"], ["list", "--kills"]])
def test_lists(words: list[str]) -> None:
    """In a process of its own: what this one has imported and been told of warnings would hide what goes wrong."""
    command = [sys.executable, "-m", "conformance", *words]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert listed.stderr == ""
    assert all(id_ in listed.stdout for id_ in REQUIREMENTS if words == ["list"] or REQUIREMENTS[id_].testable)


def test_check_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["check-target", "raw"]) == 0
    assert capsys.readouterr().out.count(": ok") == 16
    assert main.main(["check-target", target("dead")]) == 1
    assert "the floor is wet" in capsys.readouterr().out
