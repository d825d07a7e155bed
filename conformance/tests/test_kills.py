"""The kill matrix: each requirement has a fault that a check finds; and the runner can fail to find one."""

import subprocess
import sys

import pytest

from conformance import ROOT
from conformance.broken import AUTHOR, faults, kills
from conformance.broken.kill_session import Kill
from conformance.broken.kills import Findings, kill_table, read_kills, try_faults
from spec.requirements import REQUIREMENTS

#: A server with this fault is good at `::1`, which is what this check looks at.
UNSEEN = "SRV-15/turns_ipv4_away_at_the_wildcard", "servers/test_server_start.py::test_ipv6[time-tcp]"
#: This check fails, but for a line that is too long it says so of TCP-7.
OFF_TOPIC = (
    "TCP-4/takes_a_segment_for_a_line",
    r"servers/test_tcp.py::test_a_long_line_cut_near_its_end[time-tcp-\n-4103]",
)


def test_every_testable_requirement_has_a_kill() -> None:
    found, known = read_kills(), faults()
    alive = [
        id_
        for id_, requirement in REQUIREMENTS.items()
        if requirement.testable and not any(kill.fault in known for kill in found.get(id_, []))
    ]
    assert not alive


def test_every_fault_is_recorded_and_described() -> None:
    """Those by a stranger are recorded if a check finds them."""
    recorded = {kill.fault: kill.description for each in read_kills().values() for kill in each}
    known = faults()
    assert recorded == {name: known[name].description for name in recorded}
    assert recorded.keys() >= {name for name, fault in known.items() if fault.origin == AUTHOR}
    assert all(recorded.values())
    assert not [kill for each in read_kills().values() for kill in each if "/python" in kill.failure]


PLANT_EACH = """
import os, sys
from importlib import import_module
from conformance.broken import faults
for name, fault in faults().items():
    for transport in [fault.transport] if fault.transport else ["udp", "tcp"]:
        if (child := os.fork()) == 0:
            try:
                import_module(f"impl_{fault.implementation}.{transport}_{fault.role}")
                fault.apply()
            except BaseException as error:
                print(name, transport, repr(error), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
"""


def test_each_fault_can_be_planted() -> None:
    """One that crashes on the way would be found by any check."""
    planted = subprocess.run([sys.executable, "-c", PLANT_EACH], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (planted.stdout, planted.stderr, planted.returncode) == ("", "", 0)


def test_every_faulty_server_starts_unless_that_is_the_fault() -> None:
    silent = {id_ for id_, each in read_kills().items() for kill in each if "no ready line" in kill.failure}
    assert silent == {"SRV-1", "SRV-15", "SRV-16"}


@pytest.mark.timeout(600)
def test_each_recorded_check_finds_its_fault() -> None:
    """One check a fault; that the good programs pass it is what the rest of the suite shows."""
    wanted: dict[str, str | None] = {kill.fault: kill.check for each in read_kills().values() for kill in each}
    findings = try_faults(wanted)
    lost = {name: (wanted[name], findings.others[name]) for name in wanted if name not in findings.kills}
    assert not lost


@pytest.mark.timeout(600)
def test_what_is_not_found_is_no_kill() -> None:
    """Neither a check that passes nor one that fails about another requirement counts."""
    (unseen, _), (off_topic, _) = UNSEEN, OFF_TOPIC
    findings = try_faults(dict([UNSEEN, OFF_TOPIC]))
    assert findings.kills == {}
    assert findings.passed == {unseen: 1, off_topic: 0}
    assert findings.others[unseen] == []
    [failure] = findings.others[off_topic]
    assert "is about TCP-7: a line was answered before its LF" in failure


def test_the_command_fails_if_a_fault_is_not_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written: list[dict[str, Kill]] = []
    monkeypatch.setattr(
        kills, "try_faults", lambda names: Findings({}, {name: [] for name in names}, dict.fromkeys(names, 3))
    )
    monkeypatch.setattr(kills, "write_kills", written.append)
    assert kills.main(["ECHO-7"]) == 1
    assert written[0].keys() == {kill.fault for each in read_kills().values() for kill in each} - {
        name for name in faults() if name.startswith("ECHO-7/")
    }
    assert "ECHO-7/shouts_the_hash: NOT FOUND; 3 checks passed\n" in capsys.readouterr().out


def test_the_command_does_not_ask_for_the_faults_of_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Kill("ECHO-7/shouts_the_hash", "", "", "")
    monkeypatch.setattr(
        kills,
        "try_faults",
        lambda names: Findings({found.fault: found}, {name: [] for name in names}, dict.fromkeys(names, 3)),
    )
    written: list[dict[str, Kill]] = []
    monkeypatch.setattr(kills, "write_kills", written.append)
    assert kills.main(["ECHO-7"]) == 0
    assert written[0]["ECHO-7/shouts_the_hash"] is found


def test_the_command_refuses_a_requirement_without_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert kills.main(["ECHO-99"]) == 2
    assert capsys.readouterr().err == "error: no fault of ECHO-99\n"


def test_the_table_has_each_kill() -> None:
    assert kill_table().row_count == sum(map(len, read_kills().values()))
