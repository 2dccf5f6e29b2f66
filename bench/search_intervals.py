"""How far a figure over runs could have come out otherwise: 95 % intervals by resampling models.

Runs of one model resemble each other, so models are drawn with replacement, each with all of its runs (a cluster
bootstrap: B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 8).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["interval_of", "share_at"]

_DRAWS = 500
_TAIL = 0.025

Floats = npt.NDArray[np.float64]


def share_at(part: float) -> Callable[[Floats], float]:
    """The value that at least this part of them does not exceed; one of them."""

    def statistic(values: Floats) -> float:
        place = max(math.ceil(part * len(values) - 1e-9), 1) - 1
        return float(np.partition(values, place)[place])

    return statistic


def interval_of(
    models: Sequence[str], values: Sequence[float], statistic: Callable[[Floats], float]
) -> tuple[float, float] | None:
    """The interval of a statistic of the runs' values; ``None`` for fewer than three models."""
    groups: dict[str, list[float]] = {}
    for model, value in zip(models, values, strict=True):
        groups.setdefault(model, []).append(value)
    if len(groups) < 3:
        return None
    arrays = [np.array(group) for group in groups.values()]
    draws = np.random.default_rng(0).integers(len(arrays), size=(_DRAWS, len(arrays)))
    found = [statistic(np.concatenate([arrays[place] for place in draw])) for draw in draws]
    return float(np.quantile(found, _TAIL)), float(np.quantile(found, 1 - _TAIL))
