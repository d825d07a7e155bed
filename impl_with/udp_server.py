"""A UDP server in ``with`` blocks: one socket serves all clients, one datagram at a time."""

import secrets
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from spec.address import format_url
from spec.codec import DATAGRAM_BYTES
from spec.commandline import UNREACHABLE, ServerOptions, explain, fail, parse_server_options, say
from spec.endpoint import Endpoint, open_endpoint

STOPPING = signal.SIGINT, signal.SIGTERM
HEARTBEAT = 0.2  # seconds: how late a signal is noticed at the most
GRAIN = 0.002  # seconds: ticks that are due so soon after one another are sent together
DRAIN = 0.5  # seconds: how long requests that have already come are answered after a signal


@contextmanager
def bound_socket(options: ServerOptions) -> Iterator[socket.socket]:
    """A socket bound to the first address of the host. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        options.host, options.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as sock:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # "::" serves IPv4 too
        # Unlike settimeout(), this costs no system call per datagram
        timeout = struct.pack("@ll", 0, int(HEARTBEAT * 1_000_000))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        sock.bind(address)
        yield sock


@contextmanager
def noted_signals() -> Iterator[Sequence[int]]:
    """Have the first SIGINT or SIGTERM noted, not obeyed, and any further one ignored."""
    noted: list[int] = []
    with ExitStack() as ignoring:
        for number in STOPPING:
            ignoring.callback(signal.signal, number, signal.SIG_IGN)  # another one must not spoil the end

        def note(number: int, _: object) -> None:
            noted.append(number)
            ignoring.close()

        for number in STOPPING:
            signal.signal(number, note)
        yield noted


def serve(sock: socket.socket, endpoint: Endpoint, signals: Sequence[int]) -> None:
    """Answer datagrams and send what is due until a signal comes."""
    while not signals:
        deadline = endpoint.deadline
        if deadline is None:
            answer(sock, endpoint)
            continue
        if not answer(sock, endpoint, socket.MSG_DONTWAIT):
            select.select([sock], [], [], min(max(0.0, deadline + GRAIN - time.monotonic()), HEARTBEAT))
            answer(sock, endpoint, socket.MSG_DONTWAIT)  # who came before the deadline is heard before it
        for datagram, address in endpoint.wake(time.monotonic(), time.time()):
            send(sock, datagram, address)
    sock.setblocking(False)
    drained = time.monotonic() + DRAIN
    while time.monotonic() < drained and answer(sock, endpoint):
        pass


def answer(sock: socket.socket, endpoint: Endpoint, flags: int = 0) -> bool:
    """Receive one datagram and answer it; return whether one came within the socket's time."""
    try:
        datagram, address = sock.recvfrom(DATAGRAM_BYTES, flags)
    except BlockingIOError:
        return False
    for reply in endpoint.receive(datagram, address, time.monotonic(), time.time()):
        send(sock, reply, address)
    return True


def send(sock: socket.socket, datagram: bytes, address: tuple[object, ...]) -> None:
    """Send a datagram; one that cannot be sent is as good as lost."""
    try:  # noqa: SIM105
        sock.sendto(datagram, address)  # suppress() would add a tenth to what a short answer costs
    except OSError:
        pass


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_server_options(arguments, "udp")
    with noted_signals() as signals, ExitStack() as stack:
        try:
            sock = stack.enter_context(bound_socket(options))
        except (OSError, UnicodeError) as error:
            fail(f"cannot listen on {options.url}: {explain(error)}", UNREACHABLE)
        say(f"waiting for clients on {format_url(options.service, 'udp', sock.getsockname())}")
        serve(sock, open_endpoint(options, secrets.token_bytes(32), say), signals)
    say("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
