"""Latencies as numbers: percentiles of encoded histograms, and histograms put together."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tuner.load.histogram import decode, encode, recorded

__all__ = ["merged", "name_of", "percentile", "percentiles"]


def name_of(percent: float) -> str:
    """``p99`` for 99, ``p99.9`` for 99.9."""
    return f"p{percent:g}"


def percentiles(histogram: str, percents: Iterable[float]) -> dict[str, float]:
    """Seconds by percentile of an encoded histogram; empty where it holds nothing."""
    values, counts = recorded(decode(histogram))
    if not len(values):
        return {}
    reached = np.cumsum(counts)
    found = {}
    for percent in sorted(set(percents)):
        target = max(int(percent / 100 * reached[-1] + 0.5), 1)
        found[name_of(percent)] = float(values[np.searchsorted(reached, target)]) / 1e6
    return found


def percentile(histogram: str, percent: float) -> float:
    """Seconds; 0 where the histogram holds nothing."""
    return percentiles(histogram, (percent,)).get(name_of(percent), 0.0)


def merged(histograms: Iterable[str]) -> str:
    """One histogram of all that several hold."""
    first, *rest = histograms
    whole = decode(first)
    for histogram in rest:
        whole.decode_and_add(histogram)
    return encode(whole)
