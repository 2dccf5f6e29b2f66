"""Where the capacity is, by all loads together: a queueing curve through what was seen, and how sure that is.

The logarithm of the share of requests over a bound grows in a straight line with the rate: that share is about
exp(-k * (saturation - rate) * bound) near saturation, with one k for a server (see ``load.tail``). So a capacity c and
a saturation s say what every load should show, above its allowed share a of requests over the bound, in logarithms:

    excess(rate) = f * ln(1 / a) / (s - c) * (rate - c)

It is 0 at the capacity. f, around 1, is how much steeper or flatter the line of this server is. Each load tells the
excess with an error; a Student t likelihood forgives one that is far off. The capacity's distribution is worked out on
a grid over c, s and f. A load that was mostly over its bound only says that its rate was too high.

What is assumed beforehand is weak: capacities lie below the saturation, mostly at 91 % of it, with long tails on both
sides. All constants here were set by simulation, on M/D/1, M/D/2, M/D/8, M/M/1, M/M/4, log-normal and batching queues;
``make bench-load`` shows errors and coverage on these and others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from tuner.load.tail import Throughput
from tuner.measurement.model import Interval

__all__ = ["CapacityCurve", "Sight"]

USUAL, USUAL_SPREAD, USUAL_FREEDOM = 0.91, 0.08, 3.0
"""Where capacities are beforehand, as a share of the saturation: a t distribution of the logarithm."""
STEEPNESS = 0.3
"""Standard deviation of ln f."""
MISFIT, FAR_MISFIT = 0.35, 0.35
"""How far a load is off the line of its server beside its own error: at the capacity, and for each unit of excess that
it is away from it."""
FREEDOM = 5.0
LEAST_ERROR, ERROR_FACTOR = 0.007, 1.2
"""Relative error of a saturation, at least, and times what was found."""
ABOVE = 0.005
"""Relative softness of the rule that a capacity lies below the saturation."""
LOWEST = 0.02
NONE = 3.0
"""Excess beyond which a load with none over its bound is no further evidence: a server may have changed since."""
MEDIAN = 1.0
"""Above this many errors, the median distance of loads from the line says that they contradict each other; it is 0.67
for a normal distribution."""
GRID, SATURATIONS, SLOPES = 600, 5, 5
LOWER, UPPER = 2.0, 1.3
"""What the interval is widened by below and above, in logarithms. Bursts are rare: where too few of them came, every
load of a measurement looks better than the server is, and the other way round happens less."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sight:
    """What one load tells: ``excess`` is ln(share over the bound / share allowed), with its standard error.

    ``allowed`` is that allowed share. A load that was ``overrun`` has at least this excess; one with ``none`` over the
    bound has about that of half a request.
    """

    rate: float
    excess: float
    error: float
    allowed: float
    overrun: bool = False
    none: bool = False


class CapacityCurve:
    """The capacity's distribution given a server's saturation (requests per second) and what its loads told."""

    def __init__(self, saturation: Throughput, sights: Sequence[Sight]) -> None:
        error = max(LEAST_ERROR, ERROR_FACTOR * saturation.error)
        z_saturation = np.linspace(-3, 3, SATURATIONS)
        z_slope = np.linspace(-2, 2, SLOPES)
        full = saturation.rate * np.exp(error * z_saturation)
        highest = max([full[-1], *(sight.rate for sight in sights)]) * 1.02
        self._rates = np.exp(np.linspace(math.log(LOWEST * saturation.rate), math.log(highest), GRID))
        rate, full = self._rates[:, None, None], full[None, None, :]
        self._steep = np.exp(STEEPNESS * z_slope)[None, :, None] / np.maximum(full - rate, 0.01 * full)
        self._log = self._before(rate / full, z_saturation[None, None, :]) - z_slope[None, :, None] ** 2 / 2
        for sight in sights:
            self._see(sight)
        weight = np.exp(self._log - self._log.max()).sum(axis=(1, 2))
        self._reached = np.cumsum(weight) / weight.sum()
        self._unfit = self._misfit(sights)

    def _before(self, share: Floats, z_saturation: Floats) -> Floats:
        distance = (np.log(share / USUAL) / USUAL_SPREAD) ** 2 / USUAL_FREEDOM
        usual = -(USUAL_FREEDOM + 1) / 2 * np.log1p(distance)
        above = np.where(share > 1, -2 * np.log1p(((share - 1) / ABOVE) ** 2), 0.0)
        return np.asarray(usual + above - 2.5 * np.log1p(z_saturation**2 / 4))

    def _see(self, sight: Sight) -> None:
        line = self._steep * (math.log(1 / sight.allowed) * (sight.rate - self._rates))[:, None, None]
        if sight.none:  # the probability of seeing none of a Poisson number
            self._log -= 0.5 * np.exp(np.minimum(line - sight.excess, NONE))
            return
        misfit = MISFIT**2 + (FAR_MISFIT * np.maximum(np.abs(line), abs(sight.excess))) ** 2
        square = sight.error**2 + misfit
        if sight.overrun:
            self._log += np.log(1e-3 + stdtr(FREEDOM, (line - sight.excess) / np.sqrt(square)))
            return
        off = sight.excess - np.minimum(line, math.log(1 / sight.allowed))
        self._log -= (np.log(square) + (FREEDOM + 1) * np.log1p(off**2 / square / FREEDOM)) / 2

    def _misfit(self, sights: Sequence[Sight]) -> float:
        """How much further from the line loads near the capacity are than they should, at least 1, by their median.

        Loads that contradict each other (an unsteady machine) widen the interval; a single odd one does not.
        """
        near = [sight for sight in sights if not (sight.overrun or sight.none) and abs(sight.excess) < 3]
        if len(near) < 4:
            return 1.0
        at = int(np.searchsorted(self._reached, 0.5))
        steep = float(self._steep[at, SLOPES // 2, SATURATIONS // 2])
        off = []
        for sight in near:
            line = steep * math.log(1 / sight.allowed) * (sight.rate - self._rates[at])
            off.append(abs(sight.excess - line) / math.hypot(sight.error, MISFIT, FAR_MISFIT * line))
        return max(float(np.median(off)) / MEDIAN, 1.0)

    def quantile(self, share: float) -> float:
        """The rate below which the capacity is with that probability."""
        return float(np.interp(share, self._reached, self._rates))

    def interval(self, confidence: float) -> Interval:
        """The median of the capacity, with its two-sided interval."""
        value = self.quantile(0.5)
        wide = self._unfit
        low = value * (self.quantile((1 - confidence) / 2) / value) ** (LOWER * wide)
        high = value * (self.quantile((1 + confidence) / 2) / value) ** (UPPER * wide)
        return Interval(value=value, low=low, high=high)

    @property
    def deviation(self) -> float:
        """Standard deviation of the capacity's logarithm, by its middle 68 %."""
        return math.log(self.quantile(0.84) / self.quantile(0.16)) / 2
