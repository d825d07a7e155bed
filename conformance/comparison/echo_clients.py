"""The clients of a load of echo requests. They cost as little CPU time as Python allows.

Requests are built before. Replies are received into one buffer, and only their size is checked. Before and after,
`verify` compares a reply byte for byte.
"""

import socket
import struct
from time import perf_counter_ns
from types import TracebackType
from typing import TYPE_CHECKING

from conformance.comparison.figures import LoadError
from conformance.comparison.model import Load, Script
from conformance.expected.oracle import expected_reply
from conformance.expected.services import SERVICE_TABLE
from conformance.targets.server import Server
from conformance.timing import PATIENCE, SCALE

if TYPE_CHECKING:
    from typing_extensions import Self

LOST = 0.25 * SCALE
"""Seconds without a reply after which a datagram counts as lost."""

TEXTS: dict[Script, str] = {
    "latin": "the quick brown fox jumps over the lazy dog, ",
    "cyrillic": "съешь же ещё этих мягких французских булок, да выпей чаю, ",
}


def request(load: Load) -> bytes:
    """Return the request of a load, with its LF; its message has exactly `message_bytes` bytes."""
    text, size = TEXTS[load.script].encode(), load.message_bytes
    message = (text * (size // len(text) + 1))[:size].decode("utf-8", "ignore")
    return SERVICE_TABLE["echo"].request(message + "." * (size - len(message.encode()))) + b"\n"


class Client:
    """One client's socket. `ask` sends as many requests as the load has outstanding; `take` receives the replies."""

    kind: socket.SocketKind
    patience: float
    """Seconds that `take` waits for a reply."""

    def __init__(self, server: Server, load: Load) -> None:
        """Connect. Raises OSError."""
        self.address, self.outstanding = server.address, load.outstanding
        self.request = request(load)
        reply = expected_reply("echo", load.transport, self.request)
        assert reply
        self.reply = reply
        self.buffer = bytearray(max(len(reply) * load.outstanding, 1 << 16))
        self.asked = 0
        """When `ask` was last called, in nanoseconds of ``perf_counter_ns``."""
        self.connect()

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.socket.close()

    def connect(self) -> None:
        """Connect the socket. Raises OSError."""
        self.socket = socket.socket(socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET, self.kind)
        # Unlike settimeout(), these cost no system call per reply
        for option, seconds in ((socket.SO_RCVTIMEO, self.patience), (socket.SO_SNDTIMEO, PATIENCE)):
            timeout = struct.pack("@ll", int(seconds), int(seconds % 1 * 1_000_000))
            self.socket.setsockopt(socket.SOL_SOCKET, option, timeout)
        try:
            self.socket.connect(self.address)
        except OSError:
            self.socket.close()
            raise

    def ask(self) -> None:
        """Send the requests. Raises OSError."""
        raise NotImplementedError

    def take(self) -> int:
        """Receive the replies; return how many were lost. Raises LoadError, OSError."""
        raise NotImplementedError

    def verify(self) -> None:
        """Send the requests, and compare the first reply with the expected one. Raises LoadError, OSError."""
        self.ask()
        if self.take():
            raise LoadError("no reply")
        if not self.buffer.startswith(self.reply):
            raise LoadError("a wrong reply to a good request")


class TcpClient(Client):
    """Sends all its requests in one segment, and waits until the replies to all have come."""

    kind = socket.SOCK_STREAM
    patience = PATIENCE

    def connect(self) -> None:
        super().connect()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests = self.request * self.outstanding
        self.size = len(self.reply) * self.outstanding

    def ask(self) -> None:
        self.asked = perf_counter_ns()
        self.socket.sendall(self.requests)

    def take(self) -> int:
        got = self.socket.recv_into(self.buffer, self.size, socket.MSG_WAITALL)
        if got != self.size:
            raise LoadError(f"the server closed a connection, or stopped in a reply: {got} of {self.size} bytes")
        return 0


class UdpClient(Client):
    """Sends its requests one by one."""

    kind = socket.SOCK_DGRAM
    patience = LOST

    def ask(self) -> None:
        self.asked = perf_counter_ns()
        for _ in range(self.outstanding):
            self.socket.send(self.request)

    def take(self) -> int:
        for missing in range(self.outstanding, 0, -1):
            try:
                got = self.socket.recv_into(self.buffer)
            except BlockingIOError:
                self.socket.close()
                self.connect()  # a late reply must not be taken for the next one
                return missing
            if got != len(self.reply):
                raise LoadError(f"a reply of {got} bytes; expected {len(self.reply)}")
        return 0


def connect(server: Server, load: Load) -> Client:
    """Return a client of the load's transport, connected. Raises OSError."""
    return (TcpClient if load.transport == "tcp" else UdpClient)(server, load)
