"""Judges a real client and a real server with a network between them.

The relay records every byte that went to each side. From these follow the expected replies and lines.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import accumulate, groupby
from operator import add
from typing import TYPE_CHECKING

from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st

from conformance.addresses import show_address
from conformance.as_client import shrinking
from conformance.as_client.conversation import Tick, read_tick, require_service, split_replies
from conformance.as_client.exchange import as_text
from conformance.as_client.judgement import require_replies, require_reply
from conformance.as_client.observed import Reply
from conformance.as_network.relay import Relay, relay
from conformance.as_network.schedules import LOST, Schedule, TcpSchedule, UdpSchedule, tcp_schedules, udp_schedules
from conformance.blame import about
from conformance.expected.oracle import CHALLENGE, Request, expected_reply, expected_stream, masked, ok, ok_fields
from conformance.expected.replies import shown
from conformance.expected.services import SERVICE_TABLE
from conformance.profiles import Profile
from conformance.targets.server import Server
from conformance.targets.target import Target
from conformance.targets.terms import Service, Transport
from conformance.timing import PATIENCE, SCALE, interval

if TYPE_CHECKING:
    from typing_extensions import Self

MESSAGES = ("привет", "", "ёжик", "ж" * 500)
NAME = SERVICE_TABLE["time"].argument
TICKS = 15
INTERVAL = interval(0.05)
SUBSCRIBED, LEASED = ok("time", "tcp", NAME, INTERVAL), ok("time", "udp", NAME, INTERVAL)

AT_ONCE = 4
"""How many clients run at once, each through a network of its own."""


def judge(client: Target, server: Target, service: Service, transport: Transport, profile: Profile) -> None:
    """Judge a pair by as many batches of schedules as the profile has.

    Raises the failure of the smallest batch found, or shrinking.TimeIsUp if the time for finding a smaller one is over.
    """
    schedules = udp_schedules(service) if transport == "udp" else tcp_schedules()
    failures: dict[tuple[Schedule, ...], AssertionError | OSError] = {}
    options = ["--interval", INTERVAL] if service == "time" else []

    with ExitStack() as stack:
        running = stack.enter_context(server.server(service, transport, *options))

        @seed(f"{profile.seed} {client.name} {server.name}")
        @settings(
            max_examples=1 + profile.examples // 25, phases=[Phase.generate, Phase.shrink], report_multiple_bugs=False
        )
        @given(st.lists(schedules, min_size=1, max_size=AT_ONCE).map(tuple))
        def check(batch: tuple[Schedule, ...]) -> None:
            """Judge a batch. One that has failed once fails again: a network does not repeat everything."""
            nonlocal running
            if batch in failures:
                raise failures[batch]
            shrinking.begin_example()
            if not running.running or running.errors:
                running = stack.enter_context(server.server(service, transport, *options))
            try:
                _judge_batch(client, running, batch)
            except (AssertionError, OSError) as error:
                shrinking.keep_failure(error, {"batch": batch})
                failures[batch] = error
                raise

        if profile.inputs is None:
            check()
        else:
            _judge_batch(client, running, profile.inputs["batch"])


def _judge_batch(client: Target, server: Server, batch: tuple[Schedule, ...]) -> None:
    with ExitStack() as stack:
        pairs = [stack.enter_context(Pair(client, server, schedule)) for schedule in batch]
        for pair in pairs:
            pair.program.wait(3 * PATIENCE)
    with about("LOAD-3"):
        assert server.running, server.describe("the server died")
    with about("SRV-13"):
        assert not server.errors, server.describe("the server wrote to standard error")
    for pair in pairs:
        try:
            pair.judge()
        except AssertionError as error:
            error.args = (f"{pair.program.describe(str(error))}\n{pair.relay.exchange.show(last=60)}",)
            raise
    with about("LOAD-3"):
        require_service(server)
    with about("SRV-6"):
        for pair in pairs:
            pair.require_left()


class Pair:
    """A client that talks to a server through a network of its own. Use it in a ``with`` block; judge it after that."""

    def __init__(self, client: Target, server: Server, schedule: Schedule) -> None:
        self.server = server
        self.service, self.transport = server.service, server.transport
        self.schedule = schedule
        self.relay: Relay = relay(server.address, schedule)
        self.client = client

    def __enter__(self) -> "Self":
        with ExitStack() as stack:
            stack.enter_context(self.relay)
            where = ["--host", self.relay.host, "--port", str(self.relay.port)]
            patience = SCALE if self.is_dead else PATIENCE
            what = ["--ticks", str(TICKS), NAME] if self.service == "time" else []
            self.program = self.client.program(
                self.transport,
                "client",
                self.service,
                *where,
                "--timeout",
                f"{patience:g}",
                *what,
                stdin="".join(f"{message}\n" for message in MESSAGES),
                env={"TZ": "UTC"},
            )
            stack.callback(self.program.kill)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def is_dead(self) -> bool:
        """Whether all datagrams of one direction get lost from some moment on."""
        return isinstance(self.schedule, UdpSchedule) and LOST in (
            self.schedule.requests.rest,
            self.schedule.replies.rest,
        )

    @property
    def ends(self) -> set[str]:
        """How the network ends streams early."""
        if isinstance(self.schedule, UdpSchedule):
            return set()
        return {stream.end.how for stream in self.schedule if stream.end}

    def judge(self) -> None:
        """Judge what the client sent, what the server answered, what the client printed, and how it ended."""
        self._judge_requests()
        if self.transport == "udp":
            self._judge_datagrams()
        else:
            self._judge_stream()
        self._judge_client()

    def _requests(self, pieces: list[bytes]) -> list[Request]:
        """Return the complete requests in datagrams or pieces of a stream."""
        if self.transport == "tcp":
            pieces = re.findall(rb"[^\n]*\n", b"".join(pieces))
        return [Request(self.service, self.transport, raw) for raw in pieces]

    def _judge_requests(self) -> None:
        requests = self._requests(self.relay.came["C"])
        said = [argument for argument, _ in groupby(request.argument for request in requests)]
        with about("CLI-3"):
            expected = list(MESSAGES if self.service == "echo" else [NAME])[: len(said)]
            assert said == expected, f"the client asked for {said}; expected {expected}"
        if self.transport == "udp" and self.service == "time":
            with about("CLI-16"):
                tokens = {Reply(raw, 0).fields["token"] for raw in self.relay.went["S"] if raw.startswith(b"CHALL")}
                good = [[], *([f"token: {token}".encode()] for token in tokens)]
                assert all(request.lines[1:] in good for request in requests), "the client sent a token of its own"

    def _judge_datagrams(self) -> None:
        asked = self._requests(self.relay.went["C"])
        replies = [Reply(raw, 0) for raw in self.relay.came["S"]]
        if self.service == "echo":
            with about("UDP-5"):
                expected = {request.argument: expected_reply("echo", "udp", request.raw) or b"" for request in asked}
                for reply in replies:
                    message = reply.fields.get("message")
                    assert message in expected, f"{as_text(reply.raw)} answers no request"
                    require_reply(reply, expected[message])
                more = Counter(reply.raw for reply in replies) - Counter(
                    expected[request.argument] for request in asked
                )
                assert not more, f"more than one reply to a request: {[*more]}"
            return
        with about("LEASE-1"):
            answers = [masked(reply.raw) for reply in replies if not reply.raw.startswith(b"TICK\n")]
            assert set(answers) <= {CHALLENGE, LEASED}, f"the server answered {answers}"
            assert len(answers) <= len(asked), f"{len(answers)} answers to {len(asked)} requests"
        _judge_ticks([read_tick(reply) for reply in replies if reply.raw.startswith(b"TICK\n")])

    def _judge_stream(self) -> None:
        lines = [request.raw for request in self._requests(self.relay.went["C"])]
        stream = b"".join(self.relay.came["S"])
        replies = split_replies(stream)
        if self.service == "echo":
            expected = expected_stream("echo", lines, INTERVAL)
            with about("TCP-1"):
                whole = [raw for raw in replies if raw.endswith(b"\n\n")]
                require_replies(whole, expected[: len(whole)])
                assert b"".join(expected).startswith(stream), f"{as_text(replies[-1])} came last"
        else:
            expected = [SUBSCRIBED] * len(lines)
            with about("TIME-2"):
                require_replies(replies[:1], expected[: len(replies)])
            ticks = [read_tick(Reply(raw, 0)) for raw in replies[1:]]
            _judge_ticks(ticks)
            with about("TIME-7"):
                assert [tick.seq for tick in ticks] == sorted({tick.seq for tick in ticks}), (
                    f"seq does not grow: {ticks}"
                )
        with about("TCP-8"):
            cut = isinstance(self.schedule, TcpSchedule) and self.schedule.requests.end
            assert not cut or cut.how != "FIN" or len(replies) >= len(expected), "a complete line was not answered"

    def _expected_lines(self) -> Iterator[list[str]]:
        """Yield the lines that the client must print for each reply that it received."""
        replies = self.relay.went["S"]
        if self.transport == "tcp":
            replies = [raw for raw in split_replies(b"".join(replies)) if raw.endswith(b"\n\n")]
            yield [f"connected to {self.relay.url(self.service)}"]
        elif replies:
            yield [f"connected to {self.relay.url(self.service)}"]
        if self.service == "time":
            last = None
            for tick in (Reply(raw, 0) for raw in replies if raw.startswith(b"TICK\n")):
                fields = tick.fields
                key = fields["time"] if self.transport == "udp" else int(fields["seq"])
                if last is None or key > last:  # type: ignore[operator]
                    last = key
                    yield [f"{fields['name']} {fields['time'].removesuffix('Z')}+00:00"]
        else:
            waiting = list(MESSAGES)
            for raw in replies:
                if waiting and Reply(raw, 0).fields.get("message") == waiting[0]:
                    yield shown(list(ok_fields("echo", self.transport, waiting.pop(0)).items()))

    def _judge_client(self) -> None:
        program = self.program
        whole = 1 + (len(MESSAGES) if self.service == "echo" else TICKS)
        printed = list(self._expected_lines())[:whole]
        # The last ones may be missing: a reset overtakes what came before it, and a client may give up meanwhile.
        starts = list(accumulate(printed, add, initial=list[str]()))
        possible = starts if self.is_dead or "RST" in self.ends else starts[-1:]
        with about("CLI-20" if self.service == "time" else "CLI-3"):
            expected = [line[:60] for line in starts[-1]]
            assert program.output in possible, f"expected the output {expected}" + ", or a first part of it" * (
                possible is starts
            )
        complete = len(printed) == whole and program.output == starts[-1]
        with about("CLI-6" if complete else "CLI-7"):
            status = program.process.returncode
            assert status == (0 if complete else 1), f"its exit status is {status}; expected {0 if complete else 1}"
        with about("CLI-10"):
            count = len(program.errors)
            assert count == (0 if complete else 1), f"it printed {count} lines on standard error"
        assert complete or self.is_dead or self.ends, "the client ended before it had all that it asked for"

    def require_left(self) -> None:
        """Raise AssertionError unless the server prints `left` for each client for which it printed `connected`."""
        if self.relay.source is None or (self.service, self.transport) == ("echo", "udp"):
            return
        address = re.escape(show_address(self.relay.source))
        announced = re.compile(rf"client (?:.* \()?{address}\)? (connected|left)")

        def balanced() -> bool:
            said = Counter(match[1] for line in self.server.output if (match := announced.fullmatch(line)))
            return said["connected"] == said["left"]

        assert self.server.wait_until(balanced), self.server.describe(f"there is no line that {address} left")


def _judge_ticks(ticks: list[Tick]) -> None:
    """Raise AssertionError unless these ticks of a server have the right name, and times that do not fall."""
    with about("TIME-4"):
        assert all(tick.name == NAME for tick in ticks), f"a wrong name in {ticks}"
    with about("TIME-12"):
        assert [tick.time for tick in ticks] == sorted(tick.time for tick in ticks), f"the clock falls in {ticks}"
