"""Translates what the checks say, where it is shown to a person: English messages, with values in them.

A message is translated clause by clause. A clause that has no translation stays English, and so do values.
"""

import re
import string
import struct
from functools import cache
from gettext import find

from conformance.languages.texts import LOCALE, current

SEPARATOR = re.compile(r"(; |(?<![\s:]): |\n|(?<!\S)\(|\)(?=[;:,\s]|$))")
"""What stands between clauses."""

QUOTED = re.compile(r"""(?<!\w)b?(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")(?!\w)""")
"""A value as Python writes it. What it holds is no part of a message."""

MOST_CHARACTERS = 1 << 15
"""A longer message is not translated."""

_PRINTED = "stdout: ", "stderr: "
"""How a line begins that a program has printed. It stays as it is."""

_PRIVATE_USE = range(0xE000, 0xF900)
"""Code points that stand for quoted values while clauses are looked for."""

_WORD = re.compile(r"[A-Za-z]{2}")
_SENTENCE = re.compile(r"[A-Za-z]{2,} |\S [A-Za-z]{2,}")
"""What is perhaps a clause, and no value."""
_CHOICE = re.compile(r"\S+(?: (?:or|and|to) \S+)+")
_CONNECTIVE = re.compile(r"(?<= )(?:or|and|to)(?= )")
_FEW = 6
"""Letters. A template with fewer could match any sentence."""

_DEEPEST = 3
"""A hole may hold a clause, in whose holes are others, and so on."""


def told(message: str) -> str:
    """Return a message of a check in the chosen language, as far as that has its words."""
    speaker = _speaker(current())
    if speaker is None or len(message) > MOST_CHARACTERS:
        return message
    return "\n".join(map(speaker.line, message.split("\n")))


class Template:
    """A clause with holes, and its translation."""

    def __init__(self, english: str, translation: str) -> None:
        """Both are as `str.format` takes them, with numbered holes."""
        self.translation = translation
        self.literals = [""]
        for literal, hole, _, _ in string.Formatter().parse(english):
            self.literals[-1] += literal
            if hole is not None:
                self.literals.append("")
        self.letters = sum(map(str.isalpha, "".join(self.literals)))

    def match(self, clause: str) -> list[str] | None:
        """Return what stands in the holes of a clause, or None if it is another one."""
        first, *others = self.literals
        if not clause.startswith(first):
            return None
        if not others:
            return [] if clause == first else None
        values, at = [], len(first)
        for literal in others[:-1]:
            end = clause.find(literal, at)
            if end < 0:
                return None
            values.append(clause[at:end])
            at = end + len(literal)
        end = len(clause) - len(others[-1])
        if end < at or not clause.endswith(others[-1]):
            return None
        return [*values, clause[at:end]]


class _Speaker:
    """Translates into one language."""

    def __init__(self, catalogue: dict[str, str]) -> None:
        self._catalogue = catalogue
        self._templates = sorted(
            (Template(english, translation) for english, translation in catalogue.items() if "{" in english),
            key=lambda template: -template.letters,
        )
        self._known = {value for english in catalogue for value in QUOTED.findall(english)}

    def line(self, line: str) -> str:
        """Return a line of a message."""
        if line.startswith(_PRINTED) or not _WORD.search(line):
            return line
        quoted = dict(zip(_PRIVATE_USE, QUOTED.findall(line), strict=False))
        if any(ord(character) in _PRIVATE_USE for character in line):
            quoted = {}
        signs = map(chr, quoted)
        parts = SEPARATOR.split(QUOTED.sub(lambda value: next(signs, value[0]), line))
        known = {sign: value for sign, value in quoted.items() if value in self._known}
        parts[::2] = [self._clause(part.translate(known)) for part in parts[::2]]
        return "".join(parts).translate(quoted)

    def _clause(self, clause: str, depth: int = 0) -> str:
        inner = clause.strip()
        if depth > _DEEPEST or not _WORD.search(inner):
            return clause
        before, _, after = clause.partition(inner)
        return f"{before}{self._translated(inner, depth)}{after}"

    def _translated(self, clause: str, depth: int) -> str:
        if clause in self._catalogue:
            return self._catalogue[clause]
        found = ""
        for template in self._templates:
            holes = template.match(clause)
            if holes is None:
                continue
            values = [self._clause(hole, depth + 1) for hole in holes]
            is_told = [value != hole or not _SENTENCE.search(hole) for value, hole in zip(values, holes, strict=True)]
            if all(is_told) or (template.letters < _FEW and values != holes):
                return template.translation.format(*values)
            if template.letters >= _FEW:
                found = found or template.translation.format(*values)
        if found:
            return found
        if _CHOICE.fullmatch(clause):
            return _CONNECTIVE.sub(lambda word: self._catalogue.get(word[0], word[0]), clause)
        return clause


@cache
def _speaker(language: str) -> _Speaker | None:
    compiled = find("checks", str(LOCALE), [language])
    return _Speaker(_read(compiled)) if compiled else None


def _read(compiled: str) -> dict[str, str]:
    """Return the texts of a compiled catalogue, in the form of the manual of GNU gettext ("GNU MO Files").

    Here the whole catalogue is needed, and `gettext` gives one text at a time.
    """
    with open(compiled, "rb") as file:
        data = file.read()
    count, texts, translations = struct.unpack_from("<3I", data, 8)

    def text(table: int, number: int) -> str:
        length, at = struct.unpack_from("<2I", data, table + 8 * number)
        return data[at : at + length].decode()

    found = {text(texts, number): text(translations, number) for number in range(count)}
    return {english: translation for english, translation in found.items() if english and translation}
