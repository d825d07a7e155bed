"""Reading the numbered requirements."""

import re

import pytest

from spec.requirements import REQUIREMENTS, SPECIFICATION, Requirement, read_requirements


def test_the_specification_is_read_whole() -> None:
    text = SPECIFICATION.read_text(encoding="utf-8")
    opened = re.findall(r"^\*\*([A-Z]+-\d+)\.\*\*", text, re.MULTILINE)
    assert list(REQUIREMENTS) == opened
    assert len(opened) > 100
    assert all(id_ == requirement.id and "\n" not in requirement.text for id_, requirement in REQUIREMENTS.items())
    assert REQUIREMENTS["ECHO-2"] == Requirement("ECHO-2", "MUST", "The value of `message` MUST be the argument.")
    assert REQUIREMENTS["TIME-9"].level == "SHOULD"
    assert REQUIREMENTS["TIME-6"].level == "MUST NOT"


def test_ids_count_from_one_in_each_group() -> None:
    groups: dict[str, list[int]] = {}
    for id_ in REQUIREMENTS:
        group, number = id_.split("-")
        groups.setdefault(group, []).append(int(number))
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in groups.values())


def test_each_id_that_the_specification_mentions_exists() -> None:
    mentioned = re.findall(
        r"\b(?:TEXT|REQ|REP|TCP|UDP|ECHO|TIME|LEASE|ERR|LOAD|SRV|CLI)-\d+\b", SPECIFICATION.read_text(encoding="utf-8")
    )
    assert set(mentioned) <= set(REQUIREMENTS)


@pytest.mark.parametrize(
    ("sentence", "level", "testable"),
    [
        ("A server MUST serve.", "MUST", True),
        ("A server MUST NOT\nserve.", "MUST NOT", True),
        ("A server SHOULD serve.", "SHOULD", True),
        ("A server SHOULD NOT serve.", "SHOULD NOT", True),
        ("A server MAY serve.", "MAY", False),
        ("A server MUST serve. (Untestable: nobody sees it.)", "MUST", False),
        ("Retired.", "", False),
    ],
)
def test_a_requirement(sentence: str, level: str, testable: bool) -> None:
    (requirement,) = read_requirements(f"No id, MUST or not.\n\n**A-1.** {sentence}\n\nIt MAY explain.\n").values()
    assert requirement == Requirement("A-1", level, sentence.replace("\n", " "))
    assert requirement.testable == testable


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("**A-1.** It MUST.\n\n**A-1.** It MUST.\n", "A-1 is used twice"),
        ("**A-1.** It MUST and MAY.\n", "A-1 holds 2 key words"),
        ("**A-1.** It MUST NOT and MUST.\n", "A-1 holds 2 key words"),
        ("**A-1.** It must.\n", "A-1 holds 0 key words"),
        ("**A-1.** Retired, it MUST not come back.\n", "A-1 holds 1 key words"),
    ],
)
def test_a_breach_of_the_form(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        read_requirements(text)
