"""What clients over both transports share: SPEC.md, section 13."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec.client import Tick, TickPrinter, challenge_token, parse_tick, patience, require, subscribed_interval
from spec.codec import Reply, ReplyError
from spec.options import REFUSED, UNREACHABLE, WRONG_USAGE
from spec.replies import SUBSCRIBED_OVER_TCP, SUBSCRIBED_OVER_UDP
from spec.stream_client import EchoStreamClient
from spec.tests.support import client_options

EPOCH = datetime(2026, 11, 23, 9, tzinfo=timezone.utc)
TICK = {"name": "Анна", "time": "2026-11-23T09:00:03.007Z", "seq": "2"}


def tick(seq: int, seconds: float) -> Tick:
    return Tick("Анна", EPOCH + timedelta(seconds=seconds), seq)


def test_a_tick_is_parsed_to_the_persons_own_time() -> None:
    """CLI-19."""
    parsed = parse_tick(Reply("TICK", TICK | {"x-later": ""}))
    assert parsed == Tick("Анна", datetime(2026, 11, 23, 9, 0, 3, 7000, timezone.utc), 2)
    assert parsed.time.utcoffset() == parsed.time.astimezone().utcoffset()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", name) for name in ("", " a", "a ", "a\tb", "я" * 65)),
        *(("seq", seq) for seq in ("", "0", "-1", "+1", "01", "1.0", "٣", "1" * 17, " 1")),
        ("time", ""),
        ("time", "2026-11-23T09:00:03Z"),
        ("time", "2026-11-23T09:00:03.07Z"),
        ("time", "2026-11-23T09:00:03.0000Z"),
        ("time", "2026-11-23T09:00:03.007+00:00"),
        ("time", "2026-11-23t09:00:03.007z"),
        ("time", "2026-11-23 09:00:03.007Z"),
        ("time", "2026-02-30T09:00:03.007Z"),
        ("time", "2026-11-23T25:00:03.007Z"),
        ("time", "2026-11-23T09:00:60.000Z"),
        ("time", "٢٠٢٦-11-23T09:00:03.007Z"),
        ("time", "0000-01-01T00:00:00.000Z"),
    ],
)
def test_a_malformed_tick(field: str, value: str) -> None:
    """CLI-11, TIME-1, TIME-7, TIME-11, ECHO-5."""
    with pytest.raises(ReplyError):
        parse_tick(Reply("TICK", TICK | {field: value}))


@pytest.mark.parametrize("field", TICK)
def test_a_tick_without_a_field(field: str) -> None:
    """CLI-11."""
    with pytest.raises(ReplyError, match=f"^TICK without {field}$"):
        parse_tick(Reply("TICK", {name: value for name, value in TICK.items() if name != field}))


@pytest.mark.parametrize("year", [2, 1968, 2024, 3004, 9998])
def test_a_time_of_any_year(year: int) -> None:
    """CLI-19, also on Windows, which has no local time before 1970 and after 3000."""
    moment = datetime(year, 2, 28, 12, tzinfo=timezone.utc)
    assert parse_tick(Reply("TICK", TICK | {"time": f"{year:04}-02-28T12:00:00.000Z"})).time == moment


@pytest.mark.parametrize("zone", ["UTC+12", "UTC-14", "UTC"])
@pytest.mark.parametrize("time", ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"])
def test_a_time_at_the_ends_of_the_calendar(time: str, zone: str, live_in: Callable[[str], None]) -> None:
    """CLI-11: shown or malformed, no other error."""
    live_in(zone)
    try:
        assert parse_tick(Reply("TICK", TICK | {"time": time})).time.tzinfo is not None
    except ReplyError as error:
        assert str(error) == "no such time"


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("XXX-1:23:45", "13:23:00.000+01:23"),
        ("XXX5:30:30", "06:30:00.000-05:30"),
        ("XXX0:00:59", "12:00:00.000+00:00"),
        ("XXX-25", "12:00:00.000+00:00"),
        ("XXX24", "12:00:00.000+00:00"),
    ],
)
def test_an_offset_that_rfc_3339_lacks(zone: str, shown: str, live_in: Callable[[str], None]) -> None:
    """CLI-19: there is none with seconds, and none of a day. It is the same moment without them."""
    live_in(zone)
    moment = parse_tick(Reply("TICK", TICK | {"time": "2026-11-23T12:00:00.000Z"})).time
    assert moment.isoformat(timespec="milliseconds") == f"2026-11-23T{shown}"


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        ("1968-02-29T12:00:00.250Z", "1968-02-29T13:00:00.250+01:00"),
        ("1900-07-01T23:30:00.000Z", "1900-07-02T01:30:00.000+02:00"),
        ("3001-01-01T00:00:00.000Z", "3001-01-01T01:00:00.000+01:00"),
        ("9998-07-01T00:00:00.000Z", "9998-07-01T02:00:00.000+02:00"),
    ],
)
def test_a_time_that_the_system_cannot_show(
    time: str, shown: str, live_in: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CLI-19. As on Windows, to which this zone comes in addition: it has the same rules in all years."""

    class Moment(datetime):
        def astimezone(self, zone: tzinfo | None = None) -> "Moment":
            if zone is None and not 1970 <= self.year <= 3000:
                raise OSError(22, "Invalid argument")
            return super().astimezone(zone)

    live_in("CET-1CEST,M3.5.0,M10.5.0/3")
    monkeypatch.setattr("spec.client.datetime", Moment)
    assert parse_tick(Reply("TICK", TICK | {"time": time})).time.isoformat(timespec="milliseconds") == shown


def test_the_interval_of_an_ok() -> None:
    """TIME-2, TIME-3."""
    for text, seconds in (("3", 3.0), ("0.01", 0.01), ("86400", 86400.0), ("10.05", 10.05)):
        assert subscribed_interval(Reply("OK", {"name": "a", "interval": text}), SUBSCRIBED_OVER_TCP) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "3.0", "03", ".5", "5e-2", "0.001", "86401", "-3", "٣", "3.", "inf", "1" * 400]
)
def test_a_malformed_interval(text: str) -> None:
    """CLI-11, TIME-3: none that would have a client send without pause, or never again."""
    with pytest.raises(ReplyError):
        subscribed_interval(Reply("OK", {"name": "a", "interval": text}), SUBSCRIBED_OVER_TCP)


def test_an_ok_to_time_with_a_bad_name_or_without_a_field() -> None:
    """CLI-11, LEASE-8."""
    for fields in (
        {"name": "", "interval": "3", "lease": "12"},
        {"interval": "3", "lease": "12"},
        {"name": "a", "interval": "3"},
    ):
        with pytest.raises(ReplyError):
            subscribed_interval(Reply("OK", fields), SUBSCRIBED_OVER_UDP)


def test_the_token_of_a_challenge() -> None:
    """LEASE-2, CLI-11."""
    for token in ("!", "~" * 20, "0123abcd"):
        assert challenge_token(Reply("CHALLENGE", {"token": token})) == token
    for token in ("", "a b", "a" * 21, "токен", "\x7f"):
        with pytest.raises(ReplyError):
            challenge_token(Reply("CHALLENGE", {"token": token}))
    with pytest.raises(ReplyError, match="CHALLENGE without token"):
        challenge_token(Reply("CHALLENGE", {}))


def test_require_names_the_first_missing_field() -> None:
    """CLI-11."""
    assert require(Reply("OK", {"seq": "1", "length": "2"}), "length", "seq") == ["2", "1"]
    with pytest.raises(ReplyError, match=r"^OK without upper$"):
        require(Reply("OK", {"seq": "1"}), "seq", "upper", "token")


def test_patience() -> None:
    """CLI-7."""
    assert patience(client_options("time", timeout=13.0), 3) == 13
    assert patience(client_options("time", timeout=11.0), 3) == 12


def by_seq(tick: Tick, last: Tick) -> bool:
    return tick.seq > last.seq


@given(st.lists(st.integers(1, 9), max_size=20))
def test_only_newer_ticks_are_printed(seqs: list[int]) -> None:
    """CLI-20."""
    shown: list[str] = []
    printer = TickPrinter(shown.append, by_seq)
    expected = 0
    for place, seq in enumerate(seqs):
        printer.take(tick(seq, 9 - seq))
        expected += seq > max(seqs[:place], default=0)
        assert printer.printed == len(shown) == expected


def test_a_tick_is_shown_with_its_name_made_visible() -> None:
    """CLI-19, SRV-14."""
    shown: list[str] = []
    zone = timezone(timedelta(hours=3))
    TickPrinter(shown.append, by_seq).take(Tick("Ан\u202eна", datetime(2026, 11, 23, 12, 0, 3, tzinfo=zone), 1))
    assert shown == ["Ан\\u202eна 2026-11-23T12:00:03.000+03:00"]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((), 0),
        ((REFUSED,), REFUSED),
        ((WRONG_USAGE, REFUSED), WRONG_USAGE),
        ((REFUSED, WRONG_USAGE), WRONG_USAGE),
        ((UNREACHABLE, REFUSED), UNREACHABLE),
        ((WRONG_USAGE, UNREACHABLE), UNREACHABLE),
    ],
)
def test_where_several_statuses_apply(statuses: tuple[int, ...], expected: int) -> None:
    """CLI-9: 1 goes before 2 and 2 before 3."""
    client = EchoStreamClient(
        client_options("echo", "tcp"), "echo+tcp://127.0.0.1:7007", lambda line: None, lambda line: None
    )
    for status in statuses:
        client.reject("why", status)
    assert client.status == expected and not client.over
