"""The Russian of SPEC.md and README.md is that of today's English, and each way in which it may not be is told."""

import re
from pathlib import Path

import pytest

from conformance.labs import translation
from conformance.labs.translation import DOCUMENTS, anchor, digest, pieces, problems
from spec.requirements import REQUIREMENTS, SPECIFICATION, Requirement

KEY_WORDS = {
    "MUST": "ОБЯЗАН[АОЫ]?",
    "MUST NOT": "НЕ ДОЛЖ(?:ЕН|НА|НО|НЫ)",
    "SHOULD": "СЛЕДУЕТ",
    "SHOULD NOT": "НЕ СЛЕДУЕТ",
    "MAY": "МОЖЕТ",
}
ENGLISH = """# A

Text. <!-- no comment of ours -->

```sh
# no heading
```

**ECHO-1.** A server MUST
answer.

It explains.

## B c
"""
RUSSIAN = f"""# А

<!-- a {digest(pieces(ENGLISH)["a"])} -->

**ECHO-1.** Сервер ОБЯЗАН отвечать.
<!-- ECHO-1 {digest(pieces(ENGLISH)["ECHO-1"])} -->

## Б

<!-- b-c {digest(pieces(ENGLISH)["b-c"])} -->
"""


@pytest.mark.parametrize("english", DOCUMENTS, ids=lambda file: file.name)
def test_the_translation_is_that_of_the_english(english: Path) -> None:
    told = problems(english.read_text(encoding="utf-8"), DOCUMENTS[english].read_text(encoding="utf-8"))
    assert not told, "\n".join([*told, "when their Russian is right: python -m conformance.labs.translation PIECE ..."])


def test_the_specification_is_translated_in_its_order() -> None:
    english, russian = (file.read_text(encoding="utf-8") for file in (SPECIFICATION, DOCUMENTS[SPECIFICATION]))
    names = list(pieces(english))
    assert set(REQUIREMENTS) < set(names)
    assert [name for name in pieces(russian) if name in REQUIREMENTS] == list(REQUIREMENTS)
    translated = re.findall(r"<!-- (\S+) [0-9a-f]{8} -->", russian)
    assert [name for name in translated if name not in REQUIREMENTS] == [n for n in names if n not in REQUIREMENTS]


@pytest.mark.parametrize("requirement", REQUIREMENTS.values(), ids=REQUIREMENTS)
def test_a_requirement_has_its_key_word_and_its_words_of_code(requirement: Requirement) -> None:
    russian = pieces(DOCUMENTS[SPECIFICATION].read_text(encoding="utf-8"))[requirement.id]
    found = re.findall("|".join(rf"\b{word}\b" for word in sorted(KEY_WORDS.values(), reverse=True)), russian)
    assert [level for level, word in KEY_WORDS.items() if re.fullmatch(word, "".join(found))] == [requirement.level]
    assert sorted(re.findall("`[^`]+`", russian)) == sorted(re.findall("`[^`]+`", requirement.text))


@pytest.mark.parametrize("english", DOCUMENTS, ids=lambda file: file.name)
def test_commands_and_examples_are_the_same(english: Path) -> None:
    wanted, found = (
        re.findall(r"^```(?!mermaid|abnf)\w.*?^```$", file.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        for file in (english, DOCUMENTS[english])
    )
    assert [block for block in wanted if block not in found] == []


@pytest.mark.parametrize("russian", DOCUMENTS.values(), ids=lambda file: file.name)
def test_links_lead_somewhere(russian: Path) -> None:
    for path, title in re.findall(r"\]\(([^)#:]*)#?([^)]*)\)", russian.read_text(encoding="utf-8")):
        file = russian.parent / path if path else russian
        assert file.exists(), path
        if title:
            titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert title in map(anchor, titles), title


def test_pieces() -> None:
    assert list(pieces(ENGLISH)) == ["a", "ECHO-1", "b-c"]
    assert pieces(ENGLISH)["ECHO-1"] == "**ECHO-1.** A server MUST\nanswer.\n"
    assert "MUST" not in pieces(ENGLISH)["a"]
    with pytest.raises(ValueError, match="b-c is there twice"):
        pieces(ENGLISH + "\n## B c\n")


CHANGED = "the English has changed since it was translated"
NO_COMMENT = "one comment with its name and a digest belongs here, not"


@pytest.mark.parametrize(
    ("change", "to", "told"),
    [
        ("MUST\nanswer.", "MUST answer.", []),
        ("MUST\nanswer.", "MUST ask.", [f"ECHO-1: {CHANGED}"]),
        ("It explains.", "Well.", [f"a: {CHANGED}"]),
        ("## B c", "## C", ["c: not translated", "b-c: not in English"]),
        ("## B c\n", "## B c\n\n**ECHO-2.** It MUST.\n", [f"b-c: {CHANGED}", "ECHO-2: not translated"]),
    ],
)
def test_a_change_of_the_english_is_told(change: str, to: str, told: list[str]) -> None:
    assert problems(ENGLISH, RUSSIAN) == []
    assert problems(ENGLISH.replace(change, to), RUSSIAN) == told


@pytest.mark.parametrize(
    ("change", "to", "told"),
    [
        ("Сервер ОБЯЗАН отвечать.", "Сервер\nОБЯЗАН ответить.", []),
        ("## Б", "**ECHO-2.** x\n<!-- ECHO-2 00000000 -->\n\n## Б", ["ECHO-2: not in English"]),
        ("**ECHO-1.**", "**ECHO-2.**", [f"ECHO-2: {NO_COMMENT} ['ECHO-1']", "ECHO-1: not translated"]),
        ("## Б", "## В\n\n## Б", [f"в: {NO_COMMENT} []"]),
        ("# А\n", "# А\n\n<!-- b-c 00000000 -->\n\n## Х\n", ["b-c: translated twice", f"b-c: {CHANGED}"]),
    ],
)
def test_what_is_wrong_in_the_translation_is_told(change: str, to: str, told: list[str]) -> None:
    assert problems(ENGLISH, RUSSIAN.replace(change, to, 1)) == told


def test_only_what_is_named_is_updated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    english, russian = tmp_path / "A.md", tmp_path / "A.ru.md"
    english.write_text(ENGLISH.replace("answer", "ask").replace("explains", "tells"), encoding="utf-8")
    russian.write_text(RUSSIAN, encoding="utf-8")
    monkeypatch.setattr(translation, "DOCUMENTS", {english: russian})
    assert translation.main([]) == 1
    assert russian.read_text(encoding="utf-8") == RUSSIAN
    assert capsys.readouterr().out.splitlines() == [f"A.ru.md: a: {CHANGED}", f"A.ru.md: ECHO-1: {CHANGED}"]
    assert translation.main(["ECHO-1"]) == 1
    assert capsys.readouterr().out.splitlines() == [f"A.ru.md: a: {CHANGED}"]
    assert translation.main(["--all"]) == 0
    assert capsys.readouterr().out == ""
    with pytest.raises(SystemExit, match="2"):
        translation.main(["ECHO-9"])
    assert "no such piece in English: ECHO-9" in capsys.readouterr().err
