"""How sure a latency percentile is, from the histogram of one load."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom  # type: ignore[attr-defined]  # scipy makes the name at run time

from tuner.load.histogram import decode, recorded
from tuner.load.protocol import LoadResult

__all__ = ["quantile_interval"]


def quantile_interval(result: LoadResult, percentile: float, confidence: float) -> tuple[float, float] | None:
    """The distribution-free interval of a percentile: low and high in seconds, ``None`` where nothing was counted.

    The ranks between which the percentile lies follow the binomial distribution of n requests, p = percentile / 100
    (David and Nagaraja, Order Statistics, 3rd ed., section 7.1). Where n is too small for the upper rank, the largest
    latency stands in for it.
    """
    values, counts = recorded(decode(result.histogram))
    if not len(values):
        return None
    reached = np.cumsum(counts)
    low, high = (int(rank) for rank in binom.interval(confidence, int(reached[-1]), percentile / 100))
    ranks = np.clip([low, high + 1], 1, reached[-1])
    bottom, top = values[np.searchsorted(reached, ranks)]
    return float(bottom) / 1e6, float(top) / 1e6
