"""``sockspec init``: what it writes starts, is judged, conforms when it is completed, and overwrites nothing."""

import re
from pathlib import Path

import pytest

from conformance.commands.main import main
from conformance.comparison.sources import code_lines
from conformance.labs.assignment import assignment_steps
from conformance.labs.exam import Exam
from conformance.labs.exercises import EXERCISES
from conformance.labs.ladder import climb
from conformance.labs.submission import find_submission
from conformance.languages.texts import LANGUAGES
from conformance.running.verdicts import CONFORMS, FAILS, USAGE
from conformance.targets.discovery import MANIFEST, find_target
from conformance.tests.labs.holes import complete, take_free_port

BEGINNINGS = {"the server starts and says that it waits for clients", "the client says that it is connected"}

each = pytest.mark.parametrize(("number", "language"), [(number, lang) for number in EXERCISES for lang in LANGUAGES])


def init(directory: Path, number: int, language: str) -> list[Path]:
    """Write an exercise's skeletons and return the two files."""
    assert main(["init", "lab", str(number), str(directory), "--lang", language]) == CONFORMS
    return [directory / "server.py", directory / "client.py"]


@each
def test_a_skeleton_is_small_and_python(number: int, language: str, tmp_path: Path) -> None:
    counts = []
    for file in init(tmp_path, number, language):
        text = file.read_text(encoding="utf-8")
        compile(text, file.name, "exec")
        assert f"sockspec lab {number}" in text
        assert "# TODO: " in text
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
def test_a_skeleton_starts_and_fails_for_its_holes(number: int, language: str, tmp_path: Path) -> None:
    init(tmp_path, number, language)
    take_free_port(number, tmp_path)
    with Exam(EXERCISES[number], find_submission([tmp_path])) as exam:
        *_, last = climb(assignment_steps(exam), exam)
    assert last.error is not None
    assert last.step.title not in BEGINNINGS


@pytest.mark.parametrize("number", EXERCISES)
def test_a_completed_skeleton_takes_all_steps(number: int, tmp_path: Path) -> None:
    files = init(tmp_path, number, LANGUAGES[number % 2])
    take_free_port(number, tmp_path)
    complete(number, tmp_path)
    assert max(len(code_lines(file.name, file.read_text(encoding="utf-8"))) for file in files) <= 25
    with Exam(EXERCISES[number], find_submission([tmp_path])) as exam:
        tried = [*climb(assignment_steps(exam), exam, through=True)]
    assert [(each.step.title, each.error.expected, each.error.came) for each in tried if each.error] == []


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
    assert '# tcp_client = ["{python}", "-u", "client.py"]' in (directory / MANIFEST).read_text(encoding="utf-8")
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
