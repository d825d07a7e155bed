"""What the kernel holds of a TCP connection between two programs on this host."""

import socket
import sys
from pathlib import Path
from typing import NamedTuple

import psutil

from conformance.addresses import Address
from conformance.targets.server import Server
from conformance.targets.sockets import sockets_of

_TABLES = Path("/proc/net/tcp"), Path("/proc/net/tcp6")
"""Linux's tables of connections, proc(5); a server on a dual-stack socket stands in the second."""


class Queues(NamedTuple):
    """Bytes that the kernel holds for a program at one end of a connection."""

    unread: int
    """They have come, and the program has not read them."""
    unacknowledged: int
    """The program has sent them, and the kernel of the other end has not acknowledged them."""


def is_passed_on(server: Server) -> bool:
    """Return whether a program between the clients and a server over TCP may hold what they send, such as a proxy.

    The server's end of a connection has another port then, or is in a process that is none of the server's.
    """
    ports = {each.laddr.port for each in sockets_of(server.pid, "tcp") if each.status == psutil.CONN_ESTABLISHED}
    return ports != {server.port}


def queues_of(address: Address, peer: Address) -> Queues | None:
    """Return what is held at the end with that IPv4 address; None where the system or another host does not tell."""
    ends = _as_in_table(address), _as_in_table(peer)
    for table in _TABLES:
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, remote, _, held, *_ = line.split()
            if local.endswith(ends[0]) and remote.endswith(ends[1]):
                unacknowledged, unread = held.split(":")
                return Queues(int(unread, 16), int(unacknowledged, 16))
    return None


def _as_in_table(address: Address) -> str:
    host, port = address[:2]
    return f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}:{port:04X}"
