"""``sockspec demo``: servers and clients at work, for the eye, then a quick run."""

import argparse
import contextlib
from collections.abc import Sequence
from itertools import product

from rich.console import Console
from rich.markup import escape

from conformance.commands import run
from conformance.commands.selecting import add_selection, find_targets
from conformance.languages.texts import mark, say
from conformance.languages.told import told
from conformance.reports.screen import Screen
from conformance.targets.host import require_fit_host
from conformance.targets.programs import Program, ProgramError
from conformance.targets.target import Target
from conformance.targets.terms import SERVICES, TRANSPORTS, Service, Transport

HELP = mark("show servers and clients at work, then judge them")

MESSAGES: dict[Service, list[str]] = {"echo": ["привет"], "time": ["Анна", "Борис"]}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_selection(parser)


def execute(options: argparse.Namespace) -> int:
    console = Screen()
    targets = find_targets(options.targets)
    require_fit_host(targets)
    for target in targets:
        show_at_work(console, target, options.transport or TRANSPORTS, options.service or SERVICES)
    arguments = [f"--{name}={value}" for name in ("role", "transport", "service") for value in getattr(options, name)]
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    return run.execute(parser.parse_args(["--profile=quick", *arguments, *options.targets]))


def show_at_work(
    console: Console, target: Target, transports: Sequence[Transport], services: Sequence[Service]
) -> None:
    """Start each server of a target and its clients, and show what they print."""
    for transport, service in product(transports, services):
        if not (target.offers("server", transport, service) and target.offers("client", transport, service)):
            continue
        console.rule(
            escape(
                say(
                    "{target}: {service} over {transport}",
                    target=target.name,
                    service=service,
                    transport=transport.upper(),
                )
            )
        )
        try:
            _show_pair(console, target, transport, service)
        except ProgramError as error:
            console.print(told(str(error)), style="red", markup=False, soft_wrap=True)


def _show_pair(console: Console, target: Target, transport: Transport, service: Service) -> None:
    """Start a server and its clients, and show what they print. Raises ProgramError."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(target.server(service, transport, "--interval", "0.5"))
        ticks = ["--ticks", "2"] if service == "time" else []
        words = [service, "--host", server.host, "--port", str(server.port), *ticks]
        clients = {
            message: stack.enter_context(target.program(transport, "client", *words, message))
            for message in MESSAGES[service]
        }
        for client in clients.values():
            client.wait()
        server.stop()
        _show(console, say("server"), server)
        for message, client in clients.items():
            _show(console, message, client)


def _show(console: Console, label: str, program: Program) -> None:
    """Print what a program printed, each line under its label."""
    for line in program.output + program.errors:
        console.print(f"[bold]{escape(label):>8}[/] │ ", end="")
        console.print(line, markup=False, soft_wrap=True)
