"""LEASE: a subscription over UDP needs a token, and ends if it is not renewed."""

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
    wait_until,
)
from conformance.as_client.exchange import as_text
from conformance.as_client.judgement import require_fields, require_reply, require_status
from conformance.as_client.peers import UdpPeer
from conformance.as_client.silence import require_silence
from conformance.blame import about
from conformance.expected.oracle import CHALLENGE, ok, ok_fields
from conformance.expected.strategies import messages
from conformance.running.fixtures import StartServer
from conformance.targets.host import require_address
from conformance.targets.server import Server
from conformance.timing import CLOCK_GRAIN, interval
from spec.limits import (
    LEASE_INTERVALS,
    TOKEN_CHARACTERS,
    TOKEN_INTERVALS,
    TOKEN_INTERVALS_END,
    TOKEN_SECONDS,
    TOKEN_SECONDS_END,
)

SHORT = interval(0.05)
MIDDLE = interval(0.2)
#: At the first interval a token lasts for TOKEN_SECONDS, at the second for TOKEN_INTERVALS intervals.
TOKENS = interval(0.02), interval(0.07)

#: After SETTLED of STRANGERS requests a server has allocated all that it needs; only records would still grow.
STRANGERS, SETTLED = 100_000, 10_000
STRANGER_BYTES = 80
NEVER = pytest.mark.options("--interval", "86400")

pytestmark = [pytest.mark.service("time"), pytest.mark.transport("udp")]


def require_answer(peer: UdpPeer, token: str, status: str) -> None:
    """Raise AssertionError unless a TIME with that token gets a reply of that status."""
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
    """Also a TIME with a nearly good token: each character counts, and so does the length."""
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
            wrong = f"token is {token!r}; expected 1 to {TOKEN_CHARACTERS} characters of ASCII, without spaces"
            assert 1 <= len(token) <= TOKEN_CHARACTERS, wrong
            assert all("!" <= character <= "~" for character in token), wrong


@NEVER
@pytest.mark.requirement("LEASE-4")
def test_a_token_is_good_for_its_address_only(server: Server) -> None:
    """It is not valid from another port, nor from the same port of another host; it stays valid for its owner."""
    require_address("udp", "127.0.0.9")
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


@pytest.mark.requirement("TIME-15")
def test_two_hosts_with_one_port_are_two_clients(start_server: StartServer) -> None:
    require_address("udp", "127.0.0.9")
    server = start_server("--interval", interval(0.2))
    with (
        UdpPeer(server.address) as one,
        UdpPeer(server.address, source=("127.0.0.9", one.address[1])) as other,
        about("TIME-15", "from the same port of two hosts"),
    ):
        for subscription in (Subscription(one, "Анна"), Subscription(other, "Борис")):
            require_seqs(subscription.ticks(3), [1, 2, 3])


@pytest.mark.slow(8)
@pytest.mark.requirement("LEASE-5", "LEASE-6")
def test_the_life_of_tokens(start_server: StartServer) -> None:
    """Twenty tokens, spread over the time for which each is valid: a server may count in slots."""
    ages = {
        seconds: (
            max(TOKEN_INTERVALS * float(seconds), TOKEN_SECONDS),
            max(TOKEN_INTERVALS_END * float(seconds), TOKEN_SECONDS_END),
        )
        for seconds in TOKENS
    }
    servers = {seconds: start_server("--interval", seconds) for seconds in ages}
    plan = sorted((ages[seconds][0] / 20 * number, seconds) for number in range(20) for seconds in ages)
    with ExitStack() as stack:
        tokens = []
        start = time.monotonic()
        for at, seconds in plan:
            wait_until(start + at)
            peer = stack.enter_context(UdpPeer(servers[seconds].address))
            sent = time.monotonic()
            tokens.append((peer, challenge(peer, "a"), sent, time.monotonic(), *ages[seconds]))
        for peer, token, sent, _, least, _ in sorted(tokens, key=lambda each: each[2] + each[4]):
            wait_until(sent + 0.95 * least)
            peer.request(f"TIME a\ntoken: {token}".encode())
            while (answer := peer.reply()).status == "TICK":
                pass
            # A late answer proves nothing: the server may have read the request too late.
            assert answer.status == "OK" or time.monotonic() > sent + least, "a token ran out too early"
        for peer, token, _, received, _, most in sorted(tokens, key=lambda each: each[3] + each[5]):
            wait_until(received + most + CLOCK_GRAIN)
            peer.request(f"TIME a\ntoken: {token}".encode())
            while (answer := peer.reply()).status == "TICK":
                pass
            with about("LEASE-6"):
                assert answer.status == "CHALLENGE", "a token was good for too long"


@NEVER
@pytest.mark.requirement("LEASE-5")
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
        assert first.stop() == 0, first.describe("expected exit status 0")
        start_server("--host", OWN_HOST, "--interval", "86400", "--port", str(first.port))
        require_answer(peer, token, "CHALLENGE")


@pytest.mark.requirement("LEASE-7")
def test_who_returned_no_token_counts_for_nothing(start_server: StartServer) -> None:
    """A hundred clients that return no token leave room for the only client allowed, and none is printed."""
    server = start_server("--interval", "86400", "--max-clients", "1")
    with ExitStack() as stack:
        for number in range(100):
            peer = stack.enter_context(UdpPeer(server.address))
            challenge(peer, f"nobody {number}")
            require_answer(peer, "0", "CHALLENGE")
        client = stack.enter_context(UdpPeer(server.address))
        require_seqs([Subscription(client, "Анна").tick()], [1])
        server.expect_line(r"client Анна \(.*\) connected")
        assert len(server.output) == 2, server.describe("expected no other lines")


@pytest.mark.long
@pytest.mark.requirement("LEASE-7")
def test_who_returned_no_token_costs_no_memory(start_server: StartServer) -> None:
    """Each TIME comes from an address of its own. A reply to a witness now and then shows that all were read."""
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
    """Without a renewal the lease ends with tick 4 or 5; renewed after tick 4 it lasts for tick 6."""
    with UdpPeer(server.address) as peer:
        subscription = Subscription(peer, "Анна")
        while (tick := subscription.tick()).seq < LEASE_INTERVALS:
            pass
        renewed = subscription.request("Анна")
        require_reply(peer.reply(), subscription.ok.raw)
        require_fields(subscription.ok, {"lease": ok_fields("time", "udp", "Анна", MIDDLE)["lease"]})
        last = tick
        while subscription.earliest(last.seq + 2) < renewed + LEASE_INTERVALS * subscription.interval:
            with about("LEASE-8", "the renewed lease did not last"):
                last = subscription.tick()
        assert last.seq >= LEASE_INTERVALS + 2, f"the renewed lease ended with tick {last.seq}"


@pytest.mark.slow
@pytest.mark.requirement("LEASE-8", "LEASE-9", "LEASE-11")
@pytest.mark.options("--interval", MIDDLE)
def test_a_lease_runs_out(server: Server) -> None:
    """Ticks come only while the lease lasts; the token then starts a new subscription."""
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
                assert tick.seq <= LEASE_INTERVALS, "a tick that is due at the very end of the lease"
            seqs.append(tick.seq)
        assert seqs[-1] >= LEASE_INTERVALS, "the lease did not last"
        with about("LEASE-11"):
            require_reply(answer, subscription.ok.raw)
            assert answer.at > restarted, "an OK came before the request"
            require_seqs([subscription.tick()], [1])
            second = subscription.tick()
            most = 1 + int((second.at - restarted + CLOCK_GRAIN) / subscription.interval)
            assert 1 < second.seq <= most, f"the second tick of the new subscription has the seq {second.seq}"


@pytest.mark.slow
@pytest.mark.requirement("LEASE-11", "LEASE-9")
@pytest.mark.options("--interval", MIDDLE)
def test_a_lease_runs_out_while_the_server_sleeps(server: Server) -> None:
    with UdpPeer(server.address) as peer:
        subscription = Subscription(peer, "Анна")
        subscription.tick()
        with server.paused():
            wait_until(subscription.ok.at + (LEASE_INTERVALS + 0.5) * subscription.interval)
            anew = subscription.request("Анна")
        answer = peer.reply()
        with about("LEASE-9"):
            assert answer.status != "TICK", "a tick after the lease"
        require_reply(answer, subscription.ok.raw)
        require_seqs([subscription.tick()], [1])
        ticks = subscription.ticks(2)
        if ticks[-1].at < anew + LEASE_INTERVALS * subscription.interval:  # else the judge may have renewed too late
            require_growing_seqs(ticks)


@pytest.mark.slow
@pytest.mark.requirement("LEASE-8", "ERR-11")
def test_a_lease_that_ran_out_while_the_server_slept_makes_room(start_server: StartServer) -> None:
    """At the limit of clients; when the server wakes, the first datagram that it reads is the new client's TIME."""
    server = start_server("--interval", MIDDLE, "--max-clients", "1")
    with UdpPeer(server.address) as first, UdpPeer(server.address) as second:
        subscription = Subscription(first, "Анна")
        subscription.tick()
        with about("LEASE-1"):
            token = challenge(second, "Борис")
        wait_until(subscription.latest(1) + 0.5 * subscription.interval)  # now the server waits for datagrams
        with server.paused():
            wait_until(subscription.ok.at + (LEASE_INTERVALS + 0.5) * subscription.interval)
            second.request(f"TIME Борис\ntoken: {token}".encode())
        answer = second.reply()
        if answer.status == "CHALLENGE":  # the judge was late: the token was too old
            answer = second.ask(f"TIME Борис\ntoken: {answer.fields['token']}".encode())
        case = "when the lease of the only client has run out"
        assert answer.status == "OK", f"{case}: the next one is refused: {as_text(answer.raw)}"


@pytest.mark.slow
@pytest.mark.requirement("ERR-11", "LEASE-8")
def test_a_lease_that_ran_out_between_two_ticks_makes_room(start_server: StartServer) -> None:
    """At the limit of clients, who may renew. It is not the client that came first whose lease runs out."""
    server = start_server("--interval", MIDDLE, "--max-clients", "2")
    with UdpPeer(server.address) as renews, UdpPeer(server.address) as leaves, UdpPeer(server.address) as comes:
        renewed, left = Subscription(renews, "Анна"), Subscription(leaves, "Вера")
        with about("LEASE-1"):
            token = challenge(comes, "Борис")
        wait_until(left.ok.at + 0.5 * left.interval)
        left.renew("Вера")
        end = time.monotonic() + LEASE_INTERVALS * left.interval
        wait_until(end - left.interval)
        renewed.renew("Анна")
        wait_until(end)
        answer = comes.ask(f"TIME Борис\ntoken: {token}".encode())
        assert answer.status == "OK", f"a lease has run out, and the next client is refused: {as_text(answer.raw)}"


@pytest.mark.slow
@pytest.mark.requirement("LEASE-10")
@pytest.mark.options("--interval", MIDDLE)
def test_a_challenge_changes_nothing(server: Server) -> None:
    """The name, the schedule and the end of the lease stay."""
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
        require_reply(peer.reply(), ok("time", "udp", "Борис", "86400"))
        require_silence(peer, "time")
