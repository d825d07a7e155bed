"""A UDP server on ``socketserver``: ``handle()`` answers each datagram, ``service_actions()`` sends what is due."""

import secrets
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from spec.address import format_url
from spec.codec import DATAGRAM_BYTES, RECEIVE_BUFFER_BYTES
from spec.endpoint import open_endpoint
from spec.message import Message
from spec.options import UNREACHABLE, ServerOptions
from spec.program.arguments import parse_server_options
from spec.program.output import explain, fail, say
from spec.program.signals import on_first_signal
from spec.program.system import monotonic

POLL_INTERVAL = {"echo": 0.2, "time": 0.003}  # seconds between two service_actions(): so late can a tick be
BATCH = 64  # datagrams answered between two service_actions()
DRAIN_TIME = 0.5  # seconds for the answers to requests that had arrived when a signal came


class Handler(socketserver.BaseRequestHandler):
    """Answers one datagram."""

    # Not DatagramRequestHandler: that one sends an empty datagram where nothing is to be sent
    server: "Server"

    def handle(self) -> None:
        datagram, _ = self.request
        for reply in self.server.endpoint.receive(datagram, self.client_address, monotonic(), time.time()):
            self.server.send(reply, self.client_address)


class Server(socketserver.UDPServer):
    """Receives datagrams for one endpoint."""

    max_packet_size = DATAGRAM_BYTES  # the default, 8192, cuts silently

    def __init__(self, options: ServerOptions) -> None:
        """Bind to the first address of the host. Raises OSError."""
        self.options = options
        address: Any
        self.address_family, _, _, _, address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
        self.endpoint = open_endpoint(options, secrets.token_bytes(32), say)
        self.idle = False
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a datagram and those that have arrived after it, with one ``select()`` for all."""
        self.finish_request(request, client_address)
        with suppress(OSError):  # none has come; or, on Windows, an earlier reply did not reach its client
            for _ in range(BATCH):
                self.finish_request(*self.get_request())

    def server_bind(self) -> None:
        self.socket.setblocking(False)
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # "::" serves IPv4 too
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        if self.options.reuse_port:  # from Python 3.11 on, allow_reuse_port says so
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

    def service_actions(self) -> None:
        now = monotonic()
        while (deadline := self.endpoint.deadline) is not None and deadline <= now:
            for datagram, address in self.endpoint.wake(monotonic(), time.time()):
                self.send(datagram, address)

    def send(self, datagram: bytes, address: tuple[object, ...]) -> None:
        """Send a datagram. One that cannot be sent counts as lost on the way."""
        try:  # noqa: SIM105 - suppress() costs more here, see README.md
            self.socket.sendto(datagram, address)
        except OSError:
            pass

    def drain(self) -> None:
        """Answer the requests that have arrived already, for DRAIN_TIME at most."""
        self.timeout = 0
        drained = monotonic() + DRAIN_TIME
        while not self.idle and monotonic() < drained:
            self.handle_request()

    def handle_timeout(self) -> None:
        self.idle = True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server with these arguments (None: the process's own) and return the exit status."""
    options = parse_server_options(arguments, "udp")
    try:
        server = Server(options)
    except (OSError, UnicodeError) as error:
        fail(Message("cannot listen on {url}: {reason}", url=options.url, reason=explain(error)), UNREACHABLE)
    with server:
        # shutdown() waits for serve_forever(), which runs in this thread: it needs a thread of its own
        on_first_signal(lambda number: threading.Thread(target=server.shutdown).start())
        say(Message("waiting for clients on {url}", url=format_url(options.service, "udp", server.server_address)))
        server.serve_forever(POLL_INTERVAL[options.service])
        server.drain()
    say(Message("stopped"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
