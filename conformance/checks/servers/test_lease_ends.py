"""LEASE-8 and LEASE-9: what prolongs a lease and what does not, and when its end shows."""

import pytest

from conformance.addresses import show_address
from conformance.as_client.conversation import Subscription, Tick, read_tick, require_seqs, wait_until
from conformance.as_client.judgement import require_reply, require_status
from conformance.as_client.peers import UdpPeer
from conformance.as_client.server_lines import require_line
from conformance.blame import about
from conformance.expected.oracle import error, ok
from conformance.running.fixtures import StartServer
from conformance.targets.server import Server
from conformance.timing import CLOCK_GRAIN, JUDGE_LATENESS, interval
from spec.limits import LEASE_INTERVALS

SHORT = interval(0.05)
MIDDLE = interval(0.2)
LONG = interval(0.4)
TRIES = 5

pytestmark = [pytest.mark.service("time"), pytest.mark.transport("udp")]


def require_end(subscription: Subscription, renewed: float) -> None:
    """Raise AssertionError if ticks come that are due after the end of a lease that was last renewed then, or before.

    `renewed` is in seconds of ``time.monotonic``.
    """
    lease = LEASE_INTERVALS * subscription.interval
    wait_until(renewed + 2 * lease)
    subscription.peer.request(b"TIME")
    ticks: list[Tick] = []
    while (answer := subscription.peer.reply()).status == "TICK":
        ticks.append(read_tick(answer))
    require_status(answer, "ERR")
    late = [tick.seq for tick in ticks if subscription.earliest(tick.seq) > renewed + lease + CLOCK_GRAIN]
    assert not late, f"the lease had run out, but the ticks {late} came"


@pytest.mark.slow
@pytest.mark.requirement("LEASE-8", "LEASE-9")
@pytest.mark.options("--interval", MIDDLE)
def test_renewals_do_not_add_up(server: Server) -> None:
    """Three renewals at once prolong the lease no further than the last of them alone."""
    with UdpPeer(server.address) as peer:
        subscription = Subscription(peer, "Анна")
        require_seqs([subscription.tick()], [1])
        for _ in range(3):
            subscription.renew("Анна")
        renewed = subscription.request("Анна")
        while (answer := peer.reply()).status == "TICK":
            pass
        require_reply(answer, subscription.ok.raw)
        require_end(subscription, max(answer.at, renewed))


@pytest.mark.slow
@pytest.mark.requirement("TIME-14", "LEASE-8")
@pytest.mark.options("--interval", MIDDLE)
def test_an_error_does_not_renew(server: Server) -> None:
    """The faulty requests have the client's valid token, and come near the end of its lease."""
    with UdpPeer(server.address) as peer:
        subscription = Subscription(peer, "Анна")
        while subscription.tick().seq < LEASE_INTERVALS:
            pass
        for name, code in (" Анна", "bad-name"), ("Анна\x00", "bad-character"):
            peer.request(f"TIME {name}\ntoken: {subscription.token}".encode())
            while (answer := peer.reply()).status == "TICK":
                pass
            require_reply(answer, error(code))
        require_end(subscription, subscription.ok.at)


@pytest.mark.slow
@pytest.mark.requirement("LEASE-8")
@pytest.mark.options("--interval", LONG)
def test_a_lease_lasts(server: Server) -> None:
    """A little before its end it has not run out yet: a TIME gets an OK, but starts no new subscription.

    If the judge was late, the lease may have run out, and it tries again.
    """
    for _ in range(TRIES):
        with UdpPeer(server.address) as peer:
            subscription = Subscription(peer, "Анна")
            wait_until(subscription.sent + (LEASE_INTERVALS - 0.25) * subscription.interval)
            last = subscription.renew("Борис")[-1]
            answered = subscription.peer.request(b"TIME")
            if answered < subscription.earliest(LEASE_INTERVALS + 1):
                wrong = f"after tick {last.seq} a new subscription started, before the lease was over"
                while (answer := peer.reply()).status == "TICK":
                    assert read_tick(answer).seq > last.seq, wrong
                require_reply(answer, error("bad-name"))
                return


@pytest.mark.slow
@pytest.mark.requirement("LEASE-8")
@pytest.mark.options("--interval", MIDDLE)
def test_a_new_name_renews_too(server: Server) -> None:
    with UdpPeer(server.address) as peer:
        subscription = Subscription(peer, "Анна")
        while (tick := subscription.tick()).seq < LEASE_INTERVALS:
            pass
        renewed = subscription.request("Борис")
        while (answer := peer.reply()).status == "TICK":
            tick = read_tick(answer)
        require_reply(answer, ok("time", "udp", "Борис", MIDDLE))
        while subscription.earliest(tick.seq + 2) < renewed + LEASE_INTERVALS * subscription.interval:
            with about("LEASE-8", "the renewed lease did not last"):
                tick = subscription.tick()
        assert tick.seq >= LEASE_INTERVALS + 2, f"the renewed lease ended with tick {tick.seq}"


@pytest.mark.requirement("SRV-6")
def test_the_end_of_a_lease_is_printed_soon(start_server: StartServer) -> None:
    """Before twice the lease."""
    server = start_server("--interval", SHORT)
    with UdpPeer(server.address) as peer:
        subscription = Subscription(peer, "Анна")
        require_line(server, f"client Анна ({show_address(peer.address)}) connected")
        require_line(server, f"client Анна ({show_address(peer.address)}) left")
        lease = LEASE_INTERVALS * subscription.interval
        after = server.lines[-1].at - subscription.ok.at
        assert after < 2 * lease + JUDGE_LATENESS, (
            f"'left' came {after:.3f} s after the OK, with a lease of {lease:g} s"
        )
