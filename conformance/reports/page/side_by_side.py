"""The programs of a kind side by side: coloured lines, and which of two programs' lines belong together."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import combinations
from typing import Any

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter

from conformance.comparison.model import Source
from conformance.comparison.sources import ROLE_WORDS, lexer_for
from conformance.languages.texts import say
from conformance.reports.page.formats import visible
from conformance.targets.terms import ROLES, TRANSPORTS


@dataclass(frozen=True)
class Program:
    """One target's program, its lines as HTML."""

    source: Source
    lines: list[Markup]


@dataclass(frozen=True)
class Kind:
    """The programs that do the same, such as the TCP servers.

    `pairs` has, for each two of them by their places in `programs`, the runs of lines that belong together: the first
    line and the line after the last of either, from 0, and whether they are the same but for their indentation.
    """

    id: str
    title: str
    programs: list[Program]
    pairs: list[tuple[int, int, list[tuple[int, int, int, int, bool]]]]


def kinds(sources: Sequence[Source]) -> list[Kind]:
    """Return the kinds of programs of which there is one at least."""
    found = []
    for transport in TRANSPORTS:
        for role in ROLES:
            here = [source for source in sources if (source.transport, source.role) == (transport, role)]
            if here:
                texts = [str(visible(source.text)).rstrip("\n") for source in here]
                programs = [
                    Program(source, coloured(source.path, text)) for source, text in zip(here, texts, strict=True)
                ]
                pairs = [(a, b, aligned(texts[a], texts[b])) for a, b in combinations(range(len(here)), 2)]
                found.append(
                    Kind(f"{transport}-{role}", f"{transport.upper()} {say(ROLE_WORDS[role])}", programs, pairs)
                )
    return found


def coloured(name: str, text: str) -> list[Markup]:
    """Return the lines of a file of that name, with Pygments' classes."""
    formatter: Any = HtmlFormatter(nowrap=True)
    return [Markup(line) for line in highlight(text, lexer_for(name), formatter).removesuffix("\n").split("\n")]


def aligned(left: str, right: str) -> list[tuple[int, int, int, int, bool]]:
    """Return how two texts' lines belong together, as `Kind.pairs` says."""
    stripped = [[line.strip() for line in text.split("\n")] for text in (left, right)]
    matcher = SequenceMatcher(None, stripped[0], stripped[1], autojunk=False)
    return [(a, b, c, d, tag == "equal") for tag, a, b, c, d in matcher.get_opcodes()]
