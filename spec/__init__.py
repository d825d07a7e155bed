"""The sockspec protocol without I/O: bytes in, bytes out, time passed in. SPEC.md is the normative text."""
