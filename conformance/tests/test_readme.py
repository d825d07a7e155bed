"""The README's commands do what it says: each ``sh`` block is run in a copy of the tree, top to bottom.

A line that starts a server goes to a terminal of its own, as the reader is told; a subscriber is left, after two ticks,
with the reader's Ctrl-C.
"""

import difflib
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from conformance import ROOT
from conformance.targets.programs import Program

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL))
TICK = r"\S+ \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"
MINUTES = 60  # seconds

pytestmark = pytest.mark.timeout(10 * MINUTES)


def blocks(section: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", SECTIONS[section], re.MULTILINE | re.DOTALL)


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """A copy of the tree, under version control. At the end nothing is changed, and all that is new is ignored."""

    def ignore(_: str, names: list[str]) -> set[str]:
        return {name for name in names if (name.startswith(".") and name != ".gitignore") or name == "__pycache__"}

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=directory, check=True, capture_output=True, text=True).stdout

    directory = Path(shutil.copytree(ROOT, tmp_path / "sockspec", ignore=ignore))
    git("init", "--quiet")
    git("add", "--all")
    yield directory
    assert git("ls-files", "--modified", "--others", "--exclude-standard") == ""


NEW_NETWORK = "unshare", "--map-root-user", "--net"


def make_network(stack: ExitStack) -> list[str]:
    """Make a network; return the words before a command that run it there, none where that is not possible.

    The README's ports are the default ones. In a network of its own they are free whatever runs beside.
    """
    up = "ip link set lo up && echo up"
    if not shutil.which("nsenter") or subprocess.run([*NEW_NETWORK, "sh", "-c", up], check=False).returncode != 0:
        return []
    holder = stack.enter_context(Program([*NEW_NETWORK, "sh", "-c", f"{up} && exec sleep 1d"]))
    holder.expect_text("up")
    return ["nsenter", f"--target={holder.pid}", "--user", "--net", "--preserve-credentials"]


class Terminals:
    """Runs one command line after the other in a directory; servers run on until the end."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        self.stack = stack
        self.network = make_network(stack)

    def install(self, line: str) -> list[str]:
        """Return what a command printed that needs the network of the machine, as `run` does."""
        return self._run([], line)

    def run(self, line: str) -> list[str]:
        """Return what a command printed. Fails unless it exits with status 0."""
        return self._run(self.network, line)

    def _run(self, network: list[str], line: str) -> list[str]:
        words = line if "&&" in line or "|" in line else f"exec {line}"
        shell = self.stack.enter_context(Program([*network, "bash", "-c", words], cwd=self.directory))
        if "_server" in line:
            shell.expect_line("waiting for clients on .*")
            self.stack.callback(self.stop, shell)
            return shell.output
        if "_client time" in line and "--ticks" not in line:
            shell.expect_line(TICK)
            shell.expect_line(TICK)
            shell.signal(signal.SIGINT)
        assert shell.wait(10 * MINUTES) == 0, shell.describe("wrong exit status")
        return shell.output

    def stop(self, server: Program) -> None:
        assert server.stop(signal.SIGINT) == 0, server.describe("wrong exit status")
        assert server.output[-1] == "stopped"
        assert server.errors == []


@pytest.fixture
def terminals(clone: Path) -> Iterator[Terminals]:
    with ExitStack() as stack:
        yield Terminals(clone, stack)


A_PART = "--service echo --transport tcp"
"""Words at the end of the commands that judge all: other environments of tox judge the same programs."""


def test_compare(terminals: Terminals) -> None:
    [command] = blocks("Side by side", "sh")
    output = "\n".join(terminals.install(f"{command.rstrip()} {A_PART}"))
    for told in ("server CPU", "latency, median", "conversations were answered alike"):
        assert told in output
    assert "<!doctype html>" in (terminals.directory / "report.html").read_text(encoding="utf-8")[:20]


def test_see_it_run(terminals: Terminals) -> None:
    demo, *commands = "".join(blocks("See it run", "sh")).splitlines()
    output = terminals.install(f"{demo.rstrip()} {A_PART}")
    for name in ("raw", "with", "socketserver"):
        assert any(name in line for line in output)
    for command in commands:
        terminals.run(command)


@pytest.mark.skipif(shutil.which("nc") is None, reason="needs netcat, the OpenBSD one")
@pytest.mark.parametrize("number", range(4))
def test_talk_to_it_by_hand(terminals: Terminals, number: int) -> None:
    server, netcat = blocks("Talk to it by hand", "sh")[number].splitlines()
    terminals.run(server)
    output = terminals.run(netcat)
    if number == 0:
        assert output == blocks("Talk to it by hand", "text")[0].splitlines()
    else:
        assert output[0] == ("OK", "OK", "OK", "CHALLENGE")[number]


EXERCISES = re.findall(r"^\| (.+?) \| `(.+?)` \| `(.+?)` \|$", SECTIONS["The seven classic exercises"], re.MULTILINE)


def test_there_are_seven_exercises() -> None:
    assert len(EXERCISES) == 7


@pytest.mark.parametrize(("server", "client"), [exercise[1:] for exercise in EXERCISES], ids=[e[0] for e in EXERCISES])
def test_exercise(terminals: Terminals, server: str, client: str) -> None:
    terminals.run(server)
    output = terminals.run(client)
    assert output[0].startswith("connected to ")
    if " time " in client:
        assert len(output) == 3
        assert all(re.fullmatch(TICK, line) for line in output[1:])
    else:
        assert output[1:5] == ["message: привет", "reversed: тевирп", "upper: ПРИВЕТ", "length: 6"]


def test_the_difference_shown_is_the_difference_there_is() -> None:
    raw, with_ = ((ROOT / package / "udp_server.py").read_text().splitlines() for package in ("impl_raw", "impl_with"))
    (shown,) = blocks("What `with` buys", "diff")
    assert shown in "\n".join(difflib.unified_diff(raw, with_, lineterm="")) + "\n"


def test_continuous_integration_runs_the_test_command() -> None:
    (command,) = blocks("Test it", "sh")
    assert command in (ROOT / ".ci" / "run").read_text()


def test_links_lead_somewhere() -> None:
    for path, _, anchor in re.findall(r"\]\(([^)#]+)(#?)([^)]*)\)", README):
        assert (ROOT / path).exists(), path
        if anchor:
            titles = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles], anchor
