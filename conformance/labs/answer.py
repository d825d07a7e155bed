"""The answer to a message: its four parts, what is beside them, and known mistakes in them."""

import json
import re
from typing import NamedTuple

from conformance.labs.exam import CONNECTED
from conformance.languages.texts import mark, say

_OBJECT = re.compile(r"<(?:built-in|bound) method |<function |<\w+ object at 0x")
"""What Python prints of a method that was not called, or of what ``reversed`` returns."""


_DIGEST = re.compile(r"\b(?:0x)?[0-9a-f]{8,}\b", re.IGNORECASE)
"""A checksum as it is printed: its digits are no number. Fewer than that may be a word or a number."""

_FRAME = re.compile(r"[\s|\u2500-\u257f]+")
"""What may stand between the pieces of a text that is broken into lines, in a table too."""

_NUMBER_BY_ITSELF = re.compile(r"(?<![\w.])(\d+)(?![\w.):\]])")
"""Not what numbers a part of an answer, as in ``2) ``."""

_NUMBER = re.compile(rf"\0[^\0]*?{_NUMBER_BY_ITSELF.pattern}")
"""A number behind a part of an answer, in one piece with it."""

_ADDRESS = re.compile(r"(?:\d+\.){3}\d+\D{1,4}\d+")
"""Where a client is connected to, as one prints it: 127.0.0.1:5000, or a pair."""

_BROKEN = 80
"""A message of more characters than that may be broken into lines."""

_WORD = 20
"""A word that a server takes off its message has up to so many characters."""

BYTES = mark("bytes were printed as b'…': decode what comes before it is printed")


class Parts(NamedTuple):
    """The four parts of an answer to a message, and which of them a text lacks."""

    message: str

    def lacking(self, text: str) -> list[str]:
        """Return the names of the parts that are not in a text, in English."""
        message = self.message.strip()
        text = text + "\0" + text.replace("\n", " ")  # a client may break a long line
        unframed = _FRAME.sub("", text) if len(message) > _BROKEN else ""

        def is_there(part: str) -> bool:
            return part in text or (bool(unframed) and _FRAME.sub("", part) in unframed)

        found = {
            mark("the message"): is_there(message),
            mark("the message reversed"): is_there(message[::-1]),
            mark("the message in upper case"): is_there(message.upper()),
            mark("the number of its characters"): self.has_number(text, {len(message), len(self.message)}),
        }
        return [name for name, is_found in found.items() if not is_found]

    def begins(self, text: str) -> bool:
        """Return whether any of the four parts is in a text."""
        return len(self.lacking(text)) < 4

    @staticmethod
    def has_number(text: str, numbers: set[int]) -> bool:
        """Return whether one of these numbers stands in a text."""
        return any(times_of(number, text) for number in numbers)

    def mistake(self, text: str, *, has_upper: bool) -> str:
        """Return the name of a known mistake in an answer, in the reader's language; empty: none is known.

        `has_upper`: whether ``upper`` is called at all.
        """
        data = self.message.encode()
        backwards = data[::-1]
        shown = backwards.decode("utf-8", "replace"), backwards.decode("utf-8", "backslashreplace")
        if any(part in text for part in (*shown, repr(backwards)[2:-1])):
            return say("the bytes were reversed, not the characters: decode first, then reverse")
        if self.message not in text and repr(data)[2:-1] in text:
            return say(BYTES)
        if self.message not in text and json.dumps(self.message)[1:-1] in text:
            return say("the letters are escaped as JSON does: read the answer with json.loads() before it is printed")
        if self.message not in text and (first := self._missing(text)):
            return say(
                "the first {number} characters are missing: does the server take off a word, such as ECHO, that the"
                " client does not send?",
                number=first,
            )
        lacking = self.lacking(text)
        if len(lacking) == 1 and lacking[0] == "the number of its characters":
            if self.has_number(text, {len(data)}):
                return say(
                    "the bytes were counted ({bytes}), not the characters ({characters})",
                    bytes=len(data),
                    characters=len(self.message),
                )
            if self.has_number(text, {len(self.message) + 1, len(self.message) + 2}):
                return say("the end of the line was counted too: strip it first")
            parts = "|".join(map(re.escape, (self.message, self.message[::-1], self.message.upper())))
            numbers = _NUMBER_BY_ITSELF.findall(re.sub(rf"\d+\W*(?={parts})", "", text))  # not a part's own number
            if (words := len(self.message.split())) in map(int, numbers):
                return say(
                    "the words were counted ({words}), not the characters ({characters})",
                    words=words,
                    characters=len(self.message),
                )
            if self.has_number(text, {len("".join(self.message.split()))}):
                return say("the spaces were not counted: they are characters, too")
            if self.has_number(text, {len(str(data))}):
                return say("the characters of b'…' were counted: decode() makes text of bytes, str() does not")
        if lacking and _OBJECT.search(text):
            return say("an object was printed, not its value: upper() has brackets, and [::-1] reverses a text")
        if lacking == ["the message reversed"] and " ".join(reversed(self.message.split())) in text:
            return say("the words were put the other way round, not the characters: [::-1] of the text itself")
        if lacking == ["the message reversed"] and self.message.upper()[::-1] in text:
            return say("the message in upper case was reversed, not the message")
        if lacking == ["the message reversed"] and re.search(
            f"{re.escape(self.message[:-1])}\\W*$", text, re.MULTILINE
        ):
            return say("[:-1] leaves out the last character, [::-1] reverses a text")
        if lacking == ["the message", "the message reversed"] and self.message.lower() in text:
            return say("the message itself was put in lower case: it comes back as it is")
        if lacking == ["the message in upper case"]:
            for method in str.title, str.capitalize, str.swapcase:
                if method(self.message) in text:
                    return say(
                        "{method}() does not put all letters in upper case, upper() does", method=method.__name__
                    )
            if self.message[::-1].upper() in text:
                return say("the reversed message was put in upper case, not the message")
            if has_upper and text.count(self.message) > 1:
                return say("upper() of bytes knows the Latin letters alone: decode first")
        return ""

    def _missing(self, text: str) -> int:
        """Return how many characters the answer lacks at the start of the message; 0: no such part is missing."""
        for first in range(1, min(len(self.message) - 2, _WORD)):
            start, rest = self.message[:first].strip(), self.message[first:]
            if rest in text and rest[::-1] in text:
                return first if start not in text else 0  # else it stands there, in other lines
        return 0


def number_pattern(number: int) -> re.Pattern[str]:
    """Return a pattern for a number that is no part of another, of an address or of a time of the day."""
    return re.compile(rf"(?<!\d)(?<!\d[.:]){number}(?!\d|[.:]\d)")


def times_of(number: int, text: str) -> int:
    """Return how many times a number stands in a text."""
    return len(number_pattern(number).findall(_DIGEST.sub("", text)))


def additions(text: str, message: str, labels: set[str]) -> list[str]:
    """Return what a text has beside the four parts of an answer. `labels` are what the client prints by itself."""
    for part in message, message[::-1], message.upper():
        text = text.replace(part, "\0")
    text = number_pattern(len(message)).sub("\0", text)
    known = {piece for label in labels for piece in _pieces(label)}
    pieces = _pieces("\n".join(_ADDRESS.sub("", line) if CONNECTED.search(line) else line for line in text.split("\n")))
    beside_a_part = [number for piece in pieces for number in _NUMBER.findall(piece)]
    return beside_a_part + [
        piece
        for piece in pieces
        if re.search(r"\w", piece)
        and "\0" not in piece
        and not piece.endswith(":")
        and not CONNECTED.search(piece)
        and piece not in known
    ]


def _pieces(text: str) -> list[str]:
    return [piece.strip() for piece in re.split(r"[\n\t|;,/]", text)]
