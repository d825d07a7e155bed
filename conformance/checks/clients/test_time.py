"""What a time client sends, prints and returns: SPEC.md, section 13."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from conformance.as_server.scripted import ClientLeft
from conformance.as_server.talk import LONGER, Talk, batches, took
from conformance.blame import about
from conformance.expected.replies import (
    HIDDEN,
    TOKEN,
    badly_built,
    challenge,
    error,
    ok,
    ok_fields,
    replaced,
    reply,
    tick,
    tick_fields,
    tick_lines,
    visible,
    with_unknown_fields,
)
from conformance.profiles import Profile
from conformance.targets.target import Target
from conformance.targets.terms import Transport
from conformance.timing import SCALE, STOP_TIME, interval
from spec.limits import NAME_CHARACTERS

pytestmark = pytest.mark.service("time")


@pytest.mark.requirement("CLI-19", "CLI-1", "CLI-6", "CLI-16")
def test_prints_the_ticks_it_was_asked_for(target: Target, transport: Transport) -> None:
    with Talk(target, "time", transport, "--ticks", "3", "Анна") as talk:
        talk.subscribe("Анна")
        talk.send(*[tick("Борис", seq) for seq in (1, 2, 3, 4)])
        talk.ends(0, [talk.connected, *tick_lines("Борис", [1, 2, 3])], within=STOP_TIME)


@pytest.mark.requirement("CLI-4")
def test_takes_the_first_line_of_standard_input_as_its_name(target: Target, transport: Transport) -> None:
    """At once: whoever types it does not end the input after it."""
    name = "👨\u200d👩\u200d👧 \ufeff" + "я" * 56 + "\u2028"
    with Talk(target, "time", transport, "--ticks", "1", stdin=None) as talk:
        talk.program.write(f"{name}\nБорис\n")
        talk.subscribe(name)
        talk.send(tick("я", 1))
        talk.ends(0, [talk.connected, *tick_lines("я", [1])])


@pytest.mark.requirement("CLI-4")
def test_takes_what_its_input_ends_with_as_its_name(target: Target, transport: Transport) -> None:
    """Without a line's end, but with the CR of one."""
    with Talk(target, "time", transport, "--ticks", "1", stdin="Анна\r") as talk:
        talk.subscribe("Анна")
        talk.send(tick("Анна", 1))
        talk.ends(0, [talk.connected, *tick_lines("Анна", [1])])


@pytest.mark.requirement("SRV-14", "CLI-19")
def test_makes_each_hidden_character_of_a_name_visible(target: Target, transport: Transport) -> None:
    """Each stands in a tick of its own, too: a pattern that is to match a line may end at U+2028."""
    hidden = [chr(code) for code in range(0xA0, 0x2100) if HIDDEN.match(chr(code))]
    names = [f"Анна\\u0009{characters}" for characters in ("".join(hidden), *hidden)]
    with Talk(target, "time", transport, "--ticks", str(len(names)), names[0]) as talk:
        talk.subscribe(names[0])
        talk.send(*(tick(name, seq) for seq, name in enumerate(names, 1)))
        lines = [line for seq, name in enumerate(names, 1) for line in tick_lines(visible(name), [seq])]
        talk.ends(0, [talk.connected, *lines])


@pytest.mark.requirement("CLI-24")
def test_takes_the_longest_name(target: Target, transport: Transport) -> None:
    """Each of its characters is two units of UTF-16."""
    name = "\U0001f468" * NAME_CHARACTERS
    with Talk(target, "time", transport, "--ticks", "1", name) as talk:
        talk.subscribe(name)
        talk.send(tick(name, 1))
        talk.ends(0, [talk.connected, *tick_lines(name, [1])])


@pytest.mark.requirement("CLI-19")
def test_prints_the_time_of_the_persons_zone(target: Target, transport: Transport) -> None:
    """The offset is that of the tick's day, not of today. All zones are in one case, so no profile leaves one out.

    The milliseconds of a moment before 1970 count forwards, as all others do.
    """
    zones = {
        "Europe/Moscow": (
            "1968-02-29T15:00:00.125+03:00",
            "2026-01-15T02:59:59.999+03:00",
            "2026-07-15T03:00:00.000+03:00",
        ),
        "Europe/Berlin": (
            "1968-02-29T13:00:00.125+01:00",
            "2026-01-15T00:59:59.999+01:00",
            "2026-07-15T02:00:00.000+02:00",
        ),
        "America/St_Johns": (
            "1968-02-29T08:30:00.125-03:30",
            "2026-01-14T20:29:59.999-03:30",
            "2026-07-14T21:30:00.000-02:30",
        ),
        "UTC": (
            "1968-02-29T12:00:00.125+00:00",
            "2026-01-14T23:59:59.999+00:00",
            "2026-07-15T00:00:00.000+00:00",
            "0999-03-01T12:00:00.000+00:00",
        ),
    }
    moments = (
        *("1968-02-29T12:00:00.125Z", "2026-01-14T23:59:59.999Z", "2026-07-15T00:00:00.000Z"),
        "0999-03-01T12:00:00.000Z",
    )
    with ExitStack() as stack:
        talks = {
            zone: stack.enter_context(
                Talk(target, "time", transport, "--ticks", str(len(expected)), "Анна", env={"TZ": zone})
            )
            for zone, expected in zones.items()
        }
        for zone, talk in talks.items():
            talk.subscribe("Анна")
            for seq, moment in enumerate(moments[: len(zones[zone])], 1):
                talk.send(reply("TICK", ("name", "Анна"), ("time", moment), ("seq", str(seq))))
        for zone, talk in talks.items():
            talk.ends(0, [talk.connected, *(f"Анна {moment}" for moment in zones[zone])], case=zone)


@pytest.mark.requirement("CLI-19")
def test_prints_an_offset_without_seconds(target: Target, transport: Transport) -> None:
    """Of each zone the offset had some in 1900; the moment is the same without them."""
    target.need("zone-seconds")
    shown = {"Europe/Moscow": "14:30:00.000+02:30", "Europe/Dublin": "11:35:00.000-00:25"}
    for zone, expected in shown.items():
        with Talk(target, "time", transport, "--ticks", "1", "Анна", env={"TZ": zone}) as talk:
            talk.subscribe("Анна")
            talk.send(reply("TICK", ("name", "Анна"), ("time", "1900-01-01T12:00:00.000Z"), ("seq", "1")))
            talk.ends(0, [talk.connected, f"Анна 1900-01-01T{expected}"], case=zone)


@pytest.mark.requirement("CLI-12")
def test_ignores_fields_that_it_does_not_know(target: Target, transport: Transport) -> None:
    with Talk(target, "time", transport, "--ticks", "1", "Анна") as talk:
        talk.expect("TIME Анна")
        if transport == "udp":
            talk.send(with_unknown_fields(challenge()))
            talk.expect("TIME Анна", f"token: {TOKEN}")
        talk.send(with_unknown_fields(ok("time", transport, "Анна")))
        talk.send(with_unknown_fields(tick("Анна", 1)))
        talk.ends(0, [talk.connected, *tick_lines("Анна", [1])])


@pytest.mark.requirement("CLI-24")
@pytest.mark.needs("CLI-6")
def test_takes_an_ok_to_another_name(target: Target, transport: Transport) -> None:
    """It is subscribed then, and a signal ends it well."""
    with Talk(target, "time", transport, "Анна") as talk:
        talk.expect("TIME Анна")
        talk.send(ok("time", transport, "Борис"))
        talk.send(tick("Борис", 1))
        talk.program.expect_text(*tick_lines("Борис", [1]))
        talk.program.signal(signal.SIGTERM)
        assert talk.program.wait() == 0, talk.program.describe("it is no subscriber after an OK with another name")
        talk.ends(0, [talk.connected, *tick_lines("Борис", [1])])


@pytest.mark.requirement("REQ-6")
def test_uses_the_first_of_several_fields(target: Target, transport: Transport) -> None:
    again = [("name", "Борис"), ("token", "another"), ("interval", "0.01"), ("time", "2020-01-01T00:00:00.000Z")]
    with Talk(target, "time", transport, "--ticks", "2", "Анна") as talk:
        talk.expect("TIME Анна")
        if transport == "udp":
            talk.send(reply("CHALLENGE", ("token", TOKEN), *again))
            talk.expect("TIME Анна", f"token: {TOKEN}")
        talk.send(reply("OK", *ok_fields("time", transport, "Анна"), *again))
        talk.send(*[reply("TICK", *tick_fields("Анна", seq), *again, ("seq", "9")) for seq in (1, 2)])
        talk.ends(0, [talk.connected, *tick_lines("Анна", [1, 2])])


@pytest.mark.requirement("CLI-24", "CLI-6")
@pytest.mark.parametrize("limit", ["0.01", "86400"])
def test_takes_an_interval_at_its_limit(target: Target, transport: Transport, limit: str) -> None:
    with Talk(target, "time", transport, "--ticks", "1", "Анна") as talk:
        talk.subscribe("Анна", limit)
        if transport == "udp":  # there an OK may come again; these have the least lease, and the most digits
            talk.send(reply("OK", *replaced(ok_fields("time", "udp", "Анна", limit), "lease", "0")))
            longest = ok_fields("time", "udp", "Анна", "86399.123456789")
            talk.send(reply("OK", *replaced(longest, "lease", "999999999.123456789")))
        talk.send(tick("Анна", 1))
        talk.ends(0, [talk.connected, *tick_lines("Анна", [1])], renewing=True)


@pytest.mark.requirement("CLI-1")
@pytest.mark.needs("CLI-16", "CLI-19")
def test_writes_each_line_out_at_once(target: Target, transport: Transport) -> None:
    with Talk(target, "time", transport, "Анна") as talk:
        talk.subscribe("Анна")
        talk.program.expect_text(talk.connected)
        for seq in 1, 2:
            talk.send(tick("Анна", seq))
            talk.program.expect_text(*tick_lines("Анна", [seq]))


@pytest.mark.requirement("CLI-20")
def test_prints_only_newer_ticks(target: Target, transport: Transport) -> None:
    newer = [2, 3, 9, *([12, 13, 4] if transport == "tcp" else [10, 10.5, 12, 13])]
    with Talk(target, "time", transport, "--ticks", str(len(newer)), "Анна") as talk:
        talk.subscribe("Анна")
        # Pairs of seq and second: doubled, late, with a gap, then with a smaller seq although the time is newer.
        pairs = (2, 2), (2, 2), (3, 3), (1, 1), (2, 2), (9, 9), (8, 8), (9, 10), (4, 10.5), (10, 12), (99, 13)
        talk.send(*[tick("Анна", seq, second) for seq, second in pairs])
        # As text, 100 is less than 99. The clock was set back: over TCP a client does not look at the time.
        talk.send(tick("Анна", 100, 4))
        talk.ends(0, [talk.connected, *tick_lines("Анна", newer)])


@pytest.mark.requirement("CLI-20")
def test_compares_seq_in_more_than_32_bits(target: Target, transport: Transport) -> None:
    """The clock was set back, so over UDP too the number alone makes the second tick newer."""
    with Talk(target, "time", transport, "--ticks", "2", "Анна") as talk:
        talk.subscribe("Анна")
        talk.send(tick("Анна", 2**31 - 1, 2), tick("Анна", 2**32, 1))
        talk.ends(0, [talk.connected, *tick_lines("Анна", [2, 1])])


@pytest.mark.requirement("CLI-6")
def test_counts_its_ticks_in_more_than_32_bits(target: Target, transport: Transport) -> None:
    with Talk(target, "time", transport, "--ticks", str(2**32 + 1), "Анна") as talk:
        talk.subscribe("Анна")
        for seq in 1, 2:
            talk.send(tick("Анна", seq))
            talk.program.expect_text(*tick_lines("Анна", [seq]))


@pytest.mark.requirement("CLI-24", "CLI-10")
@pytest.mark.parametrize(
    ("zone", "moment", "seq"),
    [
        ("America/St_Johns", "0001-01-01T00:00:00.000Z", "1"),
        ("Europe/Moscow", "9999-12-31T23:59:59.999Z", "1"),
        ("UTC", "2026-11-23T09:00:00.000Z", "9" * 5000),
    ],
    ids=["year-0", "year-10000", "huge-seq"],
)
def test_bears_any_moment_and_number(target: Target, transport: Transport, zone: str, moment: str, seq: str) -> None:
    """A client may print a tick that it cannot represent, or report it; in both cases it goes on correctly."""
    with Talk(target, "time", transport, "--ticks", "1", "Анна", env={"TZ": zone}) as talk:
        talk.subscribe("Анна")
        talk.send(reply("TICK", ("name", "strange"), ("time", moment), ("seq", seq)), tick("good", 2))
        talk.program.wait()
        reported = len(talk.program.errors)
        name = "strange" if not reported else "good"
        lines = [talk.connected, *(line for line in talk.program.output[1:] if line.startswith(f"{name} "))]
        assert reported <= 1 and len(lines) == (1 if transport == "tcp" and reported else 2), talk.program.describe(
            moment
        )
        talk.ends(reported if transport == "tcp" else 0, lines, [""] * reported)


@pytest.mark.requirement("CLI-6")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_is_stopped_by_a_signal(target: Target, transport: Transport, number: int) -> None:
    with Talk(target, "time", transport, "--ticks", "5000000000", "Анна") as talk:
        talk.subscribe("Анна")
        talk.send(tick("Анна", 1))
        talk.program.expect_line("Анна .*")
        talk.program.signal(number)
        case = f"stopped by {signal.Signals(number).name} when it was subscribed"
        talk.ends(0, [talk.connected, *tick_lines("Анна", [1])], within=STOP_TIME, case=case)


@pytest.mark.requirement("CLI-6")
def test_is_stopped_while_nobody_reads_its_output(target: Target, transport: Transport) -> None:
    """It waits until a line is taken (CLI-1), but a signal ends it all the same."""
    target.need("interrupted-writes")
    with Talk(target, "time", transport, "Анна") as talk:
        talk.subscribe("Анна")
        talk.send(tick("Анна", 1))
        talk.program.expect_text(*tick_lines("Анна", [1]))
        with talk.program.unread():
            name = "\u202e" * NAME_CHARACTERS  # six times as long where it is shown
            talk.send(*(tick(name, seq) for seq in range(2, 400)))
            time.sleep(0.5 * SCALE)
            talk.program.signal(signal.SIGTERM)
            try:
                status = talk.program.process.wait(STOP_TIME)
            except subprocess.TimeoutExpired:
                raise AssertionError("it does not stop while nobody reads its lines") from None
        assert status == 0, talk.program.describe(f"its exit status is {status}; expected 0")


@pytest.mark.requirement("CLI-6", "CLI-10")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_is_stopped_before_it_has_subscribed(target: Target, transport: Transport, number: int) -> None:
    """Over UDP neither a CHALLENGE nor a TICK makes a subscriber of it (CLI-27)."""
    with Talk(target, "time", transport, "Анна") as talk:
        talk.expect("TIME Анна")
        output = [talk.connected]
        if transport == "udp":
            talk.send(challenge(), tick("Анна", 1))
            output += tick_lines("Анна", [1])
            talk.program.expect_text(output[-1])
            talk.expect("TIME Анна", f"token: {TOKEN}")
        talk.program.stop(number, STOP_TIME)
        said = len(talk.program.errors) > 0  # SPEC.md leaves open whether that is an error
        case = f"stopped by {signal.Signals(number).name} before it was done"
        talk.ends(1, output, [""] * said, case=case)


@pytest.mark.requirement("CLI-9", "CLI-10")
def test_reports_an_error_reply(target: Target, transport: Transport) -> None:
    reason = "такого нет, и не было, и не будет до завтра"  # a client shows any code and any reason (CLI-11)
    with Talk(target, "time", transport, "Анна") as talk:
        talk.expect("TIME Анна")
        talk.send(error("yet-unknown", reason))
        talk.ends(3, [talk.connected], [f"yet-unknown.*{reason}"])


@pytest.mark.slow
@pytest.mark.requirement("CLI-7")
@pytest.mark.parametrize("answer", ["OK", "TICK"])
def test_stays_while_answers_of_one_kind_come(target: Target, transport: Transport, answer: str) -> None:
    """Each reply of a good form is an answer: it stays for twice the time that it would wait without one."""
    if answer == "OK" and transport == "tcp":
        return  # there a second OK is malformed
    timeout = 1.5 * SCALE
    with Talk(target, "time", transport, "Анна", timeout=timeout) as talk:
        talk.subscribe("Анна", interval(0.1))
        talk.send(tick("Анна", 1))
        for number in range(2, 14):
            talk.send(ok("time", "udp", "Анна", interval(0.1)) if answer == "OK" else tick("Анна", number))
            assert not talk.program.wait_until(lambda: not talk.program.running, timeout / 6), talk.program.describe(
                f"it gave up although {answer}s came"
            )
        talk.send(tick("Анна", 14))  # a busy machine may not have let it say that it gave up
        talk.program.expect_text(tick_lines("Анна", [14])[0])


@pytest.mark.slow
@pytest.mark.requirement("CLI-7")
def test_ticks_that_are_not_newer_do_not_put_off_the_end(target: Target, transport: Transport) -> None:
    """Nor does a CHALLENGE."""
    timeout = 1.0 * SCALE
    with Talk(target, "time", transport, "--ticks", "2", "Анна", timeout=timeout) as talk:
        talk.subscribe("Анна", interval(0.1))
        last = time.monotonic()
        with suppress(ClientLeft):
            for _ in range(20):
                talk.send(tick("Анна", 1), *[challenge()] * (transport == "udp"))
                if talk.program.wait_until(lambda: not talk.program.running, 0.3 * timeout):
                    break
        waited = talk.gave_up() - last
        assert took([waited], [timeout]), f"it waited {waited:g} s; expected {timeout:g} s"
        talk.ends(1, [talk.connected, *tick_lines("Анна", [1])], [""], renewing=True)


@pytest.mark.slow
@pytest.mark.requirement("CLI-7", "CLI-10")
def test_gives_up_when_ticks_end(target: Target, transport: Transport) -> None:
    """Once subscribed, it waits for the longer of the timeout and four intervals, from the last reply on."""
    # The timeout, seconds of the interval, how long it waits, and whether an OK is the last reply: none is over TCP.
    waits = [(1.0, 0.4, 1.6, False), (1.1, 0.1, 1.1, False), *[(1.0, 0.4, 1.6, True)] * (transport == "udp")]
    with ExitStack() as stack:
        talks = []
        for timeout, seconds, patience, ends_with_ok in waits:
            talk = stack.enter_context(Talk(target, "time", transport, "Анна", timeout=timeout * SCALE))
            every = interval(seconds)
            last_replies = tick("Анна", 1), *[ok("time", "udp", "Анна", every)] * ends_with_ok
            talks.append((talk, every, patience * SCALE, last_replies))
        for talk, every, _, _ in talks:
            talk.subscribe("Анна", every)
        last = time.monotonic()
        for talk, _, _, last_replies in talks:
            talk.send(*last_replies)
        for talk, _, patience, _ in talks:
            waited = talk.gave_up() - last
            assert took([waited], [patience]), f"it waited {waited:g} s; expected {patience:g} s"
            talk.ends(1, [talk.connected, *tick_lines("Анна", [1])], [""], renewing=True)


def _malformed_before_the_subscription(transport: Transport) -> Iterator[tuple[str, str, bytes]]:
    """Yield replies to a TIME that break SPEC.md, each in one way: the requirement, what is wrong, the reply."""
    good = ok_fields("time", transport, "Анна", "3")
    yield "CLI-23", "an unknown status", reply("WELCOME", *good)
    for name, _ in good:
        yield "CLI-24", f"an OK without {name}", reply("OK", *replaced(good, name))
    for name, value in (
        ("name", ""),
        ("name", "А\tн"),
        ("name", " Анна"),
        ("name", "x" * (NAME_CHARACTERS + 1)),
        ("interval", ""),
        ("interval", "3.0"),
        ("interval", ".5"),
        ("interval", "5e-2"),
        ("interval", "03"),
        ("interval", "-3"),
        ("interval", "nan"),
        ("interval", "inf"),
        ("interval", "0"),
        ("interval", "0.009"),
        ("interval", "86400.001"),
        ("interval", "9" * 400),
    ):
        yield "CLI-24", f"{name} {value!r}", reply("OK", *replaced(good, name, value))
    yield "CLI-24", "an echo", ok("echo", "udp", "TIME")
    for lacks, field in ("code", ("reason", "why")), ("reason", ("code", "bad-name")):
        yield "CLI-24", f"an error without {lacks}", reply("ERR", field)
    if transport == "tcp":
        yield "CLI-25", "a challenge", challenge("t")
        yield "CLI-25", "a tick", tick("Анна", 1)
        return
    for token in "", " ", "a b", "ж", "x" * 21:
        yield "CLI-24", f"the token {token!r}", challenge(token)
    yield "CLI-23", "a token of DEL", challenge("\x7f")
    yield "CLI-24", "a challenge without a token", reply("CHALLENGE")
    for value in "", "9.0", "09", "-9", "nan", "nine":
        yield "CLI-24", f"lease {value!r}", reply("OK", *replaced(good, "lease", value))


def _malformed_ticks(transport: Transport) -> Iterator[tuple[str, str, bytes]]:
    """Yield ticks that break SPEC.md, each in one way: the requirement, what is wrong, the tick."""
    good = tick_fields("Анна", 2)
    yield from (
        ("CLI-23", f"a tick: {what}", answer) for what, answer in badly_built(tick("Анна", 2), transport).items()
    )
    for name, _ in good:
        yield "CLI-24", f"a tick without {name}", reply("TICK", *replaced(good, name))
    yield "CLI-23", "a name in red", tick("\x1b[31m", 2)
    for name, value in (
        ("name", "А\tн"),
        ("seq", ""),
        ("seq", "0"),
        ("seq", "02"),
        ("seq", "+2"),
        ("seq", "2.0"),
        ("seq", "٢"),
        ("seq", "two"),
        ("time", ""),
        ("time", "now"),
        ("time", "1795424400"),
        ("time", "2026-11-23T09:00:02.250"),
        ("time", "2026-11-23T09:00:02.250z"),
        ("time", "2026-11-23t09:00:02.250Z"),
        ("time", "2026-11-23 09:00:02.250Z"),
        ("time", "2026-11-23T09:00:02.250+00:00"),
        ("time", "2026-11-23T09:00:02,250Z"),
        ("time", "2026-11-23T09:00:02.25Z"),
        ("time", "2026-11-23T09:00:02.250000Z"),
        ("time", "2026-11-23T09:00:02Z"),
        ("time", "2026-02-30T09:00:02.250Z"),
        ("time", "2100-02-29T09:00:02.250Z"),
        ("time", "2026-11-23T24:00:00.000Z"),
        ("time", "2016-12-31T23:59:60.000Z"),
        ("time", "２０２６-11-23T09:00:02.250Z"),
    ):
        yield "CLI-24", f"{name} {value!r}", reply("TICK", *replaced(good, name, value))


@pytest.mark.transport("udp")
@pytest.mark.requirement("CLI-24", "CLI-23", "CLI-2", "CLI-10")
def test_reports_malformed_datagrams_and_waits_on(target: Target) -> None:
    with Talk(target, "time", "udp", "--ticks", "1", "Анна") as talk:
        talk.expect("TIME Анна")
        before, after = [*_malformed_before_the_subscription("udp")], [*_malformed_ticks("udp")]
        for n, (id_, what, datagram) in enumerate(before, 1):
            talk.send(datagram)
            with about(id_):
                talk.expect_errors(n, what)
        talk.expect_no_answer()
        talk.send(challenge())
        talk.expect("TIME Анна", f"token: {TOKEN}")
        talk.send(ok("time", "udp", "Анна"))
        for n, (id_, what, datagram) in enumerate(after, len(before) + 1):
            talk.send(datagram)
            with about(id_):
                talk.expect_errors(n, what)
        talk.send(tick("Анна", 1))
        talk.ends(0, [talk.connected, *tick_lines("Анна", [1])], [""] * (len(before) + len(after)))


@pytest.mark.transport("tcp")
@pytest.mark.requirement("CLI-24", "CLI-23", "CLI-25", "CLI-10")
def test_gives_up_at_a_malformed_reply(target: Target, profile: Profile) -> None:
    good = ok("time", "tcp", "Анна")
    of_both = {what for _, what, _ in _malformed_before_the_subscription("udp")}
    answers = [*_malformed_before_the_subscription("tcp")]
    own = [each for each in answers if each[1] not in of_both]
    own += [
        ("CLI-25", f"{what} after the OK", good + answer)
        for what, answer in (("another OK", good), ("a challenge", challenge("t")))
    ]
    others = [each for each in answers if each[1] in of_both]
    others += [(id_, what, good + answer) for id_, what, answer in _malformed_ticks("tcp")]
    if target.offers("client", "udp"):  # that one is given all of them
        others = [*profile.select(others)]
    for batch in batches(own + others):
        with ExitStack() as stack:
            talks = [stack.enter_context(Talk(target, "time", "tcp", "Анна", timeout=LONGER)) for _ in batch]
            for talk, (_, _, answer) in zip(talks, batch, strict=True):
                talk.expect("TIME Анна")
                talk.send(answer)
            for talk, (id_, what, _) in zip(talks, batch, strict=True):
                with about(id_):
                    talk.ends(1, [talk.connected], [""], case=what)
