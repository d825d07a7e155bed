"""No text lacks its translation, and what is compiled is what is written."""

import argparse
import ast
import io
import os
import re
import string
import sys

import pytest
from babel.messages.extract import extract_from_file

from conformance import ROOT
from conformance.commands.main import COMMANDS, language_for, main
from conformance.labs.assignment import LEVELS
from conformance.languages import catalogue, texts
from conformance.languages.catalogue import CATALOGUES, Translated
from conformance.languages.foreign import ARGPARSE
from conformance.targets.discovery import BUNDLED, EXAMPLES
from spec.requirements import REQUIREMENTS

WRITE = f"run: python -m {catalogue.__name__}"

each_catalogue = pytest.mark.parametrize("translated", CATALOGUES.values(), ids=CATALOGUES)


@each_catalogue
def test_each_text_is_translated(translated: Translated) -> None:
    known = {str(each.id): each.string for each in translated.read() if each.id}
    assert known.keys() == set(translated.texts()), WRITE
    assert not [text for text, russian in known.items() if not russian]


@each_catalogue
def test_a_translation_has_the_same_values(translated: Translated) -> None:
    def names(text: object) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(str(text)) if name}

    wrong = [
        each.id
        for each in translated.read()
        if each.id and "python-brace-format" in each.flags and names(each.id) != names(each.string)
    ]
    assert not wrong


@each_catalogue
def test_what_is_compiled_is_the_catalogue(translated: Translated) -> None:
    written, compiled = (
        {each.id: each.string for each in found if each.id} for found in (translated.read(), translated.read_compiled())
    )
    assert compiled == written, WRITE


SPEAKING = {"say", "show", "complain", "fail", "reject", "_show", "_complain", "_announce", "announce"}
"""Functions of servers and clients whose first argument somebody reads."""
EXCEPTIONS = {"ReplyError", "ValueError", "TimeoutError", "ArgumentTypeError"}


def words_in(argument: ast.expr) -> bool:
    parts = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
    return any(letter.isalpha() for part in parts if isinstance(part, ast.Constant) for letter in str(part.value))


def test_what_a_program_says_can_be_translated() -> None:
    wrong = []
    for file in [*ROOT.glob("spec/*.py"), *ROOT.glob("spec/program/*.py"), *ROOT.glob("impl_*/*.py")]:
        if file.name == "requirements.py":  # reads SPEC.md for the suite
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and words_in(node.args[0]):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                wrong += [f"{file.name}:{node.lineno}: {name}"] if name in SPEAKING | EXCEPTIONS else []
    assert not wrong, "only a Message can be translated"


def test_no_text_of_the_suite_stands_in_another() -> None:
    """Before Python 3.12, what collects texts does not look into f-strings."""
    hidden = []
    for file in ROOT.glob("conformance/*/*.py"):
        if file.parent.name in ("examples", "tests"):
            continue
        for outer in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for node in ast.walk(outer) if isinstance(outer, ast.JoinedStr) else ():
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say" and words_in(node.args[0]):
                    hidden.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert not hidden


IDENTIFIERS = re.compile(
    r"`[^`]*`|\"\$\(.*\)\"|\[[^]]*\]|\{[^}]*\}|\w+(?:\.[a-z]+)+|--?[A-Za-z-]+|\b[A-Z]+\b"
    r"|lab \w|lab\d|60s|2m|ECHO-3|Ctrl-C|sockspec|pytest-xdist|JUnit|Markdown|Wireshark|exec"
)
NAMES = {*COMMANDS, *BUNDLED, *EXAMPLES, *LEVELS, "echo"}
"""What stays as it is in any language."""


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_russian(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--lang=ru", "--help"])
    text = capsys.readouterr().out
    assert text.startswith("вызов: ") and "показать эту справку" in text
    english = re.findall("[A-Za-z]{2,}", IDENTIFIERS.sub("", text.partition("\n\n")[2]))
    assert not set(english) - NAMES


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("words", "out", "err", "language"),
    [
        ("run raw", True, False, "ru"),
        ("run raw", False, True, "en"),
        ("run raw --json -", False, True, "ru"),
        ("run raw --json=-", True, False, "en"),
        ("run raw --lang ru", False, False, "ru"),
        ("run raw --lang=en", True, True, "en"),
        ("lab 1 --json -", False, False, "ru"),
        ("run --help", False, False, "ru"),
        ("--lang en lab 1", False, False, "en"),
        ("", True, True, "ru"),
    ],
)
def test_the_language_of_a_command(
    words: str, out: bool, err: bool, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "ru_RU.UTF-8")
    monkeypatch.setattr(sys, "stdout", Terminal() if out else io.StringIO())
    monkeypatch.setattr(sys, "stderr", Terminal() if err else io.StringIO())
    assert language_for(words.split()) == language


def test_a_pipe_gets_english(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LC_ALL", "ru_RU.UTF-8")
    assert main(["run", "nosuch"]) == 2
    assert "neither raw, with" in capsys.readouterr().err
    assert main(["run", "nosuch", "--lang=ru"]) == 2
    assert "такой цели нет" in capsys.readouterr().err
    assert "LANGUAGE" not in os.environ, "targets would get it"


def test_the_texts_of_argparse_are_those_of_this_python() -> None:
    found = extract_from_file("python", argparse.__file__, keywords={"_": None})
    missing = set(ARGPARSE) - {text for _, text, _, _ in found}
    assert missing <= {"show program's version number and exit"}, "3.13 alone has it as a text to translate"


def test_a_requirement_is_said_in_the_language() -> None:
    texts.choose("ru")
    said = {id_: texts.requirement_text(id_) for id_ in REQUIREMENTS}
    texts.choose("en")
    assert said["ECHO-3"].startswith("Значение `reversed`")
    assert not [id_ for id_, text in said.items() if text == REQUIREMENTS[id_].text]
    assert texts.requirement_text("ECHO-3") == REQUIREMENTS["ECHO-3"].text


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "ru_RU.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "ru_RU.KOI8-R"}, "ru"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_ALL": "", "LANG": "ru"}, "ru"),
        ({}, "en"),
    ],
)
def test_the_language_is_that_of_the_locale(environment: dict[str, str], language: str) -> None:
    assert texts.language_of(environment) == language
