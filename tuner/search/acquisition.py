"""How much a trial of each candidate may gain: expected improvement under limits.

J. Mockus, 1975; with constraints as in J. R. Gardner et al., "Bayesian optimization with inequality constraints", ICML
2014, but jointly where merit and limit hang on one metric: the better and the forbidden values are then two ends of the
same distribution. Objectives with a demand count whole replicas (``tuner.search.fleet``).
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
from tuner.search.fleet import Fleet

__all__ = ["Outlook"]

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

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

    ``offset`` and ``capacity`` (known parts, see ``aim.Demand``) have shape (candidates,); ``runs`` is the probability
    that a trial does not fail.
    """

    aim: Aim
    beliefs: Mapping[str, Mixture]
    offset: Floats
    capacity: Floats
    runs: Floats
    objective: int = 0

    @property
    def weights(self) -> Mapping[str, float]:
        """The exponent of each metric in the merit."""
        return self.aim.objectives[self.objective].weights

    def merit(self, places: Places | None = None) -> Floats:
        """Expected logarithm of the merit, of every candidate or of those at these places."""
        if self.aim.objectives[self.objective].demand is not None:
            return self._fleet().merit(slice(None) if places is None else places)
        if places is not None:
            return self.merit()[places]
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
        if self.aim.objectives[self.objective].demand is not None:
            return self._fleet().gain(best)
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
        return np.asarray(np.maximum(gain, 0.0) * self._others(name))

    def _others(self, name: str) -> Floats:
        """The probability to run and to hold every limit but that of the metric ``name``."""
        others = self.runs.copy()
        for limit in self.aim.limits:
            if limit.metric != name:
                others *= self.beliefs[limit.metric].below(math.log(limit.bound))
        return others

    def _fleet(self) -> Fleet:
        """The objective's demand; what one metric decides is taken by the parts of its belief, else by the moments."""
        demand = self.aim.objectives[self.objective].demand
        assert demand is not None  # noqa: S101 - asked before
        floor, ceiling = np.full_like(self.offset, -np.inf), np.full_like(self.offset, np.inf)
        if len(self.weights) > 1:
            mean = self.capacity + sum(weight * self.beliefs[name].mean for name, weight in self.weights.items())
            variance = sum(weight**2 * self.beliefs[name].deviation ** 2 for name, weight in self.weights.items())
            parts = ((np.asarray(mean), np.sqrt(np.maximum(variance, 1e-18))),)
            return Fleet(demand, self.offset, parts, np.ones(1), floor, ceiling, self.holds())
        ((name, weight),) = self.weights.items()
        belief = self.beliefs[name]
        each = tuple(
            (self.capacity + weight * part.mean, abs(weight) * np.sqrt(np.maximum(part.variance, 1e-18)))
            for part in belief.parts
        )
        end = self.capacity + weight * min(
            (math.log(one.bound) for one in self.aim.limits if one.metric == name), default=math.inf
        )
        floor, ceiling = (floor, end) if weight > 0 else (end, ceiling)
        return Fleet(demand, self.offset, each, belief.weights, floor, ceiling, self._others(name))


def _density(place: Floats) -> Floats:
    return np.asarray(np.exp(-place * place / 2) / math.sqrt(2 * math.pi))
