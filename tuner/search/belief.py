"""One metric of every candidate, by all that is believed of it at once: several fields, each with its weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from tuner.search.field import Bound, Field, Posterior, Sample

__all__ = ["Belief", "Mixture"]

Floats = npt.NDArray[np.float64]

_MOST, _MANY, _WORK = 8, 50, 12_000_000
"""Fields that are worked out at most, half as many after so many observations (which tell them apart); and the most
observations times candidates times fields."""
_LEAST = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """Normal distributions at each candidate, with the weight of each."""

    parts: tuple[Posterior, ...]
    weights: Floats

    @property
    def mean(self) -> Floats:
        """Shape (candidates,)."""
        return np.asarray(sum(w * part.mean for w, part in zip(self.weights, self.parts, strict=True)))

    @property
    def deviation(self) -> Floats:
        """Standard deviation of the mixture."""
        square = sum(w * (part.variance + part.mean**2) for w, part in zip(self.weights, self.parts, strict=True))
        return np.asarray(np.sqrt(np.maximum(square - self.mean**2, 0.0)))

    def below(self, value: float) -> Floats:
        """The probability of lying below the value."""
        return np.asarray(
            sum(
                w * ndtr((value - part.mean) / np.sqrt(part.variance))
                for w, part in zip(self.weights, self.parts, strict=True)
            )
        )

    def interval(self, share: float) -> tuple[Floats, Floats]:
        """Ends of an interval that holds that share, by mean and deviation."""
        reach = float(ndtri(0.5 + share / 2)) * self.deviation
        return self.mean - reach, self.mean + reach


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """Fields and the logarithms of their weights before anything was seen."""

    fields: tuple[Field, ...]
    weights: Floats

    def after(self, seen: Sample, bounds: Sequence[Bound] = ()) -> Mixture:
        """What is believed after the observations: fields that explain them badly lose their weight."""
        logs = self.weights.copy()
        if len(seen.place):
            logs += self._evidence(seen)
        work = max(len(seen.place), 1) * len(self.fields[0].mean)
        most = _MOST if len(seen.place) < _MANY else _MOST // 2
        most = min(most, max(int(_WORK / work), 1))
        weights = np.exp(logs - logs.max())
        weights /= weights.sum()
        kept = [place for place in np.argsort(-weights)[:most] if weights[place] >= _LEAST * weights.max()]
        parts = tuple(self.fields[place].posterior(seen, bounds) for place in kept)
        return Mixture(parts, weights[kept] / weights[kept].sum())

    def _evidence(self, seen: Sample) -> list[float]:
        """Each field's; what fields of one kernel have in common is worked out once."""
        points = self.fields[0].points[seen.place]
        common = {id(field.kernel): field.kernel for field in self.fields}
        between = {name: kernel.between(points, points) for name, kernel in common.items()}
        return [field.evidence(seen, between[id(field.kernel)]) for field in self.fields]
