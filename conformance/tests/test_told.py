"""What checks say is shown in the chosen language: each clause of it has a translation, and values stay as they are."""

import ast
import html
import io
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_timeout import PYTEST_FAILURE_MESSAGE  # type: ignore[import-untyped]
from rich.console import Console

from conformance import ROOT
from conformance.languages import texts
from conformance.languages.catalogue import CHECKS
from conformance.languages.sayings import clauses, split
from conformance.languages.told import QUOTED, told
from conformance.profiles import PROFILES
from conformance.reports import terminal
from conformance.reports.causes import find_causes
from conformance.reports.json_report import build_report
from conformance.reports.junit import build_junit
from conformance.reports.page import page
from conformance.running.cases import Case
from conformance.running.recorder import _describe
from conformance.running.verdicts import State, judge
from conformance.tests import samples
from conformance.timing import CHECK_TIMEOUT

CATALOGUE = {str(each.id): str(each.string) for each in CHECKS.read() if each.id}
HOLE = re.compile(r"{\d}")


@pytest.fixture(autouse=True)
def _russian() -> None:
    texts.choose("ru")


@pytest.mark.parametrize(
    ("english", "russian"),
    [
        ("its exit status is 3; expected 0", "код завершения — 3; ожидалось: 0"),
        ("the first answer: it was not closed: 'ERR'", "первый ответ: соединение не закрыто: 'ERR'"),
        (
            "'it is refused; expected 0' came; expected silence",
            "пришло 'it is refused; expected 0'; ответа быть не должно",
        ),
        ("reply 2 of 3: nothing for 2.000 s after 'a'", "ответ 2 из 3: ничего не пришло за 2.000 с после 'a'"),
        (
            "token is 'a b'; expected 1 to 20 visible ASCII characters",
            "token — 'a b'; ожидалось: видимые символы ASCII, от 1 до 20",
        ),
        ("'OK' came; expected ERR or CHALLENGE", "пришло 'OK'; ожидалось: ERR или CHALLENGE"),
        (
            "it printed nothing, but the ready line was expected (does it flush?); ./p --host :: is running",
            (
                "программа ничего не напечатала, а ожидалась строка готовности "
                "(сбрасывает ли программа буфер вывода?); ./p --host :: — ещё работает"
            ),
        ),
        (
            "lines about clients and 'lines dropped: N' make up 30; expected 40 to 42",
            "строки о клиентах вместе с числами из 'lines dropped: N' дают 30; ожидалось от 40 до 42",
        ),
        ("it was not closed\nstdout: it is refused", "соединение не закрыто\nstdout: it is refused"),
        ("/there/server.py: No such file or directory", "/there/server.py: нет такого файла или каталога"),
        (
            "the check did not finish: processes of the judge died: 9 (does a program end them?)",
            "проверка не завершилась: погибло процессов самой проверки: 9 (не завершает ли их программа?)",
        ),
        ("the server died: status 1", "сервер аварийно завершился: код 1"),
        ("   0.5 C: 9 bytes, of which the first 4 are kept", "   0.5 C: байтов: 9, из них первые 4 сохранены"),
        ("words that no check says", "words that no check says"),
        ("", ""),
    ],
)
def test_a_message_is_told(english: str, russian: str) -> None:
    assert told(english) == russian
    texts.choose("en")
    assert told(english) == english


@pytest.mark.parametrize("value", ["'it was not closed'", "17"])
def test_each_clause_is_recognized(value: str) -> None:
    wrong = [
        english
        for english, russian in CATALOGUE.items()
        if told(HOLE.sub(value, english)) != HOLE.sub(lambda _: value, russian)
    ]
    assert not wrong


@given(st.text() | st.lists(st.sampled_from([*CATALOGUE, "; ", ": ", "'", '"', " ", "\ue000"])).map("".join))
def test_any_text_is_told(text: str) -> None:
    assert all(value in told(text) for value in QUOTED.findall(text) if not HOLE.search(value))


OUTPUT = re.compile(
    r"(?:client|connected to|waiting for clients on|lines dropped|nobody) .*|.*\.\*.*|no such thing, sorry.*"
    r"|the first|the second|unknown host|\0_server \0\0|unexpected end of data"
)
"""What programs print or send, or is looked for there."""

SILENT = {"say", "mark", "compile", "parametrize", "error", "startswith"}
"""Functions whose arguments are no messages of checks."""

PROSE = re.compile(r"[a-z]{2,}[,;:]? [a-z]{2,}|[a-z]{2,} ?\0|\0[,;:]? [a-z]{2,}")


@pytest.mark.parametrize(
    "room", ["checks/clients", "checks/servers", "as_client", "as_network", "as_server", "running/preflight"]
)
def test_what_is_said_in_another_form_is_found(room: str) -> None:
    """Whatever reads like a sentence is a message that the catalogue has, or what a program prints."""
    missing = []
    files = [ROOT / "conformance" / f"{room}.py", *(ROOT / "conformance" / room).glob("*.py")]
    for file in filter(Path.exists, files):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        for node, parent in parents.items():
            text = _text(node)
            if isinstance(parent, ast.JoinedStr | ast.Expr) or not PROSE.search(text) or OUTPUT.fullmatch(text):
                continue
            function = parent.func if isinstance(parent, ast.Call) else None
            if getattr(function, "attr", getattr(function, "id", "")) not in SILENT:
                missing += [f"{file.name}: {each}" for each in split(text) if each not in CATALOGUE]
    assert not missing, "sayings.py does not see that this is a message"


def _text(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(each) or "\0" for each in values)
    return ""


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n  assert x, 'it sleeps'",
        "def f(x):\n  problem = 'it ' + 'sleeps'\n  raise AssertionError(problem)",
        "def f(x):\n  raise Silence(server.describe('it sleeps' if x else f'it {x} wakes; {x}'))",
        "class A:\n  def f(x):\n    raise Unjudged(f'{self.g()}: {x}')\n  def g(x):\n    return 'it sleeps'",
        "def f(x):\n  with about('TIME-1', 'it sleeps'):\n    pass",
    ],
)
def test_a_message_is_collected(source: str) -> None:
    assert "it sleeps" in clauses(source)


FAILURES = {
    "SRV-8": "its exit status is -15; expected 0; ./p is ended with signal SIGTERM\nit printed nothing",
    "ECHO-3": "reversed is 'ab'; expected 'ba'",
    "LOAD-3": "the server died: the server closed the connection; ./p is ended with status 1\nstderr: it is refused",
    "CLI-3": "it printed 'OK' besides; expected status 0, errors [], output ['a']",
    "CLI-20": "CLI-20: its line 2 is 'a'; expected no more\nwhat the server did wrong: reply 1: seq falls\n"
    "expected: status 0, errors: 0 to 1, output: ['a']; ./p is running",
}
WAITING = "ERR-1 first: 'OK' came; expected ERR or CHALLENGE"
TOLD = (
    "код завершения — -15; ожидалось: 0; ./p — завершилась: сигнал SIGTERM",
    "reversed — 'ab'; ожидалось: 'ba'",
    "сервер аварийно завершился: сервер закрыл соединение; ./p — завершилась: код 1",
    "программа напечатала 'OK' сверх того; ожидались код завершения 0, ошибки [], вывод ['a']",
    "CLI-20: строка 2 вывода — 'a'; больше ничего не ожидалось",
    "что делал не так сервер: ответ 1: seq уменьшается",
    "ожидалось: код завершения 0, ошибки: 0 – 1, вывод: ['a']; ./p — ещё работает",
    "пришло 'OK'; ожидалось: ERR или CHALLENGE",
    "ничего не пришло за 1.000 с",
)
"""What is told of them."""


def run_that_failed() -> list[Case]:
    cases = []
    for id_, problem in FAILURES.items():
        case = samples.case("raw", id_)
        case.outcome, case.about, case.problem, case.exchanges = "failed", id_, problem, [samples.exchange(2)]
        cases.append(case)
    waiting = samples.case("raw", "ERR-3")
    waiting.outcome, waiting.about, waiting.problem = "unjudged", "ERR-1", WAITING
    return [*cases, waiting]


def test_failures_on_a_terminal_are_russian() -> None:
    written = io.StringIO()
    terminal.print_causes(
        Console(file=written, width=1000), find_causes(run_that_failed(), {}), files_in=Path(), hexadecimal=False
    )
    for case in run_that_failed()[:-1]:
        terminal.print_failure(Console(file=written, width=1000), case)
    for words in TOLD:
        assert words in written.getvalue()


def test_failures_on_the_page_are_russian() -> None:
    cases = run_that_failed()
    shown = html.unescape(page.build_page(None, as_report(cases)))
    for words in TOLD:
        assert words in shown
    assert "<pre>пришло 'OK'; ожидалось: ERR или CHALLENGE</pre>" in shown, "what others wait for"


def test_what_programs_read_is_english() -> None:
    cases = run_that_failed()
    junit, report = html.unescape(build_junit(cases)), str(as_report(cases))
    for words in TOLD:
        assert words not in junit and words not in report
    assert "the server died" in junit and "the server died" in report


def as_report(cases: list[Case]) -> dict[str, Any]:
    verdicts = {"raw": judge(cases)}
    return build_report(cases, verdicts, {"raw": State.FAILS}, {}, PROFILES["quick"], 1, 1.0)


def test_a_check_that_pytest_timeout_ends_is_told_so() -> None:
    case = Case("form", "", "mine", "mine", "server", "tcp", "echo", ["LOAD-6"], "failed")
    _describe(case, pytest.fail.Exception(PYTEST_FAILURE_MESSAGE % CHECK_TIMEOUT), ())
    assert told(case.problem) == f"проверка не уложилась в {CHECK_TIMEOUT:g} с"
