"""Characters: SPEC.md, section 3, and SRV-14."""

import sys
import unicodedata

from spec.tests.support import HIDDEN
from spec.text import has_control, has_control_except_tab, visible

EVERY_CHARACTER = [chr(code) for code in range(sys.maxunicode + 1)]
CONTROLS = {character for character in EVERY_CHARACTER if unicodedata.category(character) == "Cc"}


def test_control_characters_are_those_of_category_cc() -> None:
    """TEXT-1, TIME-1."""
    others = "".join(character for character in EVERY_CHARACTER if character not in CONTROLS)
    assert not has_control(others) and not has_control_except_tab(others)
    assert {character for character in CONTROLS if has_control(character)} == CONTROLS
    assert {character for character in CONTROLS if has_control_except_tab(character)} == CONTROLS - {"\t"}


def test_a_control_character_is_found_wherever_it_stands() -> None:
    for text in ("\x00привет", "при\x85вет", "привет\x7f", "\u2028\x1f\t", "\t\x01"):
        assert has_control(text) and has_control_except_tab(text)
    for text in ("", "привет", "\u2028\u202e\ufffe\u0378\ue000"):
        assert not has_control(text) and not has_control_except_tab(text)
    assert has_control("a\tb") and not has_control_except_tab("a\tb")


def test_visible_escapes_just_the_control_and_direction_characters() -> None:
    """SRV-14."""
    expected = "".join(
        f"\\u{ord(character):04x}" if character in HIDDEN else character for character in EVERY_CHARACTER
    )
    assert visible("".join(EVERY_CHARACTER)) == expected


def test_visible_is_a_display_and_leaves_a_backslash() -> None:
    """SRV-14."""
    assert visible("\\u001b и \x1b[31m\u202e\x85") == "\\u001b и \\u001b[31m\\u202e\\u0085"
