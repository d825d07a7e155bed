"""Measures how long a server takes to get ready, and to stop."""

import time
from signal import SIGTERM

from conformance.comparison.figures import LoadError, Sample
from conformance.comparison.model import Load
from conformance.targets.server import Server
from conformance.targets.target import Target
from conformance.timing import PATIENCE


def life(target: Target, load: Load) -> Sample:
    """Start and stop a server without clients. Return both times in milliseconds. Raises ProgramError, LoadError."""
    began = time.monotonic()
    with target.server(load.service, load.transport, "--quiet") as server:
        return {"start": 1e3 * (server.lines[0].at - began), "stop": 1e3 * time_to_stop(server)}


def time_to_stop(server: Server) -> float:
    """Return the seconds from SIGTERM to the end of all output, which is the process's end. Raises LoadError."""
    began = time.monotonic()
    server.signal(SIGTERM)
    server.wait_until(lambda: False, PATIENCE)  # ends with the output; Popen.wait polls, and is less exact
    seconds = time.monotonic() - began
    if server.wait():
        raise LoadError(f"exit status {server.process.returncode} on SIGTERM")
    return seconds
