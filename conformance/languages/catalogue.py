"""Keeps the catalogues of translated texts: ``python -m conformance.languages.catalogue`` after a text has changed.

It needs Babel. Texts that are new stand in a catalogue without a translation then; the translator writes it there,
and runs this again.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po

from conformance import ROOT
from conformance.languages.foreign import ARGPARSE, FILES, SYSTEM
from conformance.languages.sayings import PARTS, clauses
from conformance.languages.texts import LOCALE

NO_DATE = datetime(1970, 1, 1, tzinfo=timezone.utc)
"""What stands in a compiled catalogue for the time when it was made: the same texts make the same file."""

SAYINGS = "sayings"
"""In Python; the texts are what checks say, with holes for values."""


@dataclass(frozen=True)
class Translated:
    """Sources and the Russian of their texts."""

    russian: Path
    sources: Mapping[str, str]
    """Patterns of files in the tree, and in what each is written, or SAYINGS."""
    keywords: Sequence[str]
    """Functions whose first argument is a text."""
    foreign: Sequence[str]
    """Texts that stand in none of the sources."""

    def texts(self) -> Iterator[str]:
        """Yield each text that is to be translated."""
        yield from self.foreign
        for pattern, kind in self.sources.items():
            for file in sorted(ROOT.glob(pattern)):
                if kind == SAYINGS:
                    yield from clauses(file.read_text(encoding="utf-8"))
                    continue
                for _, text, _, _ in extract_from_file(kind, file, keywords=dict.fromkeys(self.keywords)):
                    yield str(text)

    def read(self) -> Catalog:
        """Return the catalogue as it is."""
        with self.russian.open("rb") as file:
            return read_po(file, locale="ru")

    def read_compiled(self) -> Catalog:
        """Return what gettext reads."""
        with self.russian.with_suffix(".mo").open("rb") as file:
            return read_mo(file)

    def updated(self) -> Catalog:
        """Return the catalogue with the texts of the sources, each with the translation that it has."""
        before = self.read()
        after = Catalog("ru", fuzzy=False, creation_date=NO_DATE, revision_date=NO_DATE)
        for text in sorted(set(self.texts())):
            known = before.get(text)
            after.add(text, known.string if known else "")
        return after

    def write(self) -> list[str]:
        """Write both files; return the texts without a translation."""
        catalogue = self.updated()
        with self.russian.open("wb") as file:
            write_po(file, catalogue, width=110, no_location=True, omit_header=True)  # it would hold the time
        with self.russian.with_suffix(".mo").open("wb") as file:
            write_mo(file, catalogue)
        return [str(each.id) for each in catalogue if each.id and not each.string]


PROGRAMS = Translated(
    ROOT / "spec" / "program" / "locale" / "ru" / "LC_MESSAGES" / "programs.po",
    {"spec/*.py": "python", "spec/program/*.py": "python", "impl_*/*.py": "python"},
    ["Message"],
    [*ARGPARSE, *SYSTEM],
)
SUITE = Translated(
    LOCALE / "ru" / "LC_MESSAGES" / "suite.po",
    {
        **dict.fromkeys(
            (
                f"conformance/{room}/*.py"
                for room in ("as_client", "broken", "commands", "comparison", "labs", "reports", "running", "targets")
            ),
            "python",
        ),
        "conformance/labs/**/*.j2": "jinja2",
        "conformance/reports/page/*.py": "python",
        "conformance/reports/page/**/*.j2": "jinja2",
    },
    ["say", "mark"],
    [*ARGPARSE, *FILES],
)
CHECKS = Translated(
    LOCALE / "ru" / "LC_MESSAGES" / "checks.po",
    dict.fromkeys(
        (
            "conformance/*.py",
            *(f"conformance/checks/{role}/*.py" for role in ("clients", "servers")),
            *(
                f"conformance/{room}/*.py"
                for room in ("as_client", "as_network", "as_server", "comparison", "expected", "running", "targets")
            ),
        ),
        SAYINGS,
    ),
    [],
    PARTS,
)
CATALOGUES = {"programs": PROGRAMS, "suite": SUITE, "checks": CHECKS}


def main() -> int:
    """Write all catalogues; return 1 if a text has no translation."""
    untranslated = [text for each in CATALOGUES.values() for text in each.write()]
    for text in untranslated:
        print(f"no translation: {text}", file=sys.stderr)
    return 1 if untranslated else 0


if __name__ == "__main__":
    sys.exit(main())
