"""A class: a row for each person, and one bad program costs one cell."""

import contextlib
import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from conformance import ROOT
from conformance.labs import class_page, roster
from conformance.labs.results import Result
from conformance.labs.roster import Cell, Task, find_class
from conformance.tests.labs.test_labs import ECHO_TCP_CLIENT, ECHO_TCP_SERVER, ECHO_UDP_CLIENT, ECHO_UDP_SERVER, write


def grade(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "conformance", "grade", str(directory), "--lang=en", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False, start_new_session=True)


def wait_until(condition: Callable[[], bool]) -> None:
    while not condition():  # the test's own limit of time ends it
        time.sleep(0.02)


def commands_under(process: int) -> str:
    """Return the commands of the processes that one has started, a line for each."""
    lines = []
    for each in psutil.Process(process).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            lines.append(" ".join(each.cmdline()))
    return "\n".join(lines)


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
    assert (rows["Анна"]["1"], rows["Анна"]["4"], rows["Анна"]["points"]) == ("7 of 7", "8 of 8", "20.00")
    assert (rows["Boris"]["1"], rows["Boris"]["4"], rows["Boris"]["points"]) == ("0 of 7", "?", "0.00")
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
    cells = roster.judge_class(find_class([klass]).tasks, {}, "robust", "en", at_once=4)
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


def test_a_file_that_is_written_anew_is_whole_or_as_it_was(tmp_path: Path) -> None:
    marks, link = tmp_path / "marks.json", tmp_path / "link"
    marks.write_text("old", encoding="utf-8")
    marks.chmod(0o640)
    link.symlink_to(marks)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
    write = "import sys, pathlib; from conformance.commands.files import write_text\n"
    write += "write_text(pathlib.Path(sys.argv[1]), 'new' * int(sys.argv[2]))\n"
    for size, expected in (10_000, "old"), (1, "new"):  # a disk that is full, and one that is not
        command = [sys.executable, "-c", limit + write, str(link), str(size)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
        assert (done.returncode == 0) == (expected == "new"), done.stderr
        assert marks.read_text(encoding="utf-8") == expected
        assert sorted(tmp_path.iterdir()) == [link, marks]
    assert link.is_symlink() and marks.stat().st_mode & 0o777 == 0o640


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
    tasks = find_class([tmp_path]).tasks
    assert [(task.person, task.exercise) for task in tasks] == [("p1", 1), ("p1", 2), ("p2", 1), ("p2", 2)]
    assert find_class([tmp_path / "p1"]).tasks == tasks[:2]


def test_a_person_costs_only_their_own_cells(tmp_path: Path) -> None:
    """What a class has in its directories that no program should be."""
    persons = tmp_path / "class"
    for name in "link", "pipe", "pipe only", "two", "_under", os.fsdecode(b"bytes \xff"):
        (persons / name / "lab1").mkdir(parents=True)
    write(persons / "link" / "lab1", ECHO_UDP_SERVER, ECHO_UDP_CLIENT)
    (persons / "link" / "lab1" / "x.py").symlink_to("x.py")
    os.mkfifo(persons / "pipe" / "lab1" / "server.py")
    os.mkfifo(persons / "pipe only" / "lab1" / "x.py")
    (persons / "two" / "lab1 late").mkdir()
    for name in "nothing", "flat":
        (persons / name).mkdir()
    write(persons / "flat", ECHO_UDP_SERVER, ECHO_UDP_CLIENT)
    done = grade(persons, f"--html={tmp_path / 'pages'}", f"--csv={tmp_path / 'all.csv'}")
    assert done.returncode == 3, done.stderr
    assert done.stderr == ""
    with (tmp_path / "all.csv").open(encoding="utf-8-sig", newline="") as file:
        found = {row["person"]: row["1"] for row in csv.DictReader(file)}
    assert found.pop("link") == "7 of 7"
    assert (found.pop("flat"), found.pop("nothing")) == ("–", "–")
    assert set(found.values()) == {"?"} and len(found) == 5
    assert f"nothing: no directory like lab1 in {persons / 'nothing'}\n" in done.stdout
    assert "two, 1: several directories for the exercise: lab1, lab1 late; leave one\n" in done.stdout
    assert len(list((tmp_path / "pages").iterdir())) == 9


def test_persons_of_one_name_are_two(tmp_path: Path) -> None:
    for group in "a", "b":
        (tmp_path / group / "Anna" / "lab1").mkdir(parents=True)
    whole = find_class([tmp_path / "a", tmp_path / "b", tmp_path / "a"])
    assert whole.persons == [str(tmp_path / group / "Anna") for group in ("a", "b")]
    assert [task.person for task in whole.tasks] == whole.persons


def test_a_directory_that_nobody_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user of the tests may read all, so the system is played."""
    for name in "Anna", "Boris":
        (tmp_path / name / "lab1").mkdir(parents=True)
    read = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:
        if path.name == "Boris":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    whole = find_class([tmp_path])
    assert [task.person for task in whole.tasks] == ["Anna"]
    assert whole.unread == {"Boris": f"{tmp_path / 'Boris'}: Permission denied"}
    with pytest.raises(roster.ClassError, match="Permission denied"):
        find_class([tmp_path / "Boris"])


@pytest.mark.parametrize("script", ["kill -9 $$", "for file; do :; done; echo '{\"exe' > ${file#--json=}; kill -9 $$"])
def test_a_judge_that_is_killed_has_judged_nothing(
    klass: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    judge = tmp_path / "judge"
    judge.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    judge.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(judge))
    cells = roster.judge_class([Task("Анна", 1, (klass / "Анна" / "lab1",))], {}, "assignment", "en", at_once=1)
    [(_, cell)] = cells
    assert cell.result.undecided == "the judge ended with signal SIGKILL; has a program ended it?"


def test_a_program_that_ends_its_judges_group_ends_no_other(klass: Path) -> None:
    fierce = "import os\nos.killpg(os.getpgid(os.getppid()), 15)\ninput()\n"
    (klass / "Boris" / "1" / "server.py").write_text(fierce, encoding="utf-8")
    done = grade(klass, "--workers=1")
    assert done.returncode == 3
    assert "8/8" in done.stdout and "Boris, 1: sockspec: interrupted" in done.stdout, done.stdout + done.stderr


def test_who_is_killed_leaves_no_judge(klass: Path) -> None:
    endless = "import os, signal, time\nos.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(1000)\n"
    (klass / "Анна" / "lab1" / "server.py").write_text(endless, encoding="utf-8")
    command = [sys.executable, "-m", "conformance", "grade", str(klass / "Анна"), "--workers=1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as grading:
        wait_until(lambda: "server.py" in commands_under(grading.pid))
        left = psutil.Process(grading.pid).children(recursive=True)
        grading.kill()
    assert not psutil.wait_procs(left, timeout=60)[1]


def test_what_is_known_lives_on(klass: Path, tmp_path: Path) -> None:
    """An interrupt, or a mistake in the command, costs nothing that took an hour."""
    file = tmp_path / "all.json"
    cells = [Cell("old", Result(number, undecided="was so")) for number in (1, 4)]
    known = json.dumps([{"person": "Анна", **cell.to_json()} for cell in cells])
    file.write_text(known, encoding="utf-8")
    (klass / "Анна" / "lab1" / "server.py").write_text("import time\ntime.sleep(1000)\n", encoding="utf-8")
    command = [sys.executable, "-m", "conformance", "grade", str(klass / "Анна"), f"--resume={file}", f"--json={file}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as grading:
        wait_until(lambda: "conformance lab 1" in commands_under(grading.pid))
        grading.send_signal(signal.SIGTERM)
        assert grading.wait(60) == 3
    after = {(each["person"], each["result"]["exercise"]): each for each in json.loads(file.read_text("utf-8"))}
    assert after["Анна", 1] == json.loads(known)[0]
    assert ("Анна", 4) in after


@pytest.mark.parametrize(
    "text", ['[{"person"', "[" * 100_000, "[1]", '[{"person": "a", "digest": "b", "result": []}]', "{}x"]
)
def test_resuming_from_another_file(klass: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    done = grade(klass, f"--resume={tmp_path / 'x.json'}")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "not written by --json" in done.stderr


def test_a_digest_has_all_that_a_result_hangs_on(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("a", encoding="utf-8")
    digests = {
        roster.digest(tmp_path, level, language) for level in ("assignment", "robust") for language in ("en", "ru")
    }
    (tmp_path / "x.txt").write_text("b", encoding="utf-8")
    assert len({*digests, roster.digest(tmp_path, "robust", "ru")}) == 5


def test_wrong_weights(klass: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.toml"
    for text in "[levels]\nbest = 1\n", "[exercises]\n8 = 1\n", "[exercises]\n1 = -1\n", "[exercises]\n1 = 'a'\n", "x":
        weights.write_text(text, encoding="utf-8")
        done = grade(klass, f"--weights={weights}")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
