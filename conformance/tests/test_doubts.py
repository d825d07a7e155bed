"""A failure that a busy machine may have caused is tried again, and only such a one."""

from pathlib import Path

import pytest

from conformance import patience
from conformance.inconclusive import Unjudged
from conformance.running import stalls, threads
from conformance.targets import host
from conformance.tests import test_gates
from conformance.timing import SCALE

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
    monkeypatch.setattr(threads, "threads_of_unit", lambda config: 1)
    result, _ = test_gates.run_checks(pytester, FAILS % waited, "--implementation=raw", "-p", threads.__name__)
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines([f"E * attempt {attempts}"])
    assert f"attempt {attempts + 1}" not in result.stdout.str()


DOES_NOT_HOLD = """
@pytest.mark.requirement('ECHO-1')
@pytest.mark.service('echo')
@pytest.mark.transport('tcp')
def test_it(target):
    raise AssertionError('it does not')
"""


@pytest.mark.parametrize("orderly", [True, False])
def test_nothing_fails_where_the_loopback_loses_datagrams(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, orderly: bool
) -> None:
    monkeypatch.setattr(host, "_loopback_is_orderly", lambda: orderly)
    options = "--implementation=raw", "-p", threads.__name__
    result, _ = test_gates.run_checks(pytester, DOES_NOT_HOLD, *options)
    result.assert_outcomes(failed=1 if orderly else 0, skipped=0 if orderly else 1)


def test_where_nobody_counts_no_machine_is_busy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(stalls, "PRESSURE", tmp_path / "none")
    assert not stalls.busy_since(stalls.this_moment())


SLOW = """
from conformance import patience

@pytest.mark.requirement('ECHO-1')
@pytest.mark.service('echo')
@pytest.mark.transport('tcp')
@pytest.mark.parametrize('number', range(3))
def test_it(server, number):
    patience.note_answer(1000)
"""


@pytest.mark.parametrize(
    ("profile", "idle", "outcomes"),
    [
        ("quick", 1, {"passed": 1, "skipped": 2}),
        ("quick", 0.5, {"passed": 1, "skipped": 2}),
        ("quick", 0.0075 * SCALE, {"passed": 2, "skipped": 1}),
        ("quick", 0, {"passed": 3}),
        ("standard", 1, {"passed": 3}),
    ],
)
def test_a_slow_program_has_no_more_time_than_others(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, profile: str, idle: float, outcomes: dict[str, int]
) -> None:
    monkeypatch.setattr(threads, "idle_since", lambda start: idle)
    options = "--implementation=raw", f"--profile={profile}", "-p", threads.__name__
    result, _ = test_gates.run_checks(pytester, SLOW, *options)
    result.assert_outcomes(**outcomes)


def test_no_wait_is_begun_when_slow_answers_have_taken_too_long() -> None:
    patience.begin_target(5)
    patience.note_answer(patience.PROMPT / 2)
    patience.patience()
    patience.note_answer(6)
    with pytest.raises(Unjudged, match="more than 5 s"):
        patience.patience()
    patience.begin_target()
