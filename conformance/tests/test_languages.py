"""No text lacks its translation, and what is compiled is what is written."""

import string

import pytest

from conformance.labs import catalogue, texts
from spec.requirements import REQUIREMENTS


def test_each_text_is_translated() -> None:
    known = {str(each.id): each.string for each in catalogue.read() if each.id}
    wanted = set(catalogue.texts())
    assert known.keys() == wanted, "run: python -m conformance.labs.catalogue"
    assert not [text for text, translated in known.items() if not translated]


def test_a_translation_has_the_same_values() -> None:
    def names(text: object) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(str(text)) if name}

    wrong = [
        each.id
        for each in catalogue.read()
        if each.id and "python-brace-format" in each.flags and names(each.id) != names(each.string)
    ]
    assert not wrong


def test_what_is_compiled_is_the_catalogue() -> None:
    written, compiled = (
        {each.id: each.string for each in found if each.id} for found in (catalogue.read(), catalogue.read_compiled())
    )
    assert compiled == written, "run: python -m conformance.labs.catalogue"


def test_a_requirement_is_said_in_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "_language", "ru")
    said = {id_: texts.requirement_text(id_) for id_ in REQUIREMENTS}
    assert said["ECHO-3"].startswith("Значение `reversed`")
    assert not [id_ for id_, text in said.items() if text == REQUIREMENTS[id_].text]
    monkeypatch.setattr(texts, "_language", "en")
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
