"""A TCP client in a ``with`` block."""

import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

from spec.address import format_url
from spec.codec import RECEIVE_BYTES
from spec.commandline import UNREACHABLE, complain, explain, fail, parse_client_options, read_texts, show
from spec.stream_client import StreamClient, open_stream_client


def converse(sock: socket.socket, client: StreamClient, out: bytes) -> None:
    """Send the request and take what comes until the exchange is done."""
    try:
        sock.sendall(out)
        client.sent(time.monotonic())
        while client.waiting:
            sock.settimeout(max(client.deadline - time.monotonic(), 0.001))
            try:
                client.receive(sock.recv(RECEIVE_BYTES), time.monotonic())
            except TimeoutError:
                client.wake(time.monotonic())
    except OSError as error:
        client.unreachable(explain(error))


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_client_options(arguments, "tcp")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        try:
            sock = stack.enter_context(socket.create_connection((options.host, options.port), options.timeout))
        except (OSError, UnicodeError, KeyboardInterrupt) as error:
            fail(f"cannot reach {options.url}: {explain(error)}", UNREACHABLE)
        url = format_url(options.service, options.transport, sock.getpeername())
        client = open_stream_client(options, url, show, complain)
        try:
            for text in read_texts(options, client.reject):
                converse(sock, client, client.ask(text, time.monotonic()))
                if client.over:
                    break
        except KeyboardInterrupt:
            client.stop()
    return client.status


if __name__ == "__main__":
    sys.exit(main())
