"""How alike the results of two configurations are, by how far apart these lie."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Kernel", "matern", "square_distance"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """Covariance of a logarithm at two points, the sum of four independent parts, each a standard deviation.

    ``level``: a constant; ``slope``: a straight line along each column; ``amplitude``: a smooth surface (Matern 5/2)
    that changes over ``lengths`` (one a column); ``rough``: what is peculiar to one configuration.
    """

    level: float
    slope: float
    amplitude: float
    rough: float
    lengths: Floats

    def between(self, left: Floats, right: Floats) -> Floats:
        """Shape (left, right), without the rough part, which no two points share."""
        line = (left - 0.5) @ (right - 0.5).T
        return np.asarray(self.level**2 + self.slope**2 * line + self.amplitude**2 * matern(left, right, self.lengths))

    def alone(self, points: Floats) -> Floats:
        """The variance at each point, the rough part included."""
        line = ((points - 0.5) ** 2).sum(axis=1)
        return np.asarray(self.level**2 + self.slope**2 * line + self.amplitude**2 + self.rough**2)


def matern(left: Floats, right: Floats, lengths: Floats) -> Floats:
    """Matern's correlation with smoothness 5/2 (C. E. Rasmussen and C. K. I. Williams, 2006, equation 4.17)."""
    distance = math.sqrt(5) * np.sqrt(square_distance(left, right, lengths))
    return np.asarray((1 + distance + distance * distance / 3) * np.exp(-distance))


def square_distance(left: Floats, right: Floats, lengths: Floats | float) -> Floats:
    """Squared distances in units of the lengths, shape (left, right)."""
    a, b = left / lengths, right / lengths
    square = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :] - 2 * a @ b.T
    return np.asarray(np.maximum(square, 0.0))
