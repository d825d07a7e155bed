"""The exercises' pages: their steps are those that are judged, their commands work, their links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from conformance import ROOT
from conformance.labs.assignment import assignment_steps
from conformance.labs.console import Console
from conformance.labs.exam import Exam
from conformance.labs.exercises import EXERCISES
from conformance.labs.skeleton import skeletons
from conformance.labs.submission import find_submission
from conformance.languages import texts
from conformance.languages.texts import LANGUAGES, say
from conformance.tests.labs.holes import complete, take_free_port

LABS = ROOT / "conformance" / "labs"
INDEX = {"en": LABS / "README.md", "ru": LABS / "README.ru.md"}
PAGES = {
    (number, language): LABS / "pages" / f"exercise-{number}{'' if language == 'en' else f'.{language}'}.md"
    for number in EXERCISES
    for language in LANGUAGES
}
TRIED = 15.0  # seconds

each = pytest.mark.parametrize(("number", "language"), PAGES)


def steps_on(page: Path) -> list[str]:
    return re.findall(r"^\d+\. (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)\n```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def titles(number: int, directory: Path) -> list[str]:
    """Return the steps' titles of an exercise whose programs are the skeletons."""
    for name, text in skeletons(number, "en").items():
        (directory / name).write_text(text)
    with Exam(EXERCISES[number], find_submission([directory])) as exam:
        return [step.title for step in assignment_steps(exam)]


@each
def test_a_page_has_the_title_and_the_steps_of_its_exercise(number: int, language: str, tmp_path: Path) -> None:
    texts.choose(language)
    title, page = say(EXERCISES[number].title), PAGES[number, language]
    name = say("exercise {number}", number=number).capitalize()
    assert page.read_text(encoding="utf-8").startswith(f"# {name}: {title}\n")
    assert steps_on(page) == [say(step) for step in titles(number, tmp_path)]
    assert f"\n| {title} | [{number}](pages/{page.name}) |" in INDEX[language].read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [*PAGES.values(), *INDEX.values()], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = page.parent / path
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, link


def test_both_languages_have_the_same_parts() -> None:
    for english, other in [(INDEX["en"], INDEX["ru"]), *((PAGES[n, "en"], PAGES[n, "ru"]) for n in EXERCISES)]:
        assert blocks(english, "sh") == blocks(other, "sh")
        for sign in r"^#+ ", r"^\|", r"^- ", r"^\d+\. ":
            counts = [
                len(re.findall(sign, page.read_text(encoding="utf-8"), re.MULTILINE)) for page in (english, other)
            ]
            assert counts[0] == counts[1], (english, sign)


@each
def test_the_commands_of_a_page(number: int, language: str, tmp_path: Path) -> None:
    init, server, client, lab = blocks(PAGES[number, language], "sh")
    assert (server, client) == ("python server.py", "python client.py")
    sockspec(init, tmp_path, language)
    take_free_port(number, tmp_path)
    complete(number, tmp_path)
    answer = r"аннА\s+АННА" if number in (1, 3, 4, 6) else r"Анна \d\d:\d\d:\d\d"
    with Console(tmp_path / "server.py") as serving:
        assert serving.wait_for(lambda: "\n" in serving.text, TRIED)
        with Console(tmp_path / "client.py") as asking:
            asking.type("Анна")
            assert asking.wait_for(lambda: bool(re.search(answer, asking.text)), TRIED), asking.text
    assert lab == f"sockspec lab {number}"


@pytest.mark.parametrize("language", INDEX)
def test_the_first_five_minutes(language: str, tmp_path: Path) -> None:
    _, commands, grading = blocks(INDEX[language], "sh")
    init, lab = commands.splitlines()
    sockspec(init, tmp_path, language)
    holes = [line for block in blocks(INDEX[language], "python") for line in block.splitlines()]
    assert "\n".join(holes) in (tmp_path / "server.py").read_text(encoding="utf-8")
    take_free_port(1, tmp_path)
    shown = sockspec(lab, tmp_path, language, status=1)
    for line in (line for block in blocks(INDEX[language], "text") for line in block.splitlines()):
        assert line in shown
    complete(1, tmp_path)
    assert "✗" not in sockspec(lab, tmp_path, language)
    own = tmp_path / "class" / "Anna" / "lab1"
    own.mkdir(parents=True)
    for name in "server.py", "client.py":
        (tmp_path / name).rename(own / name)
    for line in grading.splitlines():
        assert "7/7" in sockspec(line, tmp_path, language)
    assert {path.name for path in tmp_path.iterdir()} >= {"marks.json", "marks.csv", "pages"}


def sockspec(line: str, directory: Path, language: str, status: int = 0) -> str:
    """Return what a command printed, run in a directory. Fails unless it exits with that status."""
    name, *words = line.split()
    assert name == "sockspec"
    environment = {"PYTHONPATH": str(ROOT), "LC_ALL": f"{language}.UTF-8", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "conformance", *words],
        check=False,
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    assert done.returncode == status, done.stdout
    return done.stdout
