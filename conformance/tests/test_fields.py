"""The table of fields agrees with itself, and ticks are read by it."""

from itertools import product

import pytest

from conformance.as_client.conversation import read_tick
from conformance.as_client.observed import Reply
from conformance.blame import blamed
from conformance.expected import oracle, replies
from conformance.expected.fields import STATUSES, Facts, Field, fields_of
from conformance.targets.terms import SERVICES, TRANSPORTS
from spec.requirements import REQUIREMENTS

FIELDS = dict.fromkeys(field for where in product(STATUSES, SERVICES, TRANSPORTS) for field in fields_of(*where))
TICK = replies.tick("Анна", 7)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_each_field_is_complete(field: Field) -> None:
    assert (field.value is None) == (field.choice is not None)
    assert not field.requirement or REQUIREMENTS[field.requirement].testable
    facts = Facts("Анна")
    assert field.takes(field.sample(facts))
    assert field.value is None or field.takes(field.value(facts))
    assert field.choice is None or field.choice.form.fullmatch(field.sample(facts))


@pytest.mark.parametrize(
    ("interval", "lease"), [("3", "12"), ("0.05", "0.2"), ("2.5", "10"), ("0.01", "0.04"), ("86400", "345600")]
)
def test_the_lease_is_a_plain_decimal(interval: str, lease: str) -> None:
    assert oracle.ok_fields("time", "udp", "Анна", interval)["lease"] == lease


def test_a_sample_is_masked_as_expected() -> None:
    assert oracle.masked(TICK) == oracle.tick("Анна", 7)
    assert oracle.masked(replies.challenge()) == oracle.CHALLENGE
    assert oracle.masked(replies.error("bad-name", "why not")) == oracle.error("bad-name")


@pytest.mark.parametrize(
    ("raw", "requirement"),
    [
        (replies.ok("time", "tcp", "Анна"), "TIME-4"),
        (TICK.replace(b"seq: 7\n", b""), "TIME-4"),
        (TICK.replace(b"seq: 7\n", b"seq: 7\nseq: 7\n"), "TIME-4"),
        (TICK.replace(b"seq: 7\n", b"seq: 7\nx: y\n"), "TIME-4"),
        (TICK.replace(b".250Z", b".25Z"), "TIME-11"),
        (TICK.replace(b"seq: 7\n", b"seq: 07\n"), "TIME-7"),
    ],
)
def test_a_wrong_tick_breaks_its_requirement(raw: bytes, requirement: str) -> None:
    assert read_tick(Reply(TICK, 0.0)).seq == 7
    with pytest.raises(AssertionError) as failure:
        read_tick(Reply(raw, 0.0))
    assert blamed(failure.value) == requirement
    assert requirement == "TIME-4" or "; expected a value such as '" in str(failure.value)


@pytest.mark.parametrize(
    ("old", "new", "requirement"),
    [
        (b"2026-11-23", b"2026-02-30", "TIME-11"),
        (b"2026", b"0000", "TIME-11"),
        (b"seq: 7", b"seq: " + b"7" * 5000, "TIME-7"),
    ],
)
def test_a_tick_that_is_in_form_and_cannot_be_is_the_servers_fault(old: bytes, new: bytes, requirement: str) -> None:
    with pytest.raises(AssertionError) as failure:
        read_tick(Reply(TICK.replace(old, new), 0.0))
    assert blamed(failure.value) == requirement


def test_a_field_that_is_not_there_is_the_servers_fault() -> None:
    fields = Reply(TICK, 0.0).fields
    assert fields.get("token") is None
    with pytest.raises(AssertionError, match=r"'TICK.* came, without token") as failure:
        fields["token"]
    assert blamed(failure.value) == "REP-1"
