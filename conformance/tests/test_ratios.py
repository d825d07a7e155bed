"""When a ratio is stated as a difference: seldom of equal targets, and each time of one that is 15 % slower."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import signal  # type: ignore[import-untyped]

from conformance.comparison.figures import LEVEL, Sample, latency, pairs, ratio, rounds_needed
from conformance.comparison.loads import ROUNDS
from conformance.comparison.model import Ratio

RUNS = 200
NOISE = 0.05
"""The standard deviation of a sample's noise, as a share of its value."""
QUICK, WHOLE = 50, 304
"""How many ratios a comparison of three targets has, with --quick and without."""
LOADS, TARGETS, METRICS = 9, 3, ["server_cpu", "latency_p50", "requests_per_second"]

Draw = Callable[[np.random.Generator, tuple[int, ...]], Any]
NOISES: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(0, NOISE, shape),
    "heavy tails": lambda rng, shape: NOISE * rng.standard_t(3, shape) / np.sqrt(3),
    "spikes": lambda rng, shape: rng.normal(0, NOISE, shape) + (rng.random(shape) < 0.1) * rng.exponential(0.5, shape),
}


def samples(rng: np.random.Generator, noise: Draw, slow: float) -> list[list[Sample]]:
    """Return what a load of --quick gives: the samples of each target; the second's CPU time is `slow` times that.

    The targets are measured in turn, in an order that rotates. What the machine does besides changes slowly, and much;
    each sample has noise of its own, half of it in all its metrics.
    """
    machine = signal.lfilter([1], [1, -0.9], rng.normal(0, NOISE, ROUNDS * TARGETS)).reshape(ROUNDS, TARGETS)
    machine = np.array([np.roll(each, number % TARGETS) for number, each in enumerate(machine)])
    of_sample, of_metric = (noise(rng, (ROUNDS, TARGETS, size)) for size in (1, len(METRICS)))
    values = 100 * np.exp(machine[..., None] + (of_sample + of_metric) / np.sqrt(2))
    values[:, 1, 0] *= slow
    return [[dict(zip(METRICS, each, strict=True)) for each in values[:, place]] for place in range(TARGETS)]


def compared(rng: np.random.Generator, noise: Draw, slow: float = 1, comparisons: int = 0) -> list[dict[str, Ratio]]:
    """Return the ratios of a run: of the second target and of the third to the first, in one load after the other."""
    loads = [samples(rng, noise, slow) for _ in range(LOADS)]
    paired = [pairs(ours, base) for base, *others in loads for ours in others]
    number = comparisons or sum(map(len, paired))
    return [{name: ratio(values, number) for name, values in each.items()} for each in paired]


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_equal_targets_are_seldom_said_to_differ(noise: Draw) -> None:
    rng = np.random.default_rng(1)
    runs = [compared(rng, noise) for _ in range(RUNS)]
    assert sum(any(each.differs for of in run for each in of.values()) for run in runs) <= LEVEL * RUNS


@pytest.mark.parametrize(("comparisons", "loads"), [(QUICK, 5), (WHOLE, LOADS)])
def test_a_target_that_is_slower_is_found_each_time(comparisons: int, loads: int) -> None:
    """With --quick five echo loads show a slower server by its CPU time; without, there are many more."""
    rng = np.random.default_rng(1)
    for _ in range(RUNS):
        found = [each["server_cpu"] for each in compared(rng, NOISES["normal"], 1.15, comparisons)[: 2 * loads : 2]]
        assert any(each.differs for each in found)
        assert all(each.ratio > 1.05 for each in found if each.differs)


@pytest.mark.parametrize(("values", "differs"), [([1.2] * 12, True), ([1.005] * 12, False), ([1.0] * 12, False)])
def test_values_that_are_all_alike(values: list[float], differs: bool) -> None:
    found = ratio(values, QUICK)
    assert found.differs == differs
    assert [found.low, found.ratio, found.high] == pytest.approx([values[0]] * 3)


def test_too_few_rounds_carry_nothing() -> None:
    needed = rounds_needed(QUICK)
    assert 2 ** (1 - needed) <= LEVEL / QUICK < 2 ** (2 - needed)
    few = ratio([2.0] * (needed - 1), QUICK)
    assert (few.low, few.high, few.rounds, few.differs) == (None, None, needed - 1, False)
    assert ratio([2.0] * needed, QUICK).differs
    assert max(rounds_needed(QUICK), rounds_needed(WHOLE)) <= ROUNDS


def test_pairs_are_of_one_round() -> None:
    ours = [{"start": 3.0}, None, {"start": 8.0, "stop": 1.0}, {"start": 6.0}, {"start": 10.0, "lost": 2.0}]
    base = [{"start": 1.0}, {"start": 9.0}, {"start": 2.0}, {"start": 0.0}, {"start": 5.0, "lost": 1.0}]
    assert pairs(ours, base) == {"start": [3.0, 4.0, 2.0]}


def test_a_percentile_has_ten_values_beyond_it() -> None:
    values = [1000 * each for each in range(1, 1001)]
    assert latency(values) == {"latency_p50": 500.0, "latency_p99": 990.0}
    assert latency(values[:-1]) == {"latency_p50": 500.0}
