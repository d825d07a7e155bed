"""Clients over TCP: a stream is cut anywhere, ends early or stays empty. SPEC.md, sections 5 and 13."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from conformance.addresses import OWN_HOST
from conformance.as_server.talk import Talk, took
from conformance.blame import about
from conformance.expected.replies import error, ok, ok_fields, shown, tick, tick_lines
from conformance.expected.services import SERVICE_TABLE
from conformance.targets.target import Target
from conformance.targets.terms import Service
from conformance.timing import JUDGE_LATENESS, SCALE

pytestmark = pytest.mark.transport("tcp")

REQUEST = {service: row.request("привет").decode() for service, row in SERVICE_TABLE.items()}
ECHOED = shown(ok_fields("echo", "tcp", "привет"))
ANSWER = ok("echo", "tcp", "привет")
SUBSCRIBED = ok("time", "tcp", "привет")


def single_bytes(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


@pytest.mark.service("echo")
@pytest.mark.requirement("CLI-3", "CLI-4")
@pytest.mark.needs("CLI-4")
@pytest.mark.parametrize("cut", [single_bytes, lambda data: [data[:-1], data[-1:]]], ids=["bytes", "last-byte"])
def test_echo_takes_a_reply_cut_anywhere(target: Target, cut: Callable[[bytes], list[bytes]]) -> None:
    with Talk(target, "echo", "tcp", stdin="привет\nпривет\n") as talk:
        for _ in range(2):
            talk.expect("ECHO привет")
            talk.send(*cut(ANSWER))
        talk.ends(0, [talk.connected, *ECHOED, *ECHOED])


@pytest.mark.service("time")
@pytest.mark.requirement("CLI-19", "CLI-20")
@pytest.mark.parametrize("cut", [single_bytes, lambda data: [data]], ids=["bytes", "whole"])
def test_time_takes_a_stream_cut_anywhere(target: Target, cut: Callable[[bytes], list[bytes]]) -> None:
    with Talk(target, "time", "tcp", "--ticks", "3", "привет") as talk:
        talk.expect("TIME привет")
        stream = SUBSCRIBED + b"".join(tick("привет", seq) for seq in (1, 2, 3))
        talk.send(*cut(stream))
        talk.ends(0, [talk.connected, *tick_lines("привет", [1, 2, 3])])


@pytest.mark.service("echo")
@pytest.mark.requirement("CLI-6", "CLI-11")
def test_needs_no_open_connection_after_the_last_reply(target: Target) -> None:
    """Nor does it look at what comes behind that reply."""
    for behind in b"", b"well\n\n":
        with Talk(target, "echo", "tcp", "привет") as talk:
            talk.expect("ECHO привет")
            talk.send(ANSWER + behind)
            if not behind:
                talk.tcp.finish()
            with about("CLI-11" if behind else "CLI-6"):
                talk.ends(0, [talk.connected, *ECHOED])


@pytest.mark.slow
@pytest.mark.service("echo")
@pytest.mark.requirement("CLI-7")
def test_needs_no_open_connection_between_messages(target: Target) -> None:
    """The server closes it after an answer: that counts for the next message, and none follows."""
    with Talk(target, "echo", "tcp", stdin=None) as talk:
        talk.program.write("привет\n")
        talk.expect("ECHO привет")
        talk.send(ANSWER)
        talk.tcp.finish()
        talk.program.expect_text(ECHOED[-1])
        talk.program.wait_until(lambda: not talk.program.running, JUDGE_LATENESS)
        talk.program.close_stdin()
        talk.ends(0, [talk.connected, *ECHOED])


def closes_at_once(talk: Talk) -> list[str]:
    talk.tcp.finish()
    return []


def closes_instead_of_an_answer(talk: Talk) -> list[str]:
    talk.request()
    talk.tcp.finish()
    return []


def resets(talk: Talk) -> list[str]:
    talk.request()
    talk.tcp.reset()
    return []


def closes_within_the_first_reply(talk: Talk) -> list[str]:
    talk.request()
    talk.send((ANSWER if talk.service == "echo" else SUBSCRIBED)[:-1])
    talk.tcp.finish()
    return []


def resets_within_the_first_reply(talk: Talk) -> list[str]:
    talk.request()
    talk.send(b"OK\n")
    talk.tcp.reset()
    return []


def closes_after_the_first_reply(talk: Talk) -> list[str]:
    talk.request()
    talk.send(ANSWER if talk.service == "echo" else SUBSCRIBED + tick("привет", 1))
    talk.tcp.finish()
    return ECHOED if talk.service == "echo" else tick_lines("привет", [1])


def closes_within_the_second_reply(talk: Talk) -> list[str]:
    talk.request()
    talk.send(
        ANSWER + ANSWER[:30] if talk.service == "echo" else SUBSCRIBED + tick("привет", 1) + tick("привет", 2)[:-1]
    )
    talk.tcp.finish()
    return ECHOED if talk.service == "echo" else tick_lines("привет", [1])


@pytest.mark.requirement("CLI-7", "CLI-10")
def test_reports_a_connection_that_ends_too_early(target: Target, service: Service) -> None:
    ends = [
        closes_at_once,
        closes_instead_of_an_answer,
        resets,
        closes_within_the_first_reply,
        resets_within_the_first_reply,
        closes_after_the_first_reply,
        closes_within_the_second_reply,
    ]
    with ExitStack() as stack:
        talks = [stack.enter_context(Talk(target, service, "tcp", stdin="привет\nпривет\n")) for _ in ends]
        for end, talk in zip(ends, talks, strict=True):
            output = end(talk)
            talk.program.wait()
            for _ in talk.server.untaken:  # what the client sent before the end reached it
                talk.expect(REQUEST[service])
            talk.ends(1, [talk.connected, *output], [""], case=end.__name__)


@pytest.mark.requirement("CLI-9", "CLI-1", "CLI-10")
def test_hears_that_the_server_is_busy_before_it_asks(target: Target, service: Service) -> None:
    with Talk(target, service, "tcp", stdin="привет\nпривет\n") as talk:
        talk.send(error())
        talk.tcp.finish()
        talk.program.wait()
        for _ in talk.server.untaken:  # what the client sent before the end reached it
            talk.expect(REQUEST[service])
        talk.ends(3, [talk.connected], ["busy.*come back tomorrow"])


@pytest.mark.slow
@pytest.mark.requirement("CLI-7", "CLI-1", "CLI-10")
def test_gives_up_without_an_answer(target: Target, service: Service) -> None:
    """The timeout counts from the request, also while half a reply comes byte by byte."""
    timeout = 0.6 * SCALE
    with ExitStack() as stack:
        silent, drips = (stack.enter_context(Talk(target, service, "tcp", "привет", timeout=timeout)) for _ in range(2))
        start = {talk: talk.expect(REQUEST[service]).at for talk in (silent, drips)}
        for byte in single_bytes(ANSWER[:-2]):
            with contextlib.suppress(ConnectionError):
                drips.send(byte)
            if drips.program.wait_until(lambda: bool(drips.program.errors), timeout / 10):
                break
        for talk in silent, drips:
            waited = talk.gave_up() - start[talk]
            assert took([waited], [timeout]), f"it gave up after {waited:g} s; expected {timeout:g} s"
            talk.ends(1, [talk.connected], [""])


@pytest.mark.slow
@pytest.mark.requirement("CLI-7", "CLI-2", "CLI-10")
def test_gives_up_where_nobody_listens(target: Target, service: Service) -> None:
    with Talk(target, service, "tcp", "привет", absent=True) as talk:
        talk.ends(1, [], [""])


@pytest.fixture
def full_backlog() -> Iterator[tuple[str, int]]:
    """The address of a listening socket whose backlog is full: no more connections are established."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((OWN_HOST, 0), backlog=0))
        address = listener.getsockname()
        for _ in range(8):
            queued = stack.enter_context(socket.socket())
            queued.settimeout(JUDGE_LATENESS)
            try:
                queued.connect(address)
            except TimeoutError:
                yield address
                return
        pytest.fail("the kernel completes every connection")


@pytest.mark.requirement("CLI-7", "CLI-2", "CLI-10")
def test_gives_up_while_the_connection_does_not_stand(
    target: Target, service: Service, full_backlog: tuple[str, int]
) -> None:
    host, port = full_backlog
    timeout = 2 * SCALE  # longer than a program takes to start
    words = ["--host", host, "--port", str(port), "--timeout", f"{timeout:g}", "привет"]
    start = time.monotonic()
    with target.program("tcp", "client", service, *words) as program:
        assert program.wait() == 1, program.describe("expected status 1")
        waited = time.monotonic() - start
        assert waited >= timeout, program.describe(f"it gave up after {waited:g} s; expected {timeout:g} s")
        with about("CLI-2"):
            assert program.output == [], program.describe("it said 'connected' before there is a connection")
        with about("CLI-10"):
            assert len(program.errors) == 1, program.describe("expected one line on standard error")
