"""Computes figures from samples: percentiles of one sample, medians of several, the ratios that these carry."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import special  # type: ignore[import-untyped]

from conformance.comparison.model import METRICS, Figure, Load, Measurement, Ratio

Sample = Mapping[str, float]
"""The values of one target under one load in one round: by METRICS' keys, in their units."""

Pairs = Mapping[str, Sequence[float]]
"""For each metric by its key: a target's values divided by the baseline's, of each round in which both have one."""

NO_RATIO = {"generator_cpu", "generator_late", "served", "lost", "lateness_max"}
"""Metrics that have no ratio: they describe the measurement, or hang on one tick alone."""

FEWEST_BEYOND = 10
"""How many values of a sample must lie beyond a percentile: with fewer it hangs on single ones."""

LEVEL = 0.05
"""How probable one false difference may be in a whole run, all its ratios together."""

LEAST_DIFFERENCE = 0.01
"""A ratio that is nearer to 1 is not stated as a difference, however exact: places in memory can cause it."""


class LoadError(Exception):
    """A load that could not be measured: the reason in one line, and the figures that there are."""

    def __init__(self, problem: str, sample: Sample | None = None) -> None:
        super().__init__(problem)
        self.sample = sample or {}


def percentile(times: Sequence[int], percent: float) -> float:
    """Return the least of these values that so many percent of them do not exceed."""
    return float(np.percentile(times, percent, method="inverted_cdf"))


def latency(times: Sequence[int]) -> Sample:
    """Return a sample's latencies, given in nanoseconds, by METRICS' keys and in their units."""
    return {f"latency_{name}": value / 1e3 for name, value in _median_and_tail(times).items()}


def lateness(times: Sequence[int]) -> Sample:
    """Return a sample's latenesses, given in nanoseconds, by METRICS' keys and in their units."""
    found = {**_median_and_tail(times), "max": max(times)}
    return {f"lateness_{name}": value / 1e6 for name, value in found.items()}


def _median_and_tail(times: Sequence[int]) -> dict[str, float]:
    found = {"p50": percentile(times, 50)}
    if len(times) >= 100 * FEWEST_BEYOND:
        found["p99"] = percentile(times, 99)
    return found


def pairs(samples: Sequence[Sample | None], baseline: Sequence[Sample | None]) -> Pairs:
    """Return the ratios of two targets' samples, one for each round; None, or none at the end: no sample."""
    found: dict[str, list[float]] = {}
    for ours, theirs in zip(samples, baseline, strict=False):
        for name in METRICS:
            mine, base = ours and ours.get(name), theirs and theirs.get(name)
            if mine and base and mine > 0 < base and name not in NO_RATIO:
                found.setdefault(name, []).append(mine / base)
    return found


def rounds_needed(comparisons: int) -> int:
    """Return how many rounds can carry a difference, of so many ratios.

    If the targets are alike, n rounds point all in one direction once in 2 ** (n - 1) times.
    """
    return math.ceil(1 + math.log2(max(comparisons, 1) / LEVEL))


def ratio(values: Sequence[float], comparisons: int) -> Ratio:
    """Return the geometric mean of the rounds' ratios, and Student's interval for it.

    The interval is Bonferroni's: its level is 1 - LEVEL / `comparisons`, the number of all ratios of the run.
    """
    logs, rounds = np.log(values), len(values)
    middle = float(np.exp(logs.mean()))
    if rounds < rounds_needed(comparisons):
        return Ratio(middle, None, None, rounds)
    reach = special.stdtrit(rounds - 1, 1 - LEVEL / comparisons / 2) * logs.std(ddof=1) / math.sqrt(rounds)
    low, high = float(np.exp(logs.mean() - reach)), float(np.exp(logs.mean() + reach))
    differs = not low <= 1 <= high and abs(middle - 1) >= LEAST_DIFFERENCE
    return Ratio(middle, low, high, rounds, differs)


def measurement(
    target: str,
    load: Load,
    samples: Sequence[Sample | None],
    ratios: Mapping[str, Ratio],
    problem: str = "",
) -> Measurement:
    """Return the figures of a target's samples, one for each round, with these ratios; None: no sample."""
    figures = {
        name: Figure.of(values)
        for name in METRICS
        if (values := [each[name] for each in samples if each and name in each])
    }
    return Measurement(target, load, figures, dict(ratios), problem)
