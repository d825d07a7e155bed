"""The golden vectors are well-formed, complete and say what README.md promises; the reader refuses what is not."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from spec.endpoint import EchoEndpoint, TimeEndpoint
from spec.replies import (
    CHALLENGE,
    ECHOED_OVER_TCP,
    ECHOED_OVER_UDP,
    ERROR,
    SUBSCRIBED_OVER_TCP,
    SUBSCRIBED_OVER_UDP,
    TICK,
)
from spec.requirements import REQUIREMENTS, SPECIFICATION
from spec.vectors import DIRECTORY, Vector, encode, load_vectors, read_examples

FILES = sorted(DIRECTORY.glob("*.json"))
VECTORS = load_vectors()
EXAMPLES = read_examples(SPECIFICATION.read_text(encoding="utf-8"))
LARGEST_DATAGRAM = 65507

FORMS = {
    ("OK", "echo", "tcp"): ECHOED_OVER_TCP,
    ("OK", "echo", "udp"): ECHOED_OVER_UDP,
    ("OK", "time", "tcp"): SUBSCRIBED_OVER_TCP,
    ("OK", "time", "udp"): SUBSCRIBED_OVER_UDP,
    ("TICK", "time", "tcp"): TICK,
    ("TICK", "time", "udp"): TICK,
    ("CHALLENGE", "time", "udp"): CHALLENGE,
    **{("ERR", service, transport): ERROR for service in ("echo", "time") for transport in ("tcp", "udp")},
}
PLACEHOLDERS = {"ERR": b"\nreason: {reason}\n", "TICK": b"\ntime: {time}\n", "CHALLENGE": b"\ntoken: {token}\n"}

each_vector = pytest.mark.parametrize("vector", VECTORS + EXAMPLES, ids=lambda vector: vector.name)


def status(reply: bytes) -> str:
    return reply.partition(b"\n")[0].decode()


def names_served_verb(datagram: bytes, service: str) -> bool:
    verb = re.split(rb" |\r?\n", datagram, maxsplit=1)[0]
    return verb in (EchoEndpoint if service == "echo" else TimeEndpoint).handlers


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_file_holds_vectors_of_the_promised_keys_and_types(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(?i)\\u04[0-9a-f]{2}", text), "Cyrillic is written as it is"
    entries = json.loads(text)
    assert isinstance(entries, list)
    for entry in entries:
        assert list(entry) == [*Vector._fields]
        assert all(isinstance(entry[key], str) for key in ("name", "requirement", "service", "transport"))
        assert isinstance(entry["input"], list) and isinstance(entry["output"], list)


def test_there_are_enough_vectors_with_unique_names() -> None:
    assert len(VECTORS) >= 80
    assert [name for name, count in Counter(vector.name for vector in VECTORS + EXAMPLES).items() if count > 1] == []


def test_the_same_exchange_is_written_once() -> None:
    exchanges = Counter((vector.service, vector.transport, *vector.input) for vector in VECTORS)
    assert [exchange for exchange, count in exchanges.items() if count > 1] == []


def test_each_code_stands_on_each_service_and_transport_where_it_can_occur() -> None:
    """``busy`` needs a server at its limit, which the default options put at 1000 clients."""
    found = {
        (vector.service, vector.transport, code.decode())
        for vector in VECTORS
        for reply in vector.output
        for code in re.findall(rb"\AERR\ncode: (.+)", reply)
    }
    expected = {
        *((service, "tcp", "unknown-verb") for service in ("echo", "time")),
        *((service, "udp", "bad-request") for service in ("echo", "time")),
        *(("time", transport, "bad-name") for transport in ("tcp", "udp")),
        *(
            (service, transport, code)
            for service in ("echo", "time")
            for transport in ("tcp", "udp")
            for code in ("too-long", "bad-encoding", "bad-character")
        ),
    }
    assert found == expected


@each_vector
def test_requirement_exists_and_is_testable(vector: Vector) -> None:
    assert REQUIREMENTS[vector.requirement].testable


@each_vector
def test_replies_have_the_form_and_fields_of_their_status(vector: Vector) -> None:
    for reply in vector.output:
        lines = reply.decode().split("\n")
        assert lines[-2:] == ["", ""]
        names = tuple(line.partition(": ")[0] for line in lines[1:-2])
        assert names == FORMS[status(reply), vector.service, vector.transport].fields


@each_vector
def test_placeholders_stand_where_a_value_differs_and_nowhere_else(vector: Vector) -> None:
    for reply in vector.output:
        placeholder = PLACEHOLDERS.get(status(reply), b"")
        assert placeholder in reply
        assert not re.search(rb"\{(time|token|reason)\}", reply.replace(placeholder, b"\n", 1))
    tokens = [number for number, part in enumerate(vector.input) if b"{token}" in part]
    if tokens:
        assert tokens[0] > 0 and "CHALLENGE" in map(status, vector.output), "no token has come yet"


@each_vector
def test_each_request_has_its_reply(vector: Vector) -> None:
    """A tick follows the OK before it, so replies that are no ticks can be told to requests by counting."""
    replies = [status(reply) for reply in vector.output if status(reply) != "TICK"]
    if vector.transport == "tcp":
        assert len(replies) == b"".join(vector.input).count(b"\n")
        assert all(vector.input), "an empty chunk is none"
    else:
        assert len(replies) == sum(names_served_verb(datagram, vector.service) for datagram in vector.input)
        assert names_served_verb(vector.input[-1], vector.service), "only a later reply proves that silence was meant"
        assert all(len(part) <= LARGEST_DATAGRAM for part in vector.input + vector.output)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("й\r\n", b"\xd0\xb9\r\n"),
        ({"hex": "c3 28"}, b"\xc3\x28"),
        ({"repeat": {"hex": "ff"}, "times": 3}, b"\xff\xff\xff"),
        ({"repeat": "a", "times": 0}, b""),
        ({"join": ["a", {"repeat": "b", "times": 2}, {"join": []}]}, b"abb"),
    ],
)
def test_encode(expression: object, expected: bytes) -> None:
    assert encode(expression) == expected


@pytest.mark.parametrize(
    "expression",
    [
        None,
        1,
        ["a"],
        {},
        "\ud800",
        {"hex": "c"},
        {"hex": 12},
        {"hex": "00", "times": 2},
        {"repeat": "a"},
        {"repeat": "a", "times": -1},
        {"repeat": "a", "times": True},
        {"repeat": "a", "times": "2"},
        {"repeat": "a", "times": 1, "x": 0},
        {"join": "ab"},
        {"join": ["a", 1]},
        {"join": [], "x": 0},
        {"text": "a"},
    ],
    ids=repr,
)
def test_encode_refuses(expression: object) -> None:
    with pytest.raises(ValueError):
        encode(expression)


@pytest.mark.parametrize(
    ("change", "error"), [({"x": 1}, TypeError), ({"input": [1]}, ValueError), ({"output": ["a", None]}, ValueError)]
)
def test_load_refuses(change: dict[str, Any], error: type[Exception], tmp_path: Path) -> None:
    good = {"name": "n", "requirement": "R-1", "service": "echo", "transport": "tcp", "input": ["a"], "output": []}
    (tmp_path / "a.json").write_text(json.dumps([good]), encoding="utf-8")
    assert load_vectors(tmp_path) == [Vector("n", "R-1", "echo", "tcp", [b"a"], [])]
    (tmp_path / "b.json").write_text(json.dumps([good | change]), encoding="utf-8")
    with pytest.raises(error):
        load_vectors(tmp_path)


def test_load_refuses_a_missing_key(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"name": "n", "output": []}]', encoding="utf-8")
    with pytest.raises(KeyError):
        load_vectors(tmp_path)


def test_read_examples_keeps_runs_replies_spaces_and_order() -> None:
    text = (
        "```exchange A-1 udp time\nC: TIME  a\u2028\nC: token: {token}\nS: OK\nS: name: \nS:\nS: TICK\nS:\n"
        "C: TIME\nS: ERR\nS: code: bad-name\nS: reason: any words\nS:\n```\n"
        "\n```abnf\nC: no example\n```\n\n```exchange B-2 tcp echo\nC: \n```\n"
    )
    assert read_examples(text) == [
        Vector(
            "SPEC.md, example 1",
            "A-1",
            "time",
            "udp",
            ["TIME  a\u2028\ntoken: {token}\n".encode(), b"TIME\n"],
            [b"OK\nname: \n\n", b"TICK\n\n", b"ERR\ncode: bad-name\nreason: {reason}\n\n"],
        ),
        Vector("SPEC.md, example 2", "B-2", "echo", "tcp", [b"\n"], []),
    ]


@pytest.mark.parametrize("block", ["X: a\n", "S: OK\n", "S: OK\nC: a\nS:\n", "C:a\n", "\n", "C: a\nS: OK\nS:\nS: OK\n"])
def test_read_examples_refuses(block: str) -> None:
    with pytest.raises(ValueError, match="example 1, A-1"):
        read_examples(f"```exchange A-1 tcp echo\n{block}```\n")


def test_every_exchange_block_of_the_specification_is_read() -> None:
    assert len(EXAMPLES) == SPECIFICATION.read_text(encoding="utf-8").count("```exchange ") > 0
