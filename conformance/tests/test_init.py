"""``sockspec init``: what it writes starts, is judged, conforms when it is completed, and overwrites nothing."""

import re
import socket
import sys
from pathlib import Path

import pytest

from conformance.commands.main import main
from conformance.comparison.sources import code_lines
from conformance.labs.assignment import assignment_steps
from conformance.labs.exam import Exam
from conformance.labs.exercises import EXERCISES
from conformance.labs.ladder import Step, StepError, climb
from conformance.labs.skeleton import HOLE
from conformance.labs.submission import find_submission
from conformance.labs.texts import LANGUAGES
from conformance.running.verdicts import CONFORMS, FAILS, USAGE
from conformance.targets.discovery import MANIFEST, find_target

ANSWER = 'answer = f"{message}\\n{message[::-1]}\\n{message.upper()}\\n{len(message)}"'
DECODE = "data.decode()"
TIME = 'text = f"{name} {now}"'
PRINT_LINE = 'print(line, end="")'

FILLED = {
    1: (['print("+", address)', f"message = {DECODE}", ANSWER], [f"text = {DECODE}"]),
    2: (
        [TIME, "threading.Thread(target=send_time, args=(name, address), daemon=True).start()"],
        [f"text = {DECODE}"],
    ),
    3: (['print("+", address)', f"message = {DECODE}", ANSWER], [f"text = {DECODE}"]),
    4: ([ANSWER, 'addition = f"words: {len(message.split())}"'], ["text = stream.read()"]),
    5: (
        [TIME, "threading.Thread(target=serve, args=(connection, address), daemon=True).start()"],
        [PRINT_LINE],
    ),
    6: ([f"message = {DECODE}", ANSWER], [f"text = {DECODE}"]),
    7: ([TIME, 'self.request.sendall((text + "\\n").encode())'], [PRINT_LINE]),
}
"""What completes the holes of the server and of the client, in their order: a line each."""

BEGINNINGS = {"the server starts and says that it waits for clients", "the client says that it is connected"}

each = pytest.mark.parametrize(("number", "language"), [(number, lang) for number in EXERCISES for lang in LANGUAGES])


def init(directory: Path, number: int, language: str) -> list[Path]:
    """Write an exercise's skeletons for a port that is free, and return the two files."""
    assert main(["init", "lab", str(number), str(directory), "--lang", language]) == CONFORMS
    with socket.socket(type=socket.SOCK_STREAM if EXERCISES[number].transport == "tcp" else socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    files = [directory / "server.py", directory / "client.py"]
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert text.count(f" 500{number})") == 1
        file.write_text(text.replace(f" 500{number})", f" {port})"), encoding="utf-8")
    return files


def complete(file: Path, lines: list[str]) -> None:
    """Put lines where the holes are: a hole is from the first word of its line to the end."""
    text = file.read_text(encoding="utf-8")
    holes = re.findall(r"^ *((?:\S.*?)?\.\.\..*# TODO: .*)$", text, re.MULTILINE)
    assert len(holes) == len(lines)
    for hole, line in zip(holes, lines, strict=True):
        text = text.replace(hole, line, 1)
    assert "# TODO" not in text
    file.write_text(text, encoding="utf-8")


def judge(
    number: int, directory: Path, *, through: bool
) -> tuple[list[Step[Exam]], list[tuple[str, StepError | None]]]:
    """Return all steps of an exercise, and those that were tried, by their titles."""
    with Exam(EXERCISES[number], find_submission([directory])) as exam:
        steps = assignment_steps(exam)
        return steps, [(taken.step.title, taken.error) for taken in climb(steps, exam, through=through)]


@each
def test_a_skeleton_is_small_and_python(number: int, language: str, tmp_path: Path) -> None:
    counts = []
    for file in init(tmp_path, number, language):
        text = file.read_text(encoding="utf-8")
        compile(text, file.name, "exec")
        assert f"sockspec lab {number}" in text
        assert HOLE.strip() in text or "(...)  # TODO: " in text
        assert len(text.splitlines()) <= 30
        assert max(map(len, text.splitlines())) <= 120
        counts.append(len(code_lines(file.name, text)))
    assert max(counts) <= 25
    assert sum(counts) >= 15


@pytest.mark.parametrize("number", EXERCISES)
def test_a_russian_reader_gets_russian_comments_and_messages(number: int, tmp_path: Path) -> None:
    for file in init(tmp_path, number, "ru"):
        text = file.read_text(encoding="utf-8")
        for said in re.findall(r"# .*|(?:print|input)\(\".*?\"", text):
            assert re.search("[а-яё]", said), said


@each
@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is needed")
def test_a_skeleton_starts_and_fails_for_its_holes(number: int, language: str, tmp_path: Path) -> None:
    init(tmp_path, number, language)
    _, tried = judge(number, tmp_path, through=False)
    title, error = tried[-1]
    assert error is not None
    assert title not in BEGINNINGS
    assert "SyntaxError" not in error.came


@each
@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is needed")
def test_a_completed_skeleton_takes_all_steps(number: int, language: str, tmp_path: Path) -> None:
    for file, lines in zip(init(tmp_path, number, language), FILLED[number], strict=True):
        complete(file, lines)
        assert len(code_lines(file.name, file.read_text(encoding="utf-8"))) <= 25
    steps, tried = judge(number, tmp_path, through=True)
    assert [(title, error and (error.expected, error.came)) for title, error in tried] == [
        (step.title, None) for step in steps
    ]


@pytest.mark.parametrize("number", EXERCISES)
def test_the_manifest_names_the_two_programs(number: int, tmp_path: Path) -> None:
    init(tmp_path, number, "en")
    target = find_target(str(tmp_path))
    transport = EXERCISES[number].transport
    assert set(target.commands) == {(transport, "server"), (transport, "client")}
    assert target.services == (("time",) if number in (2, 5, 7) else ("echo",))


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "server.py").write_text("mine")
    assert main(["init", "lab", "1", str(tmp_path), "--lang", "en"]) == CONFORMS
    assert f"{tmp_path / 'server.py'} is there already" in capsys.readouterr().out
    before = {file: file.read_text(encoding="utf-8") for file in tmp_path.iterdir()}
    assert before[tmp_path / "server.py"] == "mine"
    assert len(before) == 3
    assert main(["init", "lab", "2", str(tmp_path), "--lang", "ru"]) == USAGE
    assert main(["init", str(tmp_path)]) == USAGE
    assert {file: file.read_text(encoding="utf-8") for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_programs_the_manifest_has_examples(
    language: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / "new one"), "--lang", language]) == CONFORMS
    text = (tmp_path / "new one" / MANIFEST).read_text(encoding="utf-8")
    assert text.count("\n# udp_server = ") == text.count("\n# tcp_client = ") == 1
    assert main(["run", str(tmp_path / "new one")]) == USAGE
    assert "[programs] must have one or more of udp_server" in capsys.readouterr().err
    examples = text.replace("\n# udp_server", "\nudp_server")
    (tmp_path / "new one" / MANIFEST).write_text(examples, encoding="utf-8")
    assert [*find_target(str(tmp_path / "new one")).commands] == [("udp", "server")]


def test_a_manifest_for_programs_that_are_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "raw"
    directory.mkdir()
    (directory / "server.py").write_text("import socket\nsocket.socket(type=socket.SOCK_STREAM)")
    (directory / "client.py").write_text("def (")  # cannot be told
    (directory / "udp_client.py").write_text("")
    assert main(["init", str(directory)]) == CONFORMS
    target = find_target(str(directory))
    assert (target.name, target.services) == ("my-raw", ("echo",))
    assert {*target.commands} == {("tcp", "server"), ("udp", "client")}
    assert main(["check-target", str(directory)]) == FAILS  # says in a line what it lacks of SPEC.md's command line
    assert "ended before it printed anything" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["lab"], ["lab", "8"], ["lab", "x"], ["one", "two"], ["lab", "1", "one", "two"]])
def test_wrong_words_are_wrong_usage(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", *words]) == USAGE
    assert not any(tmp_path.iterdir())


def test_a_file_is_no_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["init", str(tmp_path / "file")]) == USAGE
    assert capsys.readouterr().err.startswith("sockspec: ")
