"""Targets by name, by manifest and by URL; what is wrong with one is said in one line."""

import os
import sys
from collections import UserDict
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import pytest

from conformance import ROOT
from conformance.blame import blamed
from conformance.inconclusive import Inconclusive
from conformance.targets.discovery import BUNDLED, EXAMPLES, find_target
from conformance.targets.environment import clean_environment
from conformance.targets.limits import Limits
from conformance.targets.server import DidNotStart, Server
from conformance.targets.target import MissingError, TargetError
from conformance.targets.terms import Transport

GOOD = f"""
name = "пример"
services = ["echo"]

[programs]
tcp_server = ["{sys.executable}", "server.py"]
udp_client = ["./client", "--loud"]
"""


ANY = '[programs]\nudp_server = ["true"]'


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
    ("directory", "name"),
    [("lab 1 (2)", "lab 1 -2"), ("[я]", "я"), ("-v", "v"), ("a\nb", "a-b"), ("…", "target"), ("сдача.", "сдача")],
)
def test_a_directory_with_any_name_gives_its_manifest_one(tmp_path: Path, directory: str, name: str) -> None:
    (tmp_path / directory).mkdir()
    assert find_target(str(write(tmp_path / directory, '[programs]\nudp_server = ["true"]'))).name == name


@pytest.mark.parametrize(
    ("first", "said"),
    [("#!/no/such/sh\n", "'/no/such/sh'"), ("#! /bin/sh\r\n", r"'/bin/sh\\r'"), ("#! /bin/sh -e\n", "")],
)
def test_an_interpreter_that_is_not_there_is_named(tmp_path: Path, first: str, said: str) -> None:
    """The system says of it that the program is not there."""
    program = tmp_path / "server"
    program.write_text(first, newline="")
    program.chmod(0o755)
    manifest = write(tmp_path, '[programs]\ntcp_server = ["./server"]')
    if said:
        with pytest.raises(TargetError, match=f"tcp_server: ./server names {said} in its first line"):
            find_target(str(manifest))
    else:
        assert find_target(str(manifest)).command("tcp", "server") == (str(program),)


def test_a_manifest_for_python(tmp_path: Path) -> None:
    """Its programs run with the Python of the suite, in the directory that it names."""
    (tmp_path / "Где").mkdir()
    program = '[programs]\ntcp_server = ["{python}", "-m", "сервер"]'
    target = find_target(str(write(tmp_path, f'directory = "Где"\nrequires = ["sys", "pytest"]\n{program}')))
    assert target.command("tcp", "server") == (sys.executable, "-m", "сервер")
    assert target.cwd == tmp_path / "Где"


@pytest.mark.parametrize(
    ("status", "requirement", "problem"),
    [
        (2, "SRV-10", "it takes a valid command line for wrong usage, but the ready line was expected"),
        (1, None, "it ended before it printed anything, but the ready line was expected"),
    ],
    ids=["refused", "no such host"],
)
def test_a_server_that_refuses_an_option_beside_its_host(status: int, requirement: str | None, problem: str) -> None:
    """SRV-10 asks for status 2, and here it came: the message says that the command line was valid."""
    command = [sys.executable, "-c", f"raise SystemExit({status})"]
    with pytest.raises(DidNotStart) as error:
        Server(command, "echo", "udp", "--host", "::1", "--interval", "1")
    assert blamed(error.value) == requirement and str(error.value).startswith(problem)


def test_a_variable_that_another_thread_takes_away_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    class Changing(UserDict[str, str]):
        def __iter__(self) -> Iterator[str]:
            yield from [*self.data, "PYTEST_CURRENT_TEST"]

    monkeypatch.setattr("os.environ", Changing(LC_ALL="C", PYTEST_VERSION="9"))
    assert clean_environment() == {"LC_ALL": "C"}


def test_a_manifest_adds_to_the_environment(tmp_path: Path) -> None:
    """What it names is the author's choice, also what the suite would not pass on; what a check sets comes after."""
    source = "import os; print(*(os.environ.get(name) for name in ('PYTHONPATH', 'PYTHONUNBUFFERED', 'TZ', 'LC_ALL')))"
    program = f'[programs]\nudp_client = ["{{python}}", "-c", "{source}"]'
    table = 'PYTHONPATH = "{directory}/src:{directory}"\nPYTHONUNBUFFERED = "1"\nTZ = "UTC"\nLC_ALL = "C"'
    target = find_target(str(write(tmp_path, f"{program}\n[environment]\n{table}")))
    with target.program("udp", "client", env={"LC_ALL": "C.UTF-8"}) as client:
        client.wait()
        assert client.output == [f"{tmp_path}/src:{tmp_path} 1 UTC C.UTF-8"]


def test_a_server_that_needs_a_variable(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "ready.py").write_text('print("waiting for clients on echo+udp://127.0.0.1:7", flush=True)')
    server = '[programs]\nudp_server = ["{python}", "-c", "import ready"]'
    table = '[environment]\nPYTHONPATH = "{directory}/lib"'
    with find_target(str(write(tmp_path, f"{server}\n{table}"))).server("echo", "udp") as running:
        assert running.port == 7


def test_a_program_is_looked_for_on_the_path_that_it_gets(tmp_path: Path) -> None:
    manifest = write(tmp_path, '[programs]\ntcp_server = ["client"]\n[environment]\nPATH = "{directory}/bin"')
    (tmp_path / "bin").mkdir()
    (tmp_path / "client").rename(tmp_path / "bin" / "client")
    target = find_target(str(manifest))
    assert target.command("tcp", "server") == ("client",)
    with target.program("tcp", "server") as program:
        program.wait()


def test_a_manifest_of_an_editor_on_windows(tmp_path: Path) -> None:
    """It begins with a byte order mark, and its lines end with CRLF."""
    manifest = write(tmp_path, "")
    manifest.write_text(f"\ufeff{ANY}\n".replace("\n", "\r\n"), encoding="utf-8", newline="")
    assert find_target(str(manifest)).offers("server", "udp")


def test_a_manifest_may_require_a_module_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    assert find_target(str(write(tmp_path, f'requires = ["__main__"]\n{ANY}'))).offers("server", "udp")


def test_a_manifest_sets_limits(tmp_path: Path) -> None:
    text = '[programs]\ntcp_server = ["./client"]\n[limits]\nmemory = 4096\noutput = 1'
    target = find_target(str(write(tmp_path, text)))
    assert target.limits == Limits(memory=4096, output=1)
    with target.program("tcp", "server") as program:
        assert program.limits is target.limits


def test_a_program_is_looked_for_where_it_runs(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    write(tmp_path / "bin", "")
    target = find_target(str(write(tmp_path, 'directory = "bin"\n[programs]\ntcp_server = ["./client"]')))
    assert target.command("tcp", "server") == (str(tmp_path / "bin" / "client"),)


def test_a_manifest_that_requires_what_is_missing(tmp_path: Path) -> None:
    text = 'requires = ["sys", "no_such_module"]\n[programs]\ntcp_server = ["{python}", "server.py"]'
    with pytest.raises(MissingError, match=f"{tmp_path.name}: needs the Python module no_such_module$"):
        find_target(str(write(tmp_path, text)))


def test_an_example_that_requires_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        MissingError, match=r"uvloop: needs the Python module uvloop: pip install 'sockspec\[compare\]'$"
    ):
        find_target("uvloop")


def test_an_example_from_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    target = find_target("asyncio")
    assert (target.name, target.cwd) == ("asyncio", ROOT)
    assert target == find_target(target.word)
    assert target.offers("server", "udp", "time") and not target.offers("client", "udp")


def test_what_examples_there_are() -> None:
    assert list(EXAMPLES) == ["asyncio", "floor", "node", "uvloop"]
    with pytest.raises(TargetError, match=f"neither {', '.join(BUNDLED)}, asyncio, floor, node, uvloop nor"):
        find_target("nobody")


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
        ('name = "a "\n[programs]\nudp_server = ["true"]', "name must be"),
        ('services = ["chat"]\n[programs]\nudp_server = ["true"]', "services must be"),
        ('services = [["echo"]]\n[programs]\nudp_server = ["true"]', "services must be"),
        ('directory = "nowhere"\n[programs]\nudp_server = ["true"]', "directory must be"),
        ('directory = "client"\n[programs]\nudp_server = ["true"]', "directory must be"),
        ('directory = ["."]\n[programs]\nudp_server = ["true"]', "directory must be"),
        ('requires = "sys"\n[programs]\nudp_server = ["true"]', "requires must be"),
        ('requires = ["os.path"]\n[programs]\nudp_server = ["true"]', "requires must be"),
        ("requires = [1]\n[programs]\nudp_server = ['true']", "requires must be"),
        ("[programs", "sockspec.toml: "),
        (f'environment = "A=1"\n{ANY}', r"\[environment\]: must be a table of strings"),
        (f"{ANY}\n[environment]\nA = 1", r"\[environment\]: must be a table of strings"),
        (f'{ANY}\n[environment]\n"A=B" = "1"', r"\[environment\]: 'A=B' is no name"),
        (f'{ANY}\n[environment]\n"" = "1"', r"\[environment\]: '' is no name"),
        (f'{ANY}\n[environment]\nA = "\\u0000"', r"\[environment\]: 'A' .* NUL in its value"),
        (f'{ANY}\n[environment]\nSOCKSPEC_PROGRAM = "1"', r"\[environment\]: SOCKSPEC_PROGRAM is the suite's own"),
        (f"limits = 5\n{ANY}", r"\[limits\]: must be a table with some of memory, processes, open_files, output"),
        (f"{ANY}\n[limits]\ncpu = 5", r"\[limits\]: must be a table with some of memory"),
        (f"{ANY}\n[limits]\nmemory = 0", r"\[limits\]: memory must be a whole number above 0"),
        (f"{ANY}\n[limits]\nmemory = true", r"\[limits\]: memory must be a whole number above 0"),
        (
            f'{ANY}\n[lacks]\nsockets = "why"',
            r"\[lacks\]: must be a table with some of argument-bytes, interrupted-writes, many-sockets",
        ),
        (f"{ANY}\n[lacks]\nterminals = true", r"\[lacks\]: each value must be a string that says why"),
        (f"name = {'[' * 5000}{']' * 5000}\n{ANY}", "sockspec.toml: it is nested too deeply"),
        (f"[limits]\nmemory = {'9' * 5000}\n{ANY}", "sockspec.toml: Exceeds the limit"),
        (f"directory = '{'a' * 5000}'\n{ANY}", "directory must be"),
        (f'directory = "\\u0000"\n{ANY}', "directory must be"),
        ('[programs]\nudp_server = ["true", "\\u0000"]', "udp_server must be a list of strings"),
        (f"{ANY}\n[environment]\nPATH = '/nowhere'", "udp_server: there is no program true"),
        (f"{ANY}\n[limits]\noutput = 1.5", r"\[limits\]: output must be a whole number above 0"),
    ],
)
def test_a_wrong_manifest(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(TargetError, match=problem) as error:
        find_target(str(write(tmp_path, text)))
    assert "\n" not in str(error.value)


def test_a_pipe_is_no_manifest(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "sockspec.toml")
    with pytest.raises(TargetError, match=r"sockspec\.toml is no file"):
        find_target(str(tmp_path))


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


def test_what_a_platform_lacks(tmp_path: Path) -> None:
    target = find_target(str(write(tmp_path, f'{ANY}\n[lacks]\nterminals = "it has none"')))
    target.need("argument-bytes")
    with pytest.raises(Inconclusive, match="lacks the suite's pseudo-terminals: it has none"):
        target.need("terminals")


@pytest.mark.parametrize(
    ("transport", "host", "can"),
    [("udp", "127.0.0.2", False), ("udp", "127.0.0.1", True), ("udp", "256.0.0.1", True), ("tcp", "127.0.0.2", True)],
)
def test_a_platform_without_udp_addresses(tmp_path: Path, transport: Transport, host: str, can: bool) -> None:
    text = f'{ANY}\ntcp_server = ["true"]\n[lacks]\nudp-addresses = "it has one"'
    target = find_target(str(write(tmp_path, text)))
    with nullcontext() if can else pytest.raises(Inconclusive, match="it has one"):
        target.program(transport, "server", "echo", "--host", host).kill()
