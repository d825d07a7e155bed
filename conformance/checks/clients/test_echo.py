"""What an echo client sends, prints and returns: SPEC.md, section 13."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import cycle

import pytest

from conformance.as_server.talk import FORMS_OF_NO_TEXT, LONGER, Talk, batches, took
from conformance.blame import about
from conformance.expected.replies import (
    HIDDEN,
    badly_built,
    challenge,
    error,
    ok,
    ok_fields,
    replaced,
    reply,
    shown,
    tick,
    with_unknown_fields,
)
from conformance.profiles import Profile
from conformance.targets.target import Target
from conformance.targets.terms import Transport
from conformance.timing import SCALE, STOP_TIME
from spec.limits import MESSAGE_BYTES, REPLY_BYTES

pytestmark = pytest.mark.service("echo")

MESSAGES = [
    "",
    " привет  мир ",
    "straße",
    "е\u0308 и й",
    "👨\u200d👩\u200d👧",
    "\ufeff\ufffe\U0010ffff\ue000\u3000",
    "a\tb\\u0009",
    "ж" * (MESSAGE_BYTES // 2),
    "".join(character for character in map(chr, range(0x600, 0x2100)) if HIDDEN.match(character)) + "one\u2028line",
]

ERROR = error("bad-character", "no such thing, sorry")
BUSY = error()


def _answer(message: str, transport: Transport) -> bytes:
    return ok("echo", transport, message)


@pytest.mark.requirement("CLI-3", "CLI-1", "CLI-6")
def test_prints_the_fields_of_the_reply(target: Target, transport: Transport) -> None:
    message = " привет,  мир "
    with Talk(target, "echo", transport, message) as talk:
        talk.expect(f"ECHO {message}")
        talk.send(_answer(message, transport))
        lines = shown(ok_fields("echo", transport, message))
        talk.ends(0, [talk.connected, *lines], within=STOP_TIME)


@pytest.mark.requirement("CLI-4", "CLI-3", "CLI-6")
def test_an_empty_message_is_a_message(target: Target, transport: Transport) -> None:
    """Nothing is read from standard input, which does not end."""
    with Talk(target, "echo", transport, "", stdin=None) as talk:
        request = talk.request("ECHO ")
        assert request.lines in FORMS_OF_NO_TEXT, talk.program.describe(f"it sent {request}; expected an empty ECHO")
        talk.send(_answer("", transport))
        talk.ends(0, [talk.connected, *shown(ok_fields("echo", transport, ""))])


@pytest.mark.requirement("CLI-4", "CLI-3", "CLI-6", "SRV-14")
def test_sends_each_line_of_standard_input(target: Target, transport: Transport) -> None:
    stdin = "".join(message + end for message, end in zip(MESSAGES, cycle(["\r\n", "\n"]), strict=False))
    with Talk(target, "echo", transport, stdin=stdin.removesuffix("\n")) as talk:
        sources = set()
        for message in MESSAGES:
            request = talk.request()
            forms = ([f"ECHO {message}".encode()],) if message else FORMS_OF_NO_TEXT
            assert request.lines in forms, f"it sent {request}; expected an ECHO of {message!r}"
            sources.add(request.peer)
            talk.send(_answer(message, transport))
        lines = [line for message in MESSAGES for line in shown(ok_fields("echo", transport, message))]
        talk.ends(0, [talk.connected, *lines])
        assert len(sources) == 1, f"it used several sockets: {sources}"


@pytest.mark.slow
@pytest.mark.requirement("CLI-4", "CLI-7")
def test_asks_the_next_only_after_the_answer(target: Target, transport: Transport) -> None:
    with Talk(target, "echo", transport, stdin="one\ntwo\n", timeout=0.5 * SCALE) as talk:
        talk.expect("ECHO one")
        talk.ends(1, [talk.connected] if transport == "tcp" else [], [""])


@pytest.mark.slow
@pytest.mark.requirement("CLI-7")
def test_the_timeout_of_each_message_is_its_own(target: Target, transport: Transport) -> None:
    timeout = 1.5 * SCALE
    with Talk(target, "echo", transport, stdin="один\nдва\n", timeout=timeout) as talk:
        talk.expect("ECHO один")
        talk.program.wait_until(lambda: False, 0.6 * timeout)
        talk.send(_answer("один", transport))
        start = talk.expect("ECHO два").at
        waited = talk.gave_up() - start
        assert took([waited], [timeout]), f"it gave up after {waited:g} s; expected {timeout:g} s"
        talk.ends(1, [talk.connected, *shown(ok_fields("echo", transport, "один"))], [""])


@pytest.mark.requirement("CLI-12")
def test_ignores_fields_that_it_does_not_know(target: Target, transport: Transport) -> None:
    with Talk(target, "echo", transport, stdin="да\nнет\n") as talk:
        talk.expect("ECHO да")
        talk.send(with_unknown_fields(_answer("да", transport)))
        talk.expect("ECHO нет")
        talk.send(with_unknown_fields(ERROR))
        output = [talk.connected, *shown(ok_fields("echo", transport, "да"))]
        talk.ends(3, output, ["bad-character.*no such thing, sorry"])


@pytest.mark.requirement("REQ-6")
def test_uses_the_first_of_several_fields(target: Target, transport: Transport) -> None:
    with Talk(target, "echo", transport, stdin="да\nнет\n") as talk:
        talk.expect("ECHO да")
        fields = ok_fields("echo", transport, "да")
        talk.send(reply("OK", *(field for name, value in fields for field in ((name, value), (name, "2")))))
        talk.expect("ECHO нет")
        again = ("code", "bad-name"), ("reason", "the first"), ("code", "busy"), ("reason", "the second")
        talk.send(reply("ERR", *again))
        talk.ends(3, [talk.connected, *shown(fields)], ["^(?!.*second).*bad-name.*the first"])


@pytest.mark.requirement("CLI-9", "CLI-10")
def test_reports_an_error_reply(target: Target, transport: Transport) -> None:
    with Talk(target, "echo", transport, "привет") as talk:
        talk.expect("ECHO привет")
        reason = "no such thing, sorry: такого нет, и не было, и не будет"  # a client shows any reason (CLI-11)
        talk.send(error("yet-unknown", reason))
        talk.ends(3, [talk.connected], [f"yet-unknown.*{reason}"])


@pytest.mark.slow
@pytest.mark.requirement("SRV-14")
def test_makes_a_reason_visible(target: Target, transport: Transport) -> None:
    """Such a reason breaks ERR-2, so a client may report a malformed reply; then, over UDP, it has no answer."""
    with Talk(target, "echo", transport, "привет", timeout=2 * SCALE) as talk:
        talk.expect("ECHO привет")
        talk.send(error("busy\u2066", "\u202enot so"))
        status = talk.program.wait()
        assert status in (1, 3), talk.program.describe(f"its exit status is {status}; expected 1 or 3")
        talk.ends(status, [talk.connected] if status == 3 or transport == "tcp" else [], None)


@pytest.mark.requirement("CLI-9", "CLI-24")
def test_goes_on_after_an_error_reply(target: Target, transport: Transport) -> None:
    """An empty reason is good, too. The last message is answered OK; that takes back no ERR."""
    with Talk(target, "echo", transport, stdin="раз\nдва\nтри\nчетыре\n") as talk:
        for message, answer in ("раз", ERROR), ("два", _answer("два", transport)), ("три", error("bad-character", "")):
            talk.expect(f"ECHO {message}")
            talk.send(answer)
        with about("CLI-24"):
            talk.expect("ECHO четыре")
        talk.send(_answer("четыре", transport))
        output = [line for message in ("два", "четыре") for line in shown(ok_fields("echo", transport, message))]
        talk.ends(3, [talk.connected, *output], ["bad-character.*no such thing, sorry", "bad-character"])


@pytest.mark.requirement("CLI-9")
def test_stops_when_the_server_is_busy(target: Target, transport: Transport) -> None:
    with Talk(target, "echo", transport, stdin="раз\nдва\n") as talk:
        talk.expect("ECHO раз")
        talk.send(BUSY)
        talk.ends(3, [talk.connected], ["busy.*come back tomorrow"])


@pytest.mark.requirement("CLI-9", "CLI-8", "CLI-4", "CLI-10")
def test_sends_no_bad_line_and_goes_on(target: Target, transport: Transport) -> None:
    bad = [b"\x1b[2J", b"\r\r", "x\x85y".encode(), b"\xff", b"\xed\xa0\x80", b"a" * (MESSAGE_BYTES + 1), b"nul\0"]
    stdin = b"\n".join([b"first", *bad, b"middle", b"last"])
    with Talk(target, "echo", transport, stdin=stdin) as talk:
        talk.expect("ECHO first")
        talk.send(ERROR)
        with about("CLI-8"):
            talk.expect("ECHO middle")
        talk.send(_answer("middle", transport))
        talk.expect("ECHO last")
        talk.send(ERROR)
        # Some messages are refused by the server (3) and some by the client (2): 2 goes before 3, in any order.
        output = [talk.connected, *shown(ok_fields("echo", transport, "middle"))]
        refused = "bad-character.*no such thing, sorry"
        talk.ends(2, output, [refused, *[""] * len(bad), refused])


@pytest.mark.slow
@pytest.mark.requirement("CLI-9")
def test_unreachable_goes_before_wrong_usage(target: Target, transport: Transport) -> None:
    with Talk(target, "echo", transport, stdin="\x01\nx\ny\n", timeout=2 * SCALE) as talk:
        talk.expect("ECHO x")
        talk.send(ERROR)
        talk.expect("ECHO y")
        talk.ends(1, [talk.connected], ["", "bad-character", ""])


@pytest.mark.requirement("CLI-12", "CLI-3", "CLI-24")
def test_takes_fields_in_any_order(target: Target, transport: Transport) -> None:
    """Those of other replies are unknown, whatever they hold; it prints in SPEC.md's order."""
    fields = ok_fields("echo", transport, "привет")
    strangers = [("seq", "x"), ("token", ""), *([("bytes", "x"), ("sha256", "")] if transport == "udp" else [])]
    with Talk(target, "echo", transport, "привет") as talk:
        talk.expect("ECHO привет")
        talk.send(reply("OK", *strangers, *reversed(fields)))
        talk.ends(0, [talk.connected, *shown(fields)])


@pytest.mark.requirement("CLI-24")
def test_takes_a_length_of_15_digits(target: Target, transport: Transport) -> None:
    """No client need hold a longer one, and none asks whether it is true."""
    fields = replaced(ok_fields("echo", transport, "привет"), "length", "9" * 15)
    with Talk(target, "echo", transport, "привет") as talk:
        talk.expect("ECHO привет")
        talk.send(reply("OK", *fields))
        talk.ends(0, [talk.connected, *shown(fields)])


@pytest.mark.requirement("CLI-23", "CLI-3")
def test_takes_the_longest_reply(target: Target, transport: Transport) -> None:
    fields = ok_fields("echo", transport, "ж" * (MESSAGE_BYTES // 2))
    room = REPLY_BYTES - len(reply("OK", *fields, ("x", "")))
    with Talk(target, "echo", transport, fields[0][1]) as talk:
        talk.request()
        longest = reply("OK", *fields, ("x", "ы" * (room // 2) + "y" * (room % 2)))
        if transport == "udp":
            talk.send(longest + b"\n")
            talk.expect_errors(1, "a byte more")
        talk.send(longest)
        talk.ends(0, [talk.connected, *shown(fields)], [""] * (transport == "udp"))


def _malformed(transport: Transport) -> Iterator[tuple[str, str, bytes]]:
    """Yield replies to `ECHO привет` that break SPEC.md, each in one way: the requirement, what is wrong, the reply."""
    fields = ok_fields("echo", transport, "привет")
    good = reply("OK", *fields)
    yield from (("CLI-11", f"a status that is none, {word}", reply(word, *fields)) for word in ("YES", "NO"))
    for name, _ in fields:
        yield "CLI-24", f"without {name}", reply("OK", *replaced(fields, name))
    yield "CLI-24", "an error without a code", reply("ERR", ("reason", "why"))
    yield "CLI-24", "an error without a reason", reply("ERR", ("code", "busy"))
    yield "CLI-24", "a TAB in a reason", error("busy", "a\tb")
    for name, value in (
        ("length", ""),
        ("length", "шесть"),
        ("length", "06"),
        ("length", "+6"),
        ("length", "6.0"),
        ("length", "6\t"),
        ("length", "٦"),
    ):
        yield "CLI-24", f"{name} {value!r}", reply("OK", *replaced(fields, name, value))
    for name, value in ("message", "привет\x1b[2J"), ("reversed", "\x85"), ("upper", "ПРИВЕТ\r"):
        yield "CLI-23", f"{name} {value!r}", reply("OK", *replaced(fields, name, value))
    yield "CLI-25", "a challenge", challenge("t")
    yield "CLI-25", "a tick", tick("n", 1)
    yield "CLI-25", "a challenge with the fields of an answer", reply("CHALLENGE", *fields)
    yield "CLI-25", "a tick with the fields of an answer", reply("TICK", *fields)
    bad = {
        **badly_built(good, transport),
        "bytes that are no UTF-8": good.replace(b"upper: ", b"upper: \xff"),
        "a surrogate": good.replace(b"upper: ", b"upper: \xed\xa0\x80"),
        "a reason with a control character": error("busy", "\x1b[2J"),
    }
    yield from (("CLI-23", what, answer) for what, answer in bad.items())
    if transport == "tcp":
        yield "CLI-24", "bytes that are no number", reply("OK", *replaced(fields, "bytes", "0x91"))
        for value in ("", "AB" * 32, "ab" * 31, "ab" * 33, "g" * 64, " " + "a" * 63):
            yield "CLI-24", f"sha256 {value!r}", reply("OK", *replaced(fields, "sha256", value))


@pytest.mark.transport("udp")
@pytest.mark.requirement("CLI-11", "CLI-23", "CLI-24", "CLI-25", "CLI-2", "CLI-10")
def test_reports_malformed_datagrams_and_waits_on(target: Target) -> None:
    with Talk(target, "echo", "udp", "привет") as talk:
        talk.expect("ECHO привет")
        malformed = [*_malformed("udp")]
        for n, (id_, what, datagram) in enumerate(malformed, 1):
            talk.send(datagram)
            with about(id_):
                talk.expect_errors(n, what)
        talk.expect_no_answer()
        talk.send(_answer("привет", "udp"))
        talk.ends(0, [talk.connected, *shown(ok_fields("echo", "udp", "привет"))], [""] * len(malformed))


@pytest.mark.transport("tcp")
@pytest.mark.requirement("CLI-11", "CLI-23", "CLI-24", "CLI-25", "CLI-10")
def test_gives_up_at_a_malformed_reply(target: Target, profile: Profile) -> None:
    of_both = {what for _, what, _ in _malformed("udp")}
    answers = [*_malformed("tcp")]
    few = answers
    if target.offers("client", "udp"):  # that one is given all of them
        few = [each for each in answers if each[1] not in of_both]
        few += profile.select(each for each in answers if each[1] in of_both)
    for batch in batches(few):
        with ExitStack() as stack:
            talks = [stack.enter_context(Talk(target, "echo", "tcp", "привет", timeout=LONGER)) for _ in batch]
            for talk, (_, _, answer) in zip(talks, batch, strict=True):
                talk.expect("ECHO привет")
                talk.send(answer)
            for talk, (id_, what, _) in zip(talks, batch, strict=True):
                with about(id_):
                    talk.ends(1, [talk.connected], [""], case=what)


@pytest.mark.transport("tcp")
@pytest.mark.requirement("CLI-26", "CLI-10")
def test_gives_up_at_another_message(target: Target) -> None:
    decomposed = "и\u0306"  # canonically equivalent to й
    for asked, message in ("привет", "приве"), ("привет", "Привет"), ("привет", ""), ("й", decomposed):
        with Talk(target, "echo", "tcp", asked, timeout=LONGER) as talk:
            talk.expect(f"ECHO {asked}")
            talk.send(_answer(message, "tcp"))
            talk.ends(1, [talk.connected], [""], case=repr(message))
