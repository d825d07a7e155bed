"""The conformance suite: judges programs that keep SPEC.md, from outside."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The directory that holds `conformance`, `spec` and the implementations."""


class SettingError(ValueError):
    """An environment variable has a value that cannot be used: one line that says which."""
