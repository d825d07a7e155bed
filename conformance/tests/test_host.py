"""What the host offers: processors, where a container or taskset leaves fewer than there are."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conformance import ROOT
from conformance.targets import host

PROCESSORS = "from conformance.targets.host import processors; print(processors())"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such a command")
def test_a_process_that_is_bound_to_one_processor_has_one() -> None:
    one = min(os.sched_getaffinity(0))
    source = f"import os; os.sched_setaffinity(0, [{one}]); {PROCESSORS}"
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == "1\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has control groups")
@pytest.mark.parametrize(("text", "most"), [("50000 100000\n", 1), ("100000 100000\n", 1), ("max 100000\n", 1 << 20)])
def test_a_container_has_no_more_processors_than_its_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, most: int
) -> None:
    monkeypatch.setattr(host, "CONTROL_GROUPS", tmp_path)
    (tmp_path / "cpu.max").write_text(text, encoding="ascii")
    assert host.processors() == min(most, len(os.sched_getaffinity(0)))


def test_the_quota_of_both_versions_of_control_groups(tmp_path: Path) -> None:
    assert host._quota_of(tmp_path) == float("inf")
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n", encoding="ascii")
    for quota, share in ("-1", float("inf")), ("150000", 1.5):
        (tmp_path / "cpu.cfs_quota_us").write_text(f"{quota}\n", encoding="ascii")
        assert host._quota_of(tmp_path) == share
    (tmp_path / "cpu.max").write_text("20000 100000\n", encoding="ascii")
    assert host._quota_of(tmp_path) == 0.2


def test_a_resolver_that_answers_late_or_knows_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that waits for it is at no fault, nor one that finds the host."""
    ended = threading.Event()
    monkeypatch.setattr(host, "LOOK_UP", 0.1)
    for name, look_up, unknown in (
        ("late", lambda *_: ended.wait(), False),
        ("any", lambda *_: [], False),
        ("none", socket.getaddrinfo, True),
    ):
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        assert host.is_unknown(f"{name}..") == unknown, name
    ended.set()
