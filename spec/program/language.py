"""The language of a person at a terminal: SPEC.md, SRV-1 and CLI-1."""

import gettext
import os
from collections.abc import Mapping
from functools import cache
from typing import TextIO

from spec.message import Message, Translate

LOCALE = os.path.join(os.path.dirname(__file__), "locale")
DOMAIN = "programs"
ENGLISH = "en"
LANGUAGES = ENGLISH, "ru"


def language_of(environment: Mapping[str, str] = os.environ) -> str:
    """Return the language that the locale asks for, by LC_ALL, LC_MESSAGES and LANG (POSIX, XBD 8.2).

    It is English too where there is no translation, or where a terminal would not show one, since it is not UTF-8.
    """
    locale = next((value for key in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := environment.get(key))), "")
    name, _, encoding = locale.partition("@")[0].partition(".")
    language = name.partition("_")[0].lower()
    is_shown = encoding.lower().replace("-", "") in ("", "utf8")
    return language if is_shown and language in LANGUAGES else ENGLISH


def language_for(stream: TextIO) -> str:
    """Return the language of what is printed on a stream: that of the locale on a terminal, English elsewhere."""
    return language_of() if stream.isatty() else ENGLISH


def translator(stream: TextIO) -> Translate:
    """Return what translates the templates of messages for a stream."""
    return _translator(language_for(stream))


@cache
def _translator(language: str) -> Translate:
    return str if language == ENGLISH else gettext.translation(DOMAIN, LOCALE, [language]).gettext


def translated(line: str, translate: Translate) -> str:
    """Return a line in another language if it is a message, else as it is."""
    return line.translated(translate) if isinstance(line, Message) else line


def set_language_of_argparse(language: str) -> None:
    """Have argparse make its errors in that language: it asks gettext, which asks this variable first."""
    os.environ["LANGUAGE"] = language
    gettext.bindtextdomain(DOMAIN, LOCALE)
    gettext.textdomain(DOMAIN)
