"""LOAD: what one client may cost, while the others are served."""

import time
from contextlib import ExitStack, suppress

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.addresses import show_address
from conformance.as_client import peers
from conformance.as_client.conversation import Subscription, good_request, require_service, take_turns, wait_until
from conformance.as_client.exchange import as_text
from conformance.as_client.judgement import require_reply, require_status
from conformance.as_client.observed import Observed, Reply, Reset
from conformance.as_client.peers import SMALLEST_BUFFER, TcpPeer, UdpPeer, room
from conformance.as_client.queues import is_passed_on, queues_of
from conformance.as_client.server_lines import require_line
from conformance.blame import about, blame
from conformance.expected.oracle import error, expected_reply
from conformance.expected.services import SERVICE_TABLE
from conformance.inconclusive import Inconclusive
from conformance.running.fixtures import StartServer
from conformance.running.stalls import MEASURED_AGAIN, busy_since, this_moment
from conformance.targets.host import require_usual_buffers
from conformance.targets.server import Server
from conformance.timing import JUDGE_LATENESS, SCALE, interval
from spec.limits import LINE_BYTES, MESSAGE_BYTES, NAME_CHARACTERS, UNSENT_BYTES

NEVER = pytest.mark.options("--interval", "86400")
TCP = pytest.mark.transport("tcp")
ECHO = pytest.mark.service("echo")

#: Bytes that the sockets of a connection may hold, and that a server may keep beside its limit; both are generous.
BUFFERS = 32 << 20
SLACK = 16 << 20
#: Bytes of a line: far more than a garbage collector leaves uncollected.
ENDLESS = 128 << 20
#: Seconds until a request is answered, however many lines others have sent: one, and as many for a busy judge.
ANSWERED = 2 * SCALE
#: Far more than the descriptors that a server opens and closes for its own purposes.
REFUSALS = 100
RESETS = 50


def long_line(server: Server) -> bytes:
    """Return the request with the longest reply."""
    argument = "a" * MESSAGE_BYTES if server.service == "echo" else "\U0001f468" * NAME_CHARACTERS
    return SERVICE_TABLE[server.service].request(argument) + b"\n"


@TCP
@ECHO
@pytest.mark.requirement("LOAD-1", "LOAD-5")
@pytest.mark.needs("TCP-5", "TCP-8")
def test_a_client_that_does_not_read(start_server: StartServer) -> None:
    """The server stops reading, keeps few bytes, serves others, and answers every line when the client reads again."""
    require_usual_buffers()
    server = start_server("--interval", "86400")
    require_service(server)
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    line = long_line(server)
    with TcpPeer(server.address, receive_buffer=1 << 16) as peer:
        sent, before_that = peer.flood(line * 50, BUFFERS), 0
        while before_that < sent < BUFFERS:  # it may have paused, as garbage collectors do: once it serves, it reads on
            require_service(server)
            sent, before_that = peer.flood(line * 50, BUFFERS, sent), sent
        with about("LOAD-5"):
            assert sent < BUFFERS, "the server goes on reading, however many replies wait to be sent"
        for _ in range(3):
            require_service(server)
        reply = expected_reply(server.service, "tcp", line, "86400") or b""
        with about("LOAD-5"):
            assert process.memory_info().rss - before < 3 * UNSENT_BYTES + SLACK, "the server keeps too many bytes"
            here, there = queues_of(peer.address, server.address), queues_of(server.address, peer.address)
            if here and there and not is_passed_on(server):
                read = sent - here.unacknowledged - there.unread
                unsent = read // len(line) * len(reply) - there.unacknowledged - here.unread
                assert unsent < 3 * UNSENT_BYTES, (
                    f"the server has read on until {unsent} bytes of replies wait to be sent"
                )
        peer.half_close()
        stream = peer.rest()
        answered, asked = stream.count(reply), sent // len(line)
        assert answered == asked, f"{answered} replies to {asked} requests"


@TCP
@NEVER
@pytest.mark.requirement("LOAD-2")
@pytest.mark.parametrize("part", [b"", b"E", b"TIME half a line", b"a" * LINE_BYTES, b"a" * 3 * LINE_BYTES], ids=len)
def test_clients_that_say_half_a_line(server: Server, part: bytes) -> None:
    """There are more than a hundred of them: the default limit of clients is far higher."""
    with ExitStack() as stack:
        for _ in range(150):
            stack.enter_context(TcpPeer(server.address)).send(part)
        with about("LOAD-2", f"beside 150 clients that sent {as_text(part[:20])}"):
            for _ in range(3):
                require_service(server)


@NEVER
@pytest.mark.requirement("LOAD-3")
@given(data=st.data())
def test_any_bytes_and_any_leave(server: Server, data: st.DataObject) -> None:
    noise = data.draw(st.binary(max_size=300) | st.sampled_from([good_request(server.service) + b"\n"]))
    leave = data.draw(st.sampled_from([TcpPeer.close, TcpPeer.reset, TcpPeer.half_close]))
    with (
        suppress(Observed),
        peers.connect(server) as peer,
    ):  # `require_service` says if the server died
        peer.send(noise)
        if isinstance(peer, TcpPeer):
            leave(peer)
    require_service(server)


@NEVER
@pytest.mark.requirement("LOAD-3")
def test_much_noise(server: Server) -> None:
    """64 KiB of each byte: one line, many lines, large datagrams."""
    for byte in (b"\x00", b"\xff", b"\n", b"E", b" ", b"\r"):
        with peers.connect(server) as peer:
            if isinstance(peer, TcpPeer):
                peer.push(byte * (1 << 16))
            else:
                peer.send(byte * 65507)
    require_service(server)


@TCP
@NEVER
@pytest.mark.requirement("LOAD-3")
@pytest.mark.needs("LOAD-2", "TCP-5")
def test_leaving_with_replies_unread(server: Server) -> None:
    """A reset before a request, while one reply is on its way, and while many are."""
    line = long_line(server)
    for count in (0, 1, 1000):
        clients = [TcpPeer(server.address) for _ in range(10)]
        for peer in clients:
            if count:
                peer.flood(line * 10, count * len(line))
        for peer in clients:
            peer.reset()
    require_service(server)


@TCP
@ECHO
@pytest.mark.requirement("LOAD-3", "ERR-10")
@pytest.mark.needs("ERR-10", "LOAD-2")
def test_a_refusal_leaves_no_descriptor_open(start_server: StartServer) -> None:
    """Otherwise the server could open no more files in the end, and serve nobody."""
    server = start_server("--max-clients", "1")
    with TcpPeer(server.address) as client:
        require_status(client.ask(good_request("echo")), "OK")
        before = open_descriptors(server)
        for _ in range(REFUSALS):
            with TcpPeer(server.address) as refused, about("ERR-10"):
                require_reply(refused.rest(), error("busy"))
        grown = open_descriptors(server) - before
        assert grown < REFUSALS // 2, f"after {REFUSALS} refusals the server has {grown} descriptors more"
        require_status(client.ask(good_request("echo")), "OK")


@TCP
@ECHO
@pytest.mark.requirement("LOAD-3")
@pytest.mark.needs("LOAD-2")
def test_a_reset_leaves_no_descriptor_open(start_server: StartServer) -> None:
    server = start_server()
    require_service(server)
    before = open_descriptors(server)
    for _ in range(RESETS):
        peer = TcpPeer(server.address)
        require_status(peer.ask(good_request("echo")), "OK")
        peer.reset()
    require_service(server)
    grown = open_descriptors(server) - before
    assert grown < RESETS // 2, f"after {RESETS} resets the server has {grown} descriptors more"


def open_descriptors(server: Server) -> int:
    """Return how many descriptors the server and its children have open."""
    process = psutil.Process(server.pid)
    return sum(each.num_fds() for each in (process, *process.children(recursive=True)))


@TCP
@ECHO
@pytest.mark.requirement("LOAD-3")
@pytest.mark.needs("ERR-6", "LOAD-2", "TCP-5")
def test_a_request_beside_millions_of_lines(server: Server) -> None:
    """Four hundred clients have pipelined empty lines when another one asks; again where a busy machine was late."""
    require_usual_buffers()
    for _ in range(MEASURED_AGAIN + 1):
        start = this_moment()
        took = _answer_beside_millions_of_lines(server)
        if took < ANSWERED or not busy_since(start):
            break
    assert took < ANSWERED, f"the answer took {took:.3f} s"


def _answer_beside_millions_of_lines(server: Server) -> float:
    """Return after how many seconds it came."""
    with ExitStack() as stack:
        peer, *crowd = [stack.enter_context(TcpPeer(server.address)) for _ in range(401)]
        for each in (peer, *crowd):
            require_status(each.ask(good_request("echo")), "OK")
        with server.paused():
            for each in crowd:
                each.send(b"\n" * 16384)
            peer.request(good_request("echo"))
        resumed = time.monotonic()
        answer = peer.reply()
        require_status(answer, "OK")
        return answer.at - resumed


@pytest.mark.transport("udp")
@NEVER
@pytest.mark.requirement("LOAD-3")
def test_leaving_before_the_answer(server: Server) -> None:
    """The port is closed when the reply comes: the kernel reports that to the server."""
    for _ in range(50):
        with UdpPeer(server.address) as peer:
            peer.send(good_request(server.service))
    require_service(server)


IDLE = interval(0.5)
#: So long that twice of it and more is told from once, however late the judge is.
LONG_IDLE = interval(1.2)
IDLE_OPTIONS = pytest.mark.options("--interval", interval(0.15), "--idle-timeout", IDLE)
LONG_IDLE_OPTIONS = pytest.mark.options("--interval", "0.3", "--idle-timeout", LONG_IDLE)


def require_close(peer: TcpPeer, since: float, answers: str = "TCP-1") -> None:
    """Raise AssertionError unless the server closes the connection one to two `LONG_IDLE` after `since`.

    `since` is in seconds of ``time.monotonic``, and `answers` the requirement that forbids to send anything.
    """
    came = peer.rest()
    after, idle = time.monotonic() - since, float(LONG_IDLE)
    with about(answers):
        assert not came, f"no line was complete, and it sent {as_text(came)}"
    assert idle <= after < 2 * idle + JUDGE_LATENESS, f"closed after {after:.3f} s, not {idle:g} s"


@pytest.mark.slow
@TCP
@LONG_IDLE_OPTIONS
@pytest.mark.requirement("LOAD-4")
def test_an_idle_connection_is_closed(server: Server) -> None:
    start = time.monotonic()
    with TcpPeer(server.address) as silent, TcpPeer(server.address) as half:
        half.send(b"ECHO half a li")
        require_close(silent, start)
        require_close(half, start, "TCP-4")


@pytest.mark.slow
@TCP
@pytest.mark.service("time")
@pytest.mark.options("--interval", "86400", "--idle-timeout", LONG_IDLE)
@pytest.mark.requirement("LOAD-4", "SRV-6")
@pytest.mark.needs("TIME-5")
def test_a_subscriber_without_ticks_is_idle(server: Server) -> None:
    """It subscribed a while after it had connected. It is said to have left as any other."""
    with TcpPeer(server.address) as peer:
        wait_until(time.monotonic() + 0.1 * float(LONG_IDLE))
        subscription = Subscription(peer, "Анна")
        subscription.tick()
        require_close(peer, subscription.sent, "TIME-6")
        with about("SRV-6"):
            require_line(server, f"client Анна ({show_address(peer.address)}) left")


@TCP
@ECHO
@pytest.mark.options("--idle-timeout", "999999999")
@pytest.mark.requirement("LOAD-4")
@pytest.mark.needs("ERR-6")
def test_an_idle_timeout_of_years_closes_nothing(server: Server) -> None:
    """Whatever the width of the server's timers."""
    with TcpPeer(server.address) as peer:
        require_reply(peer.ask(b""), error("unknown-verb"))
        wait_until(time.monotonic() + 0.2)
        require_reply(peer.ask(b""), error("unknown-verb"))


@pytest.mark.slow
@TCP
@ECHO
@IDLE_OPTIONS
@pytest.mark.requirement("LOAD-4")
def test_a_connection_is_closed_that_never_ends_its_line(server: Server) -> None:
    """A byte now and then does not keep the connection open."""
    start = time.monotonic()
    with TcpPeer(server.address) as peer:
        try:
            for number in range(1, 20):
                wait_until(start + number * float(IDLE) / 5)
                peer.send(b"a")
        except Reset:
            pass
        assert float(IDLE) <= time.monotonic() - start < 3 * float(IDLE) + JUDGE_LATENESS, "it was not closed"


@pytest.mark.slow
@TCP
@IDLE_OPTIONS
@pytest.mark.requirement("LOAD-4")
@pytest.mark.needs("ERR-6")
def test_a_busy_connection_stays(server: Server) -> None:
    """One that completes lines, and one that takes its ticks."""
    with TcpPeer(server.address) as peer:
        if server.service == "time":
            with about("LOAD-4", f"ticks that are taken, at an idle timeout of {IDLE} s"):
                Subscription(peer, "Анна").ticks(5)
        start = time.monotonic()
        for number in range(1, 5):
            wait_until(start + number * float(IDLE) / 3)
            peer.request(b"")
            while (answer := peer.reply()).status == "TICK":
                pass
            require_reply(answer, error("unknown-verb"))


@pytest.mark.slow
@TCP
@ECHO
@LONG_IDLE_OPTIONS
@pytest.mark.requirement("LOAD-4")
@pytest.mark.needs("TCP-5", "LOAD-5")
def test_who_takes_what_waited_stays(server: Server) -> None:
    """The kernel had no room for the last bytes, and no line came after them: that they are taken counts."""
    line, idle = long_line(server), float(LONG_IDLE)
    count = room() // len(expected_reply("echo", "tcp", line) or b"") + 1
    for _ in range(MEASURED_AGAIN + 1):
        with TcpPeer(server.address, receive_buffer=SMALLEST_BUFFER) as peer, TcpPeer(server.address) as other:
            start = time.monotonic()
            peer.send(line * count)
            take_turns(other)
            wait_until(start + 0.6 * idle)
            taken = time.monotonic()
            peer.widen()
            came: list[Reply] = []
            try:
                while len(came) < count:
                    came.append(peer.reply())
                wait_until(taken + 0.7 * idle)
                require_reply(peer.ask(b""), error("unknown-verb"))
                return
            except Observed as observed:
                if taken < start + idle and time.monotonic() < taken + idle:
                    raise blame(AssertionError(f"{observed}"), "LOAD-4" if len(came) == count else "TCP-5") from None
    raise Inconclusive(f"this machine is too slow for an idle timeout of {idle} s")


@pytest.mark.slow
@TCP
@ECHO
@IDLE_OPTIONS
@pytest.mark.requirement("LOAD-4")
@pytest.mark.needs("SRV-6")
def test_a_connection_is_closed_that_takes_nothing(server: Server) -> None:
    """Replies wait, and none is taken: after the idle timeout the server closes or resets the connection."""
    with TcpPeer(server.address, receive_buffer=1 << 12) as peer:
        peer.flood(long_line(server) * 50, BUFFERS)
        with about("LOAD-4", "a client takes no answer and stays"):
            server.expect_line(rf"client .*127\.0\.0\.1:{peer.address[1]}\)? left")


@TCP
@NEVER
@pytest.mark.requirement("LOAD-6")
@pytest.mark.needs("ERR-4")
def test_an_endless_line_costs_no_memory(start_server: StartServer) -> None:
    server = start_server()
    process = psutil.Process(server.pid)
    require_service(server)
    before = process.memory_info().rss
    with TcpPeer(server.address) as peer:
        part = b"a" * (1 << 16)
        for _ in range(ENDLESS // len(part)):
            peer.send(part)
        grown = process.memory_info().rss - before
        assert grown < ENDLESS // 2, f"after {ENDLESS >> 20} MiB of one line the server takes {grown >> 20} MiB more"
        answer = peer.ask(b"")
        require_reply(answer, error("too-long"))
