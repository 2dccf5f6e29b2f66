"""Whole replicas: what it costs to bear a rate where a service grows by one replica at a time.

A replica that bears ``c`` requests per second takes ``ceil(rate / c)`` replicas, so the logarithm of the merit is
``offset - log(replicas)``: a staircase in the capacity, on which nothing is gained between two steps. What is believed
of the logarithm of the capacity is a mixture of normal distributions, so the probability that a number of replicas
suffices is known exactly, and expectations are sums over the stairs (by parts)::

    E[log replicas]     = log first + sum of (log end - log start) * P(start does not suffice)
    E[max(top - log replicas, 0)] = sum of (min(top, log end) - log start) * P(start suffices)

over the stairs from ``start`` to ``end`` replicas; the second is the expected improvement of J. Mockus (1975). Beyond
``_EXACT`` replicas, where a stair is below the error of a measurement, ``ceil(x)`` is taken as ``x + 1/2``, and both
sums as integrals by the midpoints of strides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from tuner.search.aim import Demand

__all__ = ["Fleet", "replicas_of"]

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

_EXACT, _STRIDE = 16, 1.06
_FAR = 5.0
"""Standard deviations beyond which a number of replicas certainly suffices, or certainly does not."""
_MOST = 1e6
_ROUNDING = 1e-13
"""Share of the rate by which floating point may miss a whole number of replicas."""
_WORK = 20_000_000
"""Candidates times parts of a belief times stairs up to which each part of the belief is worked out by itself."""


def replicas_of(rate: float, capacity: float, counts: tuple[int, ...] = ()) -> int:
    """How many replicas of ``capacity`` bear ``rate``, at least 1: the least of ``counts``, ascending, that suffices.

    Where none of them does, as many as it would take. ValueError for a capacity that is not above 0.
    """
    if not capacity > 0:
        raise ValueError("replicas that bear nothing bear no rate")
    needed = max(math.ceil(rate / capacity * (1 - _ROUNDING)), 1)
    return next((count for count in counts if count >= needed), needed)


@dataclass(frozen=True, slots=True)
class _Stair:
    """From ``start`` to ``end`` replicas; ``suffices`` is how many of them, not whole for a stride, decide it."""

    start: float
    end: float
    suffices: float

    @property
    def rise(self) -> float:
        return math.log(self.end / self.start)


def _stairs(most: float, counts: tuple[int, ...]) -> Iterator[_Stair]:
    """The stairs that begin below ``most`` replicas. After the last of ``counts`` it goes on as if all were allowed."""
    exact = counts or tuple(range(1, _EXACT + 1))
    for start, end in pairwise(exact):
        if start >= most:
            return
        yield _Stair(start, end, start)
    now = float(exact[-1])
    while now < min(most, _MOST):
        yield _Stair(now, now * _STRIDE, max(now * math.sqrt(_STRIDE) - 0.5, now if now < _EXACT else 0.0))
        now *= _STRIDE


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """The merit of every candidate under a demand, by what is believed of the capacity of one replica.

    ``offset`` and ``capacity`` (the known part of its logarithm) have shape (candidates,); ``parts`` are the mean and
    the deviation of that logarithm by each part of the belief, with their ``shares``; it has to lie between ``floor``
    and ``ceiling`` for its own metric to hold its limit; ``others`` is the probability that all else holds.
    """

    demand: Demand
    offset: Floats
    parts: tuple[tuple[Floats, Floats], ...]
    shares: Floats
    floor: Floats
    ceiling: Floats
    others: Floats

    def merit(self, places: Places | slice) -> Floats:
        """Expected logarithm of the merit of the candidates at these places, limits left aside."""
        mean, deviation = (values[places] for values in _joined(self.parts, self.shares))
        needed = math.log(self.demand.rate) - mean
        most = float(np.exp(np.minimum(needed + _FAR * deviation, math.log(_MOST))).max(initial=1.0))
        stairs = tuple(_stairs(most, self.demand.counts))
        total = np.full_like(mean, math.log(self.demand.counts[0] if self.demand.counts else 1))
        for (middle, spread), share in self._parts(len(mean) * len(stairs)):
            for stair in stairs:
                place = (math.log(self.demand.rate / stair.suffices) - middle[places]) / spread[places]
                total += share * stair.rise * _normal(place)
        return self.offset[places] - total

    def gain(self, best: float) -> Floats:
        """Expected gain in the logarithm of the merit over ``best``, by candidates that run and hold the limits.

        More replicas than the demand allows gain nothing.
        """
        top = self.offset - best
        gain = np.zeros_like(top)
        highest = float(top.max(initial=-1.0))
        if highest <= 0:
            return gain
        stairs = list(self._allowed(math.exp(min(highest, math.log(_MOST)))))
        parts = self._parts(len(top) * len(stairs))
        for stair in stairs:
            places = np.flatnonzero(top > math.log(stair.start))
            worth = np.minimum(top[places] - math.log(stair.start), stair.rise)
            edge = np.maximum(math.log(self.demand.rate / stair.suffices), self.floor[places])
            for (mean, deviation), share in parts:
                low, high = ((end - mean[places]) / deviation[places] for end in (edge, self.ceiling[places]))
                gain[places] += worth * share * np.maximum(_normal(high) - _normal(low), 0.0)
        return gain * self.others

    def _parts(self, work: int) -> list[tuple[tuple[Floats, Floats], float]]:
        """The parts of the belief with their shares; its moments alone where that would take too long."""
        if work * len(self.parts) > _WORK:
            return [(_joined(self.parts, self.shares), 1.0)]
        return list(zip(self.parts, self.shares.tolist(), strict=True))

    def _allowed(self, most: float) -> Iterator[_Stair]:
        counts = self.demand.counts
        for stair in _stairs(most, counts):
            if not counts or stair.start < counts[-1]:
                yield stair
        if counts and counts[-1] < most:
            yield _Stair(counts[-1], math.inf, counts[-1])


def _joined(parts: tuple[tuple[Floats, Floats], ...], shares: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of the mixture."""
    mean = sum(share * part for (part, _), share in zip(parts, shares, strict=True))
    square = sum(share * (deviation**2 + part**2) for (part, deviation), share in zip(parts, shares, strict=True))
    return np.asarray(mean), np.sqrt(np.maximum(square - np.asarray(mean) ** 2, 1e-18))


def _normal(place: Floats) -> Floats:
    """The normal distribution; only where it is neither 0 nor 1 is it worked out."""
    found = (place > 0).astype(np.float64)
    near = np.abs(place) < _FAR
    found[near] = ndtr(place[near])
    return found
