"""Servers that are judged: one that is started and gets ready, and one that runs already."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from conformance.targets.limits import DEFAULT_LIMITS, Limits
from conformance.targets.programs import Program, ProgramError
from conformance.targets.terms import Service, Transport
from conformance.timing import PATIENCE

URL = (
    r"(?P<url>(?P<service>echo|time)\+(?P<transport>udp|tcp)://(\[(?P<v6>[0-9a-f:]+)\]|(?P<v4>[0-9.]+)):(?P<port>\d+))"
)

READY = re.compile(f"waiting for clients on {URL}")


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
        """Start it, on a free port unless `options` name one. Raises ProgramError if it does not get ready."""
        port = () if "--port" in options else ("--port", "0")
        super().__init__([*command, service, *port, *options], cwd=cwd, env=env, limits=limits)
        self.service, self.transport = service, transport
        try:
            ready = self._ready_line()
        except ProgramError:
            self.kill()
            raise
        self.url: str = ready["url"]
        self.host: str = ready["v4"] or ready["v6"]
        self.port = int(ready["port"])

    def _ready_line(self) -> re.Match[str]:
        try:
            self.expect_line(r"[^\n]*")
        except ProgramError:
            told = self.describe("no ready line" + f" within {PATIENCE:g} s" * self.running)
            raise ProgramError(told) from None
        if ready := READY.fullmatch(self.output[0]):
            return ready
        raise ProgramError(self.describe("the first line is no ready line"))

    @property
    def address(self) -> tuple[str, int]:
        """Where to connect to."""
        return self.host, self.port


class RunningServer(Server):
    """A server that ran before: it is judged by its replies alone, for neither its output nor its end is seen."""

    def __init__(self, url: str) -> None:
        self.command, self.url = [url], url
        self.ended_because, self.left_behind = None, []
        match = re.fullmatch(URL, url)
        assert match
        self.service, self.transport = match["service"], match["transport"]  # type: ignore[assignment]
        self.host, self.port = match["v4"] or match["v6"], int(match["port"])

    @property
    def running(self) -> bool:
        return True

    @property
    def errors(self) -> list[str]:
        return []

    def describe(self, problem: str) -> str:
        return f"{problem}; {self.url}"

    def kill(self) -> None:
        """Leave it alone."""
