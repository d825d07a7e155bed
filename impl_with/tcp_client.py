"""A TCP client in a ``with`` block."""

import socket
import sys
from collections.abc import Sequence

from spec.address import format_url
from spec.codec import RECEIVE_BYTES
from spec.options import UNREACHABLE
from spec.program.arguments import parse_client_options
from spec.program.clients import run_client
from spec.program.output import complain, explain, fail, show
from spec.program.signals import stop_on_signal
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the client with these arguments (None: the process's own) and return the exit status."""
    options = parse_client_options(arguments, "tcp")
    stop_on_signal()
    try:
        sock = socket.create_connection((options.host, options.port), options.timeout)
    except (OSError, UnicodeError) as error:
        fail(f"cannot reach {options.url}: {explain(error)}", UNREACHABLE)
    with sock:
        url = format_url(options.service, options.transport, sock.getpeername())
        client = open_stream_client(options, url, show, complain)
        return run_client(client, options, lambda request: converse(sock, client, request))


if __name__ == "__main__":
    sys.exit(main())
