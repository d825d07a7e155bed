"""Clients of the time service over UDP: challenges, renewals, and which ticks they print. SPEC.md, sections 9, 13."""

import pytest

from spec.options import UNREACHABLE
from spec.tests.datagram_person import CONNECTED, Person, asking, challenge, leased, proof, sendings, subscriber, tick
from spec.tests.support import NOW


def test_renewals_count_from_when_the_transport_has_taken_the_last() -> None:
    """CLI-18, CLI-28; and none puts off the end (CLI-7)."""
    person = subscriber(timeout=10.0)
    person.client.sent(NOW)
    assert person.client.wake(NOW + 3) == proof("a")
    person.client.sent(NOW + 3.25)
    assert person.client.deadline == NOW + 4.75
    assert person.client.wake(NOW + 4.75) == proof("a")
    person.client.sent(NOW + 5)
    assert person.client.deadline == NOW + 6.25
    assert person.client.wake(NOW + 6.25) == proof("a")
    person.client.sent(NOW + 9.5)
    assert person.client.deadline == NOW + 10


def test_a_challenge_is_answered_with_the_token() -> None:
    """CLI-1, CLI-16: the request with the token is a new one."""
    person = asking("Анна", "time")
    person.client.wake(NOW + 1)
    assert person.client.receive(challenge("abc"), NOW + 2) == proof("abc")
    assert person.shown == [CONNECTED.format("time")]
    assert sendings(person, 9.5) == [(3, proof("abc")), (5, proof("abc")), (9, proof("abc"))]


def test_a_challenge_is_no_answer() -> None:
    """CLI-7."""
    person = asking("Анна", "time", timeout=5.0)
    for second in range(5):
        person.client.receive(challenge("abc"), NOW + second)
    person.client.wake(NOW + 5)
    assert person.client.status == UNREACHABLE
    assert person.complaints == ["no answer any more (time+udp://127.0.0.1:7)"]


def test_challenges_start_no_storm() -> None:
    """CLI-17: at most one is answered at once between two timers; the newest token goes with the next."""
    person = asking("Анна", "time", timeout=60.0)
    assert person.client.receive(challenge("a"), NOW) == proof("a")
    for token in "bcd":
        assert person.client.receive(challenge(token), NOW + 0.5) == b""
    assert person.client.wake(NOW + 1) == proof("d")
    assert person.client.receive(challenge("e"), NOW + 1.25) == proof("e")
    assert person.client.receive(challenge("f"), NOW + 1.5) == b""
    assert person.client.wake(NOW + 1.75) == b""
    assert person.client.receive(challenge("g"), NOW + 2) == b""
    assert person.client.wake(NOW + 2.25) == proof("g")


def test_a_lease_is_renewed_every_interval() -> None:
    """CLI-18, CLI-28: one without an OK is repeated. Ticks keep the client patient."""
    person = subscriber()
    sent = []
    for half in range(1, 49):
        now = NOW + half / 2
        if person.client.receive(tick(half, half), now):
            sent.append(half / 2)
        if half in (12, 24, 25):
            person.client.receive(leased(), now)
    assert sent == [3, 4.5, 6, 9, 10.5, 12, 15, 16.5, 18, 19.5, 21, 22.5, 24]


def test_a_renewal_that_is_held_up_is_no_repetition() -> None:
    """CLI-28: after it the client waits for half an interval again."""
    person = subscriber()
    assert person.client.wake(NOW + 7) == proof("a")
    assert [at for at, _ in sendings(person, 12)] == [8.5, 10, 11.5]


def test_a_renewal_that_is_challenged_goes_on_with_the_new_token() -> None:
    """CLI-16, CLI-18."""
    person = subscriber()
    assert person.client.wake(NOW + 3) == proof("a")
    assert person.client.receive(challenge("b"), NOW + 3.5) == proof("b")
    assert person.client.receive(leased(), NOW + 3.75) == b""
    assert [at for at, _ in sendings(person, 9)] == [6.5, 8]


def test_the_patience_of_a_subscriber() -> None:
    """CLI-7: the longer of the timeout and the lease's intervals, since the last reply."""
    person = subscriber(timeout=4.0)
    person.client.receive(tick(1, 1), NOW + 1)
    assert [at for at, _ in sendings(person, 12.9)] == [3, 4.5, 6, 7.5, 9, 10.5, 12]
    assert person.client.waiting
    sendings(person, 13)
    assert (person.client.waiting, person.client.status) == (False, UNREACHABLE)
    assert person.complaints == ["no answer any more (time+udp://127.0.0.1:7)"]


@pytest.mark.usefixtures("utc")
def test_ticks_are_printed_until_there_are_enough() -> None:
    """CLI-6, CLI-20: duplicates and late ones do not count."""
    person = subscriber(ticks=3)
    for seq in (1, 1, 3, 2, 3, 5):
        assert person.client.waiting
        person.client.receive(tick(seq, seq), NOW + seq)
    assert [line.split(":")[2] for line in person.shown[1:]] == ["01.000+00", "03.000+00", "05.000+00"]
    assert (person.client.waiting, person.client.status, person.complaints) == (False, 0, [])


def test_a_tick_may_overtake_its_ok() -> None:
    """It is printed, and the OK asked for again."""
    person = asking("Анна", "time")
    person.client.receive(challenge("a"), NOW)
    person.client.receive(tick(1, 1), NOW)
    assert len(person.shown) == 2
    assert sendings(person, 1) == [(1, proof("a"))]


def test_a_restart_is_survived() -> None:
    """CLI-21."""
    person = subscriber()
    person.client.receive(tick(7, 7), NOW + 1)
    assert person.client.wake(NOW + 3) == proof("a")
    assert person.client.receive(challenge("b"), NOW + 3) == proof("b")
    person.client.receive(tick(6, 6), NOW + 3)
    person.client.receive(leased(), NOW + 3)
    person.client.receive(tick(7, 7), NOW + 3)
    assert len(person.shown) == 2, "old ones stay hidden"
    person.client.receive(tick(1, 9), NOW + 3)
    person.client.receive(tick(1, 9), NOW + 3)
    person.client.receive(tick(2, 12), NOW + 6)
    assert len(person.shown) == 4


def test_a_tick_from_before_a_restart_stays_hidden() -> None:
    """CLI-20, CLI-21: also one whose number is ahead of the new count."""
    person = subscriber()
    person.client.receive(tick(7, 7), NOW + 1)
    person.client.receive(challenge("b"), NOW + 3)
    person.client.receive(leased(), NOW + 3)
    person.client.receive(tick(1, 9), NOW + 3)
    assert len(person.shown) == 3
    person.client.receive(tick(7, 7), NOW + 3)
    person.client.receive(tick(8, 8), NOW + 3)
    assert len(person.shown) == 3


def test_a_lease_that_ran_out_is_survived() -> None:
    """LEASE-11, CLI-21: the token was still valid, so no CHALLENGE came, but ``seq`` starts at 1."""
    person = subscriber()
    person.client.receive(tick(70, 7), NOW + 1)
    person.client.wake(NOW + 3)
    person.client.receive(leased(), NOW + 3)
    person.client.receive(tick(1, 20), NOW + 3)
    assert len(person.shown) == 3


def test_a_restart_with_another_interval_is_survived() -> None:
    """CLI-7, CLI-18, CLI-21: renewal and patience follow the last OK."""
    person = subscriber(timeout=4.0)
    person.client.wake(NOW + 3)
    person.client.receive(leased(2), NOW + 3)
    assert person.client.deadline == NOW + 5
    person.client.wake(NOW + 5)
    person.client.receive(leased(60), NOW + 5)
    person.client.wake(NOW + 7)
    sendings(person, 100)
    assert person.client.waiting and person.client.status == 0


def test_a_tick_that_is_not_newer_is_no_sign_of_life() -> None:
    """CLI-7."""
    person = subscriber(timeout=1.0)
    for second in range(13):
        assert person.client.waiting
        person.client.receive(tick(1, 1), NOW + second)
    assert person.client.status == UNREACHABLE and len(person.shown) == 2


def times_shown(person: Person) -> list[str]:
    return [line.removeprefix("Анна 2026-11-23T09:00:").removesuffix(".000+00:00") for line in person.shown[1:]]


@pytest.mark.usefixtures("utc")
def test_the_wall_clock_may_be_set_back() -> None:
    """CLI-20: within a subscription ``seq`` tells what is newer; duplicates stay hidden."""
    person = subscriber()
    for seq, second in ((1, 40), (2, 59), (3, 20), (2, 59), (1, 40), (5, 26), (4, 23), (5, 26), (6, 29)):
        person.client.receive(tick(seq, second), NOW + seq)
    assert times_shown(person) == ["40", "59", "20", "26", "29"]


@pytest.mark.usefixtures("utc")
@pytest.mark.parametrize("how", ["restart", "lease", "renewal"])
def test_the_wall_clock_may_be_set_back_at_a_restart(how: str) -> None:
    """CLI-20, CLI-21: but a renewal that comes in time starts nothing."""
    person = subscriber()
    for seq, second in ((1, 40), (2, 43), (3, 46), (9, 59)):
        person.client.receive(tick(seq, second), NOW + 1)
    now = NOW + (13 if how == "lease" else 11)
    person.client.wake(now)
    if how == "restart":
        person.client.receive(challenge("b"), now)
    person.client.receive(leased(), now)
    for seq, second in ((9, 59), (2, 43), (8, 56)):  # late and doubled
        person.client.receive(tick(seq, second), now)
    for seq, second in ((1, 20), (1, 20), (2, 23), (1, 20), (3, 26)):
        person.client.receive(tick(seq, second), now + seq)
    assert times_shown(person)[4:] == ([] if how == "renewal" else ["20", "23", "26"])


@pytest.mark.usefixtures("utc")
def test_late_ticks_of_a_former_subscription_stay_hidden_for_a_while() -> None:
    """CLI-20: for ten seconds and a lease; then a higher ``seq`` is newer again."""
    person = subscriber()
    person.client.receive(tick(7, 7), NOW + 1)
    person.client.receive(tick(1, 30), NOW + 2)
    for seq, now, shown in ((8, 13, False), (2, 13, False), (2, 14, True)):
        person.client.receive(tick(seq, 10), NOW + now)
        assert times_shown(person) == ["07", "30", "10"][: 2 + shown]
