"""A UDP server on ``socketserver``: ``handle()`` answers each datagram, ``service_actions()`` sends what is due."""

import secrets
import signal
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from spec.address import format_url
from spec.codec import DATAGRAM_BYTES
from spec.commandline import UNREACHABLE, ServerOptions, explain, fail, parse_server_options, say
from spec.endpoint import open_endpoint

STOPPING = signal.SIGINT, signal.SIGTERM
POLL = {"echo": 0.2, "time": 0.003}  # seconds between two service_actions() of an idle server, so the lateness of ticks
BATCH = 64  # datagrams answered before it is looked whether ticks are due
DRAIN = 0.5  # seconds: how long requests that have already come are answered after a signal


class Handler(socketserver.BaseRequestHandler):
    """Answers one datagram."""

    # Not DatagramRequestHandler: that one sends an empty datagram where nothing is to be sent
    server: "Server"

    def handle(self) -> None:
        datagram, _ = self.request
        for reply in self.server.endpoint.receive(datagram, self.client_address, time.monotonic(), time.time()):
            self.server.send(reply, self.client_address)


class Server(socketserver.UDPServer):
    """Receives datagrams for one endpoint."""

    max_packet_size = DATAGRAM_BYTES  # the default, 8192, cuts silently

    def __init__(self, options: ServerOptions) -> None:
        """Bind to the first address of the host. Raises OSError."""
        address: Any
        self.address_family, _, _, _, address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
        self.endpoint = open_endpoint(options, secrets.token_bytes(32), say)
        self.idle = False
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a datagram, and those that wait behind it: one ``select()`` does for all of them."""
        self.finish_request(request, client_address)
        with suppress(BlockingIOError):
            for _ in range(BATCH):
                self.finish_request(*self.get_request())

    def server_bind(self) -> None:
        self.socket.setblocking(False)
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # "::" serves IPv4 too
        super().server_bind()

    def service_actions(self) -> None:
        deadline = self.endpoint.deadline
        if deadline is not None and deadline <= time.monotonic():
            for datagram, address in self.endpoint.wake(time.monotonic(), time.time()):
                self.send(datagram, address)

    def send(self, datagram: bytes, address: tuple[object, ...]) -> None:
        """Send a datagram; one that cannot be sent is as good as lost."""
        with suppress(OSError):
            self.socket.sendto(datagram, address)

    def drain(self) -> None:
        """Answer the requests that have come already."""
        self.timeout = 0
        drained = time.monotonic() + DRAIN
        while not self.idle and time.monotonic() < drained:
            self.handle_request()

    def handle_timeout(self) -> None:
        self.idle = True


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_server_options(arguments, "udp")
    try:
        server = Server(options)
    except (OSError, UnicodeError) as error:
        fail(f"cannot listen on {options.url}: {explain(error)}", UNREACHABLE)
    with server:

        def stop(number: int, _: object) -> None:
            for each in STOPPING:
                signal.signal(each, signal.SIG_IGN)  # another one must not spoil the end
            # shutdown() waits for serve_forever(), which this thread runs: it needs a thread of its own
            threading.Thread(target=server.shutdown).start()

        for number in STOPPING:
            signal.signal(number, stop)
        say(f"waiting for clients on {format_url(options.service, 'udp', server.server_address)}")
        server.serve_forever(POLL[options.service])
        server.drain()
    say("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
