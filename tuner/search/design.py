"""Points spread evenly over the space (a scrambled Sobol' sequence): a start without a guess, and the sampler ``qmc``.

I. M. Sobol', "On the distribution of points in a cube and the approximate evaluation of integrals", 1967; scrambled as
in A. B. Owen, "Scrambling Sobol' and Niederreiter-Xing points", 1998, by ``scipy.stats.qmc``.
"""

from __future__ import annotations

from collections.abc import Sequence

from tuner.search.encoding import Axis
from tuner.space.assignment import Assignment
from tuner.space.space import Space
from tuner.spec.model import Scalar

__all__ = ["spread"]


def spread(space: Space, axes: Sequence[Axis], index: int, seed: int) -> Assignment:
    """The point ``index`` (from 0) of the sequence; the same for the same seed, feasible or not."""
    from scipy.stats import qmc  # a second of imports that a resumed campaign can do without

    sequence = qmc.Sobol(d=len(axes), scramble=True, rng=seed)
    if index:
        sequence.fast_forward(index)
    row = sequence.random(1)[0]
    values: dict[str, Scalar] = {}
    for axis, unit in zip(axes, row, strict=True):
        if space.active(axis.parameter.name, values):
            values[axis.parameter.name] = axis.at(float(unit))
    return Assignment(values)
