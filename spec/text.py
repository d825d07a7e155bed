"""Text: which characters a message and a name may hold, and how a program prints a peer's text. SPEC.md, section 3."""

import re

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_CONTROL_EXCEPT_TAB = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def has_control(text: str) -> bool:
    """Whether a character of general category Cc is in the text."""
    return not text.isprintable() and _CONTROL.search(text) is not None


def has_control_except_tab(text: str) -> bool:
    """Whether a control character other than TAB is in the text: the rule for a message (TEXT-1)."""
    return not text.isprintable() and _CONTROL_EXCEPT_TAB.search(text) is not None


def visible(text: str) -> str:
    """Return the text with each control or direction character as ``\\u`` and four digits (SRV-14)."""
    return _HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
