"""The command line that all programs share: SPEC.md, sections 12 and 13."""

import os
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from spec.limits import MESSAGE_BYTES
from spec.options import ClientOptions, ServerOptions
from spec.program import arguments
from spec.program.arguments import parse_client_options, parse_server_options

Capture = pytest.CaptureFixture[str]


def test_server_defaults() -> None:
    """Section 12, SRV-3."""
    echo, time = parse_server_options(["echo"], "udp"), parse_server_options(["time"], "tcp")
    assert echo == ServerOptions("echo", "udp", "127.0.0.1", 7007, Decimal(3), 1000, 300, False)
    assert (time.service, time.transport, time.port) == ("time", "tcp", 7037)


def test_server_options() -> None:
    """Section 12, SRV-2."""
    words = [
        "time",
        "--port",
        "0",
        "--interval",
        "0.05",
        "--host",
        "::1",
        "--max-clients",
        "2",
        "--idle-timeout",
        "1.5",
        "--quiet",
    ]
    options = parse_server_options(words, "udp")
    assert options == ServerOptions("time", "udp", "::1", 0, Decimal("0.05"), 2, 1.5, True)
    assert options.url == "time+udp://[::1]:0"


def test_a_port_can_be_shared(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """SRV-18: where the system has the option."""
    monkeypatch.setattr(arguments, "SHARES_PORTS", True)
    assert parse_server_options(["echo", "--reuse-port"], "udp").reuse_port
    monkeypatch.setattr(arguments, "SHARES_PORTS", False)
    assert_wrong(parse_server_options, ["echo", "--reuse-port"], capsys)
    assert not parse_server_options(["echo"], "udp").reuse_port


def test_client_defaults() -> None:
    """Section 13."""
    assert parse_client_options(["echo"], "udp") == ClientOptions("echo", "udp", "127.0.0.1", 7007, 10, None, None)
    assert parse_client_options(["time", "Анна"], "tcp") == ClientOptions(
        "time", "tcp", "127.0.0.1", 7037, 10, None, "Анна"
    )


def test_client_options() -> None:
    """Section 13: the text stands between or after the options."""
    words = ["time", "--timeout", "0.5", "--ticks", "2", "Анна", "--port", "65535", "--host", "localhost"]
    options = parse_client_options(words, "tcp")
    assert options == ClientOptions("time", "tcp", "localhost", 65535, 0.5, 2, "Анна")
    assert options.url == "time+tcp://localhost:65535"


@pytest.mark.parametrize(
    ("words", "text"),
    [([""], ""), (["-"], "-"), (["--", "-x"], "-x"), (["--", "-5"], "-5"), (["--", "--"], "--"), (["a\tb"], "a\tb")],
)
def test_messages_that_look_odd(words: list[str], text: str) -> None:
    """CLI-3, ECHO-8."""
    assert parse_client_options(["echo", *words], "udp").text == text


def test_forms_of_the_options() -> None:
    """Section 12: = for a value, the last of two, leading zeros, a word before and behind the options."""
    options = parse_client_options(each("time --port=1 а --port 0002 --timeout 03.0")[0], "udp")
    assert options == ClientOptions("time", "udp", "127.0.0.1", 2, 3, None, "а")


def test_the_words_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["client", "echo", "привет"])
    assert parse_client_options(None, "udp").text == "привет"
    monkeypatch.setattr(sys, "argv", ["server", "time"])
    assert parse_server_options(None, "udp").service == "time"


def test_words_are_utf8_in_a_locale_with_another_encoding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    """CLI-8: the bytes count that the system passes on. What Python makes of them in EUC-JP has no way back."""
    words = ["python", "client", "echo", "\u589c\x80"]
    command_line = tmp_path / "cmdline"
    command_line.write_bytes("python\0client\0echo\0привет\0".encode())
    monkeypatch.setattr(sys, "orig_argv", words)
    monkeypatch.setattr(sys, "argv", words[1:])
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "euc_jp")
    monkeypatch.setattr(os, "fsencode", lambda word: word.encode("euc_jp", "surrogateescape"))
    monkeypatch.setattr(arguments, "COMMAND_LINE", str(command_line))
    assert parse_client_options(None, "udp").text == "привет"
    monkeypatch.setattr(arguments, "COMMAND_LINE", str(tmp_path / "missing"))
    assert_wrong(lambda words, _: parse_client_options(None, "udp"), [], capsys)
    monkeypatch.setattr(sys, "argv", ["client", "echo", "abc"])
    monkeypatch.setattr(arguments, "COMMAND_LINE", str(command_line))
    assert parse_client_options(None, "udp").text == "abc", "whoever calls it has other words"


def each(lines: str) -> list[list[str]]:
    """Return the words of each of these lines."""
    return [line.split() for line in lines.strip().splitlines()]


WRONG_FOR_BOTH = [
    [],
    ["echo\n"],
    ["echo", "--port", ""],
    ["echo", "--port", "9" * 5000],
    *each(
        """
        ping
        ECHO
        --port 7
        echo --nonsense
        echo --port
        echo --port 65536
        echo --port -1
        echo --port x
        echo --port ٣
        echo --port 7.0
        echo --por 7
        echo --host
        echo --host -1
        echo --host=-x
        echo --hos ::1
        echo --port x --port 7
        """
    ),
]
WRONG_FOR_SERVERS = each(
    """
    echo time
    echo -- --quiet
    echo --interval 0
    echo --interval 0.0001
    echo --interval 86401
    echo --interval 1e1
    echo --interval nan
    echo --max-clients 0
    echo --max-clients -1
    echo --idle-timeout 0
    echo --idle-timeout 0.0
    echo --idle-timeout -1
    echo --idle-timeout inf
    echo --idle-timeout nan
    echo --idle-timeout 1e1
    echo --idle-timeout 1_0
    echo --idle-timeout ٣
    echo --quiet 1
    echo --quiet=1
    echo --timeout 1
    echo --ticks 1
    """
)
WRONG_FOR_CLIENTS = [
    ["time", ""],
    ["time", " a"],
    ["time", "я" * 65],
    ["time", "a\tb"],
    ["time", "\udcd0"],
    ["echo", "a\nb"],
    ["echo", "\x1b[31m"],
    ["echo", "\udcff"],
    ["echo", "я" * (MESSAGE_BYTES // 2) + "a"],
    *each(
        """
        echo a b
        echo a -- b
        echo -- a b
        echo -x
        echo -5
        time --ticks 2 -5
        echo --port 0
        echo --timeout 0
        echo --timeout -1
        echo --timeout nan
        echo --timeout 1e999
        time --ticks 0
        time --ticks 1.0
        echo --interval 3
        echo --quiet
        """
    ),
]


def assert_wrong(parse: Callable[[list[str], str], object], words: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(words, "udp")
    out, error = capsys.readouterr()
    assert exit_.value.code == 2
    assert out == "" and error.startswith("error: ") and error.endswith("\n") and len(error.splitlines()) == 1


@pytest.mark.parametrize("words", WRONG_FOR_BOTH + WRONG_FOR_SERVERS, ids=lambda words: ascii(words)[:60])
def test_wrong_usage_of_a_server(words: list[str], capsys: Capture) -> None:
    """SRV-10, SRV-12."""
    assert_wrong(parse_server_options, words, capsys)


@pytest.mark.parametrize("words", WRONG_FOR_BOTH + WRONG_FOR_CLIENTS, ids=lambda words: ascii(words)[:60])
def test_wrong_usage_of_a_client(words: list[str], capsys: Capture) -> None:
    """CLI-8, CLI-10."""
    assert_wrong(parse_client_options, words, capsys)


@pytest.mark.parametrize(
    ("service", "text"),
    [("echo", "я" * (MESSAGE_BYTES // 2)), ("echo", "\t\u2028\u202e"), ("time", "я" * 64), ("time", "\u3000a")],
)
def test_texts_at_the_limits(service: str, text: str) -> None:
    """CLI-8: what a server takes a client sends."""
    assert parse_client_options([service, text], "udp").text == text
