"""A TCP client beside the servers on ``socketserver``; that framework has nothing for clients."""

import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from spec.address import format_url
from spec.codec import RECEIVE_BYTES
from spec.options import ClientOptions
from spec.program.arguments import parse_client_options
from spec.program.clients import Texts, ask_all, run_client
from spec.program.output import complain, explain, show
from spec.program.signals import stop_on_signal
from spec.program.system import ATTENTION, monotonic
from spec.stream_client import StreamClient, open_stream_client


def connect(place: tuple[Any, ...], seconds: float) -> socket.socket:
    """Return a socket that is connected to that address. Raises OSError, after so many seconds at the latest."""
    *kind, _, address = place
    with ExitStack() as stack:
        sock = stack.enter_context(socket.socket(*kind))
        sock.settimeout(seconds)
        sock.connect(address)
        stack.pop_all()  # it is connected: now the caller closes it
        return sock


def converse(sock: socket.socket, client: StreamClient, out: bytes) -> None:
    """Send the request, then pass what arrives to the client until the exchange is done."""
    try:
        sock.sendall(out)
        client.sent(monotonic())
        while client.waiting:
            sock.settimeout(min(max(client.deadline - monotonic(), 0.001), ATTENTION))
            try:
                client.receive(sock.recv(RECEIVE_BYTES), monotonic())
            except TimeoutError:
                client.wake(monotonic())
    except OSError as error:
        client.unreachable(explain(error))


def talk(options: ClientOptions, place: tuple[Any, ...], seconds: float, texts: Texts) -> int:
    """Ask the server at an address that `getaddrinfo()` gave; return the exit status. Raises OSError."""
    with connect(place, seconds) as sock:
        url = format_url(options.service, options.transport, sock.getpeername())
        client = open_stream_client(options, url, show, complain)
        return ask_all(client, texts, lambda request: converse(sock, client, request))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the client with these arguments (None: the process's own) and return the exit status."""
    options = parse_client_options(arguments, "tcp")
    stop_on_signal()
    return run_client(options, lambda: socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM), talk)


if __name__ == "__main__":
    sys.exit(main())
