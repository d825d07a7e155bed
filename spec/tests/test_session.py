"""One TCP connection as a server sees it: SPEC.md, sections 5, 7, 8 and 11."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec.codec import ERROR_REPLIES
from spec.limits import LINE_BYTES
from spec.session import BUSY, LINGER, EchoSession, Session, TimeSession, open_session
from spec.tests.support import (
    NOW,
    SERVICES,
    UTC,
    a_session,
    code_of,
    cut,
    names,
    request_streams,
    rfc3339,
    server_options,
    split_replies,
)


def feed(session: Session, segments: list[bytes], now: float = NOW) -> bytes:
    return b"".join([session.receive(segment, now, UTC) for segment in segments])


def codes(session: Session, data: bytes) -> list[str]:
    return [code_of(reply) for reply in split_replies(session.receive(data, NOW, UTC))]


def tick(name: str, seq: int, seconds: float) -> bytes:
    return f"TICK\nname: {name}\ntime: {rfc3339(round((UTC + seconds) * 1000))}\nseq: {seq}\n\n".encode()


@given(st.sampled_from(SERVICES), request_streams, st.data())
def test_replies_do_not_depend_on_segmentation(service: str, stream: bytes, data: st.DataObject) -> None:
    """TCP-3."""
    whole = a_session(service).receive(stream, NOW, UTC)
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    assert feed(a_session(service), cut(stream, places)) == whole
    assert feed(a_session(service), [stream[i : i + 1] for i in range(len(stream))]) == whole


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r\n"])
@pytest.mark.parametrize("excess", [-1, 0, 1, 2])
@pytest.mark.parametrize("last", [b"a", b"\r", b"\xff"])
def test_a_line_at_the_limit_however_it_is_cut(excess: int, last: bytes, end: bytes) -> None:
    """REQ-4, TCP-3, TCP-7."""
    stream = b"ECHO ".ljust(LINE_BYTES + excess - 1, b"a") + last + end
    line = stream[:-1].removesuffix(b"\r")
    faults = {
        "too-long": len(line) > LINE_BYTES,
        "bad-encoding": last == b"\xff",
        "bad-character": b"\r" in line,
        "OK": True,
    }
    expected = next(code for code, found in faults.items() if found)
    stream += b"ECHO still in step\n"
    assert codes(a_session("echo"), stream) == [expected, "OK"]
    whole = a_session("echo").receive(stream, NOW, UTC)
    for place in range(LINE_BYTES - 2, len(stream)):
        assert feed(a_session("echo"), cut(stream, [place])) == whole
    assert feed(a_session("echo"), [stream[i : i + 1] for i in range(len(stream))]) == whole


@given(st.sampled_from(SERVICES), request_streams)
def test_each_complete_line_has_one_reply(service: str, stream: bytes) -> None:
    """TCP-1, TCP-2, TCP-5, TCP-6."""
    session, alone = a_session(service), a_session(service)
    *lines, _ = stream.split(b"\n")
    answers = [alone.receive(line + b"\n", NOW, UTC) for line in lines]
    assert session.receive(stream, NOW, UTC) == b"".join(answers)
    for answer in answers:
        statuses = [reply.partition(b"\n")[0] for reply in split_replies(answer)]
        assert statuses in ([b"OK"], [b"ERR"], [b"OK", b"TICK"])


@given(st.sampled_from(SERVICES), request_streams, st.integers(1, 4))
def test_a_turn_answers_some_lines_and_leaves_the_others(service: str, stream: bytes, most: int) -> None:
    """LOAD-3, TCP-2, TCP-5: and all turns together bring what one receive() would."""
    session = a_session(service)
    turns = [session.receive(stream, NOW, UTC, most)]
    while session.behind:
        turns.append(session.receive(b"", NOW, UTC, most))
    whole = a_session(service)
    assert b"".join(turns) == whole.receive(stream, NOW, UTC)
    assert session._partial == whole._partial and not whole.behind
    assert len(turns) == max(-(-stream.count(b"\n") // most), 1)


def test_a_line_is_not_answered_before_its_lf() -> None:
    """TCP-4, TCP-9."""
    session = a_session("echo")
    assert session.receive(b"ECHO hi\r", NOW, UTC) == b""
    assert codes(session, b"\n") == ["OK"]


def test_an_endless_line_is_not_kept() -> None:
    """LOAD-6, TCP-7: nor answered before its LF comes, and then once."""
    session = a_session("echo")
    for _ in range(1000):
        assert session.receive(b"ECHO " * 1000, NOW, UTC) == b""
        assert len(session._partial) <= LINE_BYTES + 2  # what it keeps cannot be seen from outside
    assert codes(session, b"\nECHO hi\n") == ["too-long", "OK"]


def test_verbs_of_the_other_service() -> None:
    """ERR-6."""
    assert codes(a_session("echo"), b"TIME a\n\n\r\n") == ["unknown-verb"] * 3
    assert codes(a_session("time"), b"ECHO a\nOK\n") == ["unknown-verb"] * 2


def test_busy() -> None:
    """ERR-10."""
    assert ERROR_REPLIES["busy"] == BUSY and code_of(BUSY) == "busy"


@pytest.mark.parametrize("service", SERVICES)
def test_who_is_refused_is_not_answered_and_not_waited_for(service: str) -> None:
    """ERR-10."""
    announced: list[str] = []
    session = open_session(server_options(service, "tcp"), "127.0.0.1:50312", NOW, announced.append, refused=True)
    assert not session.counts and a_session(service).counts
    assert session.receive(b"ECHO a\nTIME a\n", NOW + 0.25, UTC) == b""
    assert session.deadline == NOW + LINGER
    assert session.wake(NOW + LINGER, UTC, blocked=False) == b"" and session.expired
    session.close()
    assert announced == []


@pytest.mark.parametrize("service", SERVICES)
def test_an_idle_connection_expires(service: str) -> None:
    """LOAD-4: a complete line, good or bad, puts it off; a byte does not."""
    session = a_session(service, idle_timeout=10.0)
    assert session.deadline == NOW + 10
    session.receive(b"FOO", NOW + 4, UTC)
    assert session.deadline == NOW + 10
    session.receive(b"\n", NOW + 5, UTC)
    assert session.deadline == NOW + 15
    assert session.wake(NOW + 14, UTC, blocked=False) == b"" and not session.expired
    assert session.wake(NOW + 15, UTC, blocked=False) == b"" and session.expired


def test_a_client_that_takes_its_replies_is_not_idle() -> None:
    """LOAD-4."""
    session = a_session("echo", idle_timeout=10.0)
    session.sent(NOW + 8)
    session.wake(NOW + 12, UTC, blocked=True)
    assert session.deadline == NOW + 18 and not session.expired
    session.wake(NOW + 18, UTC, blocked=True)
    assert session.expired


def test_a_subscriber_that_takes_its_ticks_is_not_idle_and_one_that_does_not_is() -> None:
    """LOAD-4, TIME-17."""
    session = a_session("time", idle_timeout=10.0)
    session.receive("TIME Анна\n".encode(), NOW, UTC)
    for seconds in range(3, 30, 3):
        assert session.wake(NOW + seconds, UTC + seconds, blocked=False) == tick("Анна", seconds // 3 + 1, seconds)
        assert not session.expired
    for seconds in range(30, 39, 3):
        assert session.wake(NOW + seconds, UTC + seconds, blocked=True) == b""
        assert session.expired == (seconds >= 27 + 10)
    session.wake(NOW + 37, UTC, blocked=True)
    assert session.expired


def test_a_subscription_starts_with_its_first_tick() -> None:
    """TIME-2, TIME-5."""
    session = a_session("time")
    ok = "OK\nname: Анна\ninterval: 3\n\n".encode()
    assert session.receive("TIME Анна\n".encode(), NOW, UTC) == ok + tick("Анна", 1, 0)
    assert session.deadline == NOW + 3


def test_early_wakes_bring_nothing_late_ones_one_tick() -> None:
    """TIME-6 to TIME-10."""
    session = a_session("time")
    assert session.wake(NOW + 2, UTC + 2, blocked=False) == b"", "nobody has subscribed"
    session.receive(b"TIME a\n", NOW, UTC)
    assert session.wake(NOW + 2.875, UTC + 2.875, blocked=False) == b""
    assert session.wake(NOW + 10.5, UTC + 10.5, blocked=False) == tick("a", 4, 10.5)
    assert session.wake(NOW + 10.5, UTC + 10.5, blocked=False) == b""
    assert session.deadline == NOW + 12


def test_a_blocked_client_finds_a_fresh_tick_when_it_reads_again() -> None:
    """TIME-17."""
    session = a_session("time")
    session.receive(b"TIME a\n", NOW, UTC)
    for seconds in (3, 6, 9):
        assert session.deadline == NOW + seconds
        assert session.wake(NOW + seconds, UTC, blocked=True) == b""
    assert session.wake(NOW + 11, UTC + 11, blocked=False) == b"", "the tick of 9 s is skipped, not late"
    assert session.wake(NOW + 12, UTC + 12, blocked=False) == tick("a", 5, 12)


def test_another_name_goes_on_with_the_same_schedule() -> None:
    """TIME-13, SRV-6."""
    announced: list[str] = []
    session = a_session("time", announced)
    session.receive("TIME Анна\n".encode(), NOW, UTC)
    renamed = session.receive("TIME Борис\nTIME Борис\n".encode(), NOW + 2, UTC + 2)
    assert renamed == 2 * "OK\nname: Борис\ninterval: 3\n\n".encode()
    assert session.deadline == NOW + 3
    assert session.wake(NOW + 3, UTC + 3, blocked=False) == tick("Борис", 2, 3)
    session.close()
    client = "127.0.0.1:50312"
    assert announced == [
        f"client Анна ({client}) connected",
        f"client Анна ({client}) is now Борис",
        f"client Борис ({client}) left",
    ]


@pytest.mark.parametrize(
    "line", [b"TIME\n", b"TIME  a\n", b"TIME a\t\n", b"TIME \xff\n", b"FOO\n", b"TIME " + 5000 * b"a" + b"\n"]
)
def test_an_error_leaves_the_subscription(line: bytes) -> None:
    """TIME-14."""
    session = a_session("time")
    session.receive(b"TIME a\n", NOW, UTC)
    assert session.receive(line, NOW + 1, UTC).startswith(b"ERR\n")
    assert session.wake(NOW + 3, UTC + 3, blocked=False) == tick("a", 2, 3)


def test_an_error_starts_no_subscription() -> None:
    announced: list[str] = []
    session = a_session("time", announced)
    session.receive(b"TIME\nTIME a", NOW, UTC)
    assert session.wake(NOW + 9, UTC, blocked=False) == b""
    session.close()
    assert announced == []


@given(names)
def test_a_name_cannot_forge_a_line_about_clients(name: str) -> None:
    """SRV-14."""
    announced: list[str] = []
    session = a_session("time", announced)
    session.receive(f"TIME {name}\nTIME b\n".encode(), NOW, UTC)
    session.close()
    assert all("\u202e" not in line and "\u2028" not in line for line in announced)


def test_echo_announces_its_clients() -> None:
    """SRV-4, SRV-6."""
    announced: list[str] = []
    session = a_session("echo", announced)
    assert announced == ["client 127.0.0.1:50312 connected"]
    session.close()
    assert announced[1:] == ["client 127.0.0.1:50312 left"]


def test_each_service_has_its_session() -> None:
    assert isinstance(a_session("echo"), EchoSession)
    assert isinstance(a_session("time"), TimeSession)


@given(
    st.sampled_from(SERVICES),
    st.lists(st.tuples(st.binary(max_size=30) | request_streams, st.floats(0, 20), st.booleans()), max_size=6),
)
def test_a_session_never_raises(service: str, events: list[tuple[bytes, float, bool]]) -> None:
    """LOAD-3: whatever comes, whenever it is woken; and it hands out whole replies."""
    session, now, out = a_session(service), NOW, b""
    for data, wait, blocked in events:
        now += wait
        out += session.receive(data, now, UTC) + session.wake(now, UTC, blocked=blocked)
        assert session.deadline > now or session.expired
    session.close()
    split_replies(out)
    assert out.decode() is not None


def test_a_quiet_server_announces_nobody() -> None:
    """SRV-7."""
    announced: list[str] = []
    for service in SERVICES:
        session = a_session(service, announced, quiet=True)
        feed(session, ["TIME Анна\n".encode()])
        session.close()
    assert announced == []
