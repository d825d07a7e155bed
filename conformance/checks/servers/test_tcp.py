"""TCP: framing. Replies depend on the lines alone, not on segments, nor on how many lines come at once."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.as_client.conversation import (
    Subscription,
    good_request,
    read_tick,
    require_service,
    split_replies,
    take_turns,
    wait_until,
)
from conformance.as_client.exchange import as_text
from conformance.as_client.judgement import require_replies, require_reply, require_whole
from conformance.as_client.observed import Observed
from conformance.as_client.peers import SMALLEST_BUFFER, TcpPeer, room
from conformance.blame import about
from conformance.expected.oracle import error, expected_reply, expected_stream, masked
from conformance.expected.services import SERVICE_TABLE
from conformance.expected.strategies import cuttings, lines
from conformance.prerequisites import ANY_REQUEST
from conformance.targets.server import Server
from conformance.timing import PATIENCE, SCALE
from spec.limits import LINE_BYTES, MESSAGE_BYTES

pytestmark = [pytest.mark.transport("tcp"), pytest.mark.options("--interval", "86400")]

MANY = 2000
#: Seconds that half a line waits for its rest: long for a server with a short timeout, far below the idle timeout.
PAUSE = 3 * SCALE


def whole_answer(server: Server, chunks: list[bytes]) -> list[bytes]:
    """Send a stream in these chunks and half-close; return all replies, masked."""
    with TcpPeer(server.address) as peer:
        peer.send_cut(chunks)
        peer.half_close()
        return [masked(raw) for raw in split_replies(peer.rest())]


@pytest.mark.requirement("TCP-3")
@pytest.mark.needs(*ANY_REQUEST)
@given(data=st.data())
def test_any_cutting_gives_the_same_replies(server: Server, data: st.DataObject) -> None:
    asked = data.draw(st.lists(lines(server.service), min_size=1, max_size=6))
    chunks = data.draw(cuttings(b"".join(asked)))
    require_replies(whole_answer(server, chunks), expected_stream(server.service, asked, "86400"))


@pytest.mark.requirement("TCP-1")
@pytest.mark.needs("ERR-6", "REQ-3", "TCP-5", "TCP-8")
def test_an_empty_line_has_one_reply(server: Server) -> None:
    asked = [b"\n", b"\r\n", b"\n", good_request(server.service) + b"\n", b"\n"]
    require_replies(whole_answer(server, [b"".join(asked)]), expected_stream(server.service, asked, "86400"))


@pytest.mark.requirement("TCP-3", "TCP-4")
@pytest.mark.needs("ERR-8", "LOAD-2", "REQ-3", "TCP-5")
def test_each_single_cut(server: Server) -> None:
    """A line is cut at each place in turn, also inside a character and between CR and LF; its first part has no answer.

    The server has read the first part, because it answers the line before it, which is in the same segment.
    """
    verb = SERVICE_TABLE[server.service].verb
    line = verb + " я\u2028e\u0301👨".encode() + b"\r\n"
    with TcpPeer(server.address) as peer:
        subscribe_for_good(peer, server)
        for cut in range(1, len(line)):
            peer.send(verb + b" \x7f\n" + line[:cut])
            require_reply(peer.reply(), error("bad-character"))
            require_service(server)
            with about("TCP-4"):
                assert peer.pending() == b"", "a line was answered before its LF"
            peer.send(line[cut:])
            require_reply(peer.reply(), expected_reply(server.service, "tcp", line, "86400"))


@pytest.mark.slow
@pytest.mark.requirement("TCP-3", "TCP-4", "LOAD-2")
def test_a_cut_that_lasts(server: Server) -> None:
    """A person types slowly: half a line waits for its rest, far longer than a segment takes."""
    line = good_request(server.service) + b"\n"
    with TcpPeer(server.address) as peer:
        peer.send(line[:8])
        wait_until(time.monotonic() + PAUSE)
        with about("TCP-4"):
            assert peer.pending() == b"", "a line was answered before its LF"
        peer.send(line[8:])
        require_reply(
            peer.reply(), expected_reply(server.service, "tcp", line, "86400"), "its first half was forgotten"
        )


def subscribe_for_good(peer: TcpPeer, server: Server) -> None:
    """On a time server subscribe and read OK and the first tick, so that only replies to requests follow."""
    if server.service == "time":
        peer.ask(good_request("time"))
        read_tick(peer.reply())


@pytest.mark.requirement("TCP-3", "TCP-4", "TCP-7")
@pytest.mark.needs("ERR-4", "ERR-8", "LOAD-2", "REQ-3", "REQ-4", "TCP-5")
@pytest.mark.parametrize("size", [LINE_BYTES - 1, LINE_BYTES, LINE_BYTES + 1, LINE_BYTES + 2, 3 * LINE_BYTES])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r\n"])
def test_a_long_line_cut_near_its_end(server: Server, size: int, end: bytes) -> None:
    """The limit does not depend on the cut, and an overlong line is answered only when its LF has come."""
    verb = SERVICE_TABLE[server.service].verb
    line = (verb + b" ").ljust(size, b"a") + end
    for cut in {LINE_BYTES - 1, LINE_BYTES, LINE_BYTES + 1, LINE_BYTES + 2, len(line) - 2, len(line) - 1}:
        if not 0 < cut < len(line):
            continue
        with TcpPeer(server.address) as peer:
            peer.send(verb + b" \x7f\n" + line[:cut])
            require_reply(peer.reply(), error("bad-character"))
            require_service(server)
            with about("TCP-7" if size > LINE_BYTES else "TCP-4"):
                assert peer.pending() == b"", "a line was answered before its LF"
            peer.send(line[cut:])
            require_reply(peer.reply(), expected_reply(server.service, "tcp", line, "86400"))


@pytest.mark.service("echo")
@pytest.mark.requirement("TCP-5", "TCP-2")
@pytest.mark.needs("ERR-6", "TCP-3", "TCP-8")
def test_many_pipelined_requests(server: Server) -> None:
    """Many lines at once: one reply each, in their order, although nothing follows them."""
    asked = [b"\n" if number % 7 == 0 else b"ECHO %d\n" % number for number in range(MANY)]
    expected = expected_stream("echo", asked, "86400")
    with TcpPeer(server.address) as peer:
        peer.send(b"".join(asked))
        got = [masked(peer.reply().raw) for _ in asked]
        peer.half_close()
        got += split_replies(peer.rest())
    assert sorted(got) == sorted(expected), f"{len(got)} replies to {len(asked)} requests"
    with about("TCP-2"):
        assert got == expected, "the replies are not in the order of the requests"


@pytest.mark.service("echo")
@pytest.mark.requirement("TCP-5")
@pytest.mark.needs("TCP-3", "TCP-8")
def test_replies_that_the_socket_does_not_take_at_once(server: Server) -> None:
    """The client reads only when it cannot send any more: most replies wait in the server."""
    line = b"ECHO " + b"a" * MESSAGE_BYTES + b"\n"
    with TcpPeer(server.address, receive_buffer=1 << 16) as peer:
        sent = peer.flood(line * 50, 1 << 23)
        peer.half_close()
        require_whole(split_replies(peer.rest()), expected_reply("echo", "tcp", line) or b"", sent // len(line))


@pytest.mark.service("time")
@pytest.mark.requirement("TCP-2", "TCP-5")
@pytest.mark.needs("ERR-6", "TCP-3")
@pytest.mark.options("--interval", "0.01")
def test_pipelined_requests_among_ticks(server: Server) -> None:
    """Each reply is whole and in its order, while ticks come in between."""
    with TcpPeer(server.address) as peer:
        subscription = Subscription(peer, "start")
        asked = [b"" if number % 7 == 0 else b"TIME %d" % number for number in range(MANY)]
        answers: list[bytes] = []
        ticks = 0
        for batch in range(0, MANY, 100):
            ticks += bool(subscription.ticks(1))
            peer.send(b"\n".join([*asked[batch : batch + 100], b""]))
            deadline = time.monotonic() + PATIENCE
            while len(answers) < batch + 100:
                answer = peer.reply()
                with about("TCP-5"):
                    assert time.monotonic() < deadline, f"{len(answers)} replies to {batch + 100} requests"
                if answer.status == "TICK":
                    read_tick(answer)
                else:
                    answers.append(masked(answer.raw))
        require_replies(answers, [expected_reply("time", "tcp", line + b"\n", "0.01") for line in asked])


FAULTS = [
    b"",
    b"HELLO",
    b"ECHO \xff",
    b"TIME \xff",
    b"ECHO \x00",
    b"TIME \x00",
    b"TIME",
    b"TIME  a",
    b"OK",
    b"a" * 9999,
]


@pytest.mark.requirement("TCP-6")
@pytest.mark.needs("ERR-4", "ERR-5", "ERR-6", "ERR-8", "ERR-9")
def test_an_error_keeps_the_connection_open(server: Server) -> None:
    with TcpPeer(server.address) as peer:
        subscribe_for_good(peer, server)
        for request in FAULTS:
            require_reply(peer.ask(request), expected_reply(server.service, "tcp", request + b"\n", "86400"))
            good = good_request(server.service)
            require_reply(peer.ask(good), expected_reply(server.service, "tcp", good + b"\n", "86400"))


@pytest.mark.requirement("TCP-7")
@pytest.mark.needs("ERR-4", "TCP-5", "TCP-8")
@pytest.mark.parametrize("filling", [b"a", b"\xff", b"\r", b" ", b"\x00"])
def test_an_overlong_line_is_skipped(server: Server, filling: bytes) -> None:
    """A megabyte without LF is answered once, and the next line is served."""
    good = good_request(server.service) + b"\n"
    asked = [good, filling * (1 << 20) + b"\n", filling * (LINE_BYTES + 2) + b"\n", good]
    require_replies(whole_answer(server, [b"".join(asked)]), expected_stream(server.service, asked, "86400"))


@pytest.mark.requirement("TCP-8", "TCP-9")
@pytest.mark.needs("ERR-6", "TCP-5")
@pytest.mark.parametrize(
    "rest", [b"", b"E", b"ECHO", b"ECHO unended", b"TIME unended\r", b"a" * (2 * LINE_BYTES)], ids=len
)
def test_half_close(server: Server, rest: bytes) -> None:
    """All complete lines are answered, bytes after the last LF are not; then the server closes the connection."""
    for count in (0, 1, 30):
        asked = [good_request(server.service) + b"\n", b"\n"] * count
        expected = expected_stream(server.service, asked, "86400")
        got = whole_answer(server, [b"".join([*asked, rest])])
        with about("TCP-9"):
            assert len(got) <= len(expected), f"bytes without LF were answered: {as_text(got[-1])}"
        require_replies(got, expected)
    require_service(server)


@pytest.mark.service("echo")
@pytest.mark.requirement("TCP-8")
@pytest.mark.needs("TCP-3", "TCP-5", "LOAD-2")
def test_half_close_with_much_unsent(server: Server) -> None:
    """The kernel has no room for the last replies: the server must go on sending, after the end of stream too.

    It has seen that end before the client reads.
    """
    line = b"ECHO " + "я".encode() * 2000 + b"\n"
    expected = expected_reply("echo", "tcp", line) or b""
    fits = room() // len(expected)
    with (
        about("TCP-5", "replies for which the kernel had no room"),
        TcpPeer(server.address, receive_buffer=SMALLEST_BUFFER) as peer,
        TcpPeer(server.address) as other,
    ):
        peer.send(line * (fits + 3))
        take_turns(other)
        peer.widen()
        try:
            replies = [peer.reply().raw for _ in range(fits + 3)]
        except Observed as observed:
            raise AssertionError(f"{observed}") from None  # about TCP-5, whatever the form of what came
        require_whole(replies, expected, fits + 3)
    for count in range(fits + 1, fits + 4):
        with TcpPeer(server.address, receive_buffer=SMALLEST_BUFFER) as peer, TcpPeer(server.address) as other:
            peer.send_meanwhile(line * count).join()
            take_turns(other)
            peer.widen()
            require_whole(split_replies(peer.rest()), expected, count)
