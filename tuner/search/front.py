"""How much a trial of each candidate may add to a Pareto set.

Two objectives: expected improvement of the dominated area (M. T. M. Emmerich et al., "Hypervolume-based expected
improvement", CEC 2011) in logarithms of merits, by draws, so that objectives that hang on one metric (capacity, and the
cost of a million requests) move together. More objectives: expected improvement of one randomly weighted sum of them,
another for each trial (J. Knowles, ParEGO, 2006).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tuner.search.view import View

__all__ = ["front_gain"]

Floats = npt.NDArray[np.float64]

_DRAWS, _NUMBERS = 128, 8_000_000
_BEYOND = 0.1
"""The area is bounded this far, in logarithms, below the worst of each objective on the front."""
_TINY = 1e-300


def front_gain(seen: View, seed: int) -> Floats:
    """By assignment, the logarithm of what a trial is expected to add, shrunk where a limit may be broken."""
    random = np.random.default_rng(seed)
    merits = np.array([outlook.merit() for outlook in seen.outlooks])
    within = seen.within(0.5)
    if not len(within):
        return seen.outlooks[0].first()
    draws = max(min(_DRAWS, _NUMBERS // (merits.shape[1] * (len(within) + 1))), 8)
    drawn = _drawn(seen, draws, random)
    if len(merits) == 2:
        gain = _area(drawn, _front(merits[:, within]))
    else:
        weights = random.dirichlet(np.ones(len(merits)))
        best = float((weights @ merits[:, within]).max())
        gain = np.maximum(np.tensordot(weights, drawn, 1) - best, 0.0).mean(axis=0)
    return np.asarray(np.log(gain * seen.holds + _TINY) + np.log(seen.holds + _TINY))


def _drawn(seen: View, draws: int, random: np.random.Generator) -> Floats:
    """Merits of shape (objectives, draws, assignments): each metric's draw is the same in all objectives."""
    normal = {name: random.standard_normal(draws) for name in seen.beliefs}
    sampled = {name: belief.mean + normal[name][:, None] * belief.deviation for name, belief in seen.beliefs.items()}
    return np.array(
        [
            outlook.offset + sum(weight * sampled[name] for name, weight in outlook.weights.items())
            for outlook in seen.outlooks
        ]
    )


def _front(merits: Floats) -> Floats:
    """The columns that no other column dominates, the first objective rising, shape (2, points)."""
    order = np.lexsort((-merits[1], -merits[0]))
    kept, highest = [], -np.inf
    for place in order:
        if merits[1, place] > highest:
            kept.append(place)
            highest = merits[1, place]
    return merits[:, kept[::-1]]


def _area(drawn: Floats, front: Floats) -> Floats:
    """Mean growth of the dominated area: a strip for each stretch between two points of the front."""
    floor = front.min(axis=1) - _BEYOND
    starts = np.concatenate([[floor[0]], front[0]])
    ends = np.concatenate([front[0], [np.inf]])
    levels = np.concatenate([front[1], [floor[1]]])
    gain = np.zeros(drawn.shape[2])
    for start, end, level in zip(starts, ends, levels, strict=True):
        wide = np.clip(drawn[0], start, end) - start
        gain += (wide * np.maximum(drawn[1] - level, 0.0)).mean(axis=0)
    return gain
