"""How sure a latency percentile is, from the histogram of one load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hdrh.histogram import HdrHistogram
from scipy.stats import binom  # type: ignore[attr-defined]  # scipy makes the name at run time

from tuner.load.protocol import LoadResult

__all__ = ["quantile_interval"]

_decode: Callable[[str], Any] = HdrHistogram.decode


def quantile_interval(result: LoadResult, percentile: float, confidence: float) -> tuple[float, float] | None:
    """The distribution-free interval of a percentile: low and high in seconds, ``None`` where nothing was counted.

    The ranks between which the percentile lies follow the binomial distribution of n requests, p = percentile / 100
    (David and Nagaraja, Order Statistics, 3rd ed., section 7.1). Where n is too small for the upper rank, the largest
    latency stands in for it.
    """
    histogram = _decode(result.histogram)
    total = histogram.get_total_count()
    if total == 0:
        return None
    low, high = (int(rank) for rank in binom.interval(confidence, total, percentile / 100))
    bottom, top = (_at_rank(histogram, rank, total) for rank in (max(low, 1), min(high + 1, total)))
    return bottom, top


def _at_rank(histogram: Any, rank: int, total: int) -> float:
    """Seconds at the 1-based rank; the histogram counts microseconds."""
    return float(histogram.get_value_at_percentile(100 * (rank - 0.5) / total)) / 1e6
