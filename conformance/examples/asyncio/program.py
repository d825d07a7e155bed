"""What the servers of both transports share: the socket, the alarm, start and stop."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import inf
from typing import Any

from spec.address import format_url
from spec.codec import RECEIVE_BUFFER_BYTES
from spec.message import Message
from spec.options import UNREACHABLE, ServerOptions
from spec.program.arguments import parse_server_options
from spec.program.output import explain, fail, say
from spec.program.signals import on_first_signal

DRAIN = 0.5  # seconds: how long what has come is answered, and taken, after a signal
BACKLOG = 1024  # connections that the kernel completes before they are accepted
GRAIN = 0.001  # seconds: event loops wait whole milliseconds; for less they would spin

Run = Callable[[Coroutine[Any, Any, None]], object]
"""Runs a coroutine on an event loop, as ``asyncio.run`` does."""


class Alarm:
    """A timer for several deadlines: it calls a function without arguments at the earliest, then forgets all."""

    def __init__(self, ring: Callable[[], object]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._deadline = inf

    def set(self, deadline: float | None) -> None:
        """Call the function at that time of ``time.monotonic``, or up to GRAIN seconds before; None: no change."""
        if deadline is not None and deadline < self._deadline:
            if self._handle is not None:
                self._handle.cancel()
            self._deadline = deadline
            self._handle = self._loop.call_later(max(deadline - time.monotonic(), GRAIN), self._wake)

    def _wake(self) -> None:
        self._handle, self._deadline = None, inf
        self._ring()


@contextmanager
def bound_socket(options: ServerOptions) -> Iterator[socket.socket]:
    """A socket of the transport, bound to the first address of the host. Raises OSError."""
    kind = socket.SOCK_STREAM if options.transport == "tcp" else socket.SOCK_DGRAM
    family, kind, protocol, _, address = socket.getaddrinfo(
        options.host, options.port, type=kind, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as sock:
        if options.transport == "tcp":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # "::" serves IPv4 too
        if kind == socket.SOCK_DGRAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        if options.reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setblocking(False)
        sock.bind(address)
        if options.transport == "tcp":
            sock.listen(BACKLOG)
        yield sock


def run_server(
    serve: Callable[[ServerOptions, socket.socket, Awaitable[object]], Coroutine[Any, Any, None]],
    transport: str,
    arguments: Sequence[str] | None,
    run: Run,
) -> int:
    """Run ``serve`` with the options, a bound socket, and what ends at a signal; return the exit status."""

    async def until_signal(sock: socket.socket) -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()  # its own handlers are gone when it has ended, but a signal may come then
        on_first_signal(lambda number: loop.call_soon_threadsafe(stopping.set))
        say(Message("waiting for clients on {url}", url=format_url(options.service, transport, sock.getsockname())))
        await serve(options, sock, stopping.wait())

    options = parse_server_options(arguments, transport)
    with ExitStack() as stack:
        try:
            sock = stack.enter_context(bound_socket(options))
        except (OSError, UnicodeError) as error:
            fail(Message("cannot listen on {url}: {reason}", url=options.url, reason=explain(error)), UNREACHABLE)
        run(until_signal(sock))
    say(Message("stopped"))
    return 0
