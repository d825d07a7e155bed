"""The preflight of a server: its start, its first answer, its lines and clients, its errors, its stop."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from signal import SIGTERM

from conformance.addresses import OWN_HOST
from conformance.as_client import peers
from conformance.as_client.conversation import Subscription, answering_stranger, skip_ticks
from conformance.as_client.exchange import as_text
from conformance.as_client.judgement import require_reply, require_status
from conformance.as_client.observed import Reply, Reset, Silence
from conformance.as_client.server_lines import require_host
from conformance.blame import about, blame, blamed
from conformance.expected.oracle import REQUIREMENTS, error, expected_reply
from conformance.expected.services import SERVICE_TABLE
from conformance.inconclusive import Inconclusive, Unjudged
from conformance.running.admission import Admission
from conformance.running.checks import Cell
from conformance.targets.host import NO_MEMORY, OUT_OF, unjudged_without_resources
from conformance.targets.programs import RUNS_ON
from conformance.targets.server import Server
from conformance.targets.target import Target
from conformance.targets.terms import Service, Transport
from conformance.timing import PATIENCE, SCALE, STOP_TIME
from spec.limits import LINE_BYTES

NAME = SERVICE_TABLE["time"].argument

FIRST = "ECHO-1", "LEASE-1", "TIME-2", "TIME-4", "TIME-5"
"""What a server shows with its first answers: without them nothing else is tried."""

FIRST_ANSWER = PATIENCE / 2
"""Seconds: a server that is ready answers at once, and checks will ask the same again."""

CUT = 0.05 * SCALE
"""Seconds between two segments, so that a server reads the first one alone. One that reads both passes."""


SHOWN = 60
"""Bytes of a request that are shown."""


def try_server(target: Target, cell: Cell, admission: Admission) -> None:
    """Try a server with one service, and note what does not hold. Raises DidNotStart."""
    trial = _Trial(target, cell, admission)
    with trial.servers:
        trial.run()


class _Trial:
    """The trial of one server with one service. A step whose failure is noted keeps no other from being tried."""

    def __init__(self, target: Target, cell: Cell, admission: Admission) -> None:
        assert cell.transport and cell.service
        self.target, self.cell, self.admission = target, cell, admission
        self.service, self.transport = cell.service, cell.transport
        self.servers = ExitStack()
        self.server = self._started()
        self.without_form: set[str] = set()
        """What was answered by something that is no reply."""

    def _started(self, *options: str) -> Server:
        return self.servers.enter_context(self.target.server(self.service, self.transport, *options))

    @contextmanager
    def step(self, requirement: str, prefix: str = "") -> Iterator[None]:
        try:
            with unjudged_without_resources(), about(requirement, prefix):
                yield
        except Inconclusive:
            pass  # what its platform lacks is said by each check
        except (AssertionError, OSError) as observed:
            if isinstance(observed, OSError) and observed.errno in OUT_OF:
                raise
            if (blamed(observed) or "").startswith("REP-"):
                self.without_form.add(requirement)
            problem: Exception = observed
            if self.server.is_dying():
                dead = self.server
                if dead.lacked_memory:
                    raise Unjudged(NO_MEMORY) from None
                death = AssertionError(f"{prefix}: {end_of(dead)}".removeprefix(": "))
                problem = blame(death, requirement if requirement in FIRST else "LOAD-3")
                self.server = self._started()
            self.admission.note_problem(self.cell, requirement, problem)

    def holds(self, *requirements: str) -> bool:
        return self.without_form.isdisjoint(requirements) and not self.admission.has_failed(self.cell, *requirements)

    def run(self) -> None:
        self._address()
        if self.server.runs_on:
            self.admission.note_hindrance(self.cell, RUNS_ON, "SRV-8")
        if self.admission.is_hindered(self.cell):
            return
        first = "ECHO-1" if self.service == "echo" else "LEASE-1" if self.transport == "udp" else "TIME-2"
        request = _plain(self.service)
        if self.target.url and (refusal := _refusal(self.server, request)):
            self.admission.note_not_started(self.cell, refusal)
            return
        with self.step(first, "the first answer"), peers.connect(self.server) as peer:
            try:
                answer = peer.ask(request, FIRST_ANSWER)
            except Silence:
                if self.transport == "udp" and (stranger := answering_stranger(self.server, request)):
                    self.admission.note_hindrance(self.cell, f"the first answer came from {stranger}", "UDP-4")
                    return
                raise
            interval = answer.parse()[1].get("interval", "")
            require_reply(answer, expected_reply(self.service, self.transport, request + b"\n", interval))
        if self.service == "time" and self.holds(first):
            self._ticks()
        if self.holds(*FIRST):
            with self.step("REQ-3", "a line that ends with CRLF"), peers.connect(self.server) as peer:
                require_status(_asked(peer, _plain(self.service) + b"\r\n"), "OK", "CHALLENGE")
            if self.transport == "tcp":
                self._streams()
            self._errors()
        if not self.target.url:
            self._stop()

    def _stop(self) -> None:
        try:
            status = self.server.stop(SIGTERM, STOP_TIME)
            assert status == 0, self.server.describe(f"its exit status after SIGTERM is {status}; expected 0")
        except AssertionError as problem:
            self.admission.note_problem(self.cell, "SRV-8", problem)

    def _address(self) -> None:
        """Whether it heeds its options is seen where it says that it listens."""
        if self.target.url:
            return
        if self.server.port == SERVICE_TABLE[self.service].port:
            problem = f"{self.server.url} was printed, although it was started with --port 0 (does it heed --port?)"
            self.admission.note_hindrance(self.cell, problem, "SRV-2")
            return
        with self.step("SRV-2", f"with --host {OWN_HOST}"):
            require_host(self._started("--host", OWN_HOST), OWN_HOST)

    def _ticks(self) -> None:
        with self.step("TIME-2", "the first subscription"), peers.connect(self.server) as peer:
            subscription = Subscription(peer, NAME)
            with about("TIME-5", "the first tick"):
                subscription.tick()

    def _streams(self) -> None:
        """Two lines on one connection, apart and together; two clients at once; the end of the client's side."""
        line = _plain(self.service) + b"\n"
        with self.step("TCP-1", "a second line on the connection"), peers.TcpPeer(self.server.address) as peer:
            _answered(peer, line)
            _answered(peer, line)
        if self.holds("TCP-1"):
            with self.step("TCP-5", "two lines in one segment"), peers.TcpPeer(self.server.address) as peer:
                _answered(peer, line + line, 2)
            with self.step("TCP-3", "a line in two segments"), peers.TcpPeer(self.server.address) as peer:
                peer.send(line[:3])  # of a longer part it might make a good request
                time.sleep(CUT)
                require_status(_asked(peer, line[3:]), "OK")
        with self.step("TCP-8", "a line and a half-close"), peers.TcpPeer(self.server.address) as peer:
            peer.send(line)
            peer.half_close()
            assert peer.rest(), "nothing came before the end of the stream"
        with (
            self.step("LOAD-2", "a second client, while the first is connected"),
            peers.TcpPeer(self.server.address) as first,
            peers.TcpPeer(self.server.address) as second,
        ):
            _answered(first, line)
            _answered(second, line)

    def _errors(self) -> None:
        """One request for each fault. Where no fault at all gets an `ERR`, that is one thing to mend, not five."""
        problems: list[tuple[str, AssertionError]] = []
        refused = unanswered = 0
        for code, request in _faulty(self.service, self.transport).items():
            with self.step("LOAD-3"), peers.connect(self.server) as peer:
                try:
                    answer = _asked(peer, request)
                    refused += answer.status == "ERR"
                    require_reply(answer, error(code), f"the answer to {as_text(request[:SHOWN])}")
                except AssertionError as problem:
                    if self.server.is_dying():
                        raise
                    unanswered += isinstance(problem, Silence)
                    problems.append((blamed(problem) or REQUIREMENTS[code], problem))
            if unanswered > 1 and not refused:
                break  # more of them would only be waited for
        if not refused and problems:
            problems = [("ERR-1", problems[0][1])]
        for requirement, each in problems:
            self.admission.note_problem(self.cell, requirement, each)


def end_of(dead: Server) -> str:
    """Return in one line how a server has ended."""
    if dead.ended_because:
        return f"the server was ended by the suite, because {dead.ended_because}"
    lines = [line for line in dead.errors if line.strip()]
    # Where it happened is indented in most languages, and Node.js signs.
    told = [line for line in lines if not line[0].isspace() and not line.startswith("Node.js v")] or lines
    return f"the server died: {told[-1].strip() if told else dead.ending}"


def _refusal(server: Server, request: bytes) -> str:
    """Return how a server that is said to run already refuses, as one that does not run; nothing: it does not."""
    try:
        with peers.connect(server) as peer:
            peer.ask(request, FIRST_ANSWER)
    except Reset as reset:
        return f"nobody listens at {server.url}: {reset}"
    except AssertionError:
        pass  # another wrong answer is judged like that of any server
    return ""


def _plain(service: Service) -> bytes:
    """Return the line of a request in ASCII: what a server makes of other letters has checks of its own."""
    return SERVICE_TABLE[service].request("hello")


def _faulty(service: Service, transport: Transport) -> dict[str, bytes]:
    """Return requests with their ends, each with one fault, by its code."""
    row = SERVICE_TABLE[service]
    requests = {
        "bad-character": row.request("\x01") + b"\n",
        "bad-encoding": row.request("a") + b"\xff\n",
        "too-long": row.request("a" * LINE_BYTES) + b"\n",
    }
    requests |= {"unknown-verb": b"HELLO\n"} if transport == "tcp" else {"bad-request": row.good_request + b"\nx\n"}
    return requests | ({"bad-name": row.request("") + b"\n"} if service == "time" else {})


def _asked(peer: peers.Peer, request: bytes) -> Reply:
    peer.send(request)
    return peer.reply(FIRST_ANSWER)


def _answered(peer: peers.TcpPeer, data: bytes, count: int = 1) -> None:
    """Send lines, and read so many replies to them. Raises Silence, also if nothing but ticks comes."""
    peer.send(data)
    for _ in range(count):
        skip_ticks(peer, FIRST_ANSWER)
