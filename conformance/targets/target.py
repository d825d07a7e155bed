"""What is judged: a target names the commands of its four programs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from subprocess import PIPE

from conformance import ROOT
from conformance.inconclusive import Inconclusive
from conformance.targets.limits import DEFAULT_LIMITS, Limits
from conformance.targets.platform import NEEDS
from conformance.targets.programs import Program
from conformance.targets.server import RunningServer, Server
from conformance.targets.terms import SERVICES, TRANSPORTS, Role, Service, Transport

_NUMBER = "([0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
_IPV4 = re.compile(rf"({_NUMBER}\.){{3}}{_NUMBER}")


class TargetError(Exception):
    """A target that is named wrongly: one line that says how."""


class MissingError(TargetError):
    """A target that needs something which is not installed here: one line that says what."""


@dataclass(frozen=True)
class Target:
    """What is judged under one name.

    What `commands` and `services` lack is not offered. `url` is of a server that runs already; it has no commands.
    `word` is what `find_target` finds it by, from any directory. `environment` is added to the part of the suite's own
    that programs get, and `limits` are what they may take. `lacks` has what their platform lacks, each with the reason.
    """

    name: str
    commands: Mapping[tuple[Transport, Role], tuple[str, ...]]
    cwd: Path = ROOT
    services: tuple[Service, ...] = SERVICES
    url: str = ""
    word: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = DEFAULT_LIMITS
    lacks: Mapping[str, str] = field(default_factory=dict)

    def need(self, what: str) -> None:
        """Raise Inconclusive if the platform lacks what a check needs, a key of ``platform.NEEDS``."""
        if what in self.lacks:
            raise Inconclusive(f"the platform of {self.name} lacks {NEEDS[what]}: {self.lacks[what]}")

    def _need_address(self, transport: Transport, options: Sequence[str]) -> None:
        """Raise Inconclusive if the platform cannot have a server at the address that ``--host`` names."""
        for option, host in pairwise(options):
            if transport == "udp" and option == "--host" and _IPV4.fullmatch(host) and host != "127.0.0.1":
                self.need("udp-addresses")

    def offers(self, role: Role, transport: Transport, service: Service | None = None) -> bool:
        """Whether it has such a program; for any service, or for this one."""
        if service is not None and service not in self.services:
            return False
        if self.url:
            return role == "server" and f"+{transport}:" in self.url
        return (transport, role) in self.commands

    def transports(self, role: Role) -> list[Transport]:
        """Return the transports over which it has such a program."""
        return [transport for transport in TRANSPORTS if self.offers(role, transport)]

    def command(self, transport: Transport, role: Role) -> tuple[str, ...]:
        """Return the command that starts a program, without arguments. Raises KeyError if not offered."""
        return self.commands[transport, role]

    def server(
        self, service: Service, transport: Transport, *options: str, env: Mapping[str, str] | None = None
    ) -> Server:
        """Start a server and wait until it is ready. Of a target with a URL it is the one that runs, as it is."""
        if self.url:
            return RunningServer(self.url)
        self._need_address(transport, options)
        whole = {**self.environment, **(env or {})}
        command = self.command(transport, "server")
        return Server(command, service, transport, *options, cwd=self.cwd, env=whole, limits=self.limits)

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
        if role == "server":
            self._need_address(transport, arguments)
        command = [*self.command(transport, role), *arguments]
        whole = {**self.environment, **(env or {})}
        program = Program(command, cwd=self.cwd, stdin=stdin, stdout=stdout, env=whole, limits=self.limits)
        program.is_server = role == "server"
        return program
