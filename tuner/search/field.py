"""A Gaussian field over the candidates of a space: what is expected of each, and what observations make of that.

C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning", 2006, chapter 2; readings that only
bound a value enter one after the other with matched moments (assumed density filtering, section 3.6).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular
from scipy.special import log_ndtr

from tuner.search.kernel import Kernel

__all__ = ["Bound", "Field", "Posterior", "Sample"]

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

_JITTER = 1e-6
"""Variance added to every observation: a thousandth of its value, which no measurement tells."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Observed logarithms ``value`` at the candidates ``place``, with the ``variance`` of their errors."""

    place: Places
    value: Floats
    variance: Floats


@dataclass(frozen=True, slots=True)
class Bound:
    """The logarithm at a candidate lies ``below`` the value, or above it."""

    place: int
    value: float
    variance: float
    below: bool


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """Mean and variance at each candidate."""

    mean: Floats
    variance: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """What is believed before any observation.

    ``mean`` has shape (candidates,), ``points`` (candidates, columns). The covariance is the kernel's, plus that of
    the rows of ``factors``, shape (factors, candidates): surfaces of which the true one may hold any multiple.
    """

    mean: Floats
    points: Floats
    kernel: Kernel
    factors: Floats

    def evidence(self, seen: Sample, common: Floats) -> float:
        """Logarithm of the density of what was seen, up to a constant of the number of observations.

        ``common``: the kernel between the places that were seen; fields of one kernel share it.
        """
        chol = self._solved(seen, common)
        rest = solve_triangular(chol, seen.value - self.mean[seen.place], lower=True, check_finite=False)
        return float(-0.5 * rest @ rest - np.log(np.diag(chol)).sum())

    def posterior(self, seen: Sample, bounds: Sequence[Bound] = ()) -> Posterior:
        """What is believed afterwards, at every candidate."""
        seen = self._with(seen, bounds)
        variance = self.kernel.alone(self.points) + (self.factors**2).sum(axis=0)
        if not len(seen.place):
            return Posterior(self.mean, variance)
        chol, cross = self._solved(seen), self._cross(seen.place)
        half = solve_triangular(chol, cross, lower=True, check_finite=False)
        rest = solve_triangular(chol, seen.value - self.mean[seen.place], lower=True, check_finite=False)
        return Posterior(self.mean + rest @ half, np.maximum(variance - (half * half).sum(axis=0), _JITTER**2))

    def _with(self, seen: Sample, bounds: Sequence[Bound]) -> Sample:
        """Each bound as the observation that moves mean and variance at its place as the bound does."""
        for bound in bounds:
            mean, variance = self._at(seen, bound.place)
            value, error = _matched(mean, variance, bound)
            if math.isfinite(error):
                seen = Sample(
                    np.append(seen.place, bound.place), np.append(seen.value, value), np.append(seen.variance, error)
                )
        return seen

    def _at(self, seen: Sample, place: int) -> tuple[float, float]:
        one = np.array([place])
        own = float(self.kernel.alone(self.points[one])[0] + (self.factors[:, place] ** 2).sum())
        if not len(seen.place):
            return float(self.mean[place]), own
        chol = self._solved(seen)
        half = solve_triangular(chol, self._between(seen.place, one)[:, 0], lower=True, check_finite=False)
        rest = solve_triangular(chol, seen.value - self.mean[seen.place], lower=True, check_finite=False)
        return float(self.mean[place] + rest @ half), max(own - float(half @ half), _JITTER)

    def _solved(self, seen: Sample, common: Floats | None = None) -> Floats:
        own = self._between(seen.place, seen.place, common)
        own[np.diag_indices_from(own)] += seen.variance + _JITTER
        return np.asarray(np.linalg.cholesky(own))

    def _between(self, left: Places, right: Places, common: Floats | None = None) -> Floats:
        if common is None:
            common = self.kernel.between(self.points[left], self.points[right])
        rough = self.kernel.rough**2 * (left[:, None] == right[None, :])
        return np.asarray(common + self.factors[:, left].T @ self.factors[:, right] + rough)

    def _cross(self, places: Places) -> Floats:
        """Covariance of the places with every candidate, shape (places, candidates)."""
        cross = self.kernel.between(self.points[places], self.points)
        cross += self.factors[:, places].T @ self.factors
        cross[np.arange(len(places)), places] += self.kernel.rough**2
        return cross


def _matched(mean: float, variance: float, bound: Bound) -> tuple[float, float]:
    """Value and variance of the observation that turns this normal into the moments of its part within the bound."""
    sign = 1.0 if bound.below else -1.0
    spread = math.sqrt(variance + bound.variance)
    place = sign * (bound.value - mean) / spread
    hazard = math.exp(-place * place / 2 - 0.5 * math.log(2 * math.pi) - float(log_ndtr(place)))
    shrunk = hazard * (hazard + place)  # how much of the variance goes
    moved = mean - sign * variance / spread * hazard
    left = variance - variance * variance / (spread * spread) * shrunk
    if not 0 < left < variance * (1 - 1e-9):
        return mean, math.inf
    error = 1 / (1 / left - 1 / variance)
    return error * (moved / left - mean / variance), error
