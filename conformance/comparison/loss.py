"""Measures how many leases end where the network loses datagrams: ``python -m conformance.comparison.loss [TARGET …]``.

Clients subscribe at a server in a network namespace of their own, in which nftables drops a share of all datagrams at
random. It needs Linux, root, ``unshare``, ``ip`` and ``nft``.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

from conformance.expected.services import SERVICE_TABLE
from conformance.targets.discovery import BUNDLED, find_target, target_help
from conformance.targets.programs import Program
from conformance.targets.target import Target, TargetError
from spec.limits import LEASE_INTERVALS, TOKEN_INTERVALS_END, TOKEN_SECONDS_END

INSIDE = "SOCKSPEC_LOSES"
"""The environment variable that says that this process runs in a namespace that loses datagrams already."""

TOOLS = "unshare", "ip", "nft"
SETTLING = 10
"""Seconds before leases are counted: the first requests get lost, too, and are repeated only after seconds."""


def main() -> int:
    """Measure each target in turn and print a line for each; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m conformance.comparison.loss")
    parser.add_argument("targets", nargs="*", default=list(BUNDLED), metavar="TARGET", help=target_help())
    parser.add_argument("--percent", type=int, default=20, help="of the datagrams that are lost (20)")
    parser.add_argument("--interval", type=float, default=0.05, help="seconds between two ticks (0.05)")
    parser.add_argument("--clients", type=int, default=30, help="how many subscribe (30)")
    parser.add_argument("--seconds", type=float, default=60, help="how long leases are counted (60)")
    options = parser.parse_args()
    if INSIDE not in os.environ:
        return _enter_namespace()
    try:
        targets = [find_target(word) for word in options.targets]
    except TargetError as error:
        parser.error(str(error))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["nft", "-f", "-"], input=_rules(options.percent), text=True, check=True)
    for target in targets:
        print(measure(target, options.percent / 100, options.interval, options.clients, options.seconds), flush=True)
    return 0


def measure(target: Target, loss: float, interval: float, clients: int, seconds: float) -> str:
    """Return a line about the leases of so many clients in so many seconds. Raises ProgramError, AssertionError."""
    name = SERVICE_TABLE["time"].argument
    with ExitStack() as stack:
        server = stack.enter_context(target.server("time", "udp", "--interval", f"{interval:g}"))
        where = "--host", server.address[0], "--port", str(server.address[1])
        programs = [
            stack.enter_context(target.program("udp", "client", "time", *where, "--timeout", "60", f"{name} {n}"))
            for n in range(clients)
        ]
        server.wait_until(lambda: False, SETTLING)
        began, printed, ended = time.monotonic(), ticks(programs), count(server.output, "left")
        server.wait_until(lambda: False, seconds)
        lasted = (time.monotonic() - began) / interval * clients
        printed, ended = ticks(programs) - printed, count(server.output, "left") - ended
        for program in programs:
            assert program.running and not program.errors, program.describe("it did not last")
    return (
        f"{target.name}: {ended} leases ended in {lasted:.0f} intervals of {interval:g} s, by arithmetic"
        f" {lasted * ends_per_interval(loss, interval):.1f}; {printed / lasted:.1%} of the ticks came"
    )


def ends_per_interval(loss: float, interval: float) -> float:
    """Return how many leases of one client end in an interval, on average.

    In a lease a client sends each renewal twice. Now and then its token has run out, and one of these sendings has to
    bring a CHALLENGE first, which the client answers at once, and then with each further sending.
    """
    sendings = 2 * (LEASE_INTERVALS - 1)
    unchallenged = 1 - (1 - loss) ** 2
    challenged_at = [unchallenged**before * (1 - unchallenged) for before in range(sendings)]
    lost = unchallenged**sendings + sum(p * loss ** (sendings - before) for before, p in enumerate(challenged_at))
    intervals = max(TOKEN_INTERVALS_END, TOKEN_SECONDS_END / interval)
    return float(loss**sendings + lost / intervals)


def count(lines: Sequence[str], what: str) -> int:
    """Return how many lines of a server say that a client has connected, or left."""
    return sum(line.endswith(f") {what}") for line in lines)


def ticks(programs: Sequence[Program]) -> int:
    """Return how many ticks these clients have printed."""
    return sum(len(program.output) - 1 for program in programs)


def _enter_namespace() -> int:
    """Run this program again in a network namespace of its own; return its exit status."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        print(f"error: {', '.join(missing)} not found", file=sys.stderr)
        return 2
    again = ["unshare", "--map-root-user", "--net", sys.executable, "-m", "conformance.comparison.loss", *sys.argv[1:]]
    return subprocess.run(again, env={**os.environ, INSIDE: "1"}, check=False).returncode


def _rules(percent: int) -> str:
    drop = f"meta l4proto udp numgen random mod 100 < {percent} drop"
    return f"table inet sockspec {{\n chain input {{\n type filter hook input priority 0\n {drop}\n }}\n}}\n"


if __name__ == "__main__":
    sys.exit(main())
