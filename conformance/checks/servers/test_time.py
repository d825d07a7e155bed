"""TIME: the replies to a subscriber, a new name, and the end of a subscription."""

import time
from contextlib import ExitStack

import pytest
from hypothesis import given

from conformance.as_client import peers
from conformance.as_client.conversation import (
    Subscription,
    read_tick,
    require_growing_seqs,
    require_service,
    split_replies,
)
from conformance.as_client.judgement import require_fields, require_reply
from conformance.as_client.observed import Reply
from conformance.as_client.peers import TcpPeer
from conformance.expected.oracle import error, expected_reply, ok
from conformance.expected.strategies import arguments
from conformance.running.fixtures import StartServer
from conformance.targets.server import Server
from conformance.timing import CLOCK_GRAIN, JUDGE_LATENESS, interval
from spec.limits import NAME_CHARACTERS

pytestmark = pytest.mark.service("time")

MIDDLE = interval(0.2)
LONG = interval(0.3)
NEVER = pytest.mark.options("--interval", "86400")


GOOD_NAMES = [
    "a",
    "Анна",
    "Анна Мария",
    "\u00a0",
    "я" * NAME_CHARACTERS,
    "\U0001f468" * NAME_CHARACTERS,
    "e\u0301",
    "\u2028",
    "100%% %s {0} ${x}",
    r"a\tb \u0041 &amp; %41",
]
BAD_NAMES = [
    "",
    " ",
    "  ",
    " a",
    "a ",
    "я" * (NAME_CHARACTERS + 1),
    "\U0001f468" * (NAME_CHARACTERS + 1),
    "a\tb",
    "\x00",
    "\x9f",
]


@NEVER
@pytest.mark.requirement("TIME-1")
@pytest.mark.needs("ERR-8", "ERR-9")
@pytest.mark.parametrize("name", GOOD_NAMES + BAD_NAMES, ids=ascii)
def test_a_name_at_the_edge(server: Server, name: str) -> None:
    require_judgement(server, name.encode())


@NEVER
@pytest.mark.requirement("TIME-1")
@pytest.mark.needs("ERR-5", "ERR-8", "ERR-9")
@given(name=arguments("time"))
def test_any_name(server: Server, name: bytes) -> None:
    require_judgement(server, name)
    require_service(server)


def require_judgement(server: Server, name: bytes) -> None:
    """Raise AssertionError unless the server takes or refuses this name as the oracle says."""
    with peers.connect(server) as peer:
        request = b"TIME " + name
        require_reply(peer.ask(request), expected_reply("time", server.transport, request + b"\n", "86400"))


@NEVER
@pytest.mark.requirement("TIME-2")
@pytest.mark.parametrize("name", GOOD_NAMES, ids=ascii)
def test_the_answer_to_a_good_name(server: Server, name: str) -> None:
    with peers.connect(server) as peer:
        require_reply(Subscription(peer, name).ok, ok("time", server.transport, name, "86400"))


@pytest.mark.requirement("TIME-4")
def test_the_second_tick_has_the_whole_name(start_server: StartServer) -> None:
    """The first may be built from the request, the others only from what the server has kept."""
    server = start_server("--interval", MIDDLE)
    with ExitStack() as stack:
        subscriptions = [Subscription(stack.enter_context(peers.connect(server)), name) for name in GOOD_NAMES]
        for name, subscription in zip(GOOD_NAMES, subscriptions, strict=True):
            names = [tick.name for tick in subscription.ticks(2)]
            assert names == [name] * 2, f"its ticks are called {names}; expected {name!r}"


@pytest.mark.requirement("TIME-3")
@pytest.mark.parametrize(
    "option, value, lease",
    [
        *[("3", "3", "12"), ("3.0", "3", "12"), ("86400", "86400", "345600")],
        *[
            ("0.05", "0.05", "0.2"),
            ("0.010", "0.01", "0.04"),
            ("1.001", "1.001", "4.004"),
            ("12345.678", "12345.678", "49382.712"),
        ],
    ],
)
def test_interval_and_lease_are_plain_decimals(start_server: StartServer, option: str, value: str, lease: str) -> None:
    with peers.connect(start_server("--interval", option)) as peer:
        leased = {"lease": lease} if peer.transport == "udp" else {}
        require_fields(Subscription(peer, "a").ok, {"interval": value, **leased})


@pytest.mark.requirement("TIME-3")
def test_the_interval_by_default(start_server: StartServer) -> None:
    with peers.connect(start_server()) as peer:
        require_fields(Subscription(peer, "a").ok, {"interval": "3"})


@pytest.mark.slow
@pytest.mark.requirement("TIME-13")
@pytest.mark.options("--interval", LONG)
def test_a_new_name(server: Server) -> None:
    """OK, and no tick at once; then the next tick, by the same schedule, with the new name."""
    with peers.connect(server) as peer:
        subscription = Subscription(peer, "Анна")
        ticks = [subscription.tick(), subscription.tick()]
        for name in ("Борис", "Вера", "Борис", "Глеб"):
            ticks += subscription.renew(name)
        tick = subscription.tick()
        assert tick.name == "Глеб", f"the next tick is still for {tick.name}"
        ticks.append(tick)
        require_growing_seqs(ticks)
        for tick in ticks:
            assert subscription.earliest(tick.seq) - CLOCK_GRAIN <= tick.at, f"it came before it was due: {tick}"
            assert tick.at < subscription.latest(tick.seq + 1) + JUDGE_LATENESS, (
                f"it came after the next was due: {tick}"
            )


@pytest.mark.slow
@pytest.mark.requirement("TIME-14")
@pytest.mark.needs("ERR-4", "ERR-8", "ERR-9")
@pytest.mark.options("--interval", MIDDLE)
def test_an_error_leaves_the_subscription(server: Server) -> None:
    with peers.connect(server) as peer:
        subscription = Subscription(peer, "Анна")
        ticks = [subscription.tick(), subscription.tick()]
        token = "" if subscription.token is None else f"\ntoken: {subscription.token}"
        for name, code in (
            ("", "bad-name"),
            (" Борис", "bad-name"),
            ("\x00", "bad-character"),
            ("я" * 9999, "too-long"),
        ):
            peer.request(f"TIME {name}{token}".encode())
            while (answer := peer.reply()).status == "TICK":
                ticks.append(read_tick(answer))
            require_reply(answer, error(code))
        ticks.append(subscription.tick())
        assert {tick.name for tick in ticks} == {"Анна"}, f"the name has changed: {ticks}"
        require_growing_seqs(ticks)
        assert ticks[-1].at >= subscription.earliest(ticks[-1].seq) - CLOCK_GRAIN, "the schedule has changed"


@pytest.mark.transport("tcp")
@pytest.mark.requirement("TIME-16")
@pytest.mark.needs("TCP-8")
@pytest.mark.options("--interval", MIDDLE)
def test_half_close_ends_the_subscription(server: Server) -> None:
    with TcpPeer(server.address) as peer:
        subscription = Subscription(peer, "Анна")
        subscription.ticks(2)
        peer.half_close()
        ended = time.monotonic()
        for raw in split_replies(peer.rest()):  # those that were on their way
            seq = read_tick(Reply(raw, time.monotonic())).seq
            assert subscription.earliest(seq) <= ended + JUDGE_LATENESS, "ticks still come"
