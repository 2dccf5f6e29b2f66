"""What is believed of a service before its first trial: any surface (cold), or one like those of earlier services.

Informed: the surfaces of earlier services, at the candidates, have a mean and differ from it in some ways; the new one
is that mean plus any combination of these ways, plus a level, slopes and a smooth and a rough rest of its own. How
large the rest is was learned by leaving out one family of services at a time and predicting it from the others.

Cold: Gaussian fields with many different kernels, weighted by how well they explain what was seen (Bayesian model
averaging), so that nothing has to be fitted to a handful of trials.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular
from scipy.optimize import minimize

from tuner.experience.model import Earlier
from tuner.search.coordinates import Coordinates
from tuner.search.field import Field
from tuner.search.kernel import Kernel
from tuner.search.surface import Readings, Surface, evidence, readings_of

__all__ = ["Prior", "Rest", "cold_kernels", "learn"]

Floats = npt.NDArray[np.float64]

KERNELS = 64
_LEVEL = 2.0
"""Standard deviation of a cold level, about the first results: a factor of seven."""
_SLOPE, _AMPLITUDE, _ROUGH, _LENGTH = 1.0, 0.4, 0.05, 0.3
"""Medians of the kernels' parts; each varies by a log-normal of the spreads below."""
_SPREADS = (0.5, 0.6, 0.8, 0.6)
_SERVICES = 50
"""Earlier services that are looked at: those that resemble this one most."""
_FOLD_POINTS = 60
_REST = (0.7, 0.2, 0.2, 0.06)
"""Level, slope, amplitude and roughness of an informed rest, where nothing says otherwise."""
_TOGETHER = 0.8
"""Weight of what all earlier services say together; the rest is shared by what each says with those around it."""
_NEAREST, _COMPARED, _NOTHING = 3, 20, 1e-6
_TRUST = 1.5
"""Standard deviation of the logarithms of the learned parts about those defaults."""


def cold_kernels(width: int, count: int = KERNELS) -> tuple[Kernel, ...]:
    """Kernels drawn from what surfaces of logarithms look like; the same ones each time."""
    random = np.random.default_rng(2)
    wide = math.sqrt(max(width, 3) / 3)
    kernels = []
    for _ in range(count):
        slope, amplitude, rough = np.exp(random.standard_normal(3) * _SPREADS[:3]) * (_SLOPE, _AMPLITUDE, _ROUGH)
        lengths = np.exp(random.standard_normal(width) * _SPREADS[3]) * _LENGTH * wide
        kernels.append(Kernel(_LEVEL, float(slope), float(amplitude), float(rough), lengths))
    return tuple(kernels)


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """What a new service has beside the mean of others.

    ``share``: how far the ways in which these differ are taken over, as a factor of their variance; ``own``: what is
    like none of them.
    """

    share: float
    own: Kernel


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """The surfaces of earlier services, and the kernel of what a new one has of its own. Made by ``learn``."""

    surfaces: tuple[Surface, ...]
    weights: Floats
    alike: Floats
    """Shape (surfaces, surfaces): how much each counts around each, 1 for itself."""
    together: Rest
    near: Rest

    def fields(self, points: Floats) -> list[tuple[Field, float]]:
        """What is believed at the points, as fields with weights that sum to 1.

        One is of all earlier services together, and one around each of them.
        """
        values = np.array([surface.at(points) for surface in self.surfaces])
        if len(values) == 1:
            return [(_field(points, values, self.weights, self.together), 1.0)]
        found = [(_field(points, values, self.weights, self.together), _TOGETHER)]
        for alike, weight in zip(self.alike, self.weights / self.weights.sum(), strict=True):
            near = _field(points, values, self.weights * alike, self.near)
            found.append((near, (1 - _TOGETHER) * float(weight)))
        return found


def _field(points: Floats, values: Floats, weights: Floats, rest: Rest) -> Field:
    mean, factors = _mixed(values, weights)
    kept = np.abs(factors).max(axis=1) > _NOTHING
    return Field(mean, points, rest.own, math.sqrt(rest.share) * factors[kept])


def learn(
    earlier: Sequence[Earlier], metric: str, coordinates: Coordinates, resemblance: Sequence[float] | None = None
) -> Prior | None:
    """The prior of a metric; ``None`` where no earlier service tells of it.

    ``resemblance`` weighs each earlier service by how like the new one it is (1: in every way that is known).
    """
    wanted = [1.0] * len(earlier) if resemblance is None else list(resemblance)
    known = [(one, weight, readings_of(one, metric, coordinates)) for one, weight in zip(earlier, wanted, strict=True)]
    told = [(one, weight, readings) for one, weight, readings in known if readings is not None and weight > 0]
    kept = sorted(told, key=lambda each: -each[1])[:_SERVICES]
    if not kept:
        return None
    families = [one.family or f"{one.service} {one.engine} {one.hardware}" for one, _, _ in kept]
    readings = [each for _, _, each in kept]
    few = [each.some(_FOLD_POINTS, number) for number, each in enumerate(readings)]
    kernel = max(cold_kernels(coordinates.width), key=lambda one: evidence(few, one))
    surfaces = tuple(Surface(each, kernel) for each in readings)
    weights = _balanced(families) * np.array([weight for _, weight, _ in kept])
    alike = _alike(surfaces, few)
    together = _rest(_folds(families, few, surfaces, np.ones_like(alike)), coordinates.width)
    near = _rest(_folds(families, few, surfaces, alike), coordinates.width)
    return Prior(surfaces, weights / weights.sum(), alike, together, near)


def _alike(surfaces: Sequence[Surface], readings: Sequence[Readings]) -> Floats:
    """By the distance between surfaces, the level included, against that of the nearest few."""
    places = np.concatenate([each.points[:_COMPARED] for each in readings])
    values = np.array([surface.at(places) for surface in surfaces])
    distance = ((values[:, None, :] - values[None, :, :]) ** 2).mean(axis=2)
    if len(surfaces) <= _NEAREST:
        return np.ones_like(distance)
    wide = np.sort(distance, axis=1)[:, _NEAREST]
    return np.asarray(np.exp(-distance / (2 * np.maximum(wide, 1e-6)[:, None])))


def _balanced(families: Sequence[str]) -> Floats:
    """A family of n counts as the square root of n services: its members are neither one witness nor n."""
    return np.array([1 / math.sqrt(families.count(family)) for family in families])


def _mixed(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted mean of the rows, and the ways in which they differ from it, so that these sum to their covariance."""
    share = weights / weights.sum()
    mean = share @ values
    freedom = max(1 - float(share @ share), 0.05)
    return mean, np.sqrt(share / freedom)[:, None] * (values - mean)


@dataclass(frozen=True, slots=True, eq=False)
class _Fold:
    """Readings of one service, and what the services of other families make of these places."""

    readings: Readings
    mean: Floats
    factors: Floats
    weight: float


def _rest(folds: Sequence[_Fold], width: int) -> Rest:
    """The rest that predicts left-out families best."""

    def built(logs: Floats) -> Rest:
        parts = np.exp(np.clip(logs[:5], -7, 4)) * (1.0, *_REST)
        share, level, slope, amplitude, rough = (float(part) for part in parts)
        lengths = _LENGTH * np.exp(np.clip(logs[5:], -4, 3))
        return Rest(share, Kernel(level, slope, amplitude, rough, lengths))

    def misfit(logs: Floats) -> float:
        rest = built(logs)
        return float((logs**2).sum() / (2 * _TRUST**2)) + sum(_misfit(fold, rest) for fold in folds)

    start = np.zeros(5 + width)
    if not folds:
        return built(start)
    best = minimize(misfit, start, method="L-BFGS-B", options={"maxiter": 30})  # type: ignore[no-untyped-call]
    return built(best.x)


def _folds(
    families: Sequence[str], readings: Sequence[Readings], surfaces: Sequence[Surface], alike: Floats
) -> list[_Fold]:
    """Each service, predicted by those of other families, as much as these are like it."""
    folds = []
    for family in dict.fromkeys(families):
        others = [number for number, name in enumerate(families) if name != family]
        if not others:
            continue
        weights = _balanced([families[number] for number in others])
        for number, name in enumerate(families):
            if name == family:
                told = readings[number]
                values = np.array([surfaces[other].at(told.points) for other in others])
                mean, factors = _mixed(values, weights * alike[number][others])
                folds.append(_Fold(told, mean, factors, 1 / families.count(family)))
    return folds


def _misfit(fold: _Fold, rest: Rest) -> float:
    """Minus the logarithm of the density of a left-out service, as if it had ten readings however many it has.

    Neighbouring readings repeat each other: counted in full they would drown the prior on the parts.
    """
    points = fold.readings.points
    own = rest.own.between(points, points) + rest.share * fold.factors.T @ fold.factors
    own[np.diag_indices_from(own)] += rest.own.rough**2 + fold.readings.variance + 1e-6
    chol = np.linalg.cholesky(own)
    gap = solve_triangular(chol, fold.readings.value - fold.mean, lower=True, check_finite=False)
    count = len(points)
    return fold.weight * float(0.5 * gap @ gap + np.log(np.diag(chol)).sum()) * min(10 / count, 1.0)
