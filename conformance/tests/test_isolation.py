"""The judge is bent by nobody's settings: not by those of Python, of pytest or of the project that it is run in."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from conformance import ROOT

COMMAND = [
    sys.executable,
    "-m",
    "conformance",
    "run",
    "raw",
    "--requirement=ECHO-3",
    "--profile=quick",
    "--role=server",
]

HOSTILE_FILES = {
    "pytest.ini": "[pytest]\naddopts = -k unit\npython_files = nothing_*.py\npython_functions = never_*\n",
    "conftest.py": "raise SystemExit('the conftest.py of the project')\n",
    "setup.cfg": "[tool:pytest]\naddopts = --no-such-option\n",
    "tox.ini": "[pytest]\naddopts = --collect-only\n",
    "pyproject.toml": '[tool.pytest.ini_options]\naddopts = ["--maxfail=1", "-x"]\n',
    "hostile_plugin.py": "import pytest\n\n\ndef pytest_collection_modifyitems(items):\n    items[:] = []\n",
    "sitecustomize.py": "",
}

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "nothing": {},
    "PYTEST_ADDOPTS": {"PYTEST_ADDOPTS": "-k unit"},
    "PYTEST_PLUGINS": {"PYTEST_PLUGINS": "hostile_plugin", "PYTHONPATH": "."},
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    "PYTEST_TIMEOUT": {"PYTEST_TIMEOUT": "1"},
    "PYTHONOPTIMIZE": {"PYTHONOPTIMIZE": "1"},
    "PYTHONWARNINGS": {"PYTHONWARNINGS": "error"},
    "PYTHONSAFEPATH": {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(ROOT)},
    "HYPOTHESIS": {"HYPOTHESIS_STORAGE_DIRECTORY": "/nowhere"},
}


def run(directory: Path, extra: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join(filter(None, [str(ROOT), extra.get("PYTHONPATH", "")]))
    environment = {**os.environ, **extra, "PYTHONPATH": path, "NO_COLOR": "1"}
    return subprocess.run(COMMAND, cwd=directory, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a run says in a directory of its own: the counts of its checks."""
    done = run(tmp_path_factory.mktemp("empty"), {})
    assert done.returncode == 0, done.stdout + done.stderr
    return counts(done.stdout)


def counts(output: str) -> str:
    return output.splitlines()[-1].partition(", quick profile")[0]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_settings_of_others_change_nothing(name: str, tmp_path: Path, expected: str) -> None:
    for file, text in HOSTILE_FILES.items():
        tmp_path.joinpath(file).write_text(text, encoding="utf-8")
    done = run(tmp_path, ENVIRONMENTS[name])
    assert (done.returncode, counts(done.stdout)) == (0, expected), done.stdout + done.stderr
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == set(HOSTILE_FILES)


def test_a_file_that_is_called_like_a_module_of_python_is_not_imported(tmp_path: Path, expected: str) -> None:
    for name in "socket", "random", "queue", "psutil", "pytest", "spec":
        tmp_path.joinpath(f"{name}.py").write_text(
            f"raise SystemExit('the {name}.py of the project')\n", encoding="utf-8"
        )
    done = run(tmp_path, {})
    assert (done.returncode, counts(done.stdout)) == (0, expected), done.stdout + done.stderr


def test_a_wrong_server_does_not_conform_without_assertions(tmp_path: Path) -> None:
    """Python leaves assertions out with ``-O``; the checks are made of them."""
    server = tmp_path / "server.py"
    server.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from impl_raw.tcp_server import main\n"
        "try:\n    status = main()\nexcept SystemExit as error:\n    status = error.code\n"
        "sys.exit(status and status + 40)\n",
        encoding="utf-8",
    )
    program = f'["{sys.executable}", "server.py"]'
    tmp_path.joinpath("sockspec.toml").write_text(f"[programs]\ntcp_server = {program}\n", encoding="utf-8")
    command = [
        sys.executable,
        "-O",
        "-m",
        "conformance",
        "run",
        str(tmp_path),
        "--requirement=SRV-10",
        "--profile=quick",
    ]
    environment = {**os.environ, "PYTHONOPTIMIZE": "2", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "expected 2" in done.stdout


def test_ignored_and_blocked_signals_are_not_handed_on() -> None:
    """A shell or a supervisor that has ignored or blocked them is no fault of the target."""
    source = (
        "import os, signal as s, sys; [s.signal(each, s.SIG_IGN) for each in (s.SIGHUP, s.SIGINT, s.SIGCHLD)];"
        " s.pthread_sigmask(s.SIG_BLOCK, [s.SIGTERM, s.SIGINT, s.SIGHUP]); os.execv(sys.executable, sys.argv[1:])"
    )
    words = ["-m", "conformance", "run", "raw", "--profile=quick", "--requirement=SRV-8", "--requirement=CLI-6"]
    command = [sys.executable, "-c", source, sys.executable, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
