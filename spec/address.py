"""Addresses as programs print them: SPEC.md, SRV-1 and SRV-4."""

from typing import Any, TypeAlias

Address: TypeAlias = tuple[Any, ...]
"""An address as ``socket`` has it: (host, port), for IPv6 with two more numbers."""

_IPV4_MAPPED = "::ffff:"


def format_address(address: Address) -> str:
    """``127.0.0.1:7007`` or ``[::1]:7007``; an IPv4 client of ``::`` shows as IPv4.

    A link-local address has its zone, as a number: ``[fe80::1%2]:7007`` (RFC 4007, section 11).
    """
    host, port = host_and_port(address)
    host = host.removeprefix(_IPV4_MAPPED) if "." in host else host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_and_port(address: Address) -> tuple[str, int]:
    """Return the IP address, with its zone, and the port."""
    host, port = address[:2]
    if len(address) > 3 and address[3] and "%" not in host:
        host = f"{host}%{address[3]}"
    return host, port


def format_url(service: str, transport: str, address: Address) -> str:
    """``echo+udp://127.0.0.1:7007``."""
    return f"{service}+{transport}://{format_address(address)}"
