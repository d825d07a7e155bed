"""A failure that a busy machine may have caused is tried again, and only such a one."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from conformance.running import stalls, threads
from conformance.tests import test_gates

pytest_plugins = "pytester"
_fakes = test_gates._fakes

FAILS = """
from conformance.running import stalls
attempts = []

@pytest.mark.requirement('ECHO-1')
@pytest.mark.service('echo')
@pytest.mark.transport('tcp')
@pytest.mark.parametrize('number', range(3))
def test_it(target, number):
    attempts.append(number)
    stalls.PRESSURE.write_text(f'some avg10=0.00 avg60=0.00 avg300=0.00 total={len(attempts) * %d}')
    raise AssertionError(f'attempt {len(attempts)}')
"""


@pytest.mark.parametrize(("waited", "attempts"), [(10**9, 3 + threads.DOUBTED), (0, 3)])
def test_some_failures_are_tried_again_on_a_busy_machine(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, waited: int, attempts: int
) -> None:
    monkeypatch.setattr(stalls, "PRESSURE", pytester.path / "pressure")
    monkeypatch.setattr(stalls, "LONG", 60)
    monkeypatch.setattr(threads, "AT_ONCE", 1)
    result, _ = test_gates.run_checks(pytester, FAILS % waited, "--implementation=raw", "-p", threads.__name__)
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines([f"E * attempt {attempts}"])
    assert f"attempt {attempts + 1}" not in result.stdout.str()


def test_where_nobody_counts_no_machine_is_busy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(stalls, "PRESSURE", tmp_path / "none")
    assert not stalls.busy_since(stalls.this_moment())


WAITS = """
from conformance import patience

@pytest.mark.requirement('ECHO-1')
@pytest.mark.service('echo')
@pytest.mark.transport('tcp')
@pytest.mark.parametrize('number', range(3))
def test_it(server, number):
    patience.patience()
"""


@pytest.mark.parametrize(("profile", "outcomes"), [("quick", {"skipped": 3}), ("standard", {"passed": 3})])
def test_a_slow_program_has_no_more_time_than_others(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, profile: str, outcomes: dict[str, int]
) -> None:
    monkeypatch.setattr(threads, "Quiet", lambda seconds: SimpleNamespace(is_over=lambda: seconds > 0))
    options = "--implementation=raw", f"--profile={profile}", "-p", threads.__name__
    result, _ = test_gates.run_checks(pytester, WAITS, *options)
    result.assert_outcomes(**outcomes)


def test_a_quiet_time_passes_only_while_the_machine_has_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stalls, "PRESSURE", pressure := tmp_path / "pressure")
    assert not stalls.Quiet(0).is_over()  # nobody counts
    pressure.write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=0")
    quiet = stalls.Quiet(0)
    assert quiet.is_over()
    pressure.write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=60000000")
    assert not quiet.is_over()
