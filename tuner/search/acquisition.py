"""How much a trial of each candidate may gain: expected improvement under limits.

J. Mockus, 1975; with constraints as in J. R. Gardner et al., "Bayesian optimization with inequality constraints", ICML
2014, but jointly where merit and limit hang on one metric: the better and the forbidden values are then two ends of the
same distribution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from tuner.search.aim import Aim
from tuner.search.belief import Mixture

__all__ = ["Outlook"]

Floats = npt.NDArray[np.float64]

_CAUTION = 1.0
"""Power of the probability to hold the limits, beside what the expected gain itself holds of it: a trial of what is
probably forbidden tells little more than that. Without it a quarter of the trials breaks a limit, with it an eighth."""
_LITTLE, _LATE = 0.01, 6.0
"""Expected gain (1 %) below which that power is this instead."""
_FIRST = 3.0
"""That power while nothing within the limits is known."""
_TINY = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """What is believed of every candidate, read by one objective.

    ``offset`` has shape (candidates,); ``runs`` is the probability that a trial does not fail.
    """

    aim: Aim
    beliefs: Mapping[str, Mixture]
    offset: Floats
    runs: Floats
    objective: int = 0

    @property
    def weights(self) -> Mapping[str, float]:
        """The exponent of each metric in the merit."""
        return self.aim.objectives[self.objective].weights

    def merit(self) -> Floats:
        """Expected logarithm of the merit."""
        return self.offset + sum(weight * self.beliefs[name].mean for name, weight in self.weights.items())

    def holds(self) -> Floats:
        """The probability to run and to hold every limit; metrics are taken as independent."""
        held = self.runs.copy()
        for limit in self.aim.limits:
            held *= self.beliefs[limit.metric].below(math.log(limit.bound))
        return held

    def first(self) -> Floats:
        """Logarithm of the worth of a trial while nothing within the limits is known."""
        merit = self.merit()
        return np.asarray(_FIRST * np.log(self.holds() + _TINY) + merit - merit.max())

    def gain(self, best: float) -> Floats:
        """Expected gain in the logarithm of the merit over ``best``, by candidates that hold the limits."""
        if len(self.weights) == 1:
            ((name, weight),) = self.weights.items()
            return self._joint(name, weight, best)
        variance = sum(weight**2 * self.beliefs[name].deviation ** 2 for name, weight in self.weights.items())
        deviation = np.sqrt(np.maximum(variance, 1e-18))
        ahead = self.merit() - best
        place = ahead / deviation
        return np.asarray((ahead * ndtr(place) + deviation * _density(place)) * self.holds())

    def worth(self, gain: Floats, *, informed: bool) -> Floats:
        """Logarithm of the worth of a trial: its expected ``gain``, shrunk where a limit may be broken.

        Where no trial promises much any more, none is worth breaking a limit for; but only a learner that is
        ``informed`` by earlier services knows this early what there is to gain.
        """
        caution = _LATE if informed and gain.max() < _LITTLE else _CAUTION
        return np.asarray(np.log(gain + _TINY) + caution * np.log(self.holds() + _TINY))

    def _joint(self, name: str, weight: float, best: float) -> Floats:
        """Exact where merit is ``offset + weight * y``: y has to lie between where gain begins and its own limit."""
        edge = (best - self.offset) / weight
        bounds = [math.log(limit.bound) for limit in self.aim.limits if limit.metric == name]
        limit = min(bounds, default=math.inf)
        low, high = (edge, np.full_like(edge, limit)) if weight > 0 else (np.full_like(edge, -np.inf), edge)
        high = np.maximum(np.minimum(high, limit), low)
        belief = self.beliefs[name]
        gain = np.zeros_like(self.offset)
        for share, part in zip(belief.weights, belief.parts, strict=True):
            deviation = np.sqrt(part.variance)
            start, end = (low - part.mean) / deviation, (high - part.mean) / deviation
            middle = self.offset + weight * part.mean - best
            inside = ndtr(end) - ndtr(start)
            gain += share * (middle * inside - weight * deviation * (_density(end) - _density(start)))
        others = self.runs.copy()
        for one in self.aim.limits:
            if one.metric != name:
                others *= self.beliefs[one.metric].below(math.log(one.bound))
        return np.asarray(np.maximum(gain, 0.0) * others)


def _density(place: Floats) -> Floats:
    return np.asarray(np.exp(-place * place / 2) / math.sqrt(2 * math.pi))
