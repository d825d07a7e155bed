"""Addresses: of the judge itself, and as a program prints them."""

import os

Address = tuple[str, int]

_PID = os.getpid()

OWN_HOST = f"127.{0x40 | _PID >> 16 & 0x3F}.{_PID >> 8 & 0xFF}.{_PID & 0xFF}"
"""An address of the loopback net that no other process uses, so that a port that was free there stays free."""


def show_address(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """Return a socket's address as a program prints it: ``127.0.0.1:50312``, ``[::1]:50312``."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
