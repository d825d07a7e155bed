"""Fuzz the core: ``python -m spec.tests.fuzz [--seconds 300] [--keep]``.

HypoFuzz looks for inputs that reach new branches, for each of the core's properties; it starts from the golden vectors
and from what it found before, which is in ``.hypothesis``. At the end what failed is run again and shown, and each
failing exchange is printed as a vector.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from spec.tests.test_exchanges import FOUND
from spec.vectors import DIRECTORY

KEPT = DIRECTORY / "found.json"
TESTS = Path(__file__).parent
PROPERTIES = (
    "exchanges", "codec", "session", "endpoint", "endpoint_machine", "stream_client", "datagram_client", "client",
    "echo", "ticks", "timers", "tokens",
)  # fmt: skip


def look(seconds: float, nodes: Sequence[str], processes: int) -> None:
    """Let HypoFuzz look for so long. Raises RuntimeError if it does not run."""
    code = "import hypofuzz.entrypoint, hypothesis.extra.cli as cli; cli.main()"
    command = [sys.executable, "-c", code, "fuzz", "--no-dashboard", "--numprocesses", str(processes), "--", *nodes]
    with tempfile.TemporaryFile() as output:
        fuzzer = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        try:
            fuzzer.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(fuzzer.pid, signal.SIGKILL)  # its workers, too; what they have found is on the disk
            fuzzer.wait()
        output.seek(0)
        said = output.read().decode(errors="replace")
        if "Found a failing input" not in said:
            raise RuntimeError(said)


def replay(nodes: Sequence[str]) -> tuple[bool, list[str]]:
    """Run all that is known to fail again, shrunk; return whether something failed, and the vectors of exchanges."""
    with tempfile.TemporaryDirectory() as directory:
        found = Path(directory) / "found"
        environment = os.environ | {FOUND: str(found), "SOCKSPEC_REPLAY": "1"}
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-rf",
            "-m",
            "hypothesis",
            "--tb=short",
            "-p",
            "no:cacheprovider",
            *nodes,
        ]
        failed = subprocess.run(command, env=environment, check=False).returncode != 0
        lines = found.read_text(encoding="utf-8").splitlines() if found.exists() else []
    # Of each service and transport, the last is the shortest
    return failed, list({(v["service"], v["transport"]): line for line in lines for v in [json.loads(line)]}.values())


def keep(vectors: Sequence[str], path: Path = KEPT) -> None:
    """Add vectors to a file of the corpus."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    kept += [vector for vector in map(json.loads, vectors) if vector not in kept]
    text = ",\n\n".join(json.dumps(vector, ensure_ascii=False, indent=1) for vector in kept)
    path.write_text(f"[\n{text}\n]\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if nothing failed, 1 if something did."""
    parser = argparse.ArgumentParser(prog="python -m spec.tests.fuzz", description="Fuzz the core's properties.")
    parser.add_argument("--seconds", type=float, default=300, metavar="S", help="how long to look (default: 300)")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="how many processes look (default: 1)")
    parser.add_argument("--keep", action="store_true", help=f"add failing exchanges to {KEPT.name}")
    parser.add_argument("properties", nargs="*", metavar="PROPERTY", help=f"{', '.join(PROPERTIES)} (default: all)")
    options = parser.parse_args(arguments)
    nodes = [str(TESTS / f"test_{name}.py") for name in options.properties or PROPERTIES]
    if missing := [node for node in nodes if not Path(node).exists()]:
        parser.error(f"no such property: {', '.join(missing)}")
    if options.seconds:
        look(options.seconds, nodes, options.processes)
    failed, vectors = replay(nodes)
    for vector in vectors:
        print(f"as a vector: {vector}")
    if options.keep and vectors:
        keep(vectors)
        print(f"added to {KEPT}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
