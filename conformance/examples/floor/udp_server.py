"""Answers a datagram with the stored reply if it is the same as the last. The cost is that of Python and the kernel."""

import signal
import socket
import sys
from contextlib import suppress

from spec.address import format_url
from spec.codec import DATAGRAM_BYTES
from spec.endpoint import Endpoint, open_endpoint
from spec.program.arguments import parse_server_options
from spec.program.output import say


def serve(sock: socket.socket, endpoint: Endpoint) -> None:
    """Let the core answer a request; repeat that reply until another request comes."""
    request, replies = b"", [b""]
    while True:
        datagram, address = sock.recvfrom(DATAGRAM_BYTES)
        if datagram != request:
            request, replies = datagram, endpoint.receive(datagram, address, 0, 0)
        for reply in replies:
            sock.sendto(reply, address)


def main() -> int:
    options = parse_server_options(None, "udp")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((options.host, options.port))
        say(f"waiting for clients on {format_url(options.service, 'udp', sock.getsockname())}")
        serve(sock, open_endpoint(options._replace(quiet=True), b"", say))
    say("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
