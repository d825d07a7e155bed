"""What the suite says to a person, in the language of the locale or of ``--lang``."""

import gettext as gnu
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from spec.requirements import REQUIREMENTS, SPECIFICATION

LOCALE = Path(__file__).parent / "locale"
LANGUAGES = "en", "ru"

_translations: gnu.NullTranslations = gnu.NullTranslations()
_language = "en"


def choose(language: str) -> None:
    """Say everything in that language from now on; one that has no catalogue is English."""
    global _translations, _language
    _language = language
    _translations = gnu.translation("suite", LOCALE, [language], fallback=True)


def current() -> str:
    """Return the chosen language."""
    return _language


@contextmanager
def argparse_speaking() -> Iterator[None]:
    """Have argparse speak the chosen language: it asks gettext, which asks the variable LANGUAGE first."""
    before, domain = os.environ.get("LANGUAGE"), gnu.textdomain()
    os.environ["LANGUAGE"] = _language
    gnu.bindtextdomain("suite", str(LOCALE))
    gnu.textdomain("suite")
    try:
        yield
    finally:
        gnu.textdomain(domain)
        del os.environ["LANGUAGE"]
        if before is not None:
            os.environ["LANGUAGE"] = before


def language_of(environment: Mapping[str, str] = os.environ) -> str:
    """Return the language that a locale asks for, by LC_ALL, LC_MESSAGES and LANG (POSIX, XBD 8.2): ``en``, ``ru``."""
    name = next((value for key in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := environment.get(key))), "")
    language = name.split("_")[0].split(".")[0].lower()
    return language if language in LANGUAGES else "en"


def say(text: str, /, **values: object) -> str:
    """Return a text in the chosen language, with the values in the places of their names."""
    translated = _translations.gettext(text) if text else ""  # of no text gettext has its header
    return translated.format(**values) if values else translated


def requirement_text(id_: str, english: str = "") -> str:
    """Return a requirement's sentence in the chosen language; `english` is a report's own, by default that of SPEC.md.

    Raises KeyError for an id that SPEC.md lacks, if there is no report's.
    """
    english = english or REQUIREMENTS[id_].text
    translated = SPECIFICATION.with_suffix(f".{_language}.md")
    if not translated.exists():
        return english
    found = re.search(rf"^\*\*{id_}\.\*\* ((?:.+\n)+?)<!--", translated.read_text(encoding="utf-8"), re.MULTILINE)
    return " ".join(found[1].split()) if found else english


def mark(text: str) -> str:
    """Return a text as it is. It is translated where it is shown; the name is there for those who collect texts."""
    return text
