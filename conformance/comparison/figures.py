"""Computes figures from samples: percentiles of one sample, medians of several, ratios of samples of the same round."""

from collections.abc import Iterable, Mapping, Sequence

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

from conformance.comparison.model import METRICS, Figure, Load, Measurement

Sample = Mapping[str, float]
"""The values of one target under one load in one round: by METRICS' keys, in their units."""

SHORTEST, LONGEST, DIGITS = 100, 60_000_000_000, 3
"""The range of a histogram in nanoseconds, and its significant digits (0.1 %). Values outside count as its ends."""

FEWEST_PAIRS = 5
"""How many rounds a ratio needs. With fewer, the ratio of another run is often outside the range."""

NO_RATIO = {"generator_cpu", "generator_late", "served", "lost"}
"""Metrics that have no ratio: they describe the measurement, not the target."""


class LoadError(Exception):
    """A load that could not be measured: the reason in one line, and the figures that there are."""

    def __init__(self, problem: str, sample: Sample | None = None) -> None:
        super().__init__(problem)
        self.sample = sample or {}


def percentiles(times: Iterable[int]) -> dict[str, float]:
    """Return p50, p99, p99.9 and max of nanoseconds, in nanoseconds."""
    histogram = HdrHistogram(SHORTEST, LONGEST, DIGITS)
    for time in times:
        histogram.record_value(min(max(time, SHORTEST), LONGEST))
    return {
        **{f"p{percent:g}": histogram.get_value_at_percentile(percent) for percent in (50, 99, 99.9)},
        "max": histogram.get_max_value(),
    }


def latency(times: Iterable[int]) -> Sample:
    """Return a sample's latencies, given in nanoseconds, by METRICS' keys and in their units."""
    return {f"latency_{name}": value / 1e3 for name, value in percentiles(times).items() if name != "max"}


def lateness(times: Iterable[int]) -> Sample:
    """Return a sample's latenesses, given in nanoseconds, by METRICS' keys and in their units."""
    return {f"lateness_{name}": value / 1e6 for name, value in percentiles(times).items() if name != "p99.9"}


def measurement(
    target: str,
    load: Load,
    samples: Sequence[Sample | None],
    baseline: Sequence[Sample | None] | None = None,
    problem: str = "",
) -> Measurement:
    """Return the figures of a target's samples, one for each round; None: that round has no sample.

    `baseline` has the samples of the baseline target, in the same order; None: this is the baseline target.
    """
    figures = {
        name: Figure.of(values)
        for name in METRICS
        if (values := [each[name] for each in samples if each and name in each])
    }
    ratios = {}
    for name in figures.keys() - NO_RATIO if baseline else ():
        pairs = [
            (ours[name], theirs[name])
            for ours, theirs in zip(samples, baseline or (), strict=True)
            if ours and theirs and name in ours and theirs.get(name)
        ]
        if len(pairs) >= FEWEST_PAIRS:
            ratios[name] = Figure.of([mine / base for mine, base in pairs])
    return Measurement(target, load, figures, {name: ratios[name] for name in METRICS if name in ratios}, problem)
