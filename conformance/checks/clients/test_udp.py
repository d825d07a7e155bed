"""Clients over UDP: datagrams are lost, doubled, late or forged. SPEC.md, sections 9 and 13."""

import re
import time
from collections import Counter
from contextlib import ExitStack
from itertools import accumulate, pairwise, product

import pytest

from conformance.addresses import NEIGHBOUR, OWN_HOST
from conformance.as_server.scripted import Request
from conformance.as_server.talk import LATENESS, Talk, took
from conformance.blame import about
from conformance.expected.replies import (
    LONG,
    TOKEN,
    challenge,
    error,
    ok,
    ok_fields,
    replaced,
    reply,
    shown,
    tick,
    tick_fields,
    tick_lines,
)
from conformance.expected.services import SERVICE_TABLE
from conformance.profiles import Profile
from conformance.targets.target import Target
from conformance.targets.terms import Service
from conformance.timing import PATIENCE, SCALE, interval
from spec.limits import COMPLAINTS_A_SECOND, LEASE_INTERVALS

pytestmark = pytest.mark.transport("udp")

GAPS = {"echo": [1, 2, 4], "time": [1, 2, 4, 4, 4]}  # CLI-13
REQUEST = {service: row.request("привет").decode() for service, row in SERVICE_TABLE.items()}


def gaps(requests: list[Request]) -> list[float]:
    """Return the seconds from each request to the next."""
    return [later.at - earlier.at for earlier, later in pairwise(requests)]


def echo_answer(message: str) -> bytes:
    return ok("echo", "udp", message)


def echo_lines(message: str) -> list[str]:
    return shown(ok_fields("echo", "udp", message))


def subscribed(name: str, interval: str) -> bytes:
    return ok("time", "udp", name, interval)


@pytest.mark.service("echo")
@pytest.mark.requirement("CLI-14")
def test_drops_answers_to_other_messages_in_silence(target: Target) -> None:
    with Talk(target, "echo", "udp", stdin="один\nй\n") as talk:
        talk.expect("ECHO один")
        talk.send(echo_answer("три"), echo_answer(""), echo_answer("Один"), echo_answer("один"), echo_answer("один"))
        talk.expect("ECHO й")
        talk.send(echo_answer("один"), echo_answer("й "), echo_answer("и\u0306"), echo_answer("й"))  # U+0306: NFD
        talk.ends(0, [talk.connected, *echo_lines("один"), *echo_lines("й")])


@pytest.mark.service("echo")
@pytest.mark.requirement("CLI-15")
def test_echo_takes_nothing_from_strangers(target: Target) -> None:
    with Talk(target, "echo", "udp", "привет") as talk:
        talk.expect("ECHO привет")
        forged = replaced(ok_fields("echo", "udp", "привет"), "reversed", "forged")
        for host in OWN_HOST, NEIGHBOUR:
            talk.udp.send_from(host, reply("OK", *forged), error("busy", "forged"))
        talk.send(echo_answer("привет"))
        talk.ends(0, [talk.connected, *echo_lines("привет")], None)


@pytest.mark.service("time")
@pytest.mark.requirement("CLI-15")
def test_time_takes_nothing_from_strangers(target: Target) -> None:
    with Talk(target, "time", "udp", "--ticks", "2", "Анна") as talk:
        talk.expect("TIME Анна")
        for host in OWN_HOST, NEIGHBOUR:
            talk.udp.send_from(host, challenge("forged"), subscribed("Анна", "0.01"), tick("forged", 1))
        talk.send(challenge(TOKEN))
        talk.expect("TIME Анна", f"token: {TOKEN}")
        for host in OWN_HOST, NEIGHBOUR:
            talk.udp.send_from(host, error("busy", "forged"), tick("forged", 2))
        talk.send(subscribed("Анна", LONG), tick("Анна", 1))
        for host in OWN_HOST, NEIGHBOUR:
            talk.udp.send_from(host, tick("forged", 3), challenge("forged"))
        talk.send(tick("Анна", 2))
        talk.ends(0, [talk.connected, *tick_lines("Анна", [1, 2])], None)


@pytest.mark.service("time")
@pytest.mark.requirement("CLI-16")
@pytest.mark.parametrize("token", ["!", "~" * 20, "token:", "0:TIME#\\\"'%"])
def test_returns_any_token(target: Target, token: str) -> None:
    with Talk(target, "time", "udp", "--ticks", "1", "Анна и Борис") as talk:
        talk.expect("TIME Анна и Борис")
        talk.send(challenge(token))
        talk.expect("TIME Анна и Борис", f"token: {token}")
        talk.send(subscribed("Анна и Борис", LONG), tick("Анна", 1))
        talk.ends(0, [talk.connected, *tick_lines("Анна", [1])])


@pytest.mark.slow
@pytest.mark.service("time")
@pytest.mark.requirement("CLI-17", "CLI-7", "CLI-13")
def test_answers_one_challenge_between_two_timers(target: Target) -> None:
    """A server that always challenges gets one answer at once and one when the timer fires, until the timeout.

    That one is a repetition; when no CHALLENGE follows, the next comes 2 s later.
    """
    with Talk(target, "time", "udp", "Анна", timeout=4.7) as talk:
        talk.expect("TIME Анна")
        requests = [talk.udp.requests[0]]
        for turn in "ab":
            tokens = [f"{turn}{n}" for n in range(5)]
            talk.send(*map(challenge, tokens), b"OK\n")
            answer = talk.request()
            talk.expect_errors("ab".index(turn) + 1, "a malformed reply")
            newest = len(talk.udp.requests) == len(requests) + 1  # it had read all tokens before the timer fired
            by_timer = talk.request()
            at_once = ["TIME Анна".encode(), f"token: {tokens[0]}".encode()]
            assert answer.lines == at_once, f"it sent {answer}; expected the first token, {tokens[0]}"
            expected = tokens[-1:] if newest else tokens[1:]
            waiting = [["TIME Анна".encode(), f"token: {token}".encode()] for token in expected]
            assert by_timer.lines in waiting, f"it sent {by_timer}; expected one of the tokens {expected}"
            requests += [answer, by_timer]
        assert took(gaps(requests), [0, 1, 0, 1]), f"the gaps are {gaps(requests)} s; expected [0, 1, 0, 1]"
        with about("CLI-13"):
            gap = talk.request().at - by_timer.at
            assert took([gap], [2]), f"it sent its request again after {gap:g} s; expected 2 s"
        waited = talk.gave_up() - requests[0].at
        with about("CLI-7"):
            assert took([waited], [4.7]), f"it gave up after {waited:g} s; expected 4.7 s"
        talk.ends(1, [talk.connected], [""] * 3)


@pytest.mark.slow
@pytest.mark.service("time")
@pytest.mark.requirement("CLI-17")
@pytest.mark.parametrize("before", ["OK", "TICK"])
def test_a_reply_allows_no_other_challenge_to_be_answered(target: Target, before: str) -> None:
    """The first request's one CHALLENGE was answered; after an OK or a TICK the next one waits for the renewal."""
    seconds = 1.0 * SCALE
    with Talk(target, "time", "udp", "--ticks", "2", "Анна") as talk:
        talk.subscribe("Анна", interval(1.0))
        answered = talk.udp.requests[-1]
        talk.send(*[tick("Анна", 1)] * (before == "TICK"))
        talk.send(challenge("later"))
        again = renewal(talk, "later")
        gap = again.at - answered.at
        assert gap > seconds / 2, f"it answered another CHALLENGE after {gap:.3f} s; expected {seconds:g} s"
        talk.send(subscribed("Анна", interval(1.0)), tick("Анна", 2), tick("Анна", 3))
        talk.ends(0, [talk.connected, *tick_lines("Анна", [1, 2] if before == "TICK" else [2, 3])], renewing=True)


@pytest.mark.slow
@pytest.mark.service("time")
@pytest.mark.requirement("CLI-9")
def test_an_error_ends_a_subscription(target: Target) -> None:
    with Talk(target, "time", "udp", "Анна") as talk:
        talk.subscribe("Анна")
        talk.send(tick("Анна", 1))
        talk.program.expect_line("Анна .*")
        talk.send(error("busy", "no room for you"))
        talk.ends(3, [talk.connected, *tick_lines("Анна", [1])], ["busy.*no room for you"])


@pytest.mark.slow
@pytest.mark.service("time")
@pytest.mark.requirement("CLI-18")
def test_renews_the_lease_every_interval(target: Target) -> None:
    """Four renewals have an `OK` at once, so none of them is repeated (CLI-28); later ones have none."""
    seconds = 0.3 * SCALE
    with Talk(target, "time", "udp", "--ticks", "7", "Анна") as talk:
        talk.subscribe("Анна", interval(0.3))
        requests = [talk.udp.requests[-1]]
        for n in range(1, 5):
            talk.send(tick("Анна", n))
            requests.append(talk.expect("TIME Анна", f"token: {TOKEN}"))
            talk.send(subscribed("Анна", interval(0.3)))
        mean = (requests[-1].at - requests[0].at) / 4
        assert 0.9 * seconds <= mean <= 1.4 * seconds, f"the gaps are {gaps(requests)} s; expected {seconds:g} s each"
        for n in range(5, 8):
            requests.append(talk.expect("TIME Анна", f"token: {TOKEN}"))
            talk.send(tick("Анна", n))
        longest = max(gaps(requests))
        assert longest <= seconds + LATENESS, f"the gaps are {gaps(requests)} s; expected {seconds:g} s at most"
        talk.ends(0, [talk.connected, *tick_lines("Анна", range(1, 8))], renewing=True)


@pytest.mark.slow
@pytest.mark.service("time")
@pytest.mark.requirement("CLI-18")
def test_a_late_answer_puts_off_no_renewal(target: Target) -> None:
    every = 2.4 * SCALE
    with Talk(target, "time", "udp", "--ticks", "1", "Анна") as talk:
        talk.subscribe("Анна", interval(2.4))
        answered, first = talk.udp.requests[-1], renewal(talk, TOKEN)
        talk.program.wait_until(lambda: False, 1.25 * LATENESS)
        talk.send(subscribed("Анна", interval(2.4)))
        while (second := renewal(talk, TOKEN)).at - first.at < 0.75 * every:
            pass  # CLI-28: the answer was later than half the interval
        # The first may have been late; the second is due when it was due anyway.
        two = second.at - answered.at
        assert took([two], [2 * every]), f"two renewals took {two:.3f} s; expected {2 * every:g} s"
        talk.send(tick("Анна", 1))
        talk.ends(0, [talk.connected, *tick_lines("Анна", [1])], renewing=True)


@pytest.mark.slow
@pytest.mark.service("time")
@pytest.mark.requirement("CLI-28", "CLI-18")
def test_repeats_a_renewal_that_has_no_answer(target: Target) -> None:
    """It is repeated once, after more than the second of CLI-13; answered then, it puts off no renewal."""
    half = 1.15 * SCALE
    with Talk(target, "time", "udp", "--ticks", "1", "Анна") as talk:
        talk.subscribe("Анна", interval(2 * 1.15))
        requests = [talk.udp.requests[-1], *(renewal(talk, TOKEN) for _ in range(2))]
        talk.send(subscribed("Анна", interval(2 * 1.15)))
        requests.append(renewal(talk, TOKEN))
        assert took(gaps(requests)[:2], [2 * half, half]), (
            f"the gaps are {gaps(requests)} s; expected half of the first"
        )
        with about("CLI-18"):
            two = requests[3].at - requests[0].at
            assert took([two], [4 * half]), f"two renewals took {two:.3f} s; expected {4 * half:g} s"
        talk.send(tick("Анна", 1))
        talk.ends(0, [talk.connected, *tick_lines("Анна", [1])], renewing=True)


@pytest.mark.slow
@pytest.mark.service("time")
@pytest.mark.requirement("CLI-21", "CLI-18")
def test_takes_over_a_new_interval(target: Target) -> None:
    """A server came back with another interval: the renewal after the next one is due by the new interval."""
    old, new = 2 * SCALE, interval(0.1)
    with Talk(target, "time", "udp", "--ticks", "1", "Анна") as talk:
        talk.subscribe("Анна", f"{old:g}")
        answered = talk.udp.requests[-1]
        first = renewal(talk, TOKEN)
        gap = first.at - answered.at
        with about("CLI-18"):
            assert took([gap], [old]), f"it renewed for the first time after {gap:g} s; expected {old:g} s"
        talk.send(subscribed("Анна", new))
        gap = renewal(talk, TOKEN).at - first.at
        assert took([gap], [0.1 * SCALE]), f"it renewed after {gap:g} s; expected {new} s"
        talk.send(tick("Анна", 1))
        talk.ends(0, [talk.connected, *tick_lines("Анна", [1])], renewing=True)


@pytest.mark.slow
@pytest.mark.service("time")
@pytest.mark.requirement("CLI-18")
def test_takes_over_a_longer_interval(target: Target) -> None:
    """The next renewal is due when it was due anyway, and those after it by the new interval. Each has its answer."""
    old, new = 1.5, 3.0
    with Talk(target, "time", "udp", "--ticks", "1", "Анна") as talk:
        talk.subscribe("Анна", interval(old))
        renewals = [renewal(talk, TOKEN)]
        for _ in range(2):
            talk.send(subscribed("Анна", interval(new)))
            renewals.append(renewal(talk, TOKEN))
        expected = [old * SCALE, new * SCALE]
        assert took(gaps(renewals), expected), f"the gaps are {gaps(renewals)} s; expected {expected}"
        talk.send(tick("Анна", 1))
        talk.ends(0, [talk.connected, *tick_lines("Анна", [1])], renewing=True)


@pytest.mark.slow
@pytest.mark.service("time")
@pytest.mark.requirement("CLI-13")
def test_sends_nothing_again_once_subscribed(target: Target) -> None:
    with Talk(target, "time", "udp", "--ticks", "2", "Анна") as talk:
        talk.subscribe("Анна")
        talk.send(tick("Анна", 1))
        talk.program.expect_line("Анна .*")  # so it has read the OK
        sent = len(talk.server.requests)
        talk.program.wait_until(lambda: False, 1 + LATENESS)
        assert len(talk.server.requests) == sent, "it sent its request again although it was subscribed"
        talk.send(tick("Анна", 2))
        talk.ends(0, [talk.connected, *tick_lines("Анна", [1, 2])])


def renewal(talk: Talk, token: str) -> Request:
    """Return the next request with that token."""
    while f"token: {token}".encode() not in (request := talk.request(f"token: {token}")).lines:
        pass
    return request


@pytest.mark.service("time")
@pytest.mark.requirement("CLI-21", "CLI-16", "CLI-20")
def test_goes_on_when_seq_starts_anew(target: Target) -> None:
    """After a restart, and after a lease ran out without a CHALLENGE. The arguments of `tick`: name, seq, second."""
    again = interval(0.1)
    with Talk(target, "time", "udp", "--ticks", "6", "Анна") as talk:
        talk.subscribe("Анна", again)
        talk.send(tick("Анна", 5, 5), tick("Анна", 6, 6))
        renewal(talk, TOKEN)
        talk.send(challenge("anew"))
        renewal(talk, "anew")
        talk.send(subscribed("Анна", again))
        # The first ones of the new subscription got lost: the seq is that which was printed last.
        talk.send(tick("Анна", 6, 8), tick("Анна", 7, 9))
        # Late ones from before the restart, with a higher seq, and doubled ones.
        talk.send(tick("Анна", 8, 7), tick("Анна", 6, 6), tick("Анна", 9, 9), tick("Анна", 6, 8))
        talk.send(tick("Анна", 8, 10))
        renewal(talk, "anew")
        talk.send(subscribed("Анна", again), tick("Анна", 1, 12))
        talk.ends(0, [talk.connected, *tick_lines("Анна", [5, 6, 8, 9, 10, 12])], renewing=True)


@pytest.mark.service("time")
@pytest.mark.requirement("CLI-20", "CLI-21")
def test_prints_ticks_although_the_clock_was_set_back(target: Target) -> None:
    """First within a subscription, after one tick from a far future; then with a restart. Duplicates never show."""
    future = reply("TICK", *replaced(tick_fields("Анна", 2), "time", "9998-01-01T00:00:00.000Z"))
    every = interval(0.5)
    with Talk(target, "time", "udp", "--ticks", "6", "Анна") as talk:
        talk.subscribe("Анна", every)
        talk.send(tick("Анна", 1, 40), future, tick("Анна", 3, 20), tick("Анна", 1, 40), future)
        talk.send(tick("Анна", 5, 26), tick("Анна", 4, 23), tick("Анна", 5, 26))
        renewal(talk, TOKEN)
        talk.send(challenge("anew"))
        renewal(talk, "anew")
        talk.send(subscribed("Анна", every), tick("Анна", 5, 26), tick("Анна", 1, 40))
        talk.send(tick("Анна", 1, 10), tick("Анна", 1, 10), tick("Анна", 2, 13))
        past, present = tick_lines("Анна", [40]), tick_lines("Анна", [20, 26, 10, 13])
        talk.ends(0, [talk.connected, *past, "Анна 9998-01-01T00:00:00.000+00:00", *present], renewing=True)


@pytest.mark.service("time")
@pytest.mark.requirement("CLI-20")
@pytest.mark.parametrize(("printed", "seq", "second"), [(4, 3, 45), (3, 4, 41)])
def test_tells_a_new_subscription_by_its_first_ticks(target: Target, printed: int, seq: int, second: int) -> None:
    """The tick `seq` is not later and not higher; it fits between no two of those printed, so it begins a new one."""
    first, anew = tick("Анна", seq, second), subscribed("Анна", LONG)
    with Talk(target, "time", "udp", "--ticks", "5", "Анна") as talk:
        talk.subscribe("Анна")
        talk.send(tick("Анна", 1, 40), tick("Анна", printed, 43), tick("Анна", 5, 46))
        talk.send(anew, first)  # a second OK without a CHALLENGE begins nothing
        talk.send(challenge("anew"), anew)
        # These can be late ones of the present subscription, are copies of its ticks, or are no first ticks.
        talk.send(tick("Анна", 2, 42), tick("Анна", seq, 43 + (seq - printed) / 2))
        talk.send(tick("Анна", printed, 43), tick("Анна", 5, 39))
        talk.send(first, first, tick("Анна", seq + 1, second + 0.5))
        expected = [*tick_lines("Анна", [40, 43, 46]), *tick_lines("Анна", [second, second + 0.5])]
        talk.ends(0, [talk.connected, *expected])


@pytest.mark.slow
@pytest.mark.service("time")
@pytest.mark.requirement("CLI-20")
def test_a_new_subscription_is_expected_for_a_lease(target: Target) -> None:
    """An OK that follows a CHALLENGE, or the OK before it by a lease, allows one; late ticks are feared for longer.

    By which lease it follows is a matter of the OK before it: the last one has a far longer interval.
    """
    short, long = 0.05, 0.5
    with Talk(target, "time", "udp", "--ticks", "5", "Анна") as talk:

        def let_a_lease_pass(second: float, seconds: float) -> None:
            """Wait until the tick of that second is printed, then for a lease and what may come on top."""
            (line,) = tick_lines("Анна", [second])
            talk.program.expect_line(re.escape(line), shown=line)
            talk.program.wait_until(lambda: False, LEASE_INTERVALS * seconds * SCALE + LATENESS)

        talk.subscribe("Анна", interval(0.25))
        talk.send(tick("Анна", 1, 40), tick("Анна", 2, 43))
        renewal(talk, TOKEN)
        talk.send(challenge("anew"))
        renewal(talk, "anew")
        talk.send(subscribed("Анна", interval(short)), tick("Анна", 3, 46))
        let_a_lease_pass(46, short)
        talk.send(tick("Анна", 1, 10), subscribed("Анна", interval(long)), tick("Анна", 1, 20))
        let_a_lease_pass(20, long)
        talk.send(tick("Анна", 3, 19), tick("Анна", 2, 23))
        talk.ends(0, [talk.connected, *tick_lines("Анна", [40, 43, 46, 20, 23])], renewing=True)


@pytest.mark.slow
@pytest.mark.requirement("CLI-7", "CLI-13")
def test_a_flood_of_datagrams_stops_no_timer(target: Target, service: Service) -> None:
    """They come so fast that the client's socket is never empty, and none of them is an answer."""
    timeout = 1.7 * SCALE
    with Talk(target, service, "udp", "привет", timeout=timeout) as talk:
        start = talk.expect(REQUEST[service]).at
        flood = echo_answer("another") if service == "echo" else tick("привет", 1)
        while talk.program.running and time.monotonic() < start + timeout + 2 * LATENESS:
            talk.udp.flood(flood, timeout / 10)
        waited = talk.gave_up() - start
        repeated = gaps(talk.server.requests)[:1]
        with about("CLI-13"):
            assert repeated, "its request was sent once; expected it again after 1 s"
            assert took(repeated, [1]), f"it sent its request again after {repeated[0]:g} s; expected 1 s"
        assert took([waited], [timeout]), f"it gave up after {waited:g} s; expected {timeout:g} s"


@pytest.mark.slow
@pytest.mark.service("time")
@pytest.mark.requirement("CLI-27", "CLI-13", "CLI-1")
def test_prints_a_tick_that_overtakes_the_ok(target: Target) -> None:
    """It makes no subscriber of the client, which repeats its request until the OK comes.

    One comes before the CHALLENGE, too, which is answered at once all the same: so the repetition comes after 1 s.
    """
    with Talk(target, "time", "udp", "--ticks", "3", "Анна") as talk:
        talk.expect("TIME Анна")
        talk.send(tick("Анна", 1), challenge(TOKEN))
        asked = talk.expect("TIME Анна", f"token: {TOKEN}")
        talk.send(tick("Анна", 2))
        again = talk.request("TIME Анна", f"token: {TOKEN}")
        gap = again.at - asked.at
        assert again.data == asked.data and took([gap], [1]), f"it sent {again} after {gap:g} s; expected it after 1 s"
        talk.send(subscribed("Анна", LONG), tick("Анна", 3))
        talk.ends(0, [talk.connected, *tick_lines("Анна", [1, 2, 3])])


@pytest.mark.slow
@pytest.mark.service("time")
@pytest.mark.requirement("CLI-21", "CLI-7")
def test_time_survives_a_restart(target: Target) -> None:
    with Talk(target, "time", "udp", "--ticks", "4", "Анна") as talk:
        talk.subscribe("Анна", interval(0.1))
        talk.send(tick("Борис", 41, 1), tick("Борис", 42, 2))  # whatever a server calls it, that is not its name
        renewal(talk, TOKEN)
        talk.restart(outage=0.5 * SCALE)
        renewal(talk, TOKEN)
        talk.send(challenge("anew"))
        again = renewal(talk, "anew")
        assert "TIME Анна".encode() in again.lines, "it subscribed again under another name"
        late = tick("Борис", 43, 3)
        talk.send(subscribed("Анна", interval(0.1)), tick("Анна", 1, 5), late, tick("Анна", 2, 6))
        lines = [*tick_lines("Борис", [1, 2]), *tick_lines("Анна", [5, 6])]
        talk.ends(0, [talk.connected, *lines], renewing=True)


@pytest.mark.slow
@pytest.mark.service("echo")
@pytest.mark.requirement("CLI-7", "CLI-13")
def test_echo_survives_a_restart(target: Target) -> None:
    with Talk(target, "echo", "udp", stdin=None) as talk:
        talk.program.write("один\n")
        talk.expect("ECHO один")
        talk.send(echo_answer("один"))
        talk.restart(0.3 * SCALE, meanwhile="два\n")
        talk.expect("ECHO два")
        talk.send(echo_answer("два"))
        talk.ends(0, [talk.connected, *echo_lines("один"), *echo_lines("два")])


@pytest.mark.slow
@pytest.mark.service("echo")
@pytest.mark.requirement("CLI-13", "CLI-2", "CLI-14", "CLI-11")
def test_sends_each_message_again(target: Target) -> None:
    """Each of two messages gets lost once: the second one is also sent again after 1 s, not after 2 s.

    Meanwhile comes the answer to another message, which is none, and proves nothing. Then a malformed reply, too.
    """
    malformed = reply("OK", *replaced(ok_fields("echo", "udp", "два"), "length", "x"))
    with Talk(target, "echo", "udp", stdin="один\nдва\n") as talk:
        for message in "один", "два":
            lost = talk.request()
            talk.send(echo_answer("три"), *[malformed] * (message == "два"))
            with about("CLI-11" if message == "два" else "CLI-13"):
                requests = [lost, talk.request()]
            if message == "один":
                talk.expect_no_answer()
            lines = [request.lines for request in requests]
            assert lines == [[f"ECHO {message}".encode()]] * 2, f"it sent {requests}; expected {message} twice"
            assert took(gaps(requests), [1]), f"the gap is {gaps(requests)} s; expected 1 s"
            talk.send(echo_answer(message))
        talk.ends(0, [talk.connected, *echo_lines("один"), *echo_lines("два")], [""])


@pytest.mark.requirement("CLI-7", "CLI-2", "CLI-10")
def test_gives_up_where_nobody_listens(target: Target, service: Service) -> None:
    with Talk(target, service, "udp", "привет", timeout=0.5 * SCALE, absent=True) as talk:
        talk.ends(1, [], [""])


@pytest.mark.slow
@pytest.mark.requirement("CLI-7", "CLI-11")
def test_malformed_datagrams_do_not_put_off_the_end(target: Target, service: Service) -> None:
    with Talk(target, service, "udp", "привет", timeout=0.6 * SCALE) as talk:
        start = talk.expect(REQUEST[service]).at
        sent = 0
        while talk.program.running and sent < 100:
            talk.send(b"OK\n")
            sent += 1
            talk.program.wait_until(lambda before=sent: len(talk.program.errors) > before, 0.1 * SCALE)  # type: ignore[misc]
        waited = talk.gave_up() - start
        assert took([waited], [0.6 * SCALE]), f"it gave up after {waited:g} s; expected {0.6 * SCALE:g} s"
        talk.ends(1, [], [""] * len(talk.program.errors))


@pytest.mark.slow
@pytest.mark.requirement("CLI-11")
def test_says_how_many_complaints_it_left_out(target: Target, service: Service) -> None:
    """At the end, or when a second is over and the next malformed datagram comes. They are alike, and so are the lines.

    A client whose lines all differ is not judged: the judge cannot tell which of them say how many.
    """
    many = 3 * COMPLAINTS_A_SECOND // 2
    last, lines = {
        "echo": (echo_answer("привет"), echo_lines("привет")),
        "time": (tick("привет", 1), tick_lines("привет", [1])),
    }[service]
    ticks = ["--ticks", "1"] if service == "time" else []
    with Talk(target, service, "udp", *ticks, "привет") as talk:
        if service == "time":
            talk.subscribe("привет")
        else:
            talk.expect(REQUEST["echo"])
        talk.send(*[b"OK\n"] * many)
        talk.program.wait_until(lambda: len(talk.program.errors) >= many, 1 + LATENESS)
        talk.send(b"OK\n", last)
        talk.ends(0, [talk.connected, *lines], None)
        ((line, count),) = Counter(talk.program.errors).most_common(1) or [("", 0)]
        numbers = [[*map(int, re.findall(r"\d+", other))] for other in talk.program.errors if other != line]
        told = {sum(each) for each in product(*numbers)}
        assert count == 1 or many + 1 - count in told, talk.program.describe(
            f"it left out {many + 1 - count} of {many + 1} malformed datagrams, and did not say so"
        )


@pytest.mark.slow(10)
@pytest.mark.requirement("CLI-13", "CLI-7", "CLI-2", "CLI-10")
def test_sends_the_request_again_and_gives_up(target: Target, service: Service, profile: Profile) -> None:
    """With the default timeout, and beyond the time of a fifth sending. The quick profile leaves out the longer one.

    A time client it stops just beyond the third gap.
    """
    timeouts = [None if service == "echo" else 7.5, 16.5]
    with ExitStack() as stack:
        talks = [
            stack.enter_context(Talk(target, service, "udp", "привет", timeout=timeout))
            for timeout in timeouts[: 1 if profile.name == "quick" else 2]
        ]
        for talk in talks:
            start = talk.expect(REQUEST[service]).at
            waited = talk.gave_up(talk.timeout + PATIENCE) - start
            requests = talk.server.requests
            sent = accumulate(GAPS[service])
            expected = [gap for gap, at in zip(GAPS[service], sent, strict=True) if at < talk.timeout]
            assert took(gaps(requests), expected), f"the gaps are {gaps(requests)} s; expected {expected}"
            assert {request.data for request in requests} == {requests[0].data}, f"the requests differ: {requests}"
            with about("CLI-7"):
                assert took([waited], [talk.timeout]), f"it gave up after {waited:g} s; expected {talk.timeout:g} s"
            talk.ends(1, [], [""])
