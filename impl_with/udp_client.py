"""A UDP client in a ``with`` block; its socket is connected, so that the kernel drops what others send (CLI-15)."""

import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from spec.codec import DATAGRAM_BYTES
from spec.datagram_client import DatagramClient, open_datagram_client
from spec.program.arguments import parse_client_options
from spec.program.clients import ClientRun, run_client
from spec.program.system import ATTENTION, monotonic


def connect(place: tuple[Any, ...]) -> socket.socket:
    """Return a socket that is connected to that address. Raises OSError."""
    *kind, _, address = place
    with ExitStack() as stack:
        sock = stack.enter_context(socket.socket(*kind))
        sock.connect(address)
        stack.pop_all()  # it is connected: now the caller closes it
        return sock


def converse(sock: socket.socket, client: DatagramClient, out: bytes) -> None:
    """Send the first request, then carry datagrams between socket and client until the exchange is done."""
    while True:
        try:
            if out:
                request, out = out, b""  # also if send() fails: such a request counts as lost
                sock.send(request)
                client.sent(monotonic())
            if not client.waiting:
                return
            sock.settimeout(min(max(client.deadline - monotonic(), 0.001), ATTENTION))
            out = client.receive(sock.recv(DATAGRAM_BYTES), monotonic())
        except TimeoutError:
            out = client.wake(monotonic())
        except OSError as error:
            client.unreachable(error)


def talk(place: tuple[Any, ...], _: float, run: ClientRun) -> int:
    """Ask the server at an address that `getaddrinfo()` gave; return the exit status. Raises OSError."""
    with connect(place) as sock:
        client = run.open(open_datagram_client, sock.getpeername())
        return run.ask(client, lambda request: converse(sock, client, request))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the client with these arguments (None: the process's own) and return the exit status."""
    options = parse_client_options(arguments, "udp")
    return run_client(options, lambda: socket.getaddrinfo(options.host, options.port, type=socket.SOCK_DGRAM), talk)


if __name__ == "__main__":
    sys.exit(main())
