"""Checks of a server's lines on standard output, and of how it stops."""

import re

from conformance.addresses import show_address
from conformance.blame import about
from conformance.targets.programs import Program, ProgramError
from conformance.targets.server import Server
from conformance.timing import STOP_TIME

_WHOLE = re.compile(r"client .+ (?:connected|left|is now .+)|lines dropped: \d+|stopped")


def url(service: str, transport: str, host: str, port: int) -> str:
    """Return the URL that a server at that address prints (SRV-1)."""
    return f"{service}+{transport}://{show_address((host, port))}"


def require_url(server: Server, *expected: str) -> None:
    """Raise AssertionError unless the ready line has one of these URLs."""
    assert server.url in expected, f"the URL in the ready line is {server.url}; expected {' or '.join(expected)}"


def require_host(server: Server, host: str) -> None:
    """Raise AssertionError unless the URL in the ready line has the host that the server was started with."""
    expected = url(server.service, server.transport, host, server.port)
    assert server.host == host, f"the URL in the ready line is {server.url}; expected {expected} (does it heed --host?)"


def require_left(server: Server, client: str = r".*") -> None:
    """Wait for the line that a client has left; `client` is a pattern. Raises AssertionError, about SRV-6."""
    with about("SRV-6"):
        server.expect_line(rf"client {client} left")


def require_output(program: Program, expected: list[str]) -> None:
    """Raise AssertionError unless the program has printed just these lines so far."""
    for number, (came, line) in enumerate(zip(program.output, expected, strict=False), 1):
        assert came == line, program.describe(f"its line {number} is {came!r}; expected {line!r}")
    assert program.output == expected, program.describe(f"expected just the lines {expected}")


def require_line_count(program: Program, expected: int) -> None:
    """Raise AssertionError unless the program has printed so many lines so far."""
    count = len(program.output)
    assert count == expected, program.describe(f"it printed {count} lines; expected {expected}")


def require_line(server: Server, line: str) -> None:
    """Wait for this line; earlier lines are skipped. Raises ProgramError if it does not come."""
    try:
        server.expect_text(line)
    except ProgramError:
        hint = " (does it flush?)" if server.running and len(server.output) == 1 else ""
        near = [each for each in server.output if each.strip() == line][:1]
        came = f"; {near[0]!r} is another" if near else ""
        raise ProgramError(server.describe(f"expected the line {line!r}{hint}{came}")) from None


def require_lines_about(server: Server, address: str, expected: list[str], way: str = "") -> None:
    """Wait for the lines about the client at an address. Raises AssertionError for others.

    A missing `left` is about SRV-6. `way` says how the client left; empty: it has not.
    """

    def printed() -> list[str]:
        names = f"client {address} ", f"({address})"
        return [line for line in server.output if any(name in line for name in names)]

    server.wait_until(lambda: len(printed()) >= len(expected))
    came = printed()
    id_ = "SRV-6" if way and came == expected[:-1] else "SRV-4" if server.service == "echo" else "SRV-5"
    mixed = [line for line in server.output[1:] if not _WHOLE.fullmatch(line)][:2]
    others = f"; other lines are {mixed} (is each line one write?)" if mixed else ""
    with about(id_, way):
        assert came == expected, f"the server printed {came}; expected {expected}{others}"


def require_stop(server: Server, signal: int) -> None:
    """Raise AssertionError unless a signal stops the server as SRV-8 says, with nothing on standard error (SRV-13)."""
    status = server.stop(signal, STOP_TIME)
    assert status == 0, server.describe(f"its exit status is {status}; expected 0")
    is_last_line = server.output[-1] == "stopped" and server.output.count("stopped") == 1
    assert is_last_line, server.describe("expected 'stopped' once, as the last line")
    with about("SRV-13"):
        assert server.errors == [], server.describe("it wrote to standard error")
