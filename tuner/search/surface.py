"""What the trials of one earlier service say about every point of another space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular

from tuner.experience.model import Earlier
from tuner.search.coordinates import Coordinates
from tuner.search.kernel import Kernel

__all__ = ["Readings", "Surface", "evidence", "readings_of"]

Floats = npt.NDArray[np.float64]

_MOST = 1000
"""Trials of one service that are looked at: the newest."""
_FEWEST = 2
_DIGITS = 9
_JITTER = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """One metric of one service: distinct ``points``, the logarithms read there, and the variance of their errors.

    ``told`` are the columns of parameters that the service had.
    """

    points: Floats
    value: Floats
    variance: Floats
    told: npt.NDArray[np.bool_]

    def some(self, most: int, seed: int = 0) -> Readings:
        """At most so many of them, picked at random, the same for the same seed."""
        if len(self.value) <= most:
            return self
        picked = np.sort(np.random.default_rng(seed).choice(len(self.value), most, replace=False))
        return Readings(self.points[picked], self.value[picked], self.variance[picked], self.told)


def readings_of(earlier: Earlier, metric: str, coordinates: Coordinates) -> Readings | None:
    """The exact readings of a metric; ``None`` where there are too few to learn from, or no parameter is shared."""
    told = coordinates.told_by(trial.assignment for trial in earlier.trials)
    found = [
        (trial.assignment, reading)
        for trial in earlier.trials[-_MOST:]
        if trial.outcome == "completed"
        for reading in trial.readings
        if reading.metric == metric and reading.side == "at"
    ]
    if len(found) < _FEWEST or not told.any():
        return None
    points = np.where(told, coordinates.of([assignment for assignment, _ in found]), 0.0)
    value = np.log([reading.value for _, reading in found])
    variance = np.array([reading.error**2 for _, reading in found])
    distinct, place = np.unique(points.round(_DIGITS), axis=0, return_inverse=True)
    if len(distinct) < _FEWEST:
        return None
    return _joined(distinct, place.ravel(), value, variance, told)


def _joined(
    points: Floats, place: npt.NDArray[np.intp], value: Floats, variance: Floats, told: npt.NDArray[np.bool_]
) -> Readings:
    """Repeats of a point as their mean."""
    count = np.bincount(place, minlength=len(points))
    mean = np.bincount(place, value, len(points)) / count
    return Readings(points, mean, np.bincount(place, variance, len(points)) / count**2, told)


class Surface:
    """A service's metric everywhere, by a Gaussian process through its readings."""

    def __init__(self, readings: Readings, kernel: Kernel) -> None:
        self._readings, self._kernel = readings, kernel
        self._middle = float(readings.value.mean())
        own = kernel.between(readings.points, readings.points)
        own[np.diag_indices_from(own)] += readings.variance + kernel.rough**2 + _JITTER
        chol = np.linalg.cholesky(own)
        half = solve_triangular(chol, readings.value - self._middle, lower=True, check_finite=False)
        self._weight = solve_triangular(chol, half, lower=True, trans="T", check_finite=False)
        self._known = {row.tobytes(): number for number, row in enumerate(readings.points)}

    def at(self, points: Floats) -> Floats:
        """The expected logarithm at each point, shape (points,)."""
        points = np.where(self._readings.told, points, 0.0).round(_DIGITS)
        found = self._middle + self._kernel.between(points, self._readings.points) @ self._weight
        if self._kernel.rough > 0:
            for number, row in enumerate(points):
                known = self._known.get(row.tobytes())
                if known is not None:
                    found[number] += self._kernel.rough**2 * self._weight[known]
        return np.asarray(found)


def evidence(readings: Sequence[Readings], kernel: Kernel) -> float:
    """How well the kernel explains all of them, each about its own mean: a logarithm of densities."""
    total = 0.0
    for one in readings:
        own = kernel.between(one.points, one.points)
        own[np.diag_indices_from(own)] += one.variance + kernel.rough**2 + _JITTER
        chol = np.linalg.cholesky(own)
        rest = np.linalg.solve(chol, one.value - one.value.mean())
        total += float(-0.5 * rest @ rest - np.log(np.diag(chol)).sum()) / len(one.value)
    return total
