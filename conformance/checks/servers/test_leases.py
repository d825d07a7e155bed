"""LEASE: over UDP a subscription needs a token, and lasts as long as it is renewed."""

import socket
import time
from contextlib import ExitStack

import psutil
import pytest
from hypothesis import given

from conformance.addresses import OWN_HOST
from conformance.as_client.conversation import (
    Subscription,
    challenge,
    read_tick,
    require_growing_seqs,
    require_seqs,
    require_silence,
    wait_until,
)
from conformance.as_client.judgement import require_fields, require_reply, require_status
from conformance.as_client.peers import UdpPeer
from conformance.blame import about
from conformance.expected.oracle import CHALLENGE, reply
from conformance.expected.strategies import messages
from conformance.running.fixtures import StartServer
from conformance.targets.server import Server
from conformance.timing import CLOCK_GRAIN, interval
from spec.limits import LEASE_INTERVALS, TOKEN_CHARACTERS, TOKEN_INTERVALS, TOKEN_INTERVALS_END

SHORT = interval(0.05)
MIDDLE, MIDDLE_LEASE = interval(0.2), interval(0.6)

#: After so many strangers a server has all that it needs for any; a record of another one would take more.
STRANGERS, SETTLED = 100_000, 10_000
STRANGER_BYTES = 80
NEVER = pytest.mark.options("--interval", "86400")

pytestmark = [pytest.mark.service("time"), pytest.mark.transport("udp")]


def require_answer(peer: UdpPeer, token: str, status: str) -> None:
    """A TIME with that token must have an answer of that status."""
    require_status(peer.ask(f"TIME a\ntoken: {token}".encode()), status)


@NEVER
@pytest.mark.requirement("LEASE-1")
@given(token=messages().map(lambda text: text.replace("\t", " ")))
def test_a_token_that_is_not_valid_is_challenged(server: Server, token: str) -> None:
    with UdpPeer(server.address) as peer:
        for end in (b"", b"\n"):
            require_reply(peer.ask(f"TIME a\ntoken: {token}".encode() + end), CHALLENGE)
        require_silence(peer, "time")


@NEVER
@pytest.mark.requirement("LEASE-1")
def test_a_time_without_token_is_challenged(server: Server) -> None:
    """Nor with one that is nearly good: each of its characters counts, and so does its length."""
    with UdpPeer(server.address) as peer:
        good = challenge(peer, "a")
        strange = [
            *(good[:place] + ("!" if each != "!" else "~") + good[place + 1 :] for place, each in enumerate(good)),
            "",
            "0",
            "я",
            " " + good,
            good + " ",
            good + good,
            good[:-1],
            good[1:],
            good + "0",
            "0" + good,
            good.upper() + "!",
            "0" * 4000,
        ]
        for fields in (
            "",
            "\n",
            "\nx: y",
            f"\nx-token: {good}",
            f"\ntokens: {good}",
            *(f"\ntoken: {t}" for t in strange),
        ):
            require_reply(peer.ask(f"TIME a{fields}".encode()), CHALLENGE)
        require_silence(peer, "time")


@NEVER
@pytest.mark.requirement("LEASE-2")
def test_the_form_of_tokens(server: Server) -> None:
    for _ in range(50):
        with UdpPeer(server.address) as peer:
            token = peer.ask(b"TIME a").fields["token"]
            assert 1 <= len(token) <= TOKEN_CHARACTERS, f"a token of {len(token)} characters: {token!r}"
            assert all("!" <= character <= "~" for character in token), repr(token)


@NEVER
@pytest.mark.requirement("LEASE-4")
def test_a_token_is_good_for_its_address_only(server: Server) -> None:
    """Neither from another port nor from the same port of another host; and it is still good where it was sent."""
    with UdpPeer(server.address) as owner:
        token = challenge(owner, "a")
        with (
            UdpPeer(server.address) as other_port,
            UdpPeer(server.address, source=("127.0.0.9", owner.address[1])) as other_host,
        ):
            for thief in (other_port, other_host):
                require_answer(thief, token, "CHALLENGE")
                require_silence(thief, "time")
        require_answer(owner, token, "OK")


@pytest.mark.slow
@pytest.mark.requirement("LEASE-5", "LEASE-6")
@pytest.mark.options("--interval", SHORT)
def test_the_life_of_tokens(server: Server) -> None:
    """Good for 10 intervals, worthless after 20, at whatever moment of a slot of 10 it was made: twenty, evenly."""
    second = float(SHORT)
    with ExitStack() as stack:
        tokens = []
        start = time.monotonic()
        for number in range(20):
            wait_until(start + TOKEN_INTERVALS / 20 * number * second)
            peer = stack.enter_context(UdpPeer(server.address))
            sent = time.monotonic()
            tokens.append((peer, challenge(peer, "a"), sent, time.monotonic()))
        for peer, token, sent, _ in tokens:
            wait_until(sent + (TOKEN_INTERVALS - 0.5) * second)
            status = peer.ask(f"TIME a\ntoken: {token}".encode()).status
            # An answer that came too late proves nothing: the token may have been too old when it was looked at.
            assert status == "OK" or time.monotonic() > sent + TOKEN_INTERVALS * second, "a token ran out too early"
        for peer, token, _, received in tokens:
            wait_until(received + TOKEN_INTERVALS_END * second + CLOCK_GRAIN)
            peer.request(f"TIME a\ntoken: {token}".encode())
            while (answer := peer.reply()).status == "TICK":
                pass
            with about("LEASE-6"):
                assert answer.status == "CHALLENGE", "a token was good for too long"


@pytest.mark.requirement("LEASE-5")
@pytest.mark.options("--interval", SHORT)
def test_a_token_is_accepted_again_and_again(server: Server) -> None:
    with UdpPeer(server.address) as peer:
        token = challenge(peer, "a")
        require_answer(peer, token, "OK")
        require_seqs([read_tick(peer.reply())], [1])
        require_answer(peer, token, "OK")


@pytest.mark.requirement("LEASE-6")
def test_a_restart_ends_all_tokens(start_server: StartServer) -> None:
    first = start_server("--host", OWN_HOST, "--interval", "86400")
    with UdpPeer(first.address) as peer:
        token = challenge(peer, "a")
        assert first.stop() == 0, first.describe("wrong exit status")
        start_server("--host", OWN_HOST, "--interval", "86400", "--port", str(first.port))
        require_answer(peer, token, "CHALLENGE")


@pytest.mark.requirement("LEASE-7")
def test_who_returned_no_token_counts_for_nothing(start_server: StartServer) -> None:
    """With room for one client, a hundred that only ask take none of it, and none is announced."""
    server = start_server("--interval", "86400", "--max-clients", "1")
    with ExitStack() as stack:
        for number in range(100):
            peer = stack.enter_context(UdpPeer(server.address))
            challenge(peer, f"nobody {number}")
            require_answer(peer, "0", "CHALLENGE")
        client = stack.enter_context(UdpPeer(server.address))
        require_seqs([Subscription(client, "Анна").tick()], [1])
        server.expect_line(r"client Анна \(.*\) connected")
        assert len(server.output) == 2, server.describe("nothing else was to be said")


@pytest.mark.long
@pytest.mark.requirement("LEASE-7")
def test_who_returned_no_token_costs_no_memory(start_server: StartServer) -> None:
    """Each TIME comes from an address of its own; every few the server is asked, so that it has taken those before."""
    server = start_server("--interval", "86400", "--quiet")
    process = psutil.Process(server.pid)
    with UdpPeer(server.address) as witness:
        for number in range(STRANGERS):
            if number % 50 == 0:
                challenge(witness, "Анна")
            if number == SETTLED:
                before = process.memory_info().rss
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.bind((f"127.9.{number >> 8 & 0xFF}.{number & 0xFF}", 0))
                stranger.sendto(b"TIME nobody", server.address)
        challenge(witness, "Анна")
        grown = process.memory_info().rss - before
    assert grown < STRANGER_BYTES * (STRANGERS - SETTLED), f"{STRANGERS} strangers cost {grown} bytes"


@pytest.mark.slow
@pytest.mark.requirement("LEASE-8")
@pytest.mark.options("--interval", MIDDLE)
def test_a_renewal_prolongs_the_lease(server: Server) -> None:
    """Without it the lease ends with tick 3 or 4; renewed after tick 3 it holds for tick 5."""
    with UdpPeer(server.address) as peer:
        subscription = Subscription(peer, "Анна")
        while (tick := subscription.tick()).seq < LEASE_INTERVALS:
            pass
        renewed = subscription.request("Анна")
        require_reply(peer.reply(), subscription.ok.raw)
        require_fields(subscription.ok, {"lease": MIDDLE_LEASE})
        last = tick
        while subscription.earliest(last.seq + 2) < renewed + LEASE_INTERVALS * subscription.interval:
            with about("LEASE-8", "the renewed lease did not last"):
                last = subscription.tick()
        assert last.seq >= LEASE_INTERVALS + 2, f"the renewed lease ended with tick {last.seq}"


@pytest.mark.slow
@pytest.mark.requirement("LEASE-8", "LEASE-9", "LEASE-11")
@pytest.mark.options("--interval", MIDDLE)
def test_a_lease_runs_out(server: Server) -> None:
    """Ticks come as long as the lease lasts and no longer; the token then starts a new subscription."""
    with UdpPeer(server.address) as peer:
        subscription = Subscription(peer, "Анна")
        lease = LEASE_INTERVALS * subscription.interval
        seqs = [subscription.tick().seq]
        wait_until(subscription.ok.at + 2 * lease)
        restarted = subscription.request("Анна")
        while (answer := peer.reply()).status == "TICK":
            tick = read_tick(answer)
            with about("LEASE-9"):
                latest = subscription.ok.at + lease + CLOCK_GRAIN
                assert subscription.earliest(tick.seq) <= latest, "a tick after the lease"
            seqs.append(tick.seq)
        assert seqs[-1] >= LEASE_INTERVALS, "the lease did not last"
        with about("LEASE-11"):
            require_reply(answer, subscription.ok.raw)
            assert answer.at > restarted, "an OK that nobody asked for"
            require_seqs([subscription.tick()], [1])


@pytest.mark.slow
@pytest.mark.requirement("LEASE-11", "LEASE-9")
@pytest.mark.options("--interval", MIDDLE)
def test_a_lease_runs_out_while_the_server_sleeps(server: Server) -> None:
    with UdpPeer(server.address) as peer:
        subscription = Subscription(peer, "Анна")
        subscription.tick()
        with server.paused():
            wait_until(subscription.ok.at + (LEASE_INTERVALS + 0.5) * subscription.interval)
            subscription.request("Анна")
        answer = peer.reply()
        with about("LEASE-9"):
            assert answer.status != "TICK", "a tick after the lease"
        require_reply(answer, subscription.ok.raw)
        require_seqs([subscription.tick()], [1])


@pytest.mark.slow
@pytest.mark.requirement("LEASE-8", "ERR-11")
def test_a_lease_that_ran_out_while_the_server_slept_makes_room(start_server: StartServer) -> None:
    """At the limit of clients; the first that the server hears of when it wakes is the newcomer's TIME."""
    server = start_server("--interval", MIDDLE, "--max-clients", "1")
    with UdpPeer(server.address) as first, UdpPeer(server.address) as second:
        subscription = Subscription(first, "Анна")
        subscription.tick()
        token = challenge(second, "Борис")
        wait_until(subscription.latest(1) + 0.5 * subscription.interval)  # now it waits, and goes on with what came
        with server.paused():
            wait_until(subscription.ok.at + (LEASE_INTERVALS + 0.5) * subscription.interval)
            second.request(f"TIME Борис\ntoken: {token}".encode())
        answer = second.reply()
        if answer.status == "CHALLENGE":  # a judge that was late: the token was too old, and the lease has ended since
            answer = second.ask(f"TIME Борис\ntoken: {answer.fields['token']}".encode())
        assert answer.status == "OK", f"no room: {answer.raw!r}"


@pytest.mark.slow
@pytest.mark.requirement("LEASE-10")
@pytest.mark.options("--interval", MIDDLE)
def test_a_challenge_changes_nothing(server: Server) -> None:
    """Neither the name nor the schedule nor the end of the lease."""
    with UdpPeer(server.address) as peer:
        subscription = Subscription(peer, "Анна")
        lease = LEASE_INTERVALS * subscription.interval
        ticks = [subscription.tick()]
        while True:
            for token in ("", "\ntoken: 0"):
                peer.request(b"TIME Boris" + token.encode())
                while (answer := peer.reply()).status == "TICK":
                    ticks.append(read_tick(answer))
                require_reply(answer, CHALLENGE)
            if ticks[-1].seq >= LEASE_INTERVALS:
                break
            ticks.append(subscription.tick())
        wait_until(subscription.ok.at + 2 * lease)
        peer.request(b"TIME")
        while (answer := peer.reply()).status == "TICK":
            ticks.append(read_tick(answer))
        require_status(answer, "ERR")
        assert {tick.name for tick in ticks} == {"Анна"}, "the name has changed"
        require_growing_seqs(ticks)
        assert subscription.earliest(ticks[-1].seq) <= subscription.ok.at + lease + CLOCK_GRAIN, (
            "the lease was prolonged"
        )


@NEVER
@pytest.mark.requirement("LEASE-11")
def test_a_renewal_starts_nothing_new(server: Server) -> None:
    with UdpPeer(server.address) as peer:
        subscription = Subscription(peer, "Анна")
        require_seqs([subscription.tick()], [1])
        subscription.request("Борис")
        require_reply(peer.reply(), reply("OK", name="Борис", interval="86400", lease="259200"))
        require_silence(peer, "time")
