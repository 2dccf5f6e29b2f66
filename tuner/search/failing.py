"""How likely a candidate does not even run: a crash teaches its neighbours, here and in earlier services."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Failures"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_USUAL, _WITNESSES = 0.03, 0.5
"""Share of configurations that fail where nothing is known, and how many trials that counts as."""
_LENGTH = 0.15
_ELSEWHERE = 0.2
"""What a trial of an earlier service counts, against one of this."""
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, eq=False)
class Failures:
    """How many trials and failures each point knows of, by their nearness; both of shape (points,)."""

    trials: Floats
    failures: Floats

    @classmethod
    def elsewhere(cls, points: Floats, tried: Floats, failed: Flags) -> Failures:
        """What earlier services say."""
        start = np.full(len(points), _WITNESSES)
        return cls(start, _USUAL * start).with_trials(points, tried, failed, _ELSEWHERE)

    def with_trials(self, points: Floats, tried: Floats, failed: Flags, weight: float = 1.0) -> Failures:
        """And these trials. Where none failed there is nothing to learn."""
        if not failed.any():
            return self
        trials, failures = self.trials.copy(), self.failures.copy()
        for start in range(0, len(tried), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            near = weight * _similar(points, tried[part])
            trials += near.sum(axis=1)
            failures += near @ failed[part]
        return Failures(trials, failures)

    @property
    def running(self) -> Floats:
        """The probability that each point runs: the mean of a beta distribution."""
        return np.asarray(1 - self.failures / self.trials)


def _similar(left: Floats, right: Floats) -> Floats:
    length = _LENGTH * math.sqrt(max(left.shape[1], 1))
    a, b = left / length, right / length
    square = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :] - 2 * a @ b.T
    return np.asarray(np.exp(-np.maximum(square, 0.0) / 2))
