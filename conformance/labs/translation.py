"""Holds the Russian of SPEC.md and README.md to today's English: ``python -m conformance.labs.translation ECHO-3``.

A *piece* is a requirement, or what stands under a heading without the requirements there. Each is translated as a
whole. In its Russian stands a comment with its name and the digest of the English that was translated:
``<!-- ECHO-3 1a2b3c4d -->``.
"""

import argparse
import hashlib
import re
import sys
from collections.abc import Collection, Mapping
from itertools import pairwise

from conformance import ROOT

DOCUMENTS = {english: english.with_suffix(".ru.md") for english in (ROOT / "spec" / "SPEC.md", ROOT / "README.md")}
"""The English files, each with its translation."""

_HEADING = re.compile(r"^```.*?^```$|^#{1,3} (?P<title>[^\n]+)$", re.MULTILINE | re.DOTALL)  # none in a code block
_REQUIREMENT = re.compile(r"^\*\*([A-Z]+-[1-9]\d*)\.\*\* (?:.+\n)+", re.MULTILINE)
_COMMENT = re.compile(r"<!-- (\S+) ([0-9a-f]{8}) -->")


def anchor(title: str) -> str:
    """Return a heading as links to it name it."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def pieces(text: str) -> dict[str, str]:
    """Return the pieces of a document by name: a requirement's id, or a heading's anchor.

    Raises ValueError if two have one name.
    """
    found: dict[str, str] = {}

    def add(name: str, piece: str) -> None:
        if name in found:
            raise ValueError(f"{name} is there twice")
        found[name] = piece

    headings = [(match.start(), match["title"]) for match in _HEADING.finditer(text) if match["title"]]
    for (start, title), (end, _) in pairwise([*headings, (len(text), "")]):
        section = text[start:end]
        add(anchor(title), _REQUIREMENT.sub(r"\1\n", section))
        for match in _REQUIREMENT.finditer(section):
            add(match[1], match[0])
    return found


def digest(piece: str) -> str:
    """Return 8 hexadecimal digits of the SHA-256 of a piece, in which any white space is as good as another."""
    return hashlib.sha256(" ".join(piece.split()).encode()).hexdigest()[:8]


def problems(english: str, russian: str) -> list[str]:
    """Return what a translation lacks, what it has too much, and what has changed since, each in a line."""
    wanted, found, told = pieces(english), dict[str, str](), list[str]()
    for place, piece in pieces(russian).items():
        comments = _COMMENT.findall(piece)
        names = [name for name, _ in comments]
        if len(comments) != 1 or (_REQUIREMENT.match(piece) and names != [place]):
            told.append(f"{place}: one comment with its name and a digest belongs here, not {names}")
        elif names[0] in found:
            told.append(f"{names[0]}: translated twice")
        else:
            found.update(comments)
    for name, piece in wanted.items():
        if name not in found:
            told.append(f"{name}: not translated")
        elif found[name] != digest(piece):
            told.append(f"{name}: the English has changed since it was translated")
    return told + [f"{name}: not in English" for name in found if name not in wanted]


def updated(russian: str, wanted: Mapping[str, str], names: Collection[str]) -> str:
    """Return a translation in which those pieces have the digests of today's English, which is *wanted* by name."""

    def update(comment: re.Match[str]) -> str:
        name = comment[1]
        return f"<!-- {name} {digest(wanted[name])} -->" if name in names and name in wanted else comment[0]

    return _COMMENT.sub(update, russian)


def main(arguments: list[str] | None = None) -> int:
    """Update the digests of the pieces that are named, then print what is left to do; return 1 if there is anything."""
    parser = argparse.ArgumentParser(
        prog="python -m conformance.labs.translation",
        description="Writes down that pieces of the Russian are what the English says today, and prints which are not.",
    )
    parser.add_argument("names", nargs="*", metavar="PIECE", help="one that you have looked at: ECHO-3, 5-over-tcp")
    parser.add_argument("--all", action="store_true", help="each piece: you have looked at them all")
    options = parser.parse_args(arguments)
    texts = {file: file.read_text(encoding="utf-8") for pair in DOCUMENTS.items() for file in pair}
    known = {english: pieces(texts[english]) for english in DOCUMENTS}
    if unknown := set(options.names) - {name for each in known.values() for name in each}:
        parser.error(f"no such piece in English: {', '.join(sorted(unknown))}")
    left = []
    for english, russian in DOCUMENTS.items():
        text = updated(texts[russian], known[english], known[english] if options.all else options.names)
        if text != texts[russian]:
            russian.write_text(text, encoding="utf-8", newline="\n")
        left += [f"{russian.name}: {problem}" for problem in problems(texts[english], text)]
    print(*left, sep="\n", end="\n" if left else "")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
