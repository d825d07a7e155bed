"""What everything else builds on, tried before a target's checks: it starts, and its first answer is right."""

from conformance.as_client import peers
from conformance.as_client.conversation import Subscription, good_request
from conformance.as_client.judgement import require_reply
from conformance.as_server.talk import Talk
from conformance.blame import about
from conformance.expected.oracle import expected_reply
from conformance.expected.replies import ok_fields, reply, tick, tick_lines
from conformance.running.checks import Cell
from conformance.targets.server import Server
from conformance.targets.target import Target

NAME = "Анна"
MESSAGE = "привет"


def fly(target: Target, cell: Cell) -> None:
    """Try a program with one service. Raises AssertionError, about the requirement that does not hold."""
    assert cell.transport and cell.service
    if cell.role == "server":
        with target.server(cell.service, cell.transport) as server:
            _ask(server)
    elif cell.service == "echo":
        _echo(target, cell)
    else:
        _subscribe(target, cell)


def _ask(server: Server) -> None:
    first = "ECHO-1" if server.service == "echo" else "LEASE-1" if server.transport == "udp" else "TIME-2"
    request = good_request(server.service)
    with about(first, "the first answer"), peers.connect(server) as peer:
        answer = peer.ask(request)
        interval = answer.fields.get("interval", "")
        require_reply(answer, expected_reply(server.service, server.transport, request + b"\n", interval))
    if server.service == "time":
        with peers.connect(server) as peer:
            with about("TIME-2", "the first subscription"):
                subscription = Subscription(peer, NAME)
            with about("TIME-5", "the first tick"):
                subscription.tick()


def _echo(target: Target, cell: Cell) -> None:
    with _talk(target, cell, MESSAGE) as talk:
        with about("CLI-3", "the first request"):
            talk.expect(f"ECHO {MESSAGE}")
        fields = ok_fields("echo", talk.server.transport, MESSAGE)
        talk.send(reply("OK", *fields))
        talk.program.wait_until(lambda: len(talk.program.output) > len(fields))
        _require_connected(talk)
        with about("CLI-3", "the first answer"):
            shown = [f"{name}: {value}" for name, value in fields]
            assert talk.program.output[1:] == shown, talk.program.describe(f"it did not print {shown}")


def _subscribe(target: Target, cell: Cell) -> None:
    with _talk(target, cell, "--ticks", "1", NAME) as talk:
        with about("CLI-16" if talk.server.transport == "udp" else "CLI-19", "the first request"):
            talk.subscribe(NAME)
        talk.send(tick(NAME, 1))
        talk.program.wait_until(lambda: len(talk.program.output) > 1)
        _require_connected(talk)
        with about("CLI-19", "the first tick"):
            shown = tick_lines(NAME, [1])
            assert talk.program.output[1:] == shown, talk.program.describe(f"it did not print {shown}")


def _talk(target: Target, cell: Cell, *words: str) -> Talk:
    assert cell.transport and cell.service
    return Talk(target, cell.service, cell.transport, *words)


def _require_connected(talk: Talk) -> None:
    with about("CLI-1", "the first line"):
        assert talk.program.output[:1] == [talk.connected], talk.program.describe(f"it did not print {talk.connected}")
