"""How much of its expected gain a repeated trial can still bring.

The gain that a belief promises comes true only as far as another reading would move the belief: where a configuration
was measured often, its own expected gain is small change that no further reading collects. D. Huang et al., "Global
optimization of stochastic black-box systems via sequential kriging meta-models", Journal of Global Optimization 34,
2006, equation 13 (augmented expected improvement), here for what was tried only: a first trial teaches its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tuner.experience.model import Tried

if TYPE_CHECKING:
    from tuner.search.view import View

__all__ = ["told_anew"]

Floats = npt.NDArray[np.float64]

_LEAST = 1e-12


def told_anew(seen: View, tried: Sequence[Tried]) -> Floats:
    """A factor above 0 and at most 1 of the gain, by assignment; 1 where nothing was tried yet.

    The error of a trial is the usual one of its metric; without errors a repeat tells nothing.
    """
    factor = np.ones(len(seen.ground.assignments))
    weights = seen.outlooks[0].weights
    places = np.unique(seen.places)
    error = sum(weight**2 * _usual(tried, name) ** 2 for name, weight in weights.items())
    spread = sum(weight**2 * seen.beliefs[name].deviation[places] ** 2 for name, weight in weights.items())
    factor[places] = np.maximum(1 - np.sqrt(error / (spread + error + _LEAST)), _LEAST)
    return factor


def _usual(tried: Sequence[Tried], metric: str) -> float:
    """The median relative error of the metric's readings."""
    errors = [reading.error for one in tried for reading in one.readings if reading.metric == metric]
    return float(np.median(errors)) if errors else 0.0
