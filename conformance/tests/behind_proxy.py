"""A server program that stands behind a proxy: the suite judges it like any other.

    python -m conformance.tests.behind_proxy CONFIGURATION MODULE {echo|time} [OPTIONS]

CONFIGURATION is a file called nginx.conf or haproxy.cfg, with the ports of those in conformance/proxies.

This process becomes the server of the module; signals, memory and descriptors that the suite looks at are the
server's own. A second process reads what the server prints, starts the proxy before it, and names the proxy's port in
the ready line instead of the server's. It ends the proxy when the server has ended.
"""

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from conformance.addresses import show_address
from conformance.targets.server import READY

COMMANDS = {
    "nginx.conf": ["nginx", "-e", "stderr", "-p", "{directory}", "-c", "{directory}/nginx.conf"],
    "haproxy.cfg": ["haproxy", "-db", "-f", "{directory}/haproxy.cfg"],
}

PORTS = {"echo": ("17007", "7007"), "time": ("17037", "7037")}
"""Of each service the port of the proxy and that of the server, as the configurations have them."""

BELOW_EPHEMERAL = range(20_000, 32_000)
"""Ports that no client's socket gets by itself."""

TRIES = 5
STARTING = 10
"""Seconds in which a proxy has to listen."""


class ProxyError(Exception):
    """A proxy did not start; holds what it printed."""


def free_port(host: str) -> int:
    """Return a port that nobody has at an address, over TCP or UDP."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in random.sample(BELOW_EPHEMERAL, 100):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                stack.enter_context(socket.socket(family, kind)).bind((host, port))
            return port
    raise ProxyError("no free port")


def filled(configuration: str, host: str, ports: Mapping[str, int]) -> str:
    """Return a configuration with another host, and with these ports for those that it has."""
    for port, to in ports.items():
        before = rf"\b127\.0\.0\.1:{port}\b"
        assert re.search(before, configuration), f"no {before} in the configuration"
        configuration = re.sub(before, show_address((host, to)), configuration)
    return configuration


@contextlib.contextmanager
def proxied(configuration: Path, service: str, host: str, server: int, listen: int = 0) -> Iterator[int]:
    """Have a proxy before the server at a port. Yield the proxy's own port: `listen`, or a free one if that is 0."""
    here, there = PORTS[service]
    with tempfile.TemporaryDirectory(prefix="proxy-") as name:
        directory = Path(name)
        for _ in range(TRIES):
            port = listen or free_port(host)
            ports = {each: free_port(host) for each, _ in PORTS.values()} | {here: port, there: server}
            text = configuration.read_text(encoding="utf-8")
            (directory / configuration.name).write_text(filled(text, host, ports), encoding="utf-8")
            with open(directory / "stderr", "wb") as errors:
                command = [word.format(directory=directory) for word in COMMANDS[configuration.name]]
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
            try:
                if _listens(process, port):
                    yield port
                    return
            finally:
                process.terminate()
                process.wait()
        raise ProxyError((directory / "stderr").read_text(encoding="utf-8", errors="replace"))


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until somebody listens at a TCP port; return False when the process has ended before. Nothing tells: look.

    To connect would tell as well, but the server would see a client. State 0A is LISTEN, see proc(5).
    """
    deadline = time.monotonic() + STARTING
    while process.poll() is None and time.monotonic() < deadline:
        sockets = "".join(Path("/proc/net", name).read_text(encoding="ascii") for name in ("tcp", "tcp6"))
        if re.search(rf":{port:04X} 0+:0000 0A ", sockets):
            return True
        time.sleep(0.01)
    return False


def pass_on(configuration: Path, listen: int) -> None:
    """Copy a server's lines, and start the proxy when the server is ready."""
    first = sys.stdin.readline()
    ready = READY.fullmatch(first.rstrip("\n"))
    if ready is None:
        sys.stdout.write(first + sys.stdin.read())
        return
    host = ready["v4"] or ready["v6"]
    with proxied(configuration, ready["service"], host, int(ready["port"]), listen) as port:
        print(f"waiting for clients on {ready['service']}+{ready['transport']}://{show_address((host, port))}")
        for line in sys.stdin:
            sys.stdout.write(line)


def main() -> None:
    configuration, module, *arguments = sys.argv[1:]
    if configuration == "pass-on":
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        pass_on(Path(module), int(arguments[0]))
        return
    listen = "0"
    if "--port" in arguments:
        place = arguments.index("--port") + 1
        listen, arguments[place] = arguments[place], "0"
    reader = [sys.executable, "-m", "conformance.tests.behind_proxy", "pass-on", configuration, listen]
    process = subprocess.Popen(reader, stdin=subprocess.PIPE)
    assert process.stdin
    os.dup2(process.stdin.fileno(), sys.stdout.fileno())
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


if __name__ == "__main__":
    main()
