"""The command line of the suite: ``python -m conformance`` or ``sockspec``."""

import argparse
import contextlib
import io
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from conformance import gate
from conformance.profiles import PROFILES
from conformance.programs import Program
from conformance.recorder import citations
from conformance.targets import BUNDLED, ROOT, SERVICES, TRANSPORTS
from spec.requirements import REQUIREMENTS

CONFORMS, FAILS, USAGE, NOT_JUDGED = 0, 1, 2, 3

CHECKS = ROOT / "conformance" / "checks"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0 conforms, 1 does not, 2 wrong usage, 3 could not be judged."""
    parser = argparse.ArgumentParser(prog="sockspec", description="Judges implementations of SPEC.md.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, profile, about in (
        ("run", "standard", "judge targets"),
        ("demo", "quick", "show servers and clients at work, then judge them"),
    ):
        command = commands.add_parser(name, help=about)
        command.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(BUNDLED)} (default: all)")
        command.add_argument("--service", action="append", choices=SERVICES)
        command.add_argument("--transport", action="append", choices=TRANSPORTS)
        command.add_argument("--profile", choices=list(PROFILES), default=profile)
    commands.add_parser("list", help="the requirements, and the checks that prove them")
    options = parser.parse_args(arguments)
    if options.command == "list":
        return list_requirements()
    unknown = [name for name in options.targets if name not in BUNDLED]
    if unknown:
        parser.error(f"unknown target: {', '.join(unknown)} (known: {', '.join(BUNDLED)})")
    names = list(dict.fromkeys(options.targets)) or list(BUNDLED)
    if options.command == "demo":
        demonstrate(names, options.transport or TRANSPORTS, options.service or SERVICES)
    return run(names, options.service or [], options.transport or [], options.profile)


def run(names: Sequence[str], services: Sequence[str], transports: Sequence[str], profile: str) -> int:
    """Judge targets, print the matrix, return the exit status."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "results.json"
        command = [sys.executable, "-m", "pytest", "-q", str(CHECKS), f"--profile={profile}", "-p", "no:cacheprovider"]
        command += [f"--implementation={name}" for name in names]
        command += [f"--service={name}" for name in services] + [f"--transport={name}" for name in transports]
        status = subprocess.run([*command, f"--requirement-results={file}"], cwd=ROOT, check=False).returncode
        results: gate.Results = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or not results:
        print("could not be judged: no check ran to its end", file=sys.stderr)
        return NOT_JUDGED
    Console().print(matrix(results))
    return CONFORMS if status == pytest.ExitCode.OK else FAILS


def matrix(results: gate.Results) -> Table:
    """Return a table of requirement groups by targets: how many requirements hold, of how many that were judged."""
    groups: dict[str, list[str]] = defaultdict(list)
    for id_ in REQUIREMENTS:
        groups[id_.partition("-")[0]].append(id_)
    table = Table(caption="held/judged", caption_justify="left")
    table.add_column("requirements")
    for target in results:
        table.add_column(target, justify="right")
    for group, ids in groups.items():
        cells = []
        for proved in results.values():
            judged = [proved[id_] for id_ in ids if id_ in proved]
            held = sum(not counts["failed"] for counts in judged)
            broken = [id_ for id_ in ids if id_ in proved and proved[id_]["failed"]]
            colour = "red" if broken else "green" if judged else "dim"
            cells.append(f"[{colour}]{held}/{len(judged)} {' '.join(broken)}[/]" if judged else "[dim]–[/]")
        table.add_row(group, *cells)
    return table


class _Collector:
    """Takes the checks that pytest finds, by requirement."""

    def __init__(self) -> None:
        self.checks: dict[str, set[str]] = defaultdict(set)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        name = re.sub(r"\[.*", "", item.nodeid.partition("checks/")[2])
        for id_ in citations(item):
            self.checks[id_].add(name)


def find_checks() -> dict[str, set[str]]:
    """Return the names of the checks that cite a requirement, by its id. Raises RuntimeError with what pytest says."""
    collector = _Collector()
    with contextlib.redirect_stdout(io.StringIO()) as output:
        status = pytest.main(["--collect-only", "-q", str(CHECKS)], plugins=[collector])
    if status:
        raise RuntimeError(output.getvalue())
    return collector.checks


def list_requirements() -> int:
    """Print each requirement with its level and the checks that prove it."""
    found = find_checks()
    table = Table("requirement", "level", "checks", title="What proves what")
    for id_, requirement in REQUIREMENTS.items():
        checks = "\n".join(sorted(found[id_]))
        nothing = "[dim]untestable[/]" if not requirement.testable else "[red]none[/]"
        table.add_row(id_, requirement.level or "retired", checks or nothing)
    Console().print(table)
    return CONFORMS


def demonstrate(names: Sequence[str], transports: Sequence[str], services: Sequence[str]) -> None:
    """Start each server and its clients, and show what they print."""
    console = Console(highlight=False)
    for name in names:
        for transport in TRANSPORTS:
            for service in SERVICES:
                if transport not in transports or service not in services:
                    continue
                console.rule(f"{name}: {service} over {transport.upper()}")
                messages = ["привет"] if service == "echo" else ["Анна", "Борис"]
                with (
                    BUNDLED[name].server(service, transport, "--interval", "0.5") as server,
                    contextlib.ExitStack() as stack,
                ):
                    ticks = ["--ticks", "2"] if service == "time" else []
                    words = [service, "--host", server.host, "--port", str(server.port), *ticks]
                    clients = {
                        message: stack.enter_context(BUNDLED[name].program(transport, "client", *words, message))
                        for message in messages
                    }
                    for client in clients.values():
                        client.wait()
                    server.stop()
                    show(console, "server", server)
                    for message, client in clients.items():
                        show(console, message, client)


def show(console: Console, label: str, program: Program) -> None:
    """Print what a program printed, each line under its label."""
    for line in program.output + program.errors:
        console.print(f"[bold]{label:>8}[/] │ ", end="")
        console.print(line, markup=False)
