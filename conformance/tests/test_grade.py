"""A class: a row for each person, and one bad program costs one cell."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from conformance import ROOT
from conformance.labs import class_page, roster
from conformance.labs.roster import find_tasks
from conformance.tests.test_labs import ECHO_TCP_CLIENT, ECHO_TCP_SERVER, ECHO_UDP_CLIENT, ECHO_UDP_SERVER, write


def grade(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "conformance", "grade", str(directory), "--lang=en", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)


@pytest.fixture
def klass(tmp_path: Path) -> Path:
    """Two persons: one with good answers, one with a bad program and with none."""
    persons = tmp_path / "class"
    for name in "Анна/lab1", "Анна/task-4", "Boris/1", "Boris/ex04", "Boris/notes":
        (persons / name).mkdir(parents=True)
    write(persons / "Анна" / "lab1", ECHO_UDP_SERVER, ECHO_UDP_CLIENT)
    write(persons / "Анна" / "task-4", ECHO_TCP_SERVER, ECHO_TCP_CLIENT)
    write(persons / "Boris" / "1", "while True:\n    print('x' * 100)\n", "input()\n")
    return persons


def test_a_class(klass: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("all.json", "all.csv", "pages")}
    options = [f"--json={files['all.json']}", f"--csv={files['all.csv']}", f"--html={files['pages']}"]
    done = grade(klass, *options)
    assert done.returncode == 3, done.stdout + done.stderr  # one is not judged
    with files["all.csv"].open(encoding="utf-8-sig", newline="") as file:
        rows = {row["person"]: row for row in csv.DictReader(file)}
    assert (rows["Анна"]["1"], rows["Анна"]["4"], rows["Анна"]["points"]) == ("7/7", "8/8", "20.00")
    assert (rows["Boris"]["1"], rows["Boris"]["4"], rows["Boris"]["points"]) == ("0/7", "?", "0.00")
    pages = {page.name: page.read_text(encoding="utf-8") for page in files["pages"].iterdir()}
    assert len(pages) == 3
    [boris] = [page for name, page in pages.items() if name.startswith("Boris")]
    assert "it printed without end" in boris
    assert "Анна" not in boris

    (klass / "Анна" / "lab1" / "client.py").write_text("print(", encoding="utf-8")
    before = json.loads(files["all.json"].read_text(encoding="utf-8"))
    again = grade(klass, f"--resume={files['all.json']}", f"--json={files['all.json']}")
    after = json.loads(files["all.json"].read_text(encoding="utf-8"))
    changed = [old["person"] for old, new in zip(before, after, strict=True) if old["result"] != new["result"]]
    assert changed == ["Анна"], again.stdout


def test_an_interrupt_ends_what_judges(klass: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = tmp_path / "judge"
    judge.write_text("#!/bin/sh\nexec sleep 1000\n", encoding="utf-8")
    judge.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(judge))
    cells = roster.judge_class(find_tasks([klass]), {}, "robust", "en", at_once=4)
    task, cell = next(cells)  # has no programs
    assert (task.person, task.exercise) == ("Boris", 4) and cell.result.undecided
    cells.close()  # type: ignore[attr-defined]


def test_a_file_that_cannot_be_written_loses_no_other(tmp_path: Path) -> None:
    (tmp_path / "class" / "Boris" / "lab1").mkdir(parents=True)
    (tmp_path / "pages").mkdir()
    done = grade(
        tmp_path / "class", "--json=/dev/full", f"--csv={tmp_path / 'all.csv'}", f"--html={tmp_path / 'pages'}"
    )
    assert done.returncode == 3
    assert "sockspec: cannot write /dev/full: No space left on device\n" in done.stderr
    assert "Boris" in (tmp_path / "all.csv").read_text(encoding="utf-8-sig")
    assert len([*(tmp_path / "pages").iterdir()]) == 2


def test_a_person_with_a_long_name_has_a_page(tmp_path: Path) -> None:
    """A directory's name may be as long as that of the page with its ending."""
    person = "я" * 127
    class_page.write(tmp_path, [], [(person, [], 0.0, 0.0)], {}, "en")
    assert len(list(tmp_path.glob("я*.html"))) == 1


def test_points_for_graders(klass: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.toml"
    weights.write_text("[exercises]\n1 = 4\n[levels]\nassignment = 1\n", encoding="utf-8")
    results = tmp_path / "results.json"
    done = grade(klass / "Анна", f"--weights={weights}", f"--gradescope={results}")
    assert done.returncode == 0, done.stdout + done.stderr
    tests = json.loads(results.read_text(encoding="utf-8"))["tests"]
    assert [(test["score"], test["max_score"]) for test in tests] == [(4, 4), (10, 10)]
    assert "✓" in tests[0]["output"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--gradescope=x.json"], "--gradescope is for one person; there are 2"),
        (["--weights=none.toml"], "none.toml"),
        (["--json=nowhere/x.json"], "nowhere is no directory"),
        (["--html=nowhere/pages"], "nowhere is no directory"),
        (["--csv=/dev"], "/dev is a directory"),
    ],
)
def test_wrong_usage(klass: Path, options: list[str], said: str) -> None:
    done = grade(klass, *options)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert said in done.stderr


def test_persons_may_have_numbers(tmp_path: Path) -> None:
    for name in "p1", "p2":
        (tmp_path / name / "lab1").mkdir(parents=True)
        (tmp_path / name / "lab1" / "server.py").touch()
        (tmp_path / name / "lab2").mkdir()
    tasks = find_tasks([tmp_path])
    assert [(task.person, task.exercise) for task in tasks] == [("p1", 1), ("p1", 2), ("p2", 1), ("p2", 2)]
    assert find_tasks([tmp_path / "p1"]) == tasks[:2]


def test_wrong_weights(klass: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.toml"
    for text in "[levels]\nbest = 1\n", "[exercises]\n8 = 1\n", "[exercises]\n1 = -1\n", "[exercises]\n1 = 'a'\n", "x":
        weights.write_text(text, encoding="utf-8")
        done = grade(klass, f"--weights={weights}")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
