"""Targets by name, by manifest and by URL; what is wrong with one is said in one line."""

import sys
from pathlib import Path

import pytest

from conformance.targets import BUNDLED, TargetError, find_target

GOOD = f"""
name = "пример"
services = ["echo"]

[programs]
tcp_server = ["{sys.executable}", "server.py"]
udp_client = ["./client", "--loud"]
"""


def write(directory: Path, text: str) -> Path:
    program = directory / "client"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    file = directory / "sockspec.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_bundled_target() -> None:
    target = find_target("raw")
    assert target is BUNDLED["raw"]
    assert target.offers("server", "udp") and target.offers("client", "tcp", "time")


def test_a_manifest(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD)
    target = find_target(str(file))
    assert (target.name, target.cwd, target.services) == ("пример", tmp_path, ("echo",))
    assert target.command("tcp", "server") == (sys.executable, "server.py")
    assert target.command("udp", "client") == (str(tmp_path / "client"), "--loud")
    assert target.offers("server", "tcp", "echo") and not target.offers("server", "udp")
    assert not target.offers("server", "tcp", "time")
    assert find_target(str(tmp_path)) == target == find_target(target.word)


def test_a_manifest_is_called_by_its_directory(tmp_path: Path) -> None:
    target = find_target(str(write(tmp_path, '[programs]\nudp_server = ["true"]')))
    assert target.name == tmp_path.name and target.services == ("echo", "time")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", r"\[programs\] must have"),
        ("[programs]", r"\[programs\] must have"),
        ('[programs]\nudp_servers = ["true"]', r"\[programs\] must have"),
        ('[programs]\nudp_server = "true"', "udp_server must be a list"),
        ("[programs]\nudp_server = []", "udp_server must be a list"),
        ('[programs]\nudp_server = ["there-is-no-such-program"]', "no program there-is-no-such-program"),
        ('nam = "x"\n[programs]\nudp_server = ["true"]', "unknown key nam"),
        ('name = "raw"\n[programs]\nudp_server = ["true"]', "none of raw"),
        ('name = "a b"\n[programs]\nudp_server = ["true"]', "name must be"),
        ('services = ["chat"]\n[programs]\nudp_server = ["true"]', "services must be"),
        ("[programs", "sockspec.toml: "),
    ],
)
def test_a_wrong_manifest(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(TargetError, match=problem) as error:
        find_target(str(write(tmp_path, text)))
    assert "\n" not in str(error.value)


def test_a_url() -> None:
    target = find_target("time+udp://[::1]:3737")
    assert target.services == ("time",)
    assert target.offers("server", "udp") and not target.offers("server", "tcp") and not target.offers("client", "udp")


@pytest.mark.parametrize(
    "word", ["nobody", "echo+sctp://127.0.0.1:7007", "echo+udp://127.0.0.1", "http://127.0.0.1:80"]
)
def test_a_wrong_word(word: str) -> None:
    with pytest.raises(TargetError, match=word.replace("+", r"\+")):
        find_target(word)
