"""Servers that are judged: one that is started and gets ready, and one that runs already."""

import contextlib
import re
import socket
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NoReturn
from weakref import WeakValueDictionary

from conformance.blame import blame
from conformance.inconclusive import Inconclusive
from conformance.targets.limits import DEFAULT_LIMITS, Limits
from conformance.targets.programs import Program, ProgramError
from conformance.targets.terms import WRONG_USAGE, Service, Transport

_SCHEME = r"(?P<service>echo|time)\+(?P<transport>udp|tcp)"
_ADDRESS = r"(\[(?P<v6>[0-9a-f:]+)\]|(?P<v4>[0-9.]+)):(?P<port>\d{1,5})"

READY = re.compile(f"waiting for clients on (?P<url>{_SCHEME}://{_ADDRESS})")

NAMED = re.compile(rf"waiting for clients on {_SCHEME}://(?P<host>[A-Za-z][A-Za-z0-9.-]*):\d{{1,5}}")

URL = re.compile(rf"{_SCHEME}://(\[(?P<v6>[0-9A-Fa-f:.]+(%\w+)?)\]|(?P<host>[^\[\]:/@?#\s]+)):(?P<port>\d{{1,5}})")
"""What a person may call a server that runs already: by its address or by its name."""

ONLY_REPLIES = "of a server that runs already only the replies are seen"

REFUSAL = 0.2
"""Seconds in which a host says that nobody has a UDP port."""


_servers: WeakValueDictionary[tuple[Transport, tuple[str, int]], "Server"] = WeakValueDictionary()


def server_at(transport: Transport, address: tuple[str, int]) -> "Server | None":
    """Return the last server that was started there; None for a shared port, one that runs already, and all else."""
    return _servers.get((transport, address))


class DidNotStart(ProgramError):
    """A server printed nothing on standard output, or ended; the message holds what it printed on standard error."""


class Server(Program):
    """A server that has printed its ready line; `service`, `transport`, `url`, `host` and `port` say where it waits."""

    def __init__(
        self,
        command: Sequence[str],
        service: Service,
        transport: Transport,
        *options: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Start it, on a free port unless `options` name one.

        Raises DidNotStart, or ProgramError for a first line that is no ready line, which is about SRV-1. So is the
        former, unless it was started with options: they have to be accepted (SRV-10). One that was, and says in its
        first line why it ends, did not start.
        """
        port = () if "--port" in options else ("--port", "0")
        super().__init__([*command, service, *port, *options], cwd=cwd, env=env, limits=limits)
        self.service, self.transport = service, transport
        self.is_server = True
        self._options = options
        try:
            ready = self._ready_line()
        except ProgramError:
            self.kill()
            raise
        self.url: str = ready["url"]
        self.host: str = ready["v4"] or ready["v6"]
        self.port = int(ready["port"])
        if "--reuse-port" in options:  # nobody knows which of several answers
            _servers.pop((self.transport, self.address), None)
        else:
            _servers[self.transport, self.address] = self

    def _ready_line(self) -> re.Match[str]:
        try:
            self.expect_line(r"[^\n]*")
        except ProgramError:
            hint = " (does it flush?)" if self.running else ""
            told = "it printed nothing" if self.running else "it ended before it printed anything"
            if (about := self._needed) == "SRV-10" and self._is_refused:
                told = "it takes a valid command line for wrong usage"
            problem = f"{told}, but the ready line was expected{hint}"
            error = DidNotStart(self.describe(problem))
            raise (blame(error, about) if about else error) from None
        ready = READY.fullmatch(self.output[0])
        if ready and int(ready["port"]):
            return ready
        form = f"waiting for clients on {self.service}+{self.transport}://HOST:PORT"
        told = f"the first line is {self.output[0]!r}, no ready line; expected: {form}"
        if ready:
            told = f"{told}; 0 is no port; expected the one that it listens on"
        if named := NAMED.fullmatch(self.output[0]):
            told = f"{told}; {named['host']!r} is a name; expected an IP address"
        if self._options and self.is_dying():
            error = DidNotStart(self.describe(told))
            raise blame(error, self._needed) if self._needed else error
        raise blame(ProgramError(self.describe(told)), "SRV-1")

    def option(self, name: str) -> str | None:
        """Return the value of an option that it was started with, as in ``--interval 3``; None without that option."""
        return dict(pairwise(self._options)).get(name)

    @property
    def _needed(self) -> str:
        """The requirement that says that it starts so; none where it depends on who starts it: --host, --port."""
        names = {option for option in self._options if option.startswith("--")} - {"--port"}
        if not self._options:
            return "SRV-1"
        return "SRV-10" if names and ("--host" not in names or self._is_refused) else ""

    @property
    def _is_refused(self) -> bool:
        return not self.running and self.process.returncode == WRONG_USAGE

    @property
    def address(self) -> tuple[str, int]:
        """Where to connect to."""
        return self.host, self.port


class RunningServer(Server):
    """A server that ran before: it is judged by its replies alone, for neither its output nor its end is seen.

    A check that asks for more than its address raises Inconclusive.
    """

    def __init__(self, url: str) -> None:
        """`url` has the form of `URL`. Raises OSError if its host has no address."""
        match = URL.fullmatch(url)
        self.ended_because, self.left_behind = None, []
        assert match
        self.command, self.url = [url], url
        self.service, self.transport = match["service"], match["transport"]  # type: ignore[assignment]
        self.host, self.port = _address(match["v6"] or match["host"], int(match["port"]), self.transport)

    @property
    def running(self) -> bool:
        return True

    @property
    def errors(self) -> list[str]:
        return []

    def describe(self, problem: str) -> str:
        return f"{problem}; {self.url}"

    def is_dying(self) -> bool:
        """Return False: what is not seen to run is not seen to end."""
        return False

    def is_starved(self) -> bool:
        """Return False: the processor of another machine is not seen."""
        return False

    def kill(self) -> None:
        """Leave it alone."""

    def __getattr__(self, name: str) -> NoReturn:
        if name in _OF_A_PROCESS:
            raise Inconclusive(ONLY_REPLIES)
        raise AttributeError(name)


_OF_A_PROCESS = {"pid", "process", "_changed"}
"""What a Program has and a server that runs already has not: all that is printed, signalled and waited for needs it."""


def _address(host: str, port: int, transport: Transport) -> tuple[str, int]:
    """Return the first address of a host at which the port is not refused, or the first of all. Raises OSError."""
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    found = socket.getaddrinfo(host, port, type=kind)
    for family, _, _, _, address in found:
        with socket.socket(family, kind) as sock, contextlib.suppress(OSError):
            sock.settimeout(REFUSAL)
            try:
                sock.connect(address)
                if transport == "udp":
                    sock.send(b"")  # a datagram that no server answers; where nobody has the port, ICMP says so
                    sock.recv(1)
            except TimeoutError:
                pass
            return str(address[0]), port
    return str(found[0][4][0]), port
