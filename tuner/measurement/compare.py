"""Two configurations against each other: the ratio of paired, interleaved blocks with an honest interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import t as student

from tuner.measurement.model import Interval

__all__ = ["paired_ratio"]

RESAMPLES = 4000


def paired_ratio(baseline: Sequence[float], candidate: Sequence[float], confidence: float, seed: int) -> Interval:
    """Ratio candidate ÷ baseline (geometric mean over pairs) with its two-sided interval at ``confidence`` (0..1).

    Pair i is (baseline[i], candidate[i]), measured next to each other on the same arrivals; at least two pairs, all
    values above 0, else ValueError. The interval is the wider, on each side, of the paired percentile bootstrap and
    Student's t on the logarithms: of few pairs the bootstrap alone claims a difference too often.
    """
    if len(baseline) != len(candidate) or len(baseline) < 2:
        raise ValueError("a comparison needs at least two pairs of blocks")
    if min(*baseline, *candidate) <= 0:
        raise ValueError("only values above 0 have a ratio")
    logs = np.log(np.asarray(candidate, dtype=float)) - np.log(np.asarray(baseline, dtype=float))
    middle = float(logs.mean())
    tail = (1 - confidence) / 2
    means = np.random.default_rng(seed).choice(logs, size=(RESAMPLES, len(logs))).mean(axis=1)
    low, high = (float(end) for end in np.quantile(means, [tail, 1 - tail]))
    spread = float(student.ppf(1 - tail, len(logs) - 1)) * float(logs.std(ddof=1)) / math.sqrt(len(logs))
    return Interval(
        value=math.exp(middle), low=math.exp(min(low, middle - spread)), high=math.exp(max(high, middle + spread))
    )
