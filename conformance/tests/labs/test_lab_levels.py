"""The steps by SPEC.md: each fails for what it asks for, and not for what a later one does."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from conformance import ROOT
from conformance.as_client.exchange import Exchange
from conformance.commands import lab as lab_command
from conformance.expected import replies
from conformance.expected.oracle import CHALLENGE
from conformance.labs import levels
from conformance.labs.assignment import ladder
from conformance.labs.exam import Exam
from conformance.labs.exercises import EXERCISES
from conformance.labs.ladder import StepError, Taken
from conformance.labs.source import Source
from conformance.labs.submission import Submission
from conformance.languages import texts
from conformance.languages.texts import LANGUAGES
from conformance.reports.screen import Screen
from conformance.running import preflight, server_trial
from conformance.running.admission import NOTHING_NEW
from conformance.running.cases import Case, dump_exchanges
from conformance.running.checks import Cell
from conformance.targets.discovery import find_target
from conformance.targets.terms import Role
from conformance.tests.faulty_programs import patched, planted
from conformance.tests.labs.test_labs import ECHO_UDP_CLIENT, ECHO_UDP_SERVER, lab, write
from spec.limits import LINE_BYTES

FORM, ERRORS = levels.PROTOCOL[1], levels.PROTOCOL[4]


def test_a_step_does_not_fail_for_a_requirement_of_a_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = "'OK' came; expected ERR"
    case = Case(
        "form", "", "mine", "mine", "server", "udp", "echo", ["REP-2"], "failed", about="ERR-1", problem=problem
    )
    exchange = Exchange("UDP", "udp", ("127.0.0.1", 1), ("127.0.0.1", 2))
    for request in b"first", b"echo hi", b"ECHO hi":
        exchange.add("C", request)
        if request != b"echo hi":
            exchange.add("S", b"OK\n")
    case.exchanges = dump_exchanges([exchange])
    waiting = Case(
        "other", "", "mine", "mine", "server", "udp", "echo", ["REP-1"], "unjudged", about="ERR-1", needs=["ERR-1"]
    )
    # One more of a check of which enough cases had failed, about that later requirement
    left_out = replace(waiting, requirements=["REP-2"], about=None, problem=NOTHING_NEW)
    right = replace(case, outcome="passed", about=None, problem="", exchanges=[])
    monkeypatch.setattr(levels, "_cases", lambda selection: [right, case, waiting, left_out])
    monkeypatch.setattr(levels, "find_target", lambda name: find_target("raw"))
    with Exam(EXERCISES[1], Submission(Path("server.py"), Path("client.py"))) as exam:
        FORM.take(exam)
        with pytest.raises(StepError) as failed:
            ERRORS.take(exam)
    assert failed.value.came == f"{problem}\nsent before: “'echo hi', 'ECHO hi'”"


MANIFEST_OF_TIME = 'services = ["time"]\n[programs]\ntcp_server = ["{python}", "-u", "server.py"]\n'

TIMES = """
import argparse, socket, threading, time
parser = argparse.ArgumentParser()
for word in "service", "--host", "--port", OPTIONS"--max-clients":
    parser.add_argument(word)
told = parser.parse_args()

def serve(connection):
    name = connection.makefile().readline()[5:-1]
    connection.sendall(f"FIRST".encode())
    for number in range(1, 10000):
        connection.sendall(f"ANSWER".encode())
        time.sleep(0.05)

server = socket.create_server((told.host or "127.0.0.1", int(told.port)))
print("waiting for clients on time+tcp://%s:%d" % server.getsockname(), flush=True)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""
"""It reads one line and then sends the time, for as long as it can."""

FORMED = "TICK\\nname: {name}\\ntime: 2026-11-23T09:00:01.250Z\\nseq: {number}\\n\\n"


def test_a_server_that_ticks_and_answers_no_second_request_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ticks come in time, for ever."""
    noted = []

    class Noting:
        def note_problem(self, cell: Cell, requirement: str, problem: Exception) -> None:
            noted.append((requirement, str(problem)))

        def has_failed(self, cell: Cell, *requirements: str) -> bool:
            return not {*requirements}.isdisjoint(dict(noted))

        def is_hindered(self, cell: Cell) -> bool:
            return False

    monkeypatch.setattr(server_trial, "FIRST_ANSWER", 1)
    first = "OK\\nname: {name}\\ninterval: 3\\n\\n"
    write(tmp_path, TIMES.replace("OPTIONS", "").replace("FIRST", first).replace("ANSWER", FORMED), "")
    (tmp_path / "sockspec.toml").write_text(MANIFEST_OF_TIME, encoding="utf-8")
    target = find_target(str(tmp_path))
    admission: Any = Noting()
    preflight.try_program(target, Cell(target.name, "server", "tcp", "time"), admission)
    assert ("TCP-1", "a second line on the connection: nothing but ticks for 1 s") in noted


@pytest.mark.timeout(180)  # a run of the suite
@pytest.mark.parametrize("options", ["", '"--interval", '], ids=["few options", "all options"])
def test_a_server_without_the_form_does_not_pass_the_step_of_the_form(tmp_path: Path, options: str) -> None:
    program = TIMES.replace("OPTIONS", options).replace("FIRST", "").replace("ANSWER", "{name}, 09:00:01\\n")
    write(tmp_path, program, "")
    with (
        Exam(EXERCISES[5], Submission(tmp_path / "server.py", tmp_path / "client.py")) as exam,
        pytest.raises(StepError) as failed,
    ):
        FORM.take(exam)
    assert failed.value.expected.partition(".")[0] in ("REP-1", "TIME-2")


def test_a_step_of_which_nothing_passes_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its checks need, and though that is asked for later: an option that the server does not take."""
    case = Case("form", "", "mine", "mine", "server", "tcp", "time", ["TIME-2"], "failed", about="ERR-1", problem="no")
    monkeypatch.setattr(levels, "_cases", lambda selection: [case])
    monkeypatch.setattr(levels, "find_target", lambda name: find_target("raw"))
    with (
        Exam(EXERCISES[5], Submission(Path("server.py"), Path("client.py"))) as exam,
        pytest.raises(StepError) as failed,
    ):
        FORM.take(exam)
    assert failed.value.expected.startswith("ERR-1. ") and failed.value.came == "no"


@pytest.mark.timeout(180)  # two runs of the suite
def test_a_server_that_dies_of_faulty_requests_fails_the_step_of_errors(tmp_path: Path) -> None:
    server, client = tmp_path / "server.py", ROOT / "impl_raw" / "tcp_client.py"
    dies = '@wrap(codec.RequestError, "__init__")\ndef init(good, self, code):\n    sys.exit("no such verb")\n'
    server.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{patched(dies)}", encoding="utf-8")
    with Exam(EXERCISES[4], Submission(server, client)) as exam:
        FORM.take(exam)
        with pytest.raises(StepError) as failed:
            ERRORS.take(exam)
    assert failed.value.expected.startswith("LOAD-3. ") and "no such verb" in failed.value.came


def test_a_step_in_which_nothing_can_be_judged_is_not_taken(tmp_path: Path) -> None:
    """For want of a requirement of a later one: each check of it waits until the server stays in the foreground."""
    server, client = tmp_path / "server.py", ROOT / "impl_raw" / "tcp_client.py"
    leaves = "import os\nif os.fork(): os._exit(0)\n"
    server.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{patched(leaves)}", encoding="utf-8")
    with Exam(EXERCISES[4], Submission(server, client)) as exam, pytest.raises(StepError) as failed:
        levels.PROTOCOL[0].take(exam)
    assert failed.value.expected.startswith("SRV-8. ") and "stay in the foreground" in failed.value.came


CARELESS = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[sys.argv.index("--host") + 1] if "--host" in sys.argv else "127.0.0.1", 0))
print("waiting for clients on echo+udp://%s:%d" % server.getsockname(), flush=True)
while True:
    data, client = server.recvfrom(65535)
    if data.startswith(b"ECHO"):
        text = data.decode("utf-8", "replace").rstrip("\\n")[5:]
        fields = f"message: {text}\\nreversed: {text[::-1]}\\nupper: {text.upper()}\\nlength: {len(text)}"
        server.sendto(f"OK\\n{fields}\\n\\n".encode(), client)
"""
"""It answers as if no request were faulty."""


def test_a_server_that_refuses_nothing_is_told_which_request_had_to_be_refused(tmp_path: Path) -> None:
    write(tmp_path, CARELESS, ECHO_UDP_CLIENT)
    with (
        Exam(EXERCISES[1], Submission(tmp_path / "server.py", tmp_path / "client.py")) as exam,
        pytest.raises(StepError) as failed,
    ):
        ERRORS.take(exam)
    assert failed.value.expected.startswith("ERR-1. ")
    assert "the answer to 'ECHO \\x01\\n': 'OK" in failed.value.came and "code: bad-character" in failed.value.came


CARELESS_TIME = """
import socket, threading
server = socket.create_server(("127.0.0.1", 0))
print("waiting for clients on time+tcp://%s:%d" % server.getsockname(), flush=True)

def serve(connection):
    for number, line in enumerate(connection.makefile("rb")):
        name = line[:-1].decode()[5:]
        tick = f"TICK\\nname: {name}\\ntime: 2026-11-23T09:00:01.250Z\\nseq: 1\\n\\n" if number == 0 else ""
        connection.sendall(f"OK\\nname: {name}\\ninterval: 3\\n\\n{tick}".encode())

while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""
"""It answers as if no request were faulty, but for one that is no UTF-8: of that its thread dies."""


@pytest.mark.timeout(180)  # a run of the suite
def test_a_server_of_time_that_refuses_nothing_is_told_which_request_had_to_be_refused(tmp_path: Path) -> None:
    """A tick is not the answer to the request after a faulty one that was accepted."""
    write(tmp_path, CARELESS_TIME, "")
    with (
        Exam(EXERCISES[5], Submission(tmp_path / "server.py", tmp_path / "client.py")) as exam,
        pytest.raises(StepError) as failed,
    ):
        ERRORS.take(exam)
    assert failed.value.expected.startswith("ERR-1. ")
    assert "the answer to 'TIME \\x01\\n': 'OK" in failed.value.came


ALMOST = """
import argparse, socket
parser = argparse.ArgumentParser()
for word in "service", "name", "--timeout", "--ticks":
    parser.add_argument(word)
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=7037)
told = parser.parse_intermixed_args()
host, port, name, left = told.host, told.port, told.name, int(told.ticks or 0)
client = socket.create_connection((host, port))
print(f"connected to time+tcp://{HOST}:{port}", flush=True)
client.sendall(f"TIME {name}\\n".encode())
for line in client.makefile(encoding="utf-8"):
    if line.startswith("name: "):
        name = line[6:-1]
    if line.startswith("time: "):
        print(name, TIME, flush=True)
        left -= 1
        if not left:
            break
"""
UTC_TIME = 'line[6:-2] + "+00:00"'


@pytest.mark.parametrize(
    ("host", "moment", "requirement", "said"),
    [
        ("client.getpeername()[0]", "line[6:-1]", "CLI-19", ": it printed 'Анна 1900-"),
        ("host", UTC_TIME, "CLI-1", "the first line is 'connected to time+tcp://localhost:"),
    ],
    ids=["time", "first line"],
)
@pytest.mark.timeout(180)  # a run of the suite
def test_a_client_with_one_wrong_line_is_told_which(
    tmp_path: Path, host: str, moment: str, requirement: str, said: str
) -> None:
    write(tmp_path, "", ALMOST.replace("{HOST}", f"{{{host}}}").replace("TIME,", f"{moment},"))
    with (
        Exam(EXERCISES[5], Submission(tmp_path / "server.py", tmp_path / "client.py")) as exam,
        pytest.raises(StepError) as failed,
    ):
        levels.PROTOCOL[5].take(exam)
    assert failed.value.expected.startswith(f"{requirement}. ") and said in failed.value.came
    assert "answer line" not in failed.value.came or requirement != "CLI-1"


@pytest.mark.timeout(180)  # a run of the suite
def test_a_client_that_prompts_a_file_is_told_so(tmp_path: Path) -> None:
    asks = planted("CLI-5/prompts_a_pipe", role="client")
    write(tmp_path, "", f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{asks}")
    with (
        Exam(EXERCISES[5], Submission(tmp_path / "server.py", tmp_path / "client.py")) as exam,
        pytest.raises(StepError) as failed,
    ):
        levels.PROTOCOL[5].take(exam)
    assert failed.value.expected.startswith("CLI-5. ") and "your words: " in failed.value.came


ONE_SERVICE = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
if sys.argv[1:2] == ["echo"]:
    try:
        print("no such service", file=sys.stderr, flush=True)
    finally:
        os._exit(2)
"""


@pytest.mark.timeout(180)  # a run of the suite
@pytest.mark.parametrize(("role", "id_"), [("server", "SRV-10"), ("client", "CLI-8")])
def test_wrong_usage_is_judged_with_a_service_that_is_there(tmp_path: Path, role: Role, id_: str) -> None:
    """Another one is wrong usage by itself, whatever follows."""
    program = f"{ONE_SERVICE}{planted('SRV-10/takes_digits_of_any_script', role=role)}"
    write(tmp_path, *((program, "") if role == "server" else ("", program)))
    with (
        Exam(EXERCISES[5], Submission(tmp_path / "server.py", tmp_path / "client.py")) as exam,
        pytest.raises(StepError) as failed,
    ):
        levels._judge(exam, role, [id_], set())
    assert (failed.value.expected.startswith(f"{id_}. ") and "٣" in failed.value.came) or "٧" in failed.value.came


@pytest.mark.timeout(180)  # a run of the suite
def test_a_client_that_a_signal_ends_is_told_which_signal_came_and_when(tmp_path: Path) -> None:
    client = planted("CLI-6/dies_of_a_signal", role="client")
    write(tmp_path, "", f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{client}")
    with (
        Exam(EXERCISES[5], Submission(tmp_path / "server.py", tmp_path / "client.py")) as exam,
        pytest.raises(StepError) as failed,
    ):
        levels._judge(exam, "client", ["CLI-6"], set())
    assert re.match(r"stopped by (SIG\w+|several signals) (before it was|when it was) \w+: ", failed.value.came)


NEWEST = """
from spec.tokens import Tokens
issued, count = {}, iter(range(1000))

@wrap(Tokens, "issue")
def issue(good, self, address, now):
    issued[address] = f"token-{next(count)}"
    return issued[address]

@wrap(Tokens, "accepts")
def accepts(good, self, token, address, now):
    return issued.get(address) == token
"""
"""Of a client's tokens the newest alone is valid."""


@pytest.mark.timeout(180)  # a run of the suite
@pytest.mark.parametrize(
    ("program", "judged", "blamed", "said"),
    [
        (planted("TIME-8/sends_what_it_missed", "udp"), "TIME-8", "TIME-8", "; expected a gap"),
        (patched(NEWEST, "udp"), "REP-1", "LEASE-5", "a token is refused when another has been sent: "),
    ],
    ids=["a sleep", "an older token"],
)
def test_a_server_of_time_is_told_what_was_done(
    tmp_path: Path, program: str, judged: str, blamed: str, said: str
) -> None:
    write(tmp_path, f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{program}", "")
    with (
        Exam(EXERCISES[2], Submission(tmp_path / "server.py", tmp_path / "client.py")) as exam,
        pytest.raises(StepError) as failed,
    ):
        levels._judge(exam, "server", [judged], set())
    assert failed.value.expected.startswith(f"{blamed}. ") and said in failed.value.came
    assert failed.value.hint == levels._hints[blamed] != levels.SCHEDULES.hint or blamed == "TIME-8"


def test_a_verdict_shows_no_line_of_thousands_of_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = f"it printed {'я' * 5000}; expected nothing\n    stdout: {'я' * 5000}"
    case = Case(
        "form", "", "mine", "mine", "server", "udp", "echo", ["REP-2"], "failed", about="REP-2", problem=problem
    )
    monkeypatch.setattr(levels, "_cases", lambda selection: [case])
    monkeypatch.setattr(levels, "find_target", lambda name: find_target("raw"))
    with (
        Exam(EXERCISES[1], Submission(Path("server.py"), Path("client.py"))) as exam,
        pytest.raises(StepError) as failed,
    ):
        FORM.take(exam)
    lines = failed.value.came.splitlines()
    assert len(lines) == 2 and all(len(line) < 700 for line in lines) and "expected nothing" in lines[0]


def test_a_verdict_shows_what_was_sent_before_the_answer_that_is_wrong() -> None:
    exchange = Exchange("UDP", "udp", ("127.0.0.1", 1), ("127.0.0.1", 2))
    for request, answer in (b"ECHO a", b"OK\n"), (b"bad", b"ERR\ncode: busy\nreason: mine\n\n"), (b"ECHO b", b"OK b\n"):
        exchange.add("C", request)
        exchange.add("S", answer)
    problem = f"reply 2 of 2: {replies.error(reason='{reason}').decode()!r} came; expected 'OK'"
    case = Case(
        "form", "", "mine", "mine", "server", "udp", "echo", ["REP-1"], "failed", about="REP-2", problem=problem
    )
    case.exchanges = dump_exchanges([exchange])
    assert levels._sent_before(case) == ["sent before: “'bad'”"]


def test_a_verdict_shows_how_long_a_long_request_was() -> None:
    exchange = Exchange("TCP", "tcp", ("127.0.0.1", 1), ("127.0.0.1", 2))
    exchange.add("C", b"TIME ".ljust(LINE_BYTES, b"a") + b"\n")
    exchange.add("S", replies.error("too-long", "mine"))
    problem = "code is 'too-long'; expected 'bad-name'"
    case = Case("limit", "", "mine", "mine", "server", "tcp", "time", ["REQ-4"], "failed", problem=problem)
    case.exchanges = dump_exchanges([exchange])
    (said,) = levels._sent_before(case)
    assert said.startswith("sent before: “'TIME aaa") and said.endswith(f"aaa\\n' ({LINE_BYTES + 1} bytes)”")
    assert len(said) < 200


def test_a_verdict_says_that_the_client_had_closed_its_side() -> None:
    exchange = Exchange("TCP", "tcp", ("127.0.0.1", 1), ("127.0.0.1", 2))
    exchange.add("C", b"TIME a\n")
    exchange.add("C", b"", "half-close")
    exchange.add("S", b"OK\n")
    case = Case("form", "", "mine", "mine", "server", "tcp", "time", ["TIME-2"], "failed", problem="only 1 of 2 came")
    case.exchanges = dump_exchanges([exchange])
    assert levels._sent_before(case) == ["sent before: “'TIME a\\n'”; then the client closed its sending side"]


def test_what_was_sent_before_an_earlier_answer_that_was_right_is_not_shown() -> None:
    """The answer that came, and not one that is as it was expected, tells what was sent."""
    exchange = Exchange("UDP", "udp", ("127.0.0.1", 1), ("127.0.0.1", 2))
    wrong = replies.error()
    for request, answer in (b"TIME a", replies.challenge()), (b"TIME a\nx-token: 1", wrong):
        exchange.add("C", request)
        exchange.add("S", answer)
    problem = f"{wrong.decode()!r} came; expected {CHALLENGE.decode()!r}"
    case = Case(
        "form", "", "mine", "mine", "server", "udp", "time", ["LEASE-1"], "failed", about="LEASE-1", problem=problem
    )
    case.exchanges = dump_exchanges([exchange])
    assert levels._sent_before(case) == ["sent before: “'TIME a\\nx-token: 1'”"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("number", "answer"),
    [
        (1, r"OK\nmessage: hi\nreversed: ih\nupper: HI\nlength: 2\n\n"),
        (2, r"CHALLENGE\ntoken: "),
        (4, r"OK\nmessage: hi\nreversed: ih\nupper: HI\nlength: 2\nbytes: 2\nsha256: "),
        (5, r"OK\nname: hi\ninterval: 3\n\nTICK\nname: hi\ntime: "),
    ],
)
def test_hints_have_the_exercises_own_answer(language: str, number: int, answer: str) -> None:
    texts.choose(language)
    with Exam(EXERCISES[number], Submission(Path("server.py"), Path("client.py"))) as exam:
        hints = [texts.say(step.hint, **step.examples) for step in ladder(exam)["protocol"]]
    exercise = EXERCISES[number]
    assert f"{exercise.services[0]}+{exercise.transport}://{{host}}:{{port}}'" in hints[0] and answer in hints[1]
    assert "sock.getsockname()[:2]" in hints[0] and "timespec='milliseconds'" in hints[2] and r"\r\n" in hints[3]
    assert ("makefile" in hints[3]) == (exercise.transport == "tcp")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_hint_is_no_wall_of_text(language: str) -> None:
    texts.choose(language)
    hints = {step.hint for step in levels.ROBUST} | {*levels._hints.values()} - {step.hint for step in levels.PROTOCOL}
    assert all(len(texts.say(hint)) < 500 for hint in hints)


def test_each_hint_can_be_told_at_each_step() -> None:
    """What an earlier step asks for may fail again at a later one, and has the earlier one's hint."""
    for exercise in EXERCISES.values():
        with Exam(exercise, Submission(Path("server.py"), Path("client.py"))) as exam:
            vars(exam)["_sources"] = {exam.submission.server: Source(Path(__file__))}
            for step in [*ladder(exam)["protocol"], *ladder(exam)["robust"]]:
                assert all(texts.say(hint, **step.examples) for hint in levels._hints.values())
    assert levels._hints["TIME-7"] == levels.PROTOCOL[2].hint
    assert levels._hints["SRV-1"] == levels.PROTOCOL[0].hint and levels._hints["TIME-8"] == levels.SCHEDULES.hint


def test_a_step_has_its_own_hint_for_what_an_earlier_one_asks_for_too(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Mapping[str, str]] = []
    monkeypatch.setattr(levels, "_judge", lambda exam, role, ids, later, hints: told.append(hints))
    with Exam(EXERCISES[5], Submission(Path("server.py"), Path("client.py"))) as exam:
        levels.SCHEDULES.take(exam)
    assert told[0]["TIME-7"] == levels.SCHEDULES.hint and told[0]["LEASE-4"] == levels._hints["LEASE-4"]


@pytest.mark.parametrize("own", ["", "try this"])
def test_what_failed_has_a_hint_of_its_own(capsys: pytest.CaptureFixture[str], own: str) -> None:
    texts.choose("en")
    lab_command._print(Screen(), Taken(levels.SCHEDULES, StepError("a", "b", hint=own)), set(), hint=True)
    assert f"hint: {own or levels.SCHEDULES.hint}\n" in capsys.readouterr().out


def test_watch_judges_the_step_that_is_missing_alone_and_first(tmp_path: Path) -> None:
    """The first save comes before the first run has ended, and is not lost; what is written is of all steps."""
    write(tmp_path, ECHO_UDP_SERVER, ECHO_UDP_CLIENT)
    found = tmp_path / "found.json"
    words = ["lab", "1", str(tmp_path), "--lang=en", "--level=robust", "--watch", f"--json={found}"]
    command = [sys.executable, "-u", "-m", "conformance", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=PIPE, encoding="utf-8", start_new_session=True) as watching:
        assert watching.stdout
        lines = map(str.strip, watching.stdout)
        before = [*takewhile(lambda line: not line.startswith("✗"), lines)]
        write(tmp_path, f"# no better\n{ECHO_UDP_SERVER}", ECHO_UDP_CLIENT)
        first = [*takewhile(lambda line: not line.startswith("this step alone"), lines)]
        again = [*takewhile(lambda line: not line.startswith("✗"), lines)]
        write(tmp_path, f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{patched('', 'udp')}", ECHO_UDP_CLIENT)
        between = [*takewhile(lambda line: not line.startswith("✓"), lines)]
        held = json.loads(found.read_text(encoding="utf-8"))["levels"]
        after = [*takewhile(lambda line: not line.startswith("✓"), lines)]
        os.killpg(watching.pid, signal.SIGINT)
    assert before.count("protocol") == 1 and "exercise 1: 7 of 17" in first and "assignment" not in again
    assert between[-1] == "protocol" and after[-1] == "assignment"
    assert len(held["assignment"]["steps"]) == 7


def test_watch_where_a_program_is_named_like_the_suite(tmp_path: Path) -> None:
    """In the end its directory is deleted: nobody can watch that any more."""
    directory = tmp_path / "mine"
    directory.mkdir()
    write(directory, ECHO_UDP_SERVER, ECHO_UDP_CLIENT)
    (directory / "conformance.py").write_text("raise SystemExit('mine')\n", encoding="utf-8")
    script = f"import sys; sys.path[0] = {str(ROOT)!r}; from conformance.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-u", "-c", script, "lab", "1", "--lang=en", "--watch"]
    with subprocess.Popen(command, cwd=directory, stdout=PIPE, stderr=PIPE, encoding="utf-8") as watching:
        assert watching.stdout and watching.stderr
        lines = [*takewhile(lambda line: line != "\n", watching.stdout)]
        shutil.rmtree(directory)
        errors = watching.stderr.read()
    assert "exercise 1: 7 of 7\n" in lines
    assert (watching.returncode, errors) == (2, f"sockspec: {directory}: no such directory\n")


def test_what_several_steps_fail_for_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    told: set[tuple[str, str]] = set()
    for came in "nothing at port 1", "nothing at port 2\nstdout: waiting", "another":
        lab_command._print(Screen(), Taken(FORM, StepError("the ready line", came)), told, hint=False)
    said = capsys.readouterr().out
    assert (said.count("✗"), said.count("expected: "), said.count("the same as above")) == (3, 2, 1)


def test_one_step_alone(tmp_path: Path) -> None:
    write(tmp_path, ECHO_UDP_SERVER, ECHO_UDP_CLIENT)
    status, said = lab(1, tmp_path, "--level=protocol", "--step=1")
    assert (status, said.count("✗"), said.count("✓")) == (1, 1, 0) and "SRV-" in said
    for options, problem in (
        (["--step=1"], "--step is for --level protocol and robust"),
        (["--level=robust", "--step=5"], "the level robust has 4 steps"),
        (["--level=protocol", "--step=0"], "--step"),
    ):
        status, said = lab(1, tmp_path, *options)
        assert status == 2 and problem in said.splitlines()[-1]
