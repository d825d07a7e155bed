"""What a program can be asked for, and the statuses it exits with: SPEC.md, sections 12 and 13."""

from decimal import Decimal
from math import ceil
from typing import NamedTuple

from spec.address import format_url
from spec.limits import CLIENTS_DEFAULT, ECHO_PORT, IDLE_DEFAULT, INTERVAL_DEFAULT, TIME_PORT, TIMEOUT_DEFAULT

UNREACHABLE = 1
"""Exit status: no socket, no server or no answer (SRV-11, CLI-7)."""
WRONG_USAGE = 2
"""Exit status: a wrong command line, message or name (SRV-10, CLI-8)."""
REFUSED = 3
"""Exit status: the server answered ``ERR`` (CLI-9)."""

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORTS = {"echo": ECHO_PORT, "time": TIME_PORT}


class ServerOptions(NamedTuple):
    """The options of a server. Intervals and timeouts are in seconds."""

    service: str
    transport: str
    host: str = DEFAULT_HOST
    port: int = 0
    interval: Decimal = Decimal(INTERVAL_DEFAULT)
    max_clients: int = CLIENTS_DEFAULT
    idle_timeout: float = IDLE_DEFAULT
    quiet: bool = False
    reuse_port: bool = False

    @property
    def url(self) -> str:
        """Where to listen, with the host as the user wrote it."""
        return format_url(self.service, self.transport, (self.host, self.port))

    @property
    def idle_milliseconds(self) -> int:
        """The idle timeout in milliseconds, as the socket option TCP_USER_TIMEOUT takes it: 1 to 2**31 - 1."""
        return min(ceil(self.idle_timeout * 1000), 2**31 - 1)


class ClientOptions(NamedTuple):
    """The options of a client. The timeout is in seconds; ``text`` is the message or name, None if not given."""

    service: str
    transport: str
    host: str = DEFAULT_HOST
    port: int = 0
    timeout: float = TIMEOUT_DEFAULT
    ticks: int | None = None
    text: str | None = None

    @property
    def url(self) -> str:
        """The server's URL, with the host as the user wrote it."""
        return format_url(self.service, self.transport, (self.host, self.port))
