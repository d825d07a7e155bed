"""Judges any program that keeps the contract of SPEC.md, from outside: bytes, lines of output, exit status."""
