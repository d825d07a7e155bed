"""What is judged: a target names the commands of its four programs; a server is one of them, started and ready."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Literal

from conformance.programs import Program, ProgramError
from conformance.timing import PATIENCE

Service = Literal["echo", "time"]
Transport = Literal["udp", "tcp"]
Role = Literal["server", "client"]

SERVICES: tuple[Service, ...] = ("echo", "time")
ROLES: tuple[Role, ...] = ("server", "client")
TRANSPORTS: tuple[Transport, ...] = ("udp", "tcp")

ROOT = Path(__file__).resolve().parent.parent

READY = re.compile(
    r"waiting for clients on (?P<url>(echo|time)\+(udp|tcp)://(\[(?P<v6>[0-9a-f:]+)\]|(?P<v4>[0-9.]+)):(?P<port>\d+))"
)


class Server(Program):
    """A server that has printed its ready line; `service`, `transport`, `url`, `host` and `port` say where it waits."""

    def __init__(
        self,
        target: "Target",
        service: Service,
        transport: Transport,
        *options: str,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start it, on a free port unless `options` name one. Raises ProgramError if it does not get ready."""
        port = () if "--port" in options else ("--port", "0")
        super().__init__([*target.command(transport, "server"), service, *port, *options], cwd=target.cwd, env=env)
        self.service, self.transport = service, transport
        try:
            self.expect_line(r"[^\n]*")
        except ProgramError:
            problem = self.describe(f"no ready line within {PATIENCE:g} s")
            self.kill()
            raise ProgramError(problem) from None
        ready = READY.fullmatch(self.output[0])
        if ready is None:
            self.kill()
            raise ProgramError(self.describe("the first line is no ready line"))
        self.url: str = ready["url"]
        self.host: str = ready["v4"] or ready["v6"]
        self.port = int(ready["port"])

    @property
    def address(self) -> tuple[str, int]:
        """Where to connect to."""
        return self.host, self.port


@dataclass(frozen=True)
class Target:
    """A set of programs under one name. A program that `commands` lacks is not offered."""

    name: str
    commands: Mapping[tuple[Transport, Role], tuple[str, ...]]
    cwd: Path = ROOT

    def command(self, transport: Transport, role: Role) -> tuple[str, ...]:
        """Return the command that starts a program, without arguments. Raises KeyError if not offered."""
        return self.commands[transport, role]

    def server(
        self, service: Service, transport: Transport, *options: str, env: Mapping[str, str] | None = None
    ) -> Server:
        """Start a server and wait until it is ready."""
        return Server(self, service, transport, *options, env=env)

    def program(
        self,
        transport: Transport,
        role: Role,
        *arguments: str,
        stdin: str | bytes | int | None = "",
        stdout: int = PIPE,
        env: Mapping[str, str] | None = None,
    ) -> Program:
        """Start a program with these arguments and wait for nothing; the streams and `env` are those of `Program`."""
        return Program([*self.command(transport, role), *arguments], cwd=self.cwd, stdin=stdin, stdout=stdout, env=env)


def _bundled(name: str) -> Target:
    return Target(
        name,
        {
            (transport, role): (sys.executable, "-m", f"impl_{name}.{transport}_{role}")
            for transport in TRANSPORTS
            for role in ROLES
        },
    )


BUNDLED = {name: _bundled(name) for name in ("raw", "with", "socketserver")}


def show_address(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """Return a socket's address as a program prints it: ``127.0.0.1:50312``, ``[::1]:50312``."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
