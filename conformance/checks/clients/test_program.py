"""The client as a program: its command line, standard input, terminal and environment. SPEC.md, section 13."""

import codecs
import os
import pty
import select
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import cycle
from signal import SIGHUP, SIGINT, SIGTERM, Signals
from tempfile import NamedTemporaryFile

import pytest

from conformance.addresses import OWN_HOST
from conformance.as_server.scripted import ScriptedServer, ScriptedUdp, scripted
from conformance.as_server.talk import FORMS_OF_NO_TEXT, Talk, batches, took
from conformance.blame import about
from conformance.expected.replies import challenge, ok, ok_fields, shown, tick, tick_lines
from conformance.expected.services import SERVICE_TABLE
from conformance.inconclusive import Inconclusive
from conformance.profiles import Profile
from conformance.targets.host import is_unknown, require_localhost, require_refusals, with_hosts
from conformance.targets.programs import Program
from conformance.targets.redirected import UNWRITABLE, unwritable
from conformance.targets.target import Target
from conformance.targets.terms import SERVICES, Service, Transport
from conformance.timing import PATIENCE, SCALE, STOP_TIME
from spec.limits import MESSAGE_BYTES, NAME_CHARACTERS

ENOUGH: dict[Service, list[str]] = {"echo": [], "time": ["--ticks", "1"]}
"""Options with which a client has all that it needs after `serve`."""

ENOUGH_SAID: dict[Service, str] = {"echo": "CLI-3", "time": "CLI-19"}
"""What a client breaks that does not ask as it is to."""


def serve(talk: Talk, text: str) -> list[str]:
    """Answer a client that sends one message or wants one tick. Return the lines after the first that it must print."""
    transport = talk.server.transport
    if talk.service == "echo":
        if text:
            talk.expect(f"ECHO {text}")
        else:
            request = talk.request("ECHO ")
            assert request.lines in FORMS_OF_NO_TEXT, f"it sent {request}; expected an empty ECHO"
        talk.send(ok("echo", transport, text))
        return shown(ok_fields("echo", transport, text))
    talk.subscribe(text)
    talk.send(tick(text, 1))
    return tick_lines(text, [1])


@pytest.mark.requirement("CLI-22", "CLI-1")
@pytest.mark.needs("CLI-3", "CLI-16", "CLI-19")
def test_serves_ipv6(target: Target, service: Service, transport: Transport) -> None:
    with Talk(target, service, transport, *ENOUGH[service], "привет", host="::1") as talk:
        lines = serve(talk, "привет")
        talk.ends(0, [talk.connected, *lines])


@pytest.mark.requirement("CLI-1")
@pytest.mark.needs("CLI-3", "CLI-16", "CLI-19")
def test_prints_the_address_of_a_name(target: Target, service: Service, transport: Transport) -> None:
    host = require_localhost(transport)
    words = [*ENOUGH[service], "привет"]
    where = ["--host", "localhost", "--port", "{port}"]
    with Talk(target, service, transport, *words, host=host, where=where) as talk:
        lines = serve(talk, "привет")
        talk.ends(0, [talk.connected, *lines])


TWO = ["--host", "two-addresses", "--port", "{port}"]
"""Options for a client of `two_addresses`."""


@contextmanager
def two_addresses(target: Target, transport: Transport) -> Iterator[Target]:
    """Yield the target with a client to which the name `two-addresses` is ::1 and 127.0.0.1."""
    with NamedTemporaryFile("w", prefix="sockspec-hosts-") as hosts:
        hosts.write("::1 two-addresses\n127.0.0.1 two-addresses\n")
        hosts.flush()
        command = *with_hosts(hosts.name, TWO[1]), *target.command(transport, "client")
        yield replace(target, commands={(transport, "client"): command})


@pytest.mark.requirement("CLI-7", "CLI-9")
@pytest.mark.needs("CLI-1", "CLI-3", "CLI-4", "CLI-8", "CLI-16", "CLI-19", "CLI-22")
def test_tries_each_address_of_a_name(target: Target, service: Service, transport: Transport) -> None:
    """A name has two addresses, and at one of them nobody listens: at the second, by RFC 6724, and at the first.

    A line of standard input that is no message counts at the next address too.
    """
    words, stdin, status = [*ENOUGH[service], "привет"], "", 0
    if service == "echo":
        words, stdin, status = [], "\x01\nпривет\n", 2
    with two_addresses(target, transport) as resolving:
        for host, nobody in ("::1", "127.0.0.1"), ("127.0.0.1", "::1"):
            if transport == "udp" and host == "127.0.0.1":
                target.need("udp-refusals")
                require_refusals(nobody)
            with Talk(resolving, service, transport, *words, stdin=stdin, host=host, where=TWO) as talk:
                lines = serve(talk, "привет")
                ended = talk.program.wait()
                with about("CLI-9"):
                    assert ended == status, talk.program.describe(f"its exit status is {ended}; expected {status}")
                talk.ends(status, [talk.connected, *lines], [""] * (status == 2))


@pytest.mark.slow
@pytest.mark.transport("udp")
@pytest.mark.requirement("CLI-7", "CLI-13")
@pytest.mark.needs("CLI-1", "CLI-3", "CLI-16", "CLI-19", "CLI-22")
def test_starts_anew_at_the_next_address(target: Target, service: Service) -> None:
    """At the first address a server goes away when it has the request, so the repetition finds that out."""
    target.need("udp-refusals")
    require_refusals("::1")
    timeout = 1.7 * SCALE
    with two_addresses(target, "udp") as resolving, ExitStack() as stack:
        talk = stack.enter_context(Talk(resolving, service, "udp", "привет", host="::1", where=TWO, timeout=timeout))
        other = stack.enter_context(ScriptedUdp("127.0.0.1", talk.server.port))
        talk.server.wait_for(lambda: talk.was_reached or bool(other.requests), "request")
        near, far = (talk.server, other) if talk.was_reached else (other, talk.server)  # in the system's order
        first = near.request()
        near.close()
        moved, repeated = far.request(), far.request()
        came = moved.at - first.at, repeated.at - moved.at
        assert took(came, [1, 1]), f"the gaps are {came} s; expected 1 s, and 1 s at the next address"
        waited = talk.gave_up() - moved.at
        assert took([waited], [timeout]), f"it gave up after {waited:g} s; expected {timeout:g} s"


@pytest.mark.requirement("CLI-1")
@pytest.mark.needs("CLI-3", "CLI-16", "CLI-19")
def test_goes_to_the_default_host_and_port(target: Target, service: Service, transport: Transport) -> None:
    for host, port, where in (
        ("127.0.0.1", 0, ["--port", "{port}"]),
        (OWN_HOST, SERVICE_TABLE[service].port, ["--host", OWN_HOST]),
    ):
        words = [*ENOUGH[service], "привет"]
        with Talk(target, service, transport, *words, host=host, port=port, where=where) as talk:
            lines = serve(talk, "привет")
            talk.ends(0, [talk.connected, *lines])


@pytest.mark.requirement("CLI-6")
@pytest.mark.parametrize("text", ["--ticks", "-5", "--"])
def test_takes_what_follows_the_options_as_its_text(
    target: Target, service: Service, transport: Transport, text: str
) -> None:
    """`--` ends the options, so that a text may start with `-`."""
    with Talk(target, service, transport, *ENOUGH[service], "--", text) as talk:
        lines = serve(talk, text)
        talk.ends(0, [talk.connected, *lines])


@pytest.mark.requirement("CLI-6")
@pytest.mark.needs("CLI-3", "CLI-16", "CLI-19")
def test_forms_of_options(target: Target, service: Service, transport: Transport) -> None:
    """The text first, a value behind `=`, leading zeros, and options that are given twice: the last counts.

    The host that does not count is not looked up. The text is `-`, which is no option and no file. And the longest
    timeout that no client may refuse, whatever the width of its integers.
    """
    words = ["-", "--host", "unknown.invalid", "--port=1", "--timeout=007.123456789", "--timeout", "999999999"]
    words += ["--port=000{port}", "--host={host}"]
    with Talk(target, service, transport, *ENOUGH[service], where=words, timeout=None) as talk:
        lines = serve(talk, "-")
        talk.ends(0, [talk.connected, *lines])


@pytest.mark.requirement("CLI-1", "CLI-3", "CLI-19")
@pytest.mark.needs("CLI-3", "CLI-16", "CLI-19")
def test_speaks_utf8_in_any_locale(target: Target, service: Service, transport: Transport) -> None:
    """And English, since it is no terminal that it writes to."""
    for words, stdin, locale in (
        (["привет"], "", "C"),
        ([], "привет\n", "C"),
        (["привет"], "", "ru_RU.KOI8-R"),
        (["привет"], "", "ru_RU.UTF-8"),
    ):
        surroundings = {"LC_ALL": locale, "LANG": locale, "LANGUAGE": ""}
        with Talk(target, service, transport, *ENOUGH[service], *words, stdin=stdin, env=surroundings) as talk:
            with about("CLI-4" if stdin else ENOUGH_SAID[service]):
                lines = serve(talk, "привет")
            # A shell or Perl says on standard error that the system lacks a locale.
            talk.ends(0, [talk.connected, *lines], () if locale == "C" else None)


@pytest.mark.requirement("CLI-6")
@pytest.mark.needs("CLI-3", "CLI-16", "CLI-19")
def test_ends_when_nobody_can_read_its_output(target: Target, service: Service, transport: Transport) -> None:
    """By itself, and not by SIGPIPE."""
    target.need("output-files")
    reader, writer = os.pipe()
    os.close(reader)
    with ExitStack() as stack:
        stack.callback(os.close, writer)
        talk = stack.enter_context(Talk(target, service, transport, *ENOUGH[service], "привет", stdout=writer))
        if transport == "udp":
            talk.request()
            talk.send(ok("echo", "udp", "привет") if service == "echo" else challenge())
        ended = talk.program.wait()
        assert ended == 1, talk.program.describe("its standard output is broken; expected exit status 1")


@pytest.mark.requirement("CLI-6", "CLI-10")
@pytest.mark.parametrize("number", [SIGINT, SIGTERM, SIGHUP])
def test_is_stopped_before_it_is_done(target: Target, service: Service, transport: Transport, number: int) -> None:
    if number == SIGHUP:
        target.need("sighup")
    with Talk(target, service, transport, stdin="привет\n") as talk:
        talk.expect(SERVICE_TABLE[service].request("привет").decode())
        talk.program.stop(number, STOP_TIME)
        said = len(talk.program.errors) > 0  # SPEC.md leaves open whether that is an error
        case = f"stopped by {Signals(number).name} before it was done"
        talk.ends(1, [talk.connected] if transport == "tcp" else [], [""] * said, case=case)


@pytest.mark.requirement("CLI-6", "CLI-10")
def test_is_stopped_by_several_signals(target: Target, service: Service, transport: Transport) -> None:
    """Two find a paused client, so they come together. They go on until it has ended."""
    with Talk(target, service, transport, "привет") as talk:
        talk.expect(SERVICE_TABLE[service].request("привет").decode())
        with talk.program.paused():
            talk.program.signal(SIGINT)
            talk.program.signal(SIGTERM)
        status = talk.program.stop_at_any_moment(SIGTERM, SIGINT)
        case = "stopped by several signals before it was done"
        assert status == 1, talk.program.describe(f"{case}: its exit status is {status}; expected 1")
        said = min(len(talk.program.errors), 1)  # SPEC.md leaves open whether that is an error
        talk.ends(1, [talk.connected] if transport == "tcp" else [], [""] * said)


@pytest.mark.service("time")
@pytest.mark.requirement("CLI-6", "CLI-10")
def test_a_subscriber_is_stopped_by_several_signals(target: Target, transport: Transport) -> None:
    with Talk(target, "time", transport, "Анна") as talk:
        talk.subscribe("Анна")
        talk.send(tick("Анна", 1))
        lines = tick_lines("Анна", [1])
        talk.program.expect_text(lines[-1])
        with talk.program.paused():
            talk.program.signal(SIGINT)
            talk.program.signal(SIGTERM)
        status = talk.program.stop_at_any_moment(SIGTERM, SIGINT)
        case = "stopped by several signals when it was subscribed"
        assert status == 0, talk.program.describe(f"{case}: its exit status is {status}; expected 0")
        talk.ends(0, [talk.connected, *lines])


@pytest.mark.requirement("CLI-7", "CLI-10")
def test_reports_a_host_that_cannot_be(
    target: Target, service: Service, transport: Transport, profile: Profile
) -> None:
    """No host has such a name: one with an empty label, an overlong label, a space, a line end, or no UTF-8."""
    with ExitStack() as stack:
        hosts = filter(is_unknown, ("a..b", "x" * 64, "unknown host", "un\nknown", "\udcff"))
        for host in profile.divide(hosts, transport, target.transports("client")):
            words = ["--host", host, "--port", "9", "привет"]
            program = stack.enter_context(target.program(transport, "client", service, *words))
            assert program.wait() == 1 and not program.output, program.describe(
                f"the host {host!r} does not resolve: expected status 1 and no output"
            )
            with about("CLI-10"):
                assert len(program.errors) == 1, program.describe("expected one line on standard error")


@pytest.mark.service("echo")
@pytest.mark.requirement("CLI-4", "CLI-6", "CLI-10")
@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
def test_is_stopped_while_it_waits_for_a_line(target: Target, transport: Transport, number: int) -> None:
    with Talk(target, "echo", transport, stdin=None) as talk:
        talk.program.write("привет\n")
        with about("CLI-4"):
            lines = serve(talk, "привет")
        talk.program.expect_text(lines[-1])
        talk.program.stop(number, STOP_TIME)
        said = len(talk.program.errors) > 0  # SPEC.md leaves open whether that is an error
        talk.ends(
            1, [talk.connected, *lines], [""] * said, case=f"stopped by {Signals(number).name} before it was done"
        )


def usages(host: str, port: int, offered: Sequence[Service] = SERVICES) -> Iterator[list[str]]:
    """Yield wrong command lines, each wrong in one way; the services that the client offers take turns."""
    where = ["--host", host, "--port", str(port)]
    services = cycle(offered)
    yield from ([], where, ["chat", *where, "x"], ["ECHO", *where, "x"], ["Time", *where, "x"], ["", *where, "x"])
    yield from ([next(services), *where, "x", *words] for words in (["y"], ["echo"], [""], ["--", "y"]))
    yield [next(services), *where, "--", "x", "y"]
    for option, values in {
        "--port": ["", "+7007", "70\n07", "7007\n", "0", "-1", "65536", "7.0", "http", "٧"],
        "--timeout": ["", "0", "0.0", "-1", "nan", "inf", "1e1", "soon", "3.", ".5"],
        "--ticks": ["", "+5", "-1", "1.5", "many"],
    }.items():
        yield from ([next(services), *where, option, value, "x"] for value in values)
    yield from ([service, *where, "--ticks", "0", "x"] for service in offered)  # also if it has no ticks
    yield [next(services), *where, "--timeout", "soon", "--timeout", "1", "x"]
    yield from ([next(services), *where, word] for word in ("-x", "--x", "--no\nsuch"))
    yield from ([next(services), *where, option] for option in ("--host", "--port", "--timeout", "--ticks"))
    # An option of the server, options cut short, in upper case, or unknown.
    for words in "--interval=3", "--quiet", "--time=5", "--tick 5", "--TICKS 5", "-p 5", "--no-such-option", "-x":
        yield [next(services), *where, *words.split(), "x"]


def bad_texts(service: Service) -> list[bytes]:
    """Return messages or names that SPEC.md forbids. NUL is not among them: no argument can hold it."""
    texts = [b"\x1b[31m", b"a\nb", b"\r", b"\x7f", "\x85".encode()]
    if service == "echo":
        return [*texts, b"x" * (MESSAGE_BYTES + 1), "ж".encode() * (MESSAGE_BYTES // 2) + b"x"]
    return [*texts, b"", b" ", " Анна".encode(), "Анна ".encode(), b"\t", b"a\tb", b"x" * (NAME_CHARACTERS + 1)]


NOT_UTF_8 = b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"
"""Bytes that are not well-formed UTF-8 (RFC 3629)."""


def judge_wrong_usage(programs: Sequence[Program], server: ScriptedServer, may_print: list[str]) -> None:
    """Raise AssertionError unless each program ends with status 2 and one error, and nothing reached the server."""
    for program in programs:
        program.wait_until(lambda: bool(server.requests))
        assert not server.requests, program.describe(f"the client sent {server.requests}")
        assert program.wait() == 2, program.describe("expected status 2")
        assert program.output in ([], may_print), program.describe(f"expected no output but {may_print}")
        with about("CLI-10"):
            assert len(program.errors) == 1, program.describe("expected one line on standard error")
    assert not server.requests, f"a client sent {server.requests}"


@pytest.mark.divided
@pytest.mark.requirement("CLI-8", "CLI-10")
def test_refuses_wrong_usage(target: Target, transport: Transport, profile: Profile) -> None:
    with scripted(transport) as server:
        wrong = usages(server.host, server.port, target.services)
        for batch in batches(profile.divide(wrong, transport, target.transports("client"))):
            with ExitStack() as stack:
                programs = [stack.enter_context(target.program(transport, "client", *words)) for words in batch]
                judge_wrong_usage(programs, server, [])


@pytest.mark.requirement("CLI-8")
@pytest.mark.parametrize("where", UNWRITABLE)
def test_refuses_wrong_usage_that_cannot_be_told(target: Target, transport: Transport, where: str) -> None:
    with unwritable(target, transport, "client", where, target.services[0], "--port", "x") as program:
        came = program.wait()
        assert came == 2, program.describe(
            f"standard error is {UNWRITABLE[where]}, and its exit status is {came}; expected 2"
        )


@pytest.mark.divided
@pytest.mark.requirement("CLI-8", "CLI-10")
def test_sends_no_bad_text(target: Target, service: Service, transport: Transport, profile: Profile) -> None:
    with scripted(transport) as server:
        words = [service, "--host", server.host, "--port", str(server.port)]
        given = [([*words, os.fsdecode(text)], b"") for text in bad_texts(service)]
        # No line at all, lines that are no names, a control character, and what no argument can hold.
        own = {"time": ["\r\nАнна\n", "Анна \n", " Анна\n"], "echo": ["\r\r\n"]}[service]
        inputs = [b"", *(line.encode() for line in own), b"nul\0", *NOT_UTF_8]
        given += [(words, stdin) for stdin in inputs]
        for batch in batches(profile.divide(given, transport, target.transports("client"))):
            with ExitStack() as stack:
                programs = [
                    stack.enter_context(target.program(transport, "client", *more, stdin=stdin))
                    for more, stdin in batch
                ]
                judge_wrong_usage(programs, server, [f"connected to {server.url(service)}"])


@pytest.mark.requirement("CLI-8", "CLI-10")
def test_sends_no_argument_that_is_not_utf_8(target: Target, service: Service, transport: Transport) -> None:
    target.need("argument-bytes")
    with scripted(transport) as server, ExitStack() as stack:
        words = [service, "--host", server.host, "--port", str(server.port)]
        given = [[*words, os.fsdecode(text)] for text in NOT_UTF_8]
        programs = [stack.enter_context(target.program(transport, "client", *more)) for more in given]
        judge_wrong_usage(programs, server, [f"connected to {server.url(service)}"])


IN_ENGLISH = {"LC_ALL": "C.UTF-8", "LANGUAGE": ""}
"""On a terminal, a client may speak the language of the person's locale."""


class Terminal:
    """A pseudo-terminal. It shows typed text, and does not change line ends in the output."""

    def __init__(self) -> None:
        """Raises Inconclusive where there is none."""
        try:
            self._person, self.program = pty.openpty()
        except OSError:
            raise Inconclusive("this host lacks pseudo-terminals") from None
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.text = ""
        modes = termios.tcgetattr(self.program)
        modes[1] &= ~termios.OPOST
        termios.tcsetattr(self.program, termios.TCSANOW, modes)

    def type(self, text: str) -> None:
        os.write(self._person, text.encode())

    def read(self, enough: Callable[[str], bool]) -> str:
        """Return all text shown so far, as soon as it is `enough`. Raises AssertionError after PATIENCE seconds."""
        deadline = time.monotonic() + PATIENCE
        while not enough(self.text):
            ready, _, _ = select.select([self._person], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"the terminal shows only {self.text!r}"
            self.text += self._decoder.decode(os.read(self._person, 65536))
        return self.text

    def close(self) -> None:
        os.close(self._person)
        os.close(self.program)


@pytest.fixture
def terminal(target: Target) -> Iterator[Terminal]:
    target.need("terminals")
    terminal = Terminal()
    yield terminal
    terminal.close()


@pytest.mark.requirement("CLI-5", "CLI-4")
def test_asks_on_a_terminal(target: Target, service: Service, transport: Transport, terminal: Terminal) -> None:
    ends = terminal.program
    with Talk(target, service, transport, *ENOUGH[service], stdin=ends, stdout=ends, env=IN_ENGLISH) as talk:
        first = f"{talk.connected}\n"  # over TCP this line may come before the prompt
        before = terminal.read(lambda text: not first.startswith(text) and bool(text.removeprefix(first)))
        assert not talk.server.requests and not before.endswith("\n"), f"{before!r} is no prompt"
        terminal.type("привет\n")
        lines = [talk.connected, *serve(talk, "привет")]
        seen = terminal.read(lambda text: text.endswith(f"{lines[-1]}\n")).splitlines()
        seen.remove(before.removeprefix(first) + "привет")
        assert seen == lines, f"besides prompt and input the terminal shows {seen}; expected {lines}"
        talk.ends(0, [])


@pytest.mark.requirement("CLI-5", "CLI-4")
def test_asks_nothing_if_its_output_is_no_terminal(
    target: Target, service: Service, transport: Transport, terminal: Terminal
) -> None:
    """It takes no more than one line all the same, and if that is empty, the empty message."""
    text = "" if service == "echo" else "привет"
    terminal.type(f"{text}\nи ещё\n\x04")
    with Talk(target, service, transport, *ENOUGH[service], stdin=terminal.program) as talk:
        with about("CLI-4"):
            lines = serve(talk, text)
        talk.ends(0, [talk.connected, *lines])


@pytest.mark.requirement("CLI-5", "CLI-4")
def test_asks_nothing_if_its_input_is_no_terminal(
    target: Target, service: Service, transport: Transport, terminal: Terminal
) -> None:
    words = [*ENOUGH[service]]
    with Talk(target, service, transport, *words, stdin="привет\n", stdout=terminal.program, env=IN_ENGLISH) as talk:
        lines = "\n".join([talk.connected, *serve(talk, "привет")]) + "\n"
        seen = terminal.read(lambda text: text.endswith(lines))
        assert seen == lines, f"the terminal shows {seen!r}; expected {lines!r}"
        talk.ends(0, [])
