"""Percentiles of samples, and whether two series of medians differ by more than chance."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

# Of each percentile, how many samples it takes: at least ten must lie beyond it, as far as p99.
ENOUGH = {"p50": 3, "p90": 50, "p99": 500, "p99.9": 2_000}
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
# Buckets of the histogram for one factor of ten.
STEPS = 20
RESAMPLES = 1_000
LEVEL = 0.05


@dataclass
class Distribution:
    """Nanoseconds of many runs. A percentile that too few runs stand behind is not there."""

    runs: int
    min: float
    max: float
    mean: float
    percentiles: dict[str, float]
    # The median of each block of runs, in the order in which they were made.
    blocks: list[float]
    # Runs by the logarithm of their time: bucket n holds times from 10^(n/STEPS) ns on.
    histogram: dict[int, int] = field(default_factory=dict)


def distribution(blocks: Sequence[Sequence[float]]) -> Distribution | None:
    """Of blocks of samples; `None` where there is no sample."""
    ordered = sorted(sample for block in blocks for sample in block)
    if not ordered:
        return None
    histogram: dict[int, int] = {}
    for sample in ordered:
        bucket = math.floor(math.log10(max(sample, 1)) * STEPS)
        histogram[bucket] = histogram.get(bucket, 0) + 1
    return Distribution(
        runs=len(ordered),
        min=ordered[0],
        max=ordered[-1],
        mean=statistics.fmean(ordered),
        percentiles={
            name: percentile(ordered, share)
            for name, share in SHARES.items()
            if len(ordered) >= ENOUGH[name]
        },
        blocks=[statistics.median(block) for block in blocks if block],
        histogram=histogram,
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """The least of the ordered samples that this share of them does not exceed."""
    return ordered[min(len(ordered) - 1, max(0, math.ceil(len(ordered) * share) - 1))]


@dataclass(frozen=True)
class Difference:
    """How the new medians stand to the old: ratio, its 95 % interval, and the chance of it."""

    ratio: float
    low: float
    high: float
    p_value: float
    # Whether the chance stays below 5 % for all comparisons of the report together.
    significant: bool = False

    def words(self) -> str:
        """The difference as a statement."""
        chance = f"p = {self.p_value:.3f}" if self.p_value >= 0.001 else "p < 0.001"
        span = f"95 % interval {_percent(self.low)} to {_percent(self.high)}, {chance}"
        if not self.significant:
            return f"no difference shown ({_percent(self.ratio)}; {span})"
        return f"{_percent(self.ratio)}, {'slower' if self.ratio > 1 else 'faster'} ({span})"


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %"


def difference(old: Sequence[float], new: Sequence[float]) -> Difference:
    """Compares medians of blocks: a bootstrap of the ratio, and the test of Mann and Whitney."""
    rng = random.Random(1)  # noqa: S311  (resampling)
    ratios = sorted(
        statistics.median(rng.choices(new, k=len(new)))
        / statistics.median(rng.choices(old, k=len(old)))
        for _ in range(RESAMPLES)
    )
    return Difference(
        statistics.median(new) / statistics.median(old),
        percentile(ratios, 0.025),
        percentile(ratios, 0.975),
        mann_whitney(old, new),
    )


def holm(differences: Sequence[Difference]) -> list[Difference]:
    """Says of each whether it is significant, with the correction of Holm for their number."""
    order = sorted(range(len(differences)), key=lambda index: differences[index].p_value)
    significant: set[int] = set()
    for rank, index in enumerate(order):
        if differences[index].p_value > LEVEL / (len(differences) - rank):
            break
        significant.add(index)
    return [
        Difference(d.ratio, d.low, d.high, d.p_value, index in significant)
        for index, d in enumerate(differences)
    ]


def mann_whitney(old: Sequence[float], new: Sequence[float]) -> float:
    """The two-sided p-value, exact: that two series of one distribution mix so little."""
    below = sum((a < b) + 0.5 * (a == b) for a in old for b in new)
    pairs = len(old) * len(new)
    # Ties count half; the lesser of the two sums is rounded up, which never claims too much.
    least = math.ceil(min(below, pairs - below))
    ways = sum(_ways(len(old), len(new), u) for u in range(least + 1))
    return min(1.0, 2 * ways / math.comb(len(old) + len(new), len(old)))


@cache
def _ways(first: int, second: int, u: int) -> int:
    """In how many orders of the two series exactly `u` pairs are the wrong way round."""
    if u < 0:
        return 0
    if first == 0 or second == 0:
        return int(u == 0)
    return _ways(first - 1, second, u - second) + _ways(first, second - 1, u)
