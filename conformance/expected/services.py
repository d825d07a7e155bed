"""What the judge knows of each service before it asks: one table."""

from typing import NamedTuple

from conformance.targets.terms import Service
from spec.limits import ECHO_PORT, TIME_PORT


class ServiceFacts(NamedTuple):
    """The row of one service."""

    verb: bytes
    argument: str
    """A good argument: a message or a name."""
    probes: tuple[bytes, bytes]
    """Two requests over UDP, without LF. Each has one reply, and the two replies differ."""
    port: int
    """The default port (SRV-3)."""

    def request(self, argument: str) -> bytes:
        """Return the line of a request, without its end."""
        return self.verb + b" " + argument.encode()

    @property
    def good_request(self) -> bytes:
        """The line of a good request, without its end."""
        return self.request(self.argument)


SERVICE_TABLE: dict[Service, ServiceFacts] = {
    "echo": ServiceFacts(b"ECHO", "привет", (b"ECHO first", b"ECHO second"), ECHO_PORT),
    "time": ServiceFacts(b"TIME", "Анна", (b"TIME first", b"TIME"), TIME_PORT),
}
