"""How likely a candidate does not even run: a crash teaches its neighbours, here and in earlier services.

Earlier services: failures and successes nearby, by their nearness. This one: a Gaussian field through its failures
(above 0) and successes (below 0), of the kernels that a cold search mixes, so that what failures have in common (one
parameter, often) is found (least-squares classification: C. E. Rasmussen and C. K. I. Williams, 2006, section 6.5).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from tuner.search.belief import Belief
from tuner.search.field import Field, Sample
from tuner.search.kernel import Kernel, square_distance

__all__ = ["USUAL", "Failures", "running"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]

USUAL, _WITNESSES = 0.03, 2.0
"""Share of configurations that fail where nothing is known, and how many trials that counts as."""
_LENGTH = 0.1
_AT_ONCE = 500
_FAR, _ERROR, _LEVEL, _SMOOTHER = 1.5, 0.3, 1.0, 3.0
"""Where failures and successes lie, their error, the kernels' level, and how much longer their lengths are: what fails
is a side of the space more often than an island in it."""


class Failures:
    """What the trials of earlier services say about failing."""

    def __init__(self, tried: Floats, failed: Flags) -> None:
        self._tried, self._failed = tried, failed

    def share(self, points: Floats) -> Floats:
        """The share that fails at each point, shape (points,): the mean of a beta distribution."""
        trials = np.full(len(points), _WITNESSES)
        failures = USUAL * trials
        if self._failed.any():
            for start in range(0, len(self._tried), _AT_ONCE):
                part = slice(start, start + _AT_ONCE)
                near = _similar(points, self._tried[part])
                trials += near.sum(axis=1)
                failures += near @ self._failed[part]
        return np.asarray(failures / trials)


def running(points: Floats, share: Floats, kernels: Sequence[Kernel], places: Places, failed: Flags) -> Floats:
    """The probability that each point runs, after trials at the ``places``; ``share`` fails beforehand."""
    if not failed.any():
        return np.asarray(1 - share)
    mean, none = ndtri(np.clip(share, 1e-3, 1 - 1e-3)), np.empty((0, len(points)))
    fields = tuple(
        Field(mean, points, replace(one, level=_LEVEL, lengths=_SMOOTHER * one.lengths), none) for one in kernels
    )
    label = np.where(failed, _FAR, -_FAR)
    seen = Sample(places, label, np.full(len(label), _ERROR**2))
    return Belief(fields, np.zeros(len(fields))).after(seen).below(0.0)


def _similar(left: Floats, right: Floats) -> Floats:
    length = _LENGTH * math.sqrt(max(left.shape[1], 1))
    return np.asarray(np.exp(-square_distance(left, right, length) / 2))
