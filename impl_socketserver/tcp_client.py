"""A TCP client beside the servers on ``socketserver``; that framework has nothing for clients."""

import socket
import sys
from collections.abc import Sequence
from typing import Any

from spec.address import host_and_port
from spec.codec import RECEIVE_BYTES
from spec.program.arguments import parse_client_options
from spec.program.clients import ClientRun, run_client
from spec.program.output import explain
from spec.program.system import ATTENTION, monotonic
from spec.stream_client import StreamClient, open_stream_client


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


def talk(place: tuple[Any, ...], seconds: float, run: ClientRun) -> int:
    """Ask the server at an address that `getaddrinfo()` gave; return the exit status. Raises OSError."""
    with socket.create_connection(host_and_port(place[-1]), seconds) as sock:
        client = run.open(open_stream_client, sock.getpeername())
        return run.ask(client, lambda request: converse(sock, client, request))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the client with these arguments (None: the process's own) and return the exit status."""
    options = parse_client_options(arguments, "tcp")
    return run_client(options, lambda: socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM), talk)


if __name__ == "__main__":
    sys.exit(main())
