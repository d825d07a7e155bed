"""Keeps the catalogue of translated texts: ``python -m conformance.labs.catalogue`` after a text has changed.

It needs Babel. Texts that are new stand in the catalogue without a translation then; the translator writes it there,
and runs this again.
"""

import sys
from collections.abc import Iterator

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po

from conformance import ROOT
from conformance.labs.texts import LOCALE

RUSSIAN = LOCALE / "ru" / "LC_MESSAGES" / "labs.po"
KEYWORDS = {"say": None, "mark": None}
_USERS = {
    "conformance/labs/*.py": "python",
    "conformance/commands/*.py": "python",
    "conformance/labs/**/*.j2": "jinja2",
}


def texts() -> Iterator[str]:
    """Yield each text that the sources want to have translated."""
    for pattern, kind in _USERS.items():
        for file in sorted(ROOT.glob(pattern)):
            for _, text, _, _ in extract_from_file(kind, file, keywords=KEYWORDS):
                yield str(text)


def read() -> Catalog:
    """Return the catalogue as it is."""
    with RUSSIAN.open("rb") as file:
        return read_po(file, locale="ru")


def read_compiled() -> Catalog:
    """Return what gettext reads."""
    with RUSSIAN.with_suffix(".mo").open("rb") as file:
        return read_mo(file)


def updated() -> Catalog:
    """Return the catalogue with the texts of the sources, each with the translation that it has."""
    before, after = read(), Catalog("ru", fuzzy=False)
    for text in sorted(set(texts())):
        known = before.get(text)
        after.add(text, known.string if known else "")
    return after


def main() -> int:
    """Write both files; return 1 if a text has no translation."""
    catalogue = updated()
    with RUSSIAN.open("wb") as file:
        write_po(file, catalogue, width=110, no_location=True, omit_header=True)  # it would hold the time
    with RUSSIAN.with_suffix(".mo").open("wb") as file:
        write_mo(file, catalogue)
    untranslated = [str(each.id) for each in catalogue if each.id and not each.string]
    for text in untranslated:
        print(f"no translation: {text}", file=sys.stderr)
    return 1 if untranslated else 0


if __name__ == "__main__":
    sys.exit(main())
