"""How like this service an earlier one is, before either has said anything: by engine, hardware, load and model."""

from __future__ import annotations

import math

from tuner.experience.model import Earlier, ModelFeatures

__all__ = ["resemblance"]

_ENGINE, _HARDWARE, _LOAD = 0.3, 0.5, 0.8
"""What is left of the weight where these differ: another machine changes mostly the level, another engine the shape."""
_FEATURES = 1.5
"""Distance between models at which the weight has fallen to 61 %: their sizes are a factor of 4.5 apart, say."""
_LEAST = 0.05
"""The least resemblance: whether a service is like another is decided by its trials, not by its file."""


def resemblance(this: Earlier, earlier: Earlier) -> float:
    """1 where nothing tells them apart, less the more does, never 0. What is not known of either counts as alike."""
    weight = 1.0
    for mine, theirs, left in (
        (this.engine, earlier.engine, _ENGINE),
        (this.hardware, earlier.hardware, _HARDWARE),
        (this.load, earlier.load, _LOAD),
    ):
        if mine and theirs and mine != theirs:
            weight *= left
    if this.features is not None and earlier.features is not None:
        weight *= math.exp(-((_distance(this.features, earlier.features) / _FEATURES) ** 2) / 2)
    return max(weight, _LEAST)


def _distance(left: ModelFeatures, right: ModelFeatures) -> float:
    """Root of the mean square of the logarithms of the ratios."""
    pairs = (
        (left.size, right.size),
        (left.parameters, right.parameters),
        (left.operations, right.operations),
        (left.depth, right.depth),
    )
    return math.sqrt(sum(math.log((a + 1) / (b + 1)) ** 2 for a, b in pairs) / len(pairs))
