"""The dissector for Wireshark, as tshark runs it on captures that the suite writes. Needs tshark."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count, product
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scapy.utils import rdpcap

from conformance import ROOT
from conformance.as_client.exchange import Exchange
from conformance.commands import main, wireshark
from conformance.expected import oracle
from conformance.expected.strategies import requests
from conformance.reports import pcap
from conformance.targets.terms import SERVICES, TRANSPORTS, Transport
from spec import limits
from spec.vectors import Vector, load_vectors, read_examples

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")

PORTS = {"echo": limits.ECHO_PORT, "time": limits.TIME_PORT}
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
FREE = {b"{time}": b"2024-02-29T23:59:59.999Z", b"{token}": b"!~:token", b"{reason}": b"come back tomorrow"}
EXAMPLES = read_examples((ROOT / "spec" / "SPEC.md").read_text(encoding="utf-8"))


class Message(NamedTuple):
    """One request or reply, as the dissector shows it."""

    frame: int
    text: str
    fields: list[tuple[str, bytes, str]]
    """Names without `sockspec.`, the bytes of each, and what is shown of it."""
    experts: set[str]
    """Names without `sockspec.`."""

    def values(self) -> dict[str, bytes]:
        return {name: value for name, value, _ in self.fields}

    def shown(self) -> dict[str, str]:
        return {name: shown for name, _, shown in self.fields}


def tshark(*words: str | Path, load: bool = True) -> str:
    """Return what tshark prints. Fails if the dissector does."""
    script = ["-X", f"lua_script:{wireshark.DISSECTOR}"] if load else []
    command = ["tshark", *words, *script]
    done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8", errors="replace", timeout=60)
    assert "Lua Error: " not in done.stdout + done.stderr
    return done.stdout


def dissect(file: Path, *words: str) -> list[Message]:
    """Return all complete requests and replies of a capture."""
    written = tshark("-r", file, "-T", "pdml", "-J", "sockspec", "-Y", "sockspec", *words)
    root = ElementTree.fromstring(NO_XML.sub("?", written))
    return [
        message
        for packet in root
        for message in _messages(packet, int(packet.find(".//field[@name='num']").get("show", "")))  # type: ignore[union-attr]
        if "incomplete" not in message.values()
    ]


def _messages(packet: ElementTree.Element, frame: int) -> Iterator[Message]:
    for proto in packet.iter("proto"):
        if proto.get("name") == "sockspec":
            names = [(each.get("name", ""), each) for each in proto.iter("field")]
            named = [(name.removeprefix("sockspec."), each) for name, each in names if name.startswith("sockspec.")]
            faults = {name for name, _ in named if name.startswith(("fault.", "malformed."))}
            fields = [
                (name, bytes.fromhex(each.get("value", "")), each.get("show", ""))
                for name, each in named
                if name not in faults
            ]
            yield Message(frame, proto.get("showname", ""), fields, faults)


def filled(data: bytes) -> bytes:
    for mark, value in FREE.items():
        data = data.replace(mark, value)
    return data


def exchange_of(vector: Vector, client_port: int, *, cut: bool) -> Exchange:
    """Return what passes when a vector is played; cut: in single bytes."""
    transport: Transport = "udp" if vector.transport == "udp" else "tcp"
    server = ("127.0.0.1", PORTS[vector.service])
    exchange = Exchange(vector.name, transport, ("127.0.0.1", client_port), server)
    for side, parts in ("C", vector.input), ("S", vector.output):
        for part in map(filled, parts):
            for piece in (bytes([byte]) for byte in part) if cut else [part]:
                exchange.add("C" if side == "C" else "S", piece)
        if transport == "tcp":
            exchange.add("C" if side == "C" else "S", b"", "end of stream")
    return exchange


def replies_in(messages: list[Message]) -> list[bytes]:
    """Return the replies' bytes, put together again from their fields."""
    replies = []
    for message in messages:
        (kind, status, _), *fields = message.fields
        if kind == "status":
            lines = [status, *(name.encode() + b": " + value for name, value, _ in fields), b"", b""]
            replies.append(b"\n".join(lines))
    return replies


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_good_exchanges_have_their_fields_and_no_malformed_reply(tmp_path: Path, transport: str) -> None:
    cut = transport == "tcp"
    vectors = [vector for vector in EXAMPLES if vector.transport == transport]
    exchanges = [exchange_of(vector, 50000 + number, cut=cut) for number, vector in enumerate(vectors)]
    pcap.write(tmp_path / "a.pcap", exchanges)
    for words in [], ["-2"]:
        messages = dissect(tmp_path / "a.pcap", *words)
        assert replies_in(messages) == [filled(reply) for vector in vectors for reply in vector.output]
        asked = [message for message in messages if "verb" in message.values()]
        lines = b"".join(part.rstrip(b"\n") + b"\n" for vector in vectors for part in vector.input).split(b"\n")
        verbs = [line.partition(b" ")[0] for line in lines if line.startswith((b"ECHO", b"TIME", b"HELLO"))]
        assert [message.values()["verb"] for message in asked] == verbs
        assert not any(message.experts for message in messages if "status" in message.values())
        assert {"ECHO", "TIME", "OK", "ERR"} <= {message.fields[0][2] for message in messages}
    if transport == "tcp":
        assert len({message.frame for message in messages}) == len(messages), "each ends in a packet of its own"


def test_the_replies_of_the_vectors_are_not_malformed(tmp_path: Path) -> None:
    vectors = load_vectors()
    pcap.write(
        tmp_path / "a.pcap", [exchange_of(vector, 20000 + number, cut=False) for number, vector in enumerate(vectors)]
    )
    replies = [message for message in dissect(tmp_path / "a.pcap") if "status" in message.values()]
    assert replies_in(replies) == [filled(reply) for vector in vectors for reply in vector.output]
    assert [message for message in replies if message.experts] == []


def test_the_faults_of_requests_are_those_of_the_oracle(tmp_path: Path) -> None:
    drawn: list[tuple[Transport, bytes]] = []
    any_request = st.sampled_from(list(product(SERVICES, TRANSPORTS))).flatmap(
        lambda of: st.tuples(st.just(of[1]), requests(*of))
    )

    @settings(max_examples=150, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(any_request)
    def draw(request: tuple[Transport, bytes]) -> None:
        drawn.append(request)

    draw()
    drawn = [each for each in drawn if each[1]]  # Wireshark dissects no empty datagram
    exchanges = []
    for number, (transport, raw) in enumerate(drawn):
        exchange = Exchange("drawn", transport, ("127.0.0.1", 20000 + number), ("127.0.0.1", 7007))
        exchange.add("C", raw)
        exchanges.append(exchange)
    pcap.write(tmp_path / "a.pcap", exchanges)
    messages = dissect(tmp_path / "a.pcap")
    assert len(messages) == len(drawn)
    seen = set()
    for (transport, raw), message in zip(drawn, messages, strict=True):
        request = oracle.Request("time" if raw.startswith(b"TIME") else "echo", transport, raw)
        marked = {expert.removeprefix("fault.").replace("_", "-") for expert in message.experts}
        expected = oracle.fault(request)
        assert next((code for code in oracle.FAULTS if code in marked), None) == expected, raw
        seen.add(expected)
    assert seen == {None, *oracle.FAULTS}


BAD: dict[str, tuple[Transport, bytes]] = {
    "encoding": ("udp", b"OK\nmessage: \xff\nreversed: \xff\nupper: \xff\nlength: 1\n\n"),
    "control": ("udp", b"OK\nmessage: a\x00\nreversed: \x00a\nupper: A\x00\nlength: 2\n\n"),
    "cr": ("tcp", b"CHALLENGE\r\ntoken: a\r\n\r\n"),
    "status": ("udp", b"FINE\n\n"),
    "no_field": ("udp", b"CHALLENGE\ntoken: a\nToken: b\n\n"),
    "no_empty_line": ("udp", b"CHALLENGE\ntoken: a\n"),
    "behind": ("udp", b"CHALLENGE\ntoken: a\n\n\n"),
    "too_long": ("udp", b"CHALLENGE\ntoken: a\n" + b"a: b\n" * 6600 + b"\n"),
    "missing": ("tcp", b"TICK\nname: A\nseq: 1\n\n"),
    "unexpected": ("tcp", b"CHALLENGE\ntoken: a\ntoken: b\n\n"),
    "order": ("tcp", b"ERR\nreason: a\ncode: busy\n\n"),
    "form": ("udp", b"TICK\nname: A\ntime: 2023-02-29T00:00:00.000Z\nseq: 1\n\n"),
    "value": ("udp", "OK\nmessage: ё\nreversed: ё\nupper: Ё\nlength: 2\n\n".encode()),
}
"""A reply for each thing that no reply may be; all else about it is good, but for "too_long"."""

BAD_REQUESTS: dict[str, tuple[Transport, bytes]] = {
    "too_long": ("tcp", b"ECHO " + b"a" * 4097 + b"\n"),
    "bad_encoding": ("tcp", b"ECHO \xc0\x80\n"),
    "unknown_verb": ("tcp", b"echo a\n"),
    "bad_request": ("udp", b"ECHO a\n\n"),
    "bad_character": ("udp", b"ECHO a\r"),
    "bad_name": ("udp", b"TIME  A"),
}


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> list[Message]:
    """A request and a reply for each expert item, each in its exchange; the replies from ports that are not known."""
    exchanges = []
    for number, (transport, reply) in enumerate(BAD.values()):
        exchange = Exchange("bad", transport, ("127.0.0.1", 50000 + number), ("127.0.0.1", 30000 + number))
        exchange.add("C", b"ECHO a\n")
        exchange.add("S", reply)
        exchanges.append(exchange)
    for number, (transport, request) in enumerate(BAD_REQUESTS.values(), len(BAD)):
        exchange = Exchange("bad", transport, ("::1", 50000 + number), ("::1", 7007))
        exchange.add("C", request)
        exchanges.append(exchange)
    file = tmp_path_factory.mktemp("bad") / "bad.pcap"
    pcap.write(file, exchanges)
    return dissect(file)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_reply_is_marked(bad: list[Message], name: str) -> None:
    replies = [message for message in bad if "status" in message.values()]
    marked = replies[list(BAD).index(name)].experts
    assert marked == {f"malformed.{name}"} | ({"malformed.unexpected"} if name == "too_long" else set())


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_bad_request_is_marked(bad: list[Message], name: str) -> None:
    asked = [message for message in bad if "verb" in message.values()]
    assert asked[len(BAD) + list(BAD_REQUESTS).index(name)].experts == {f"fault.{name}"}


def test_each_expert_item_has_been_seen() -> None:
    declared = {line.split("\t")[2] for line in tshark("-G", "fields").splitlines() if "\tsockspec." in line}
    kinds = {f"sockspec.malformed.{name}" for name in BAD} | {f"sockspec.fault.{name}" for name in BAD_REQUESTS}
    assert {name for name in declared if name.startswith(("sockspec.malformed.", "sockspec.fault."))} == kinds


def test_a_reply_without_its_empty_line_ends_where_the_next_begins(tmp_path: Path) -> None:
    exchange = Exchange("bad", "tcp", ("127.0.0.1", 50000), ("127.0.0.1", 7037))
    exchange.add("S", b"CHALLENGE\ntoken: a\nCHALLENGE\ntoken: b\n\nCHALLENGE\ntoken: c\n")
    pcap.write(tmp_path / "a.pcap", [exchange])
    messages = dissect(tmp_path / "a.pcap")
    assert [message.values()["token"] for message in messages] == [b"a", b"b"]
    assert [message.experts for message in messages] == [{"malformed.no_empty_line"}, set()]
    assert tshark("-r", tmp_path / "a.pcap", "-T", "fields", "-e", "sockspec.incomplete").split() == ["19"]


def test_packets_of_two_exchanges_are_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks at the wall clock may have had to wait before."""
    monkeypatch.setattr(time, "time", count(1e9, -1).__next__)
    exchanges = [Exchange("two", "udp", ("127.0.0.1", 50000 + number), ("127.0.0.1", 7037)) for number in range(2)]
    for exchange in exchanges:
        exchange.add("C", b"ECHO a\n")
    pcap.write(tmp_path / "a.pcap", exchanges)
    assert [packet.sport for packet in rdpcap(str(tmp_path / "a.pcap"))] == [50000, 50001]


def test_values_are_numbers_and_times_for_filters(tmp_path: Path) -> None:
    exchange = Exchange("ticks", "udp", ("127.0.0.1", 50000), ("127.0.0.1", 7037))
    for seq in 1, 2, 10:
        exchange.add("S", b"TICK\nname: A\ntime: 2024-02-29T23:59:59.9%02dZ\nseq: %d\n\n" % (seq, seq))
    exchange.add("S", b"OK\nname: A\ninterval: 0.05\nlease: 0.2\n\n")
    pcap.write(tmp_path / "a.pcap", [exchange])
    for taken, of in {
        "sockspec.seq > 2": [2],
        'sockspec.time <= "2024-02-29 23:59:59.902"': [0, 1],
        "sockspec.interval == 0.05": [3],
        "sockspec.status": [0, 1, 2, 3],
        "sockspec.verb": [],
    }.items():
        seen = tshark("-r", tmp_path / "a.pcap", "-Y", taken, "-T", "fields", "-e", "frame.number").split()
        assert [int(number) - 1 for number in seen] == of, taken


def test_it_is_not_installed_without_a_home(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    assert main.main(["wireshark", "--install"]) == 3
    assert capsys.readouterr().err == "sockspec: this user has no home directory (HOME)\n"


@pytest.mark.skipif(sys.platform == "win32", reason="the folder is of POSIX systems")
def test_installed_it_shows_the_captures_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert main.main(["wireshark", "--install"]) == 0
    assert "Personal Lua Plugins" in (folders := tshark("-G", "folders", load=False))
    assert str(wireshark.plugin_folder()) in folders
    server = "import sys; from spec import codec; codec.ERROR_REPLIES['unknown-verb'] = b'ERR\\r\\n\\r\\n'\n"
    server += "from impl_raw.tcp_server import main; sys.exit(main())\n"
    (tmp_path / "server.py").write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{server}", encoding="utf-8")
    manifest = f'services = ["echo"]\n[programs]\ntcp_server = ["{sys.executable}", "server.py"]\n'
    (tmp_path / "sockspec.toml").write_text(manifest, encoding="utf-8")
    capsys.readouterr()
    assert main.main(["run", "--requirement=ERR-6", "--profile=quick", "--pcap=captures"]) == 1
    assert "sockspec wireshark --install" in capsys.readouterr().out
    [file, *_] = sorted(Path("captures").iterdir())
    shown = tshark("-r", file, "-Y", "sockspec.malformed.cr", load=False)
    assert " sockspec " in shown and " ERR" in shown


def test_the_dissector_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["wireshark"]) == 0
    assert os.path.samefile(capsys.readouterr().out.strip(), ROOT / "conformance" / "wireshark" / "sockspec.lua")


def test_its_numbers_are_those_of_the_specification() -> None:
    """Lua cannot import them."""
    script = wireshark.DISSECTOR.read_text(encoding="utf-8")
    found = {
        name: float(value)
        for names, values in re.findall(r"^local ([A-Z_, ]+) = ([\d., ]+)$", script, re.MULTILINE)
        for name, value in zip(names.split(", "), values.split(", "), strict=True)
    }
    assert len(found) == 7
    assert found == {name: getattr(limits, name) for name in found}
    assert set(re.findall(r"\[(\d+)\] = true", script)) == {str(port) for port in PORTS.values()}
