"""Addresses: of the judge itself, and as a program prints them."""

import os
import socket

Address = tuple[str, int]


def _loopback(host: str) -> str:
    """Return an address of the loopback net, or 127.0.0.1 on systems that have no other."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((host, 0))
    except OSError:
        return "127.0.0.1"
    return host


_pid = os.getpid()

OWN_HOST = _loopback(f"127.{0x40 | _pid >> 16 & 0x3F}.{_pid >> 8 & 0xFF}.{_pid & 0xFF}")
"""An address of the loopback net that no other process uses, so that a port that was free there stays free."""

NEIGHBOUR = _loopback("127.0.0.2")
"""An address that stands for another host, from which a stranger sends: where there is no other, from another port."""


def show_address(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """Return a socket's address as a program prints it: ``127.0.0.1:50312``, ``[::1]:50312``."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
