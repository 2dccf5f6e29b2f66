"""The sampler ``tuner`` for Optuna: proposals from a model of what is measured, and of what earlier services taught.

With a space and an aim it learns from the readings of each trial, the user attribute ``tried``. Without them it is a
sampler for any study: it learns from the values of the trials, and a violated constraint or a failed trial counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from tuner.experience.model import Earlier, Tried
from tuner.search.aim import Aim
from tuner.search.any_study import AnyStudy
from tuner.search.encoding import Axis, axes_of
from tuner.search.learner import Learner
from tuner.space.assignment import Assignment
from tuner.space.space import Space

__all__ = ["TRIED", "TunerSampler"]

TRIED = "tried"
"""The user attribute that holds what a trial brought, as ``Tried`` is written."""


class TunerSampler(BaseSampler):
    """Proposes what promises most; see ``tuner.search.learner``.

    ``repeat``: whether a configuration may be tried again, by default where readings have errors.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        space: Space | None = None,
        aim: Aim | None = None,
        experience: Sequence[Earlier] = (),
        repeat: bool | None = None,
    ) -> None:
        if (space is None) != (aim is None):
            raise ValueError("a space and an aim belong together: give both or neither")
        self._seed, self._repeat = seed, repeat
        self._independent = RandomSampler(seed=seed)
        self._searched = IntersectionSearchSpace()
        self._axes: dict[str, Axis] = {}
        self._learner: Learner | None = None
        if space is not None and aim is not None:
            self._axes = {axis.parameter.name: axis for axis in axes_of(space)}
            self._learner = Learner(space, aim, experience, seed=seed)

    @property
    def learner(self) -> Learner | None:
        """What it learns with, where it was given a space."""
        return self._learner

    def reseed_rng(self) -> None:
        """For a copy in another thread: only what is drawn at random changes."""
        self._independent.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The whole space where it was given; else what all trials so far have in common."""
        del trial
        if self._learner is not None:
            return {name: axis.searched for name, axis in self._axes.items()}
        return self._searched.calculate(study)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The proposal, by parameter; inactive parameters are absent."""
        if not search_space:
            return {}
        others = [one for one in study.get_trials(deepcopy=False) if one.number != trial.number]
        if self._learner is None:
            return AnyStudy(study.directions, search_space, self._seed).propose(others)
        return self._proposed(self._learner, others)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """At random: a parameter that the trials so far do not share."""
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def _proposed(self, learner: Learner, trials: Sequence[FrozenTrial]) -> dict[str, Any]:
        tried = [Tried.model_validate(one.user_attrs[TRIED]) for one in trials if TRIED in one.user_attrs]
        repeat = self._repeat
        if repeat is None:
            repeat = any(reading.error > 0 for one in tried for reading in one.readings)
        running = [
            self._decoded(one.params)
            for one in trials
            if one.state == TrialState.RUNNING and one.params and TRIED not in one.user_attrs
        ]
        choice = learner.choose(tried, pending=running, repeat=repeat)
        if choice is None:
            return {}
        return {name: self._axes[name].encode(value) for name, value in choice.assignment.items()}

    def _decoded(self, params: Mapping[str, Any]) -> Assignment:
        return Assignment(
            {name: self._axes[name].decode(value) for name, value in params.items() if name in self._axes}
        )
