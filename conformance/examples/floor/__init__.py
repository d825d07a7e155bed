"""Servers that do not conform, on purpose: they show what Python and the kernel cost without a protocol."""
