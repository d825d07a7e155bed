"""A UDP server on a plain socket: one socket serves all clients, one datagram at a time."""

import os
import secrets
import selectors
import socket
import struct
import sys
import time
from collections.abc import Sequence

from spec.address import format_url
from spec.codec import DATAGRAM_BYTES, RECEIVE_BUFFER_BYTES
from spec.endpoint import Endpoint, open_endpoint
from spec.message import Message
from spec.options import UNREACHABLE, ServerOptions
from spec.program.arguments import parse_server_options
from spec.program.output import explain, fail, say
from spec.program.signals import note_signals
from spec.program.system import monotonic

MAX_WAIT = 0.2  # seconds: how often the server looks whether a signal has come
TICK_GRAIN = 0.001  # seconds: the shortest wait for a tick, so that those due until then are sent together
DRAIN_TIME = 0.5  # seconds for the answers to requests that had arrived when a signal came
DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)  # Windows has no such flag: there select() is asked first


def bind(options: ServerOptions) -> socket.socket:
    """Return a socket bound to the first address of the host. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        options.host, options.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # "::" serves IPv4 too
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        if options.reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


def serve(sock: socket.socket, endpoint: Endpoint, signals: Sequence[int]) -> None:
    """Answer datagrams and send ticks until a signal comes, then answer the datagrams that have arrived by then."""
    if os.name == "posix":  # unlike settimeout(), this costs no system call per datagram
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 0, int(MAX_WAIT * 1_000_000)))
    else:  # on Windows it may lose a datagram
        sock.settimeout(MAX_WAIT)
    # select() waits to the microsecond, but on POSIX it takes no descriptor above 1023
    few = os.name != "posix" or sock.fileno() < 1024
    selector = selectors.SelectSelector() if few else selectors.PollSelector()
    selector.register(sock, selectors.EVENT_READ)
    while not signals:
        deadline = endpoint.deadline
        if deadline is None:
            answer(sock, endpoint)
            continue
        if not DONT_WAIT or not answer(sock, endpoint, DONT_WAIT):
            wait = min(max(TICK_GRAIN, deadline - monotonic()), MAX_WAIT)
            if selector.select(wait):
                answer(sock, endpoint, DONT_WAIT)  # what arrived before the deadline is answered before it
        now = monotonic()
        while (deadline := endpoint.deadline) is not None and deadline <= now:
            for datagram, address in endpoint.wake(monotonic(), time.time()):
                send(sock, datagram, address)
    selector.close()
    sock.setblocking(False)
    drained = monotonic() + DRAIN_TIME
    while monotonic() < drained and answer(sock, endpoint):
        pass


def answer(sock: socket.socket, endpoint: Endpoint, flags: int = 0) -> bool:
    """Receive one datagram and answer it; return whether one came before the socket's timeout."""
    try:
        datagram, address = sock.recvfrom(DATAGRAM_BYTES, flags)
    except (BlockingIOError, TimeoutError):
        return False
    except OSError:  # Windows says here that an earlier reply did not reach its client
        return True
    for reply in endpoint.receive(datagram, address, monotonic(), time.time()):
        send(sock, reply, address)
    return True


def send(sock: socket.socket, datagram: bytes, address: tuple[object, ...]) -> None:
    """Send a datagram. One that cannot be sent counts as lost on the way."""
    try:
        sock.sendto(datagram, address)
    except OSError:
        pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server with these arguments (None: the process's own) and return the exit status."""
    options = parse_server_options(arguments, "udp")
    signals = note_signals()
    try:
        sock = bind(options)
    except (OSError, UnicodeError) as error:
        fail(Message("cannot listen on {url}: {reason}", url=options.url, reason=explain(error)), UNREACHABLE)
    try:
        say(Message("waiting for clients on {url}", url=format_url(options.service, "udp", sock.getsockname())))
        endpoint = open_endpoint(options, secrets.token_bytes(32), say)
        serve(sock, endpoint, signals)
    finally:
        sock.close()
    say(Message("stopped"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
