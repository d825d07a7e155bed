"""What a client's socket of the judge observes: a reply, or what came instead of one."""

import re
from typing import NamedTuple

from conformance.as_client.exchange import as_text
from conformance.blame import blame
from conformance.expected.fields import STATUSES, Status


class Observed(AssertionError):
    """No reply came. Each subclass says what was observed instead."""


class Silence(Observed):
    """Nothing came until the deadline."""


class Ended(Observed):
    """The server closed its sending side (FIN)."""


class Reset(Observed):
    """The server reset the connection (RST), or nobody has the UDP port (ICMP)."""


class Malformed(Observed):
    """The bytes that came are no reply by SPEC.md, section 4."""


_STATUSES: dict[bytes, Status] = {status.encode(): status for status in STATUSES}
_REPLY = re.compile(rf"({'|'.join(STATUSES)})\n((?:[a-z][a-z0-9-]*: [^\n]*\n)*)\n".encode())


class _Fields(dict[str, str]):
    """The values by field-name. That one did not come is the server's fault, and not an error of the judge."""

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self._raw = raw

    def __missing__(self, name: str) -> str:
        raise blame(AssertionError(f"{as_text(self._raw)} came, without {name}"), "REP-1")


class Reply(NamedTuple):
    """One reply, and when it was read, in seconds of ``time.monotonic``."""

    raw: bytes
    at: float

    def parse(self) -> tuple[Status, dict[str, str]]:
        """Return status and fields. Raises Malformed."""
        match = _REPLY.fullmatch(self.raw)
        if match is None:
            raise Malformed(f"this has not the form of a reply: {as_text(self.raw)}")
        try:
            lines = match[2].decode("utf-8").split("\n")[:-1]
        except UnicodeDecodeError as error:
            raise Malformed(f"no UTF-8: {as_text(self.raw)}: {error}") from None
        fields = _Fields(self.raw)
        for line in lines:
            name, _, value = line.partition(": ")
            fields.setdefault(name, value)
        return _STATUSES[match[1]], fields

    @property
    def status(self) -> Status:
        """The status. Raises Malformed."""
        return self.parse()[0]

    @property
    def fields(self) -> dict[str, str]:
        """The values by field-name; of several fields of one name the first counts (REQ-6). Raises Malformed.

        To ask for a field that is not there raises AssertionError, about REP-1.
        """
        return self.parse()[1]
