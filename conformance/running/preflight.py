"""What most checks build on, tried before all of them with each program and each service.

It starts; its first answer is right; it answers errors, and each of two lines; it stops. Where one of these does not
hold, checks that need it would only wait for what never comes, and say nothing about their own requirements.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGTERM

from conformance.as_client import peers
from conformance.as_client.conversation import Subscription, good_request
from conformance.as_client.judgement import require_reply, require_status
from conformance.as_server.talk import Talk
from conformance.blame import about, blamed
from conformance.expected.oracle import expected_reply
from conformance.expected.replies import ok_fields, reply, tick, tick_lines
from conformance.expected.services import SERVICE_TABLE
from conformance.running.admission import Admission
from conformance.running.checks import Cell
from conformance.targets.server import DidNotStart, Server
from conformance.targets.target import Target
from conformance.timing import PATIENCE

NAME = SERVICE_TABLE["time"].argument
FIRST_ANSWER = PATIENCE / 2
"""Seconds: a server that is ready answers at once, and checks will ask the same again."""

MESSAGE = SERVICE_TABLE["echo"].argument


def try_program(target: Target, cell: Cell, admission: Admission) -> None:
    """Try a program with one service, and note what does not hold."""
    try:
        if cell.role == "server":
            _try_server(target, cell, admission)
        else:
            _try_client(target, cell, admission)
    except DidNotStart as error:
        admission.note_not_started(cell, str(error))
    except (AssertionError, OSError) as error:
        _note(admission, cell, error, "SRV-1" if cell.role == "server" else "CLI-1")


def _note(admission: Admission, cell: Cell, error: BaseException, requirement: str) -> None:
    admission.note_failure(cell, blamed(error) or requirement, str(error) or type(error).__name__)


def _try_server(target: Target, cell: Cell, admission: Admission) -> None:
    assert cell.transport and cell.service

    @contextmanager
    def step(requirement: str) -> Iterator[None]:
        """A step whose failure keeps no other step from being tried."""
        try:
            yield
        except (AssertionError, OSError) as error:
            admission.note_failure(cell, requirement, str(error) or type(error).__name__)

    with target.server(cell.service, cell.transport) as server:
        first = "ECHO-1" if cell.service == "echo" else "LEASE-1" if cell.transport == "udp" else "TIME-2"
        with about(first, "the first answer"), peers.connect(server) as peer:
            request = good_request(cell.service)
            answer = peer.ask(request, FIRST_ANSWER)
            interval = answer.parse()[1].get("interval", "")
            require_reply(answer, expected_reply(cell.service, cell.transport, request + b"\n", interval))
        if cell.service == "time":
            with peers.connect(server) as peer:
                with about("TIME-2", "the first subscription"):
                    subscription = Subscription(peer, NAME)
                with about("TIME-5", "the first tick"):
                    subscription.tick()
        with step("ERR-1"):
            _ask_faultily(server)
        if cell.transport == "tcp":
            with step("TCP-1"):
                _ask_twice(server)
        if not target.url:
            with step("SRV-8"):
                assert server.stop(SIGTERM) == 0, server.describe("its exit status after SIGTERM is not 0")


def _ask_faultily(server: Server) -> None:
    """A control character is a fault over both transports."""
    with peers.connect(server) as peer:
        require_status(peer.ask(SERVICE_TABLE[server.service].request("\x01"), FIRST_ANSWER), "ERR")


def _ask_twice(server: Server) -> None:
    with peers.TcpPeer(server.address) as peer:
        request = good_request(server.service) + b"\n"
        peer.send(request + request)
        answers = [peer.reply(FIRST_ANSWER)]
        while len(answers) < 2 or answers[-1].status == "TICK":
            answers.append(peer.reply(FIRST_ANSWER))


def _try_client(target: Target, cell: Cell, admission: Admission) -> None:
    if cell.service == "echo":
        _echo(target, cell)
    else:
        _subscribe(target, cell)


def _echo(target: Target, cell: Cell) -> None:
    with _talk(target, cell, MESSAGE) as talk:
        with about("CLI-3", "the first request"):
            _require_request(talk)
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
            _require_request(talk)
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


def _require_request(talk: Talk) -> None:
    """Raise AssertionError if the client sends nothing: it may not heed where to."""
    try:
        talk.server.wait_for(lambda: bool(talk.server.untaken), "request", FIRST_ANSWER)
    except AssertionError:
        problem = talk.program.describe("no request came; does it heed --host and --port?")
        raise AssertionError(problem) from None


def _require_connected(talk: Talk) -> None:
    with about("CLI-1", "the first line"):
        assert talk.program.output[:1] == [talk.connected], talk.program.describe(f"it did not print {talk.connected}")
