"""TIME: the times, the numbers and the fields of ticks."""

import select
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import pytest

from conformance.as_client import peers
from conformance.as_client.conversation import (
    Subscription,
    Tick,
    read_tick,
    require_growing_seqs,
    require_seqs,
    split_replies,
    wait_until,
)
from conformance.as_client.observed import Reply
from conformance.as_client.peers import TcpPeer
from conformance.blame import about
from conformance.running.fixtures import ServerPool, StartServer
from conformance.running.stalls import MEASURED_AGAIN, busy_since, this_moment
from conformance.targets.host import require_usual_buffers, unjudged_without_resources
from conformance.targets.server import Server
from conformance.targets.target import Target
from conformance.targets.terms import Transport
from conformance.timing import CLOCK_GRAIN, JUDGE_LATENESS, PATIENCE, SCALE, interval
from spec.limits import NAME_CHARACTERS, TICK_LATENESS

pytestmark = pytest.mark.service("time")

SHORT = interval(0.03)
#: Interval and number of ticks of the long run. Many short intervals show sooner that a schedule drifts. But a lease
#: lasts only four intervals, so UDP needs longer ones on a busy machine.
RUN: dict[Transport, tuple[str, int]] = {"tcp": (interval(0.01), 200), "udp": (interval(0.103), 20)}
#: More ticks than a byte can count, and how many clients get them.
MANY_TICKS, SEVERAL = 300, 6
#: Subscribers whose ticks are due at once: to send them takes a while.
TOGETHER = 500
#: So many threads may have been stopped between the clock and the socket: 1 at most in nine tries, beside up to 24 busy
#: processes; where something between the two lets other threads run, up to 65.
IN_THE_ACT = TOGETHER // 10
SOON = 0.3 * SCALE
MIDDLE = interval(0.2)
LONG = interval(0.3)
NEVER = pytest.mark.options("--interval", "86400")


class Run(NamedTuple):
    """One subscription over many short intervals, judged by several checks."""

    subscription: Subscription
    wall: float
    """The wall clock just before the subscription, in seconds of the Unix epoch."""
    ticks: list[Tick]

    def lateness(self, tick: Tick) -> float:
        """Return the greatest lateness that a tick can have had, in seconds; it includes the judge's own."""
        return tick.at - self.subscription.earliest(tick.seq)

    @property
    def is_late(self) -> bool:
        """Whether a tick came so late that a busy machine may be the reason."""
        return max(max(self.lateness(tick), tick.wall - tick.time) for tick in self.ticks) > JUDGE_LATENESS / 2


@pytest.fixture(scope="module")
def run(server_pool: ServerPool, target: Target, transport: Transport) -> Iterator[Run]:
    """A subscription and many of its ticks, measured anew where they came late on a busy machine."""
    option, count = RUN[transport]
    # pytest keeps what this raises for all checks that need it.
    with unjudged_without_resources(), ExitStack() as peers_of_all:
        server = server_pool.get(target, "time", transport, ("--interval", option))
        for _ in range(MEASURED_AGAIN + 1):
            start = this_moment()
            peer = peers_of_all.enter_context(peers.connect(server))
            wall = time.time()
            subscription = Subscription(peer, "Анна")
            measured = Run(subscription, wall, subscription.ticks(count))
            if not (measured.is_late and busy_since(start)):
                break
        yield measured


@pytest.mark.requirement("TIME-12", "TIME-11")
def test_time_is_utc_in_any_zone(start_server: StartServer) -> None:
    server = start_server("--interval", "86400", env={"TZ": "Asia/Kolkata"})
    with peers.connect(server) as peer:
        before = time.time()
        tick = Subscription(peer, "a").tick()
        assert before - 0.001 <= tick.time <= tick.wall, f"the time is {tick.time - before:.3f} s from that of sending"


@pytest.mark.slow
@pytest.mark.transport("tcp")
@pytest.mark.requirement("TIME-8", "TIME-7")
@pytest.mark.options("--interval", "0.01")
def test_a_long_subscription(server: Server) -> None:
    """More than 256 ticks come. A busy server may skip some, but not the same ones for each of several clients."""
    with ExitStack() as stack:
        skipped: list[set[int]] = []
        subscriptions = []
        for number in range(SEVERAL):
            subscriptions.append(Subscription(stack.enter_context(TcpPeer(server.address)), f"Клиент {number}"))
            wait_until(subscriptions[-1].latest(4))  # so a server that sleeps skips other ticks of each
        for subscription in subscriptions:
            ticks = [subscription.tick()]
            while ticks[-1].seq < MANY_TICKS:
                ticks.append(subscription.tick())
            with about("TIME-7"):
                require_growing_seqs(ticks)
            skipped.append({*range(1, MANY_TICKS)} - {tick.seq for tick in ticks})
        if sum(map(len, skipped)) < SEVERAL * MANY_TICKS / 10:  # else the machine is too slow to tell
            alone = [{seq for seq in each if not {seq - 1, seq + 1} & each} for each in skipped]
            never = sorted(set.intersection(*alone))
            assert not never, f"of {SEVERAL} clients none got the ticks {never}, but those before and after them"


@pytest.mark.requirement("TIME-4", "TIME-11")
def test_the_form_of_ticks(run: Run) -> None:
    """`read_tick` has judged the fields and their forms."""
    assert {tick.name for tick in run.ticks} == {"Анна"}, f"expected the name Анна in all of {run.ticks}"
    with about("TIME-11"):
        assert len({round(tick.time * 1000) % 1000 for tick in run.ticks}) > 5, "the milliseconds hardly change"


@NEVER
@pytest.mark.requirement("TIME-5")
def test_the_first_tick_follows_at_once(server: Server) -> None:
    with peers.connect(server) as peer:
        subscription = Subscription(peer, "a")
        with about("TIME-5", "expected a tick at once"):
            tick = subscription.tick()
        require_seqs([tick], [1])
        late = tick.at - subscription.ok.at
        assert late <= TICK_LATENESS + JUDGE_LATENESS, f"the first tick came {late:.3f} s after the OK"


@pytest.mark.requirement("TIME-6")
def test_no_tick_is_early(run: Run) -> None:
    early = [tick for tick in run.ticks if run.lateness(tick) < -CLOCK_GRAIN]
    assert not early, f"{len(early)} of {len(run.ticks)} ticks were not due yet, the first with seq {early[0].seq}"


@pytest.mark.requirement("TIME-6")
def test_a_long_interval_is_no_short_one(start_server: StartServer) -> None:
    """In 32 bits, so many microseconds are 0.13 s, and so many nanoseconds too."""
    server = start_server("--interval", "4295.1")
    with peers.connect(server) as peer:
        Subscription(peer, "a").tick()
        comes = select.select([peer.socket], [], [], SOON)[0]
        assert not comes, f"ticks are due every 4295.1 s, but soon after the first one came {peer.reply()}"


@pytest.mark.requirement("TIME-7")
def test_seq_counts_from_one(run: Run) -> None:
    require_seqs(run.ticks[:1], [1])
    require_growing_seqs(run.ticks)
    last = run.ticks[-1]
    assert last.at < run.subscription.latest(last.seq + 1) + JUDGE_LATENESS, "seq fell behind the intervals"


@pytest.mark.slow
@pytest.mark.requirement("TIME-9")
@pytest.mark.options("--interval", interval(0.29))
def test_ticks_are_on_time(server: Server) -> None:
    """Most ticks within the limit, each within the limit and the judge's own lateness, and none left out.

    Such an interval is no multiple of those at which a program may look what is due.
    """
    with peers.connect(server) as peer:
        subscription = Subscription(peer, "a")
        ticks = subscription.ticks(5)
    lateness = [tick.at - subscription.latest(tick.seq) for tick in ticks]
    wrong = f"the ticks were late by {', '.join(f'{late:.3f}' for late in lateness)} s"
    assert median(lateness) <= TICK_LATENESS and max(lateness) <= TICK_LATENESS + JUDGE_LATENESS, wrong
    require_seqs(ticks, [1, 2, 3, 4, 5])


@pytest.mark.requirement("TIME-10")
def test_the_schedule_does_not_drift(run: Run) -> None:
    """One late tick proves nothing. But if the schedule drifts, no later tick is as early as the first ones were."""
    third = len(run.ticks) // 3
    earliest = min(map(run.lateness, run.ticks[:third]))
    late = run.ticks[-third:]
    while min(map(run.lateness, late)) > earliest + 2 * CLOCK_GRAIN:
        assert late[-1].at - late[0].at < PATIENCE, "every tick is later than those of the beginning"
        late += run.subscription.ticks(1)


@pytest.mark.requirement("TIME-12")
def test_time_is_that_of_sending(run: Run) -> None:
    """Not before the request and, since it is rounded down, not after the arrival; both sides have the same clock."""
    ahead = run.wall - run.ticks[0].time
    assert ahead < 0.001, f"the first tick's time is {ahead:.3f} s before the request for it"
    for tick in run.ticks:
        behind = tick.wall - tick.time
        assert 0 <= behind <= 0.001 + JUDGE_LATENESS, f"a tick's time is {behind:.3f} s before its arrival"


@pytest.mark.slow
@pytest.mark.transport("tcp")
@pytest.mark.requirement("TIME-7")
@pytest.mark.options("--interval", SHORT)
def test_seq_counts_what_was_slept(server: Server) -> None:
    """The server sleeps for more intervals than the judge can be late. Over UDP no lease would last so long."""
    with TcpPeer(server.address) as peer:
        subscription = Subscription(peer, "a")
        before = subscription.tick()
        with server.paused():
            wait_until(before.at + 2 * JUDGE_LATENESS)
        last = subscription.ticks(5)[-1]
        assert last.at < subscription.latest(last.seq + 1) + JUDGE_LATENESS, "seq fell behind the intervals"


@pytest.mark.slow
@pytest.mark.requirement("TIME-8", "TIME-10", "TIME-12")
@pytest.mark.options("--interval", LONG)
def test_a_server_that_slept(server: Server) -> None:
    """It goes on with the tick that is due: no burst, a gap in `seq`, the same schedule, and the present time."""
    with peers.connect(server) as peer:
        subscription = Subscription(peer, "a")
        before = [subscription.tick(), subscription.tick(), *subscription.renew("a")]
        with server.paused():
            slept = time.monotonic()
            wait_until(subscription.latest(before[-1].seq + 2) + 0.3 * subscription.interval)
            if server.transport == "udp":
                subscription.request("a")
            resumed, resumed_wall = time.monotonic(), time.time()
        [first] = subscription.ticks(1)
        asleep = f"after a sleep of {resumed - slept:.1f} s at an interval of {subscription.interval:g} s"
        missing = f"{asleep}: no tick was skipped: seq was {before[-1].seq} before, {first.seq} after; expected a gap"
        assert first.seq > before[-1].seq + 1, missing
        assert subscription.latest(first.seq + 1) > resumed, "a tick was sent after the next one was due"
        with about("TIME-12"):
            assert first.time > resumed_wall - 0.001, "the time is not that of sending"
        later = subscription.ticks(2)
        with about("TIME-10"):
            assert first.at >= subscription.earliest(first.seq) - CLOCK_GRAIN, "the schedule has shifted"
            while min(tick.at - subscription.latest(tick.seq) for tick in later) > 0.15 * subscription.interval:
                assert len(later) < 20, "the schedule has shifted"
                later += subscription.ticks(1)


@pytest.mark.slow
@pytest.mark.transport("tcp")
@pytest.mark.requirement("TIME-8", "TIME-12")
@pytest.mark.needs("TIME-15")
@pytest.mark.options("--interval", LONG)
def test_a_server_that_slept_between_two_ticks(server: Server) -> None:
    """It slept until hundreds of ticks were due. After the first it sleeps again, most often before the last.

    Some threads may have been stopped between the clock and the socket. A server that reads the clock once for all has
    all ticks there.
    """
    for _ in range(MEASURED_AGAIN + 1):
        with ExitStack() as stack:
            clients = [stack.enter_context(TcpPeer(server.address)) for _ in range(TOGETHER)]
            with server.paused():
                for peer in clients:
                    peer.request("TIME Анна".encode())
            subscribed = []
            for peer in clients:
                subscribed.append(peer.reply().at)
                require_seqs([read_tick(peer.reply())], [1])
            with server.paused():
                wait_until(subscribed[-1] + 1.2 * float(LONG))
                waiting = [(peer, at) for peer, at in zip(clients, subscribed, strict=True) if not peer.pending()]
            select.select([peer.socket for peer, _ in waiting], [], [], PATIENCE)
            with server.paused():
                slept = time.monotonic()
                waiting = [(peer, at) for peer, at in waiting if not peer.pending()]
                wait_until(slept + 2.3 * float(LONG))
                resumed, resumed_wall = time.monotonic(), time.time()
            if len(waiting) <= IN_THE_ACT:
                continue  # the judge was late
            ticks = [(read_tick(peer.reply()), at) for peer, at in waiting]
            overdue = [tick for tick, at in ticks if at + tick.seq * float(LONG) <= resumed]
            wrong = f"{len(overdue)} of {len(ticks)} ticks were sent after the next one was due"
            assert len(overdue) <= IN_THE_ACT, wrong
            old = [tick for tick, _ in ticks if tick.time <= resumed_wall - 0.001]
            with about("TIME-12"):
                assert len(old) <= IN_THE_ACT, f"of {len(old)} of {len(ticks)} ticks the time is not that of sending"
            return


@pytest.mark.requirement("TIME-15")
@pytest.mark.needs("LOAD-2")
@pytest.mark.options("--interval", MIDDLE)
def test_many_subscribers(server: Server) -> None:
    """Each gets ticks with its own name and `seq`, by its own schedule."""
    with ExitStack() as stack:
        clients = []
        for number in range(30):
            peer = stack.enter_context(peers.connect(server))
            clients.append((time.time(), Subscription(peer, f"Клиент {number}"), time.time()))
        for _ in range(3):
            for before, subscription, after in clients:
                [tick] = subscription.ticks(1)
                assert tick.name == subscription.name, f"{subscription.name} got a tick for {tick.name}"
                due = (tick.seq - 1) * subscription.interval
                # `time` is rounded down; and a tick is less than an interval late.
                wrong = f"{subscription.name} got a tick of another schedule: {tick}"
                assert before + due - 0.001 <= tick.time < after + due + subscription.interval, wrong


@pytest.mark.requirement("TIME-15")
@pytest.mark.needs("LOAD-2")
def test_more_than_a_hundred_subscribers(start_server: StartServer) -> None:
    """The default limit of clients is far above a hundred."""
    server = start_server()
    with ExitStack() as stack:
        subscribers = [stack.enter_context(peers.connect(server)) for _ in range(150)]
        subscriptions = []
        for number, peer in enumerate(subscribers, 1):
            with about("TIME-15", f"subscriber {number} is not served"):
                subscriptions.append(Subscription(peer, f"Клиент {number}"))
        for subscription in subscriptions:
            tick = subscription.tick()
            assert tick.name == subscription.name, f"{subscription.name} got a tick for {tick.name}"
            require_seqs([tick], [1])


@pytest.mark.slow
@pytest.mark.transport("tcp")
@pytest.mark.requirement("TIME-17", "LOAD-1")
@pytest.mark.needs("LOAD-2", "TCP-5")
@pytest.mark.options("--interval", SHORT)
def test_ticks_are_skipped_while_the_client_does_not_read(server: Server) -> None:
    """Replies that are not read fill the server's buffers. Another subscriber shows how much time passes."""
    require_usual_buffers()
    with TcpPeer(server.address, receive_buffer=1 << 15) as peer, TcpPeer(server.address) as other:
        Subscription(peer, "a")
        witness = Subscription(other, "b")
        line = b"TIME " + "\U0001f468".encode() * NAME_CHARACTERS + b"\n"
        sent = peer.flood(line * 100, 1 << 26)
        held = time.time()
        with about("LOAD-1", "beside a client that does not read"):
            while (released := witness.tick().time) < held + 20 * witness.interval:
                pass
        peer.half_close()
        replies = [Reply(raw, time.monotonic()) for raw in split_replies(peer.rest())]
        ticks = [read_tick(reply) for reply in replies if reply.status == "TICK"]
        # Requests wait, so a server that can send again answers some of them before another tick is due.
        kept = [
            (tick.seq, round(tick.time - held, 3))
            for before, reply in pairwise(replies)
            if before.status == reply.status == "TICK"
            and held < read_tick(before).time
            and (tick := read_tick(reply)).time < released
        ]
        assert not kept, f"ticks kept for a client that takes nothing, (seq, seconds since it last took bytes): {kept}"
        answered, asked = len(replies) - len(ticks), sent // len(line)
        assert answered == asked, f"{answered} replies to {asked} requests"
