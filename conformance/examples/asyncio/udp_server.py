"""A UDP server on asyncio: the loop calls ``datagram_received`` for each datagram, and ``wake`` when ticks are due."""

import asyncio
import secrets
import socket
import sys
import time
from collections.abc import Awaitable, Sequence
from contextlib import suppress

from conformance.examples.asyncio.program import DRAIN, Alarm, Run, run_server
from spec.address import Address
from spec.codec import DATAGRAM_BYTES
from spec.endpoint import open_endpoint
from spec.options import ServerOptions
from spec.program.output import say


class Server(asyncio.DatagramProtocol):
    """Carries datagrams between a transport and the endpoint."""

    def __init__(self, options: ServerOptions) -> None:
        self.endpoint = open_endpoint(options, secrets.token_bytes(32), say)
        self.alarm = Alarm(self.wake)

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        for reply in self.endpoint.receive(data, addr, time.monotonic(), time.time()):
            self.transport.sendto(reply, addr)
        self.alarm.set(self.endpoint.deadline)

    def wake(self) -> None:
        now = time.monotonic()
        while (deadline := self.endpoint.deadline) is not None and deadline <= now:
            for datagram, address in self.endpoint.wake(time.monotonic(), time.time()):
                self.transport.sendto(datagram, address)
        self.alarm.set(self.endpoint.deadline)


async def serve(options: ServerOptions, sock: socket.socket, stopping: Awaitable[object]) -> None:
    """Serve until a signal comes, then answer the datagrams that have come already."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: Server(options), sock=sock)
    await stopping
    drained = time.monotonic() + DRAIN
    with suppress(BlockingIOError):
        while time.monotonic() < drained:
            server.datagram_received(*sock.recvfrom(DATAGRAM_BYTES))
    transport.close()


def main(arguments: Sequence[str] | None = None, run: Run = asyncio.run) -> int:
    return run_server(serve, "udp", arguments, run)


if __name__ == "__main__":
    sys.exit(main())
