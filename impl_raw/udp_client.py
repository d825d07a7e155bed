"""A UDP client on a plain socket, connected, so that the kernel drops datagrams from others (CLI-15)."""

import socket
import sys
from collections.abc import Sequence

from spec.address import format_url
from spec.codec import DATAGRAM_BYTES
from spec.datagram_client import DatagramClient, open_datagram_client
from spec.options import UNREACHABLE, ClientOptions
from spec.program.arguments import parse_client_options
from spec.program.clients import run_client
from spec.program.output import complain, explain, fail, show
from spec.program.signals import stop_on_signal
from spec.program.system import ATTENTION, monotonic


def connect(options: ClientOptions) -> socket.socket:
    """Return a socket that is connected to the first address of the host. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_DGRAM)[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
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
            client.unreachable(explain(error))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the client with these arguments (None: the process's own) and return the exit status."""
    options = parse_client_options(arguments, "udp")
    stop_on_signal()
    try:
        sock = connect(options)
    except (OSError, UnicodeError) as error:
        fail(f"cannot reach {options.url}: {explain(error)}", UNREACHABLE)
    try:
        url = format_url(options.service, options.transport, sock.getpeername())
        client = open_datagram_client(options, url, show, complain)
        return run_client(client, options, lambda request: converse(sock, client, request))
    finally:
        sock.close()


if __name__ == "__main__":
    sys.exit(main())
