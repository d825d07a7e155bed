"""The conformance suite: judges programs that keep SPEC.md, from outside."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The directory that holds `conformance`, `spec` and the implementations."""
