"""Any Optuna study as a space and an aim: its distributions are parameters, its values what is measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tuner.experience.model import Reading, Tried
from tuner.search.aim import Aim, Limit, Objective
from tuner.search.learner import Learner
from tuner.space.assignment import Assignment
from tuner.space.parameter import Domain, Parameter
from tuner.space.space import Space
from tuner.spec.model import Scalar, Target

__all__ = ["AnyStudy"]

Floats = npt.NDArray[np.float64]

_NOWHERE = Target.model_validate({"engine": "value"})
_FARTHEST = 8.0
"""Standard deviations from the mean beyond which a value only counts as far off."""


class AnyStudy:
    """One study's search space, for one proposal."""

    def __init__(
        self, directions: Sequence[StudyDirection], search_space: Mapping[str, BaseDistribution], seed: int
    ) -> None:
        self._signs = [1.0 if direction == StudyDirection.MAXIMIZE else -1.0 for direction in directions]
        self._distributions = dict(search_space)
        self._seed = seed

    def propose(self, trials: Sequence[FrozenTrial]) -> dict[str, Any]:
        """The parameters to try next; none where every combination was tried."""
        known = [one for one in trials if self._fits(one)]
        done = [one for one in known if one.state.is_finished()]
        values = [one for one in done if one.state == TrialState.COMPLETE]
        scaled = [_scaled([one.values[place] for one in values]) for place in range(len(self._signs))]
        by_number = {one.number: [column[row] for column in scaled] for row, one in enumerate(values)}
        bounds = tuple(dict.fromkeys(name for one in done for name in _constraints(one)))
        tried = [self._tried(one, by_number.get(one.number)) for one in done]
        objectives = tuple(Objective({f"value {place}": sign}, lambda _: 0.0) for place, sign in enumerate(self._signs))
        aim = Aim(objectives, tuple(Limit(name, 1.0) for name in bounds))
        running = [self._assignment(one.params) for one in known if one.state == TrialState.RUNNING]
        choice = Learner(self._space(), aim, seed=self._seed).choose(tried, pending=running)
        if choice is None:
            return {}
        return {name: self._back(name, value) for name, value in choice.assignment.items()}

    def _fits(self, trial: FrozenTrial) -> bool:
        """A trial of all these parameters, with values that are still in their range."""
        return all(
            name in trial.params and distribution._contains(distribution.to_internal_repr(trial.params[name]))
            for name, distribution in self._distributions.items()
        )

    def _tried(self, trial: FrozenTrial, values: Sequence[float] | None) -> Tried:
        assignment = self._assignment(trial.params)
        constraints = _constraints(trial)
        readings = [
            Reading(metric=name, value=math.exp(max(min(value, _FARTHEST), -_FARTHEST)))
            for name, value in constraints.items()
        ]
        if values is None:
            return Tried(assignment=assignment, outcome="failed", readings=tuple(readings))
        readings += [Reading(metric=f"value {place}", value=math.exp(value)) for place, value in enumerate(values)]
        return Tried(assignment=assignment, outcome="completed", readings=tuple(readings))

    def _assignment(self, params: Mapping[str, Any]) -> Assignment:
        return Assignment({name: self._forth(name, params[name]) for name in self._distributions})

    def _forth(self, name: str, value: Any) -> Scalar:
        """A choice may be anything; its place among the choices stands for it."""
        distribution = self._distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            return str(int(distribution.to_internal_repr(value)))
        return value  # type: ignore[no-any-return]

    def _back(self, name: str, value: Scalar) -> Any:
        distribution = self._distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            return distribution.choices[int(value)]
        return int(value) if isinstance(distribution, IntDistribution) else float(value)

    def _space(self) -> Space:
        parameters = []
        for name, distribution in self._distributions.items():
            domain = _domain(distribution)
            default = next(domain.grid()) if domain.size is not None else float(domain.low or 0.0)
            parameters.append(Parameter(name=name, domain=domain, default=default, target=_NOWHERE))
        return Space(tuple(parameters), ())


def _domain(distribution: BaseDistribution) -> Domain:
    if isinstance(distribution, CategoricalDistribution):
        return Domain(kind="categorical", values=tuple(str(place) for place in range(len(distribution.choices))))
    if isinstance(distribution, IntDistribution):
        low, high = float(distribution.low), float(distribution.high)
        return Domain(kind="int", low=low, high=high, step=float(distribution.step), log=distribution.log)
    if isinstance(distribution, FloatDistribution):
        return Domain(
            kind="float", low=distribution.low, high=distribution.high, step=distribution.step, log=distribution.log
        )
    raise TypeError(f"no distribution of Optuna: {distribution}")


def _constraints(trial: FrozenTrial) -> Mapping[str, float]:
    """By name; above 0 is violated."""
    return {f"constraint {name}": float(value) for name, value in (trial.constraints or {}).items()}


def _scaled(values: Sequence[float]) -> Floats:
    """With mean 0 and deviation 1; of logarithms, where all are above 0 and they span a decade."""
    found = np.array(values, dtype=np.float64)
    if not len(found):
        return found
    if (found > 0).all() and found.max() >= 10 * found.min():
        found = np.log(found)
    finite = found[np.isfinite(found)]
    middle, wide = (float(finite.mean()), float(finite.std())) if len(finite) else (0.0, 1.0)
    scaled = (found - middle) / (wide or 1.0)
    return np.clip(np.nan_to_num(scaled, nan=_FARTHEST), -_FARTHEST, _FARTHEST)
