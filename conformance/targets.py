"""What is judged: a target names the commands of its four programs; a server is one of them, started and ready."""

import importlib.util
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Literal

from conformance.programs import Program, ProgramError
from conformance.timing import PATIENCE
from conformance.toml_files import read_toml

Service = Literal["echo", "time"]
Transport = Literal["udp", "tcp"]
Role = Literal["server", "client"]

SERVICES: tuple[Service, ...] = ("echo", "time")
ROLES: tuple[Role, ...] = ("server", "client")
TRANSPORTS: tuple[Transport, ...] = ("udp", "tcp")

ROOT = Path(__file__).resolve().parent.parent

URL = (
    r"(?P<url>(?P<service>echo|time)\+(?P<transport>udp|tcp)://(\[(?P<v6>[0-9a-f:]+)\]|(?P<v4>[0-9.]+)):(?P<port>\d+))"
)
READY = re.compile(f"waiting for clients on {URL}")


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

    def __init__(self, target: "Target") -> None:
        """`target` is one with a URL."""
        self.command, self.url = [target.url], target.url
        match = re.fullmatch(URL, target.url)
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


class TargetError(Exception):
    """A target that is named wrongly: one line that says how."""


class MissingError(TargetError):
    """A target that needs something which is not installed here: one line that says what."""


@dataclass(frozen=True)
class Target:
    """What is judged under one name.

    What `commands` and `services` lack is not offered. `url` is of a server that runs already; it has no commands.
    `word` is what `find_target` finds it by, from any directory.
    """

    name: str
    commands: Mapping[tuple[Transport, Role], tuple[str, ...]]
    cwd: Path = ROOT
    services: tuple[Service, ...] = SERVICES
    url: str = ""
    word: str = ""

    def offers(self, role: Role, transport: Transport, service: Service | None = None) -> bool:
        """Whether it has such a program; for any service, or for this one."""
        if service is not None and service not in self.services:
            return False
        if self.url:
            return role == "server" and f"+{transport}:" in self.url
        return (transport, role) in self.commands

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
        word=name,
    )


BUNDLED = {name: _bundled(name) for name in ("raw", "with", "socketserver")}


EXAMPLES = {
    manifest.parent.name: manifest for manifest in sorted((Path(__file__).parent / "examples").glob("*/sockspec.toml"))
}
"""Manifests by their names: other ways to write the programs."""

TARGET_HELP = (
    f"{', '.join([*BUNDLED, *EXAMPLES])}, a manifest (TOML), or the URL of a server that runs"
    f" (default: {', '.join(BUNDLED)})"
)


def find_target(word: str) -> Target:
    """Return what a word names: a bundled target, an example, a manifest by its path, or a server that runs by its URL.

    Raises TargetError; MissingError, if a Python module that its manifest requires is missing.
    """
    if word in BUNDLED:
        return BUNDLED[word]
    if word in EXAMPLES:
        return _read_manifest(EXAMPLES[word])
    if "://" in word:
        url = re.fullmatch(URL, word)
        if url is None:
            raise TargetError(f"{word}: no URL like echo+udp://192.0.2.1:7007 or time+tcp://[2001:db8::1]:3737")
        return Target(word, {}, services=(url["service"],), url=word, word=word)  # type: ignore[arg-type]
    path = Path(word)
    if path.is_dir():
        path /= "sockspec.toml"
    if not path.exists():
        raise TargetError(f"{word}: neither {', '.join([*BUNDLED, *EXAMPLES])} nor a manifest nor a URL")
    return _read_manifest(path)


def _read_manifest(path: Path) -> Target:
    try:
        manifest = read_toml(path)
    except ValueError as error:
        raise TargetError(str(error)) from None
    own = path.resolve().parent
    defaults = {"name": own.name, "services": [*SERVICES], "directory": ".", "requires": [], "programs": {}}
    name, services, place, requires, programs = (manifest.pop(key, default) for key, default in defaults.items())
    if manifest:
        raise TargetError(f"{path}: unknown key {', '.join(manifest)} (known: {', '.join(defaults)})")
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name) or name in BUNDLED:
        raise TargetError(f"{path}: name must be letters, digits, '.', '-' and '_', and none of {', '.join(BUNDLED)}")
    if not isinstance(services, list) or not services or not all(service in SERVICES for service in services):
        raise TargetError(f"{path}: services must be a list of {' and '.join(SERVICES)}")
    if not isinstance(place, str) or not (directory := own.joinpath(place).resolve()).is_dir():
        raise TargetError(f"{path}: directory must be a directory's path, relative to the manifest's own")
    if not isinstance(requires, list) or not all(isinstance(each, str) and each.isidentifier() for each in requires):
        raise TargetError(f"{path}: requires must be a list of top-level Python modules")
    keys = {f"{transport}_{role}": (transport, role) for transport in TRANSPORTS for role in ROLES}
    if not isinstance(programs, dict) or not programs or not set(programs) <= set(keys):
        raise TargetError(f"{path}: [programs] must have one or more of {', '.join(keys)}")
    commands = {keys[key]: _read_command(f"{path}: {key}", words, directory) for key, words in programs.items()}
    if missing := [module for module in requires if importlib.util.find_spec(module) is None]:
        hint = ": pip install 'sockspec[compare]'" if path in EXAMPLES.values() else ""
        raise MissingError(f"{name}: needs the Python module {', '.join(missing)}{hint}")
    offered = tuple(service for service in SERVICES if service in services)
    return Target(name, commands, directory, offered, word=str(path.resolve()))


def _read_command(place: str, command: object, directory: Path) -> tuple[str, ...]:
    """Return a command, a program of the directory by its whole path. Raises TargetError, beginning with `place`."""
    if not isinstance(command, list) or not command or not all(isinstance(word, str) for word in command):
        raise TargetError(f"{place} must be a list of strings, the command and its first arguments")
    program, *arguments = (sys.executable if word == "{python}" else word for word in command)
    own = directory / program
    if shutil.which(program) is None and shutil.which(own) is None:
        raise TargetError(f"{place}: there is no program {program}")
    return str(own) if own.is_file() else program, *arguments


def show_address(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """Return a socket's address as a program prints it: ``127.0.0.1:50312``, ``[::1]:50312``."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
