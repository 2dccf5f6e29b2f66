"""Which parameters matter, alone and in pairs: shares of the variance of the expected merit over the whole space.

Functional analysis of variance (F. Hutter et al., "An efficient approach for assessing hyperparameter importance", ICML
2014), of what the learner expects of every candidate instead of a forest's guess.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from tuner.space.assignment import Assignment
from tuner.space.parameter import Parameter
from tuner.spec.model import Scalar

__all__ = ["Effects", "effects_of"]

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

_BINS = 8
"""A parameter of more values is cut into so many ranges of equally many candidates."""
_FLAT = 1e-6


@dataclass(frozen=True, slots=True)
class Effects:
    """Shares of the variance, in [0, 1]: of each parameter alone, and of each pair beyond its two parameters."""

    alone: Mapping[str, float]
    pairs: Mapping[tuple[str, str], float]


def effects_of(parameters: Sequence[Parameter], candidates: Sequence[Assignment], merit: Floats) -> Effects:
    """The effects on ``merit``, of shape (candidates,); all 0 where it is the same everywhere."""
    groups = {parameter.name: _groups(parameter, candidates) for parameter in parameters}
    varied = {name: group for name, group in groups.items() if group.max(initial=0) > 0}
    total = float(merit.var())
    if total < _FLAT or not varied:
        return Effects(dict.fromkeys(groups, 0.0), {})
    alone = {name: _explained(group, merit) / total for name, group in varied.items()}
    pairs = {
        (one, other): max(_explained(_joined(varied[one], varied[other]), merit) / total - alone[one] - alone[other], 0)
        for one, other in combinations(varied, 2)
    }
    return Effects({name: alone.get(name, 0.0) for name in groups}, pairs)


def _groups(parameter: Parameter, candidates: Sequence[Assignment]) -> Places:
    """The number of each candidate's value, or of the range that it lies in; inactive is a value, too."""
    values = [candidate.get(parameter.name) for candidate in candidates]
    distinct = dict.fromkeys(map(_key, values))
    if len(distinct) <= _BINS or any(isinstance(value, str | bool) for value in values):
        number = {key: place for place, key in enumerate(distinct)}
        return np.array([number[_key(value)] for value in values], dtype=np.intp)
    numbers = np.array([float(value) if isinstance(value, int | float) else -np.inf for value in values])
    edges = np.unique(np.quantile(numbers[np.isfinite(numbers)], np.linspace(0, 1, _BINS + 1)[1:-1]))
    return np.asarray(np.where(np.isfinite(numbers), 1 + np.searchsorted(edges, numbers, side="right"), 0))


def _key(value: Scalar | None) -> Hashable:
    return (type(value) is bool, value)


def _joined(one: Places, other: Places) -> Places:
    return np.asarray(np.unique(one * (int(other.max()) + 1) + other, return_inverse=True)[1])


def _explained(group: Places, merit: Floats) -> float:
    """Variance of the means of the groups."""
    count = np.bincount(group)
    mean = np.bincount(group, merit) / np.maximum(count, 1)
    return float((count * (mean - merit.mean()) ** 2).sum() / len(merit))
