"""What is built has all that it needs: the wheel is installed in a virtual environment and used from another directory.

The environment stands in a project whose own pytest settings and ``conftest.py`` would break each run that took them.
"""

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from conformance import ROOT
from conformance.targets.discovery import BUNDLED, EXAMPLES
from conformance.targets.programs import Program
from conformance.targets.terms import TRANSPORTS

PACKAGES = ("spec", "conformance", *sorted(path.name for path in ROOT.glob("impl_*")))
MINUTES = 60  # seconds

pytestmark = pytest.mark.timeout(10 * MINUTES)


class Built(NamedTuple):
    """A tree, and what `build` made of it: the sdist, the wheel made from the sdist, the wheel made from the tree."""

    tree: Path
    sdist: Path
    wheel: Path
    direct_wheel: Path


def run(*command: str | Path, cwd: Path) -> str:
    """Return what a command printed. Fails, with its output, unless it exits with status 0."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout}"
    return done.stdout


def files(directory: Path) -> set[str]:
    """Return the paths of all files below a directory, without what Python compiled."""
    whole = (path.relative_to(directory) for path in directory.rglob("*") if path.is_file())
    return {path.as_posix() for path in whole if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    directory = tmp_path_factory.mktemp("built")
    ignore = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "sockspec-failures")
    tree = Path(shutil.copytree(ROOT, directory / "tree", ignore=ignore))
    run(sys.executable, "-m", "build", "--outdir", directory / "both", tree, cwd=directory)
    run(sys.executable, "-m", "build", "--wheel", "--outdir", directory / "direct", tree, cwd=directory)
    ([sdist], [wheel], [direct]) = (
        (directory / place).glob(pattern)
        for place, pattern in (("both", "*.tar.gz"), ("both", "*.whl"), ("direct", "*.whl"))
    )
    return Built(tree, sdist, wheel, direct)


class Installed:
    """A virtual environment in somebody's project, and an empty directory beside it."""

    def __init__(self, directory: Path, wheel: Path) -> None:
        self.project, self.elsewhere = directory / "project", directory / "elsewhere"
        self.project.mkdir()
        self.elsewhere.mkdir()
        (self.project / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
        (self.project / "conftest.py").write_text("raise RuntimeError('the conftest.py of another project')\n")
        run(sys.executable, "-m", "venv", ".venv", cwd=self.project)
        self.programs = self.project / ".venv" / ("Scripts" if sys.platform == "win32" else "bin")
        self.python = str(self.programs / "python")
        run(self.python, "-m", "pip", "install", "--quiet", "--no-compile", f"{wheel}[compare]", cwd=self.elsewhere)
        self.packages = Path(
            run(self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=self.elsewhere).strip()
        )

    def sockspec(self, *words: str) -> str:
        return run(self.programs / "sockspec", *words, cwd=self.elsewhere)


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"), built.wheel)


def test_the_wheel_has_all_files_of_the_packages_but_tests_and_pictures(built: Built) -> None:
    expected = {
        name
        for package in PACKAGES
        for name in (f"{package}/{file}" for file in files(built.tree / package))
        if "/tests/" not in name and not name.endswith(".png")
    }
    with zipfile.ZipFile(built.wheel) as wheel:
        found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert found == expected
    assert {f"{package}/py.typed" for package in PACKAGES} <= found


def test_the_sdist_has_all_files_of_the_tree(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        found = {member.name.partition("/")[2] for member in sdist if member.isfile()}
    made = {name for name in found if ".egg-info/" in name} | {"PKG-INFO", "setup.cfg"}
    sources = {name for name in files(built.tree) if ".egg-info/" not in name and not name.startswith("build/")}
    assert found - made == sources


def test_the_sdist_builds_the_wheel_that_the_tree_builds(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel, zipfile.ZipFile(built.direct_wheel) as direct:
        assert set(wheel.namelist()) == set(direct.namelist())
        assert [name for name in wheel.namelist() if wheel.read(name) != direct.read(name)] == []


def test_a_run_conforms_and_writes_nothing_but_its_page(installed: Installed) -> None:
    before = files(installed.packages)
    output = installed.sockspec("run", "raw", "--profile=quick", "--html=page.html")
    assert "conforms: " in output.splitlines()[-1]
    assert files(installed.packages) == before
    assert files(installed.elsewhere) == {"page.html"}


def test_lists_are_the_same_as_in_the_tree(installed: Installed) -> None:
    for words in (["list"], ["list", "--kills"]):
        assert installed.sockspec(*words) == run(sys.executable, "-m", "conformance", *words, cwd=ROOT)


def test_servers_are_compared_without_pytest(installed: Installed) -> None:
    assert installed.sockspec("diff", "raw", "with", "--profile=quick").count("no difference in ") == 4


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_an_example_starts(installed: Installed, name: str) -> None:
    if name == "node" and shutil.which("node") is None:
        pytest.skip("needs Node.js")
    installed.sockspec("check-target", name)


@pytest.mark.parametrize(("name", "transport"), list(product(BUNDLED, TRANSPORTS)))
def test_a_server_starts(installed: Installed, name: str, transport: str) -> None:
    command = [installed.python, "-m", f"impl_{name}.{transport}_server", "echo", "--port", "0"]
    with Program(command, cwd=installed.elsewhere) as server:
        server.expect_line("waiting for clients on .*")
        assert server.stop(signal.SIGINT) == 0, server.describe("wrong exit status")
