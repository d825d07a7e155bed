"""The strategies yield what they promise, and reach every fault."""

import sys

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.expected.oracle import FAULTS, Request, expected_reply, fault
from conformance.expected.strategies import (
    BAD_UTF_8,
    CONTROLS,
    CORNERS,
    UPPER_DISAGREEMENTS,
    arguments,
    cuttings,
    filled,
    good_requests,
    lines,
    messages,
    names,
    requests,
    scalars,
)
from conformance.targets.terms import Service, Transport
from spec.limits import LINE_BYTES, MESSAGE_BYTES


@given(message=messages())
def test_messages_are_good(message: str) -> None:
    assert expected_reply("echo", "udp", b"ECHO " + message.encode()) not in (None, b"")
    assert fault(Request("echo", "tcp", b"ECHO " + message.encode() + b"\n")) is None
    assert not set(message) & UPPER_DISAGREEMENTS


@given(name=names())
def test_names_are_good(name: str) -> None:
    assert fault(Request("time", "tcp", b"TIME " + name.encode() + b"\n")) is None


@pytest.mark.parametrize("service", ["echo", "time"])
@given(data=st.data())
def test_a_line_is_one_line(service: Service, data: st.DataObject) -> None:
    line = data.draw(lines(service))
    assert line.endswith(b"\n") and line.count(b"\n") == 1


def drawn(strategy: SearchStrategy[bytes], examples: int = 500) -> list[bytes]:
    """Return so many examples."""
    found = []

    @settings(max_examples=examples, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(strategy)
    def collect(raw: bytes) -> None:
        found.append(raw)

    collect()
    return found


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("service", ["echo", "time"])
def test_good_requests_every_fault_and_silence_are_drawn(service: Service, transport: Transport) -> None:
    impossible = {"bad-request" if transport == "tcp" else "unknown-verb", "bad-name" if service == "echo" else ""}
    examples = drawn(requests(service, transport))
    answered = [raw for raw in examples if expected_reply(service, transport, raw) is not None]
    assert {fault(Request(service, transport, raw)) for raw in answered} == {*FAULTS, None} - impossible
    assert (len(answered) < len(examples)) == (transport == "udp")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("service", ["echo", "time"])
@given(data=st.data())
def test_good_requests_are_good(service: Service, transport: Transport, data: st.DataObject) -> None:
    """Each is, with none thrown away: else Hypothesis takes its search for a failure of the judge."""
    for raw in data.draw(st.lists(good_requests(service, transport), min_size=1, max_size=8)):
        assert fault(Request(service, transport, raw)) is None
        assert expected_reply(service, transport, raw) is not None


def test_good_requests_end_in_each_way_and_reach_the_limit() -> None:
    examples = drawn(good_requests("echo", "udp"), 200)
    assert {raw[-2:] == b"\r\n" for raw in examples} == {raw[-1:] == b"\n" for raw in examples} == {True, False}
    assert any(b"token: " in raw for raw in examples)
    assert any(len(raw.partition(b"\n")[0].removesuffix(b"\r")) == LINE_BYTES for raw in examples)


@pytest.mark.parametrize("service", ["echo", "time"])
def test_the_limit_is_drawn(service: Service) -> None:
    sizes = {len(raw) for raw in drawn(arguments(service), 2000)}
    assert {MESSAGE_BYTES - 1, MESSAGE_BYTES, MESSAGE_BYTES + 1} <= sizes


@given(data=st.data(), stream=st.binary(max_size=500))
def test_a_cutting_is_the_whole_stream(data: st.DataObject, stream: bytes) -> None:
    chunks = data.draw(cuttings(stream))
    assert b"".join(chunks) == stream and all(chunks)


@given(data=st.data(), size=st.integers(0, 300))
def test_filled_has_its_size(data: st.DataObject, size: int) -> None:
    text = data.draw(filled(size, messages()))
    assert len(text) == size
    text.decode()


def test_bad_utf_8_is_bad_alone_and_inside() -> None:
    for bad in BAD_UTF_8:
        for raw in (bad, b"a" + bad + b"b"):
            with pytest.raises(UnicodeDecodeError):
                raw.decode()
            assert fault(Request("echo", "tcp", b"ECHO " + raw + b"\n")) == "bad-encoding"


def test_scalars_are_all_of_unicode_but_the_controls() -> None:
    everything = scalars()
    assert len(everything) == sys.maxunicode + 1 - 0x800 - len(CONTROLS) + 1 and len(CONTROLS) == 65
    assert set(everything) & set(CONTROLS) == {"\t"}
    assert set(CORNERS) <= set(everything)


def test_interpreters_differ_only_where_the_list_says() -> None:
    """This interpreter's upper case of U+019B is one of the two; the list knows."""
    assert "\u019b" in UPPER_DISAGREEMENTS and "ß" not in UPPER_DISAGREEMENTS
