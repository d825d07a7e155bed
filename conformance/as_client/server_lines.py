"""What a server prints, and its last words: lines of standard output, waited for or judged."""

import re
import time

from conformance.addresses import show_address
from conformance.blame import about
from conformance.targets.programs import Program, ProgramError
from conformance.targets.server import Server
from conformance.timing import JUDGE_LATENESS
from spec.limits import STOP_SECONDS


def url(service: str, transport: str, host: str, port: int) -> str:
    """Return the URL that a server there prints."""
    return f"{service}+{transport}://{show_address((host, port))}"


def require_url(server: Server, *due: str) -> None:
    """The ready line must have that URL, or one of these."""
    assert server.url in due, f"the server says that it waits on {server.url}; due is {' or '.join(due)}"


def require_output(program: Program, due: list[str]) -> None:
    """This must be all of the output so far."""
    assert program.output == due, program.describe(f"{due} was due")


def require_line_count(program: Program, count: int) -> None:
    """So many lines must be all of the output so far."""
    assert len(program.output) == count, program.describe(f"{count} lines were due")


def require_line(server: Server, line: str) -> None:
    """Wait for this line; those before it are passed over."""
    try:
        server.expect_line(re.escape(line))
    except ProgramError:
        raise ProgramError(server.describe(f"{line!r} was due")) from None


def require_stop(server: Server, signal: int) -> None:
    """A signal must end the server in time, with `stopped` as its last line and nothing on standard error."""
    start = time.monotonic()
    status = server.stop(signal)
    assert status == 0, server.describe("wrong exit status")
    assert time.monotonic() - start <= STOP_SECONDS + JUDGE_LATENESS, "it did not stop in time"
    assert server.output[-1] == "stopped" and server.output.count("stopped") == 1, server.describe("wrong last line")
    with about("SRV-13"):
        assert server.errors == [], server.describe("it wrote to standard error")
