"""The next configuration: what the sampler would like, made feasible and new, before it costs a trial.

Nothing is remembered between calls but the history, and randomness depends on the seed and the trial's number alone, so
a search that was killed proposes what it would have proposed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import optuna
from optuna.samplers import CmaEsSampler
from optuna.trial import TrialState, create_trial

from tuner.search.aiming import aim_of, tried_in
from tuner.search.beforehand import Beforehand
from tuner.search.design import spread
from tuner.search.effort import Effort
from tuner.search.encoding import Axis, axes_of, suggest
from tuner.search.learner import Learner
from tuner.search.objective import Goal, Metrics
from tuner.search.pool import Left, Pool
from tuner.search.record import Entry, Origin
from tuner.search.sampler import REPLAYED, make_sampler, startup_points
from tuner.search.stopping import PATIENCE
from tuner.search.storage import quiet
from tuner.space.assignment import Assignment
from tuner.space.space import Space
from tuner.spec.model import Scalar
from tuner.spec.model import Search as Settings

__all__ = ["Chooser"]

_TRIES = 8
"""Proposals that are asked of a sampler before the nearest configuration left is taken instead."""
_SEARCHES = 4_096
"""Random points that are tried in a space too large to list before it counts as exhausted."""


@dataclass(frozen=True, slots=True)
class _Choice:
    assignment: Assignment
    origin: Origin
    reason: str = ""
    gain: float | None = None
    """Expected gain in the logarithm of the merit, where the sampler tells it."""
    patience: int = 1
    """How many proposals in a row have to promise little before the search ends."""


class Chooser:
    """Chooses configurations for one space by one sampler."""

    def __init__(
        self,
        space: Space,
        settings: Settings,
        goal: Goal,
        budget: int,
        beforehand: Beforehand | None = None,
    ) -> None:
        quiet()
        self._space = space
        self._settings = settings
        self._goal = goal
        self._budget = budget
        self._axes = axes_of(space)
        self._pool = Pool.of(space, self._axes)
        self._conditional = any(parameter.when for parameter in space.parameters)
        self._beforehand = beforehand or Beforehand()

    @property
    def listed(self) -> bool:
        """Whether every feasible configuration can be listed."""
        return self._pool is not None

    def choose(
        self, history: Sequence[Entry], reference: Metrics | None, effort: Effort | None = None
    ) -> _Choice | None:
        """A feasible configuration that the history does not hold; ``None`` where there is none left.

        ``effort``: what trials are paid with, where they do not count as one each; only ``tuner`` minds.
        """
        known = {entry.assignment for entry in history}
        if self._settings.sampler == "tuner":
            return self._learned(history, effort)
        left = None if self._pool is None else self._pool.without(known)
        if self._pool is not None and left is None:
            return None
        started = sum(entry.record.origin == "start" for entry in history)
        seed = int(np.random.SeedSequence([self._settings.seed, len(history)]).generate_state(1)[0])
        name = self._settings.sampler
        if left is not None and name in ("random", "grid"):  # a drift of the machine must not look like a parameter's
            return _Choice(left[int(np.random.default_rng(seed).integers(len(left)))], "search")
        if name == "qmc":
            chosen = self._spread(known, left, sum(entry.record.origin == "search" for entry in history))
            return None if chosen is None else _Choice(chosen, "search")
        if started < startup_points(name, len(self._axes), self._budget):
            chosen = self._spread(known, left, started)
            return None if chosen is None else _Choice(chosen, "start")
        chosen = self._sampled(history, reference, known, left, seed)
        return None if chosen is None else _Choice(chosen, "search")

    @cached_property
    def _learner(self) -> Learner:
        """Made when it is first asked: a campaign that only resumes its confirmation needs none."""
        known = self._beforehand
        aim = aim_of(self._goal, known.hourly, paid=known.paid, precision=self._settings.precision)
        return Learner(self._space, aim, known.experience, seed=self._settings.seed, resemblance=known.resemblance)

    def _learned(self, history: Sequence[Entry], effort: Effort | None) -> _Choice | None:
        """The learner's choice; what the machine spoiled is not learned from, and not proposed again by it."""
        pending = [entry.assignment for entry in history if entry.pending]
        spoiled = {entry.assignment for entry in history if not entry.pending and not entry.finished}
        choice = self._learner.choose(tried_in(history), pending=pending, but=spoiled, effort=effort)
        if choice is None:
            return None
        patience = 1 if self._learner.informed else PATIENCE
        return _Choice(choice.assignment, "search", choice.reason, choice.most, patience)

    def _spread(self, known: set[Assignment], left: Left | None, index: int) -> Assignment | None:
        """The evenly spread point; where it cannot be had, the nearest one left or the next that is free."""
        seed = self._settings.seed
        if left is not None:
            return left.nearest(spread(self._space, self._axes, index, seed))
        points = (spread(self._space, self._axes, place, seed) for place in range(index, index + _SEARCHES))
        return next((point for point in points if point not in known and self._space.contains(point)), None)

    def _sampled(
        self,
        history: Sequence[Entry],
        reference: Metrics | None,
        known: set[Assignment],
        left: Left | None,
        seed: int,
    ) -> Assignment | None:
        study = self._remembered(history, reference, seed)
        first: Assignment | None = None
        for _ in range(_TRIES):
            trial = study.ask()
            point = self._suggested(trial)
            if point not in known and self._space.contains(point):
                return point
            first = first or point
            study.tell(trial, state=TrialState.FAIL)
        if left is not None and first is not None:
            return left.nearest(first)
        return self._anything(known, seed)

    def _anything(self, known: set[Assignment], seed: int) -> Assignment | None:
        """A random feasible configuration of a space that is too large to list."""
        study = self._study("random", seed)
        for _ in range(_SEARCHES):
            trial = study.ask()
            point = self._suggested(trial)
            if point not in known and self._space.contains(point):
                return point
        return None

    def _suggested(self, trial: optuna.Trial) -> Assignment:
        values: dict[str, Scalar] = {}
        for axis in self._axes:
            if self._space.active(axis.parameter.name, values):
                values[axis.parameter.name] = axis.decode(suggest(trial, axis.parameter.name, axis.searched))
        return Assignment(values)

    def _study(self, sampler: str, seed: int) -> optuna.Study:
        return optuna.create_study(
            directions=list(self._goal.directions),
            sampler=make_sampler(sampler, seed, conditional=self._conditional, budget=self._budget),
        )

    def _remembered(self, history: Sequence[Entry], reference: Metrics | None, seed: int) -> optuna.Study:
        """The history as the sampler may learn from it, in memory.

        A failed trial has no value: it is pruned, with a violated constraint that says how far off it was. A trial that
        the machine spoiled says nothing and is left out.
        """
        study = self._study(self._settings.sampler, seed)
        remember = _replay if self._settings.sampler in REPLAYED else _add
        for entry in history:
            params = self._encoded(entry.assignment)
            if params is None or entry.status in ("errored", "inconclusive"):
                continue
            metrics = entry.metrics
            values = None if metrics is None else self._goal.values(metrics, reference)
            remember(study, [axis for axis in self._axes if axis.parameter.name in params], params, entry, values)
        return study

    def _encoded(self, assignment: Assignment) -> dict[str, Scalar] | None:
        """``None`` for a configuration (a baseline, say) that the space cannot express."""
        encoded: dict[str, Scalar] = {}
        for axis in self._axes:
            name = axis.parameter.name
            if name in assignment:
                value = axis.approximate(assignment[name])
                if value is None:
                    return None
                encoded[name] = value
        return encoded


def _state(entry: Entry) -> TrialState:
    if entry.pending:
        return TrialState.RUNNING
    return TrialState.COMPLETE if entry.status == "completed" else TrialState.PRUNED


def _violation(entry: Entry) -> float:
    """0 where the trial counts; else how far off, a configuration that did not even run (1) being worst."""
    return (entry.record.overshoot or 1.0) if entry.status == "failed" else 0.0


def _add(
    study: optuna.Study,
    axes: Sequence[Axis],
    params: dict[str, Scalar],
    entry: Entry,
    values: tuple[float, ...] | None,
) -> None:
    study.add_trial(
        create_trial(
            state=_state(entry),
            values=values,
            params=dict(params),
            distributions={axis.parameter.name: axis.searched for axis in axes},
            constraints={"failed": _violation(entry)},
        )
    )


def _replay(
    study: optuna.Study,
    axes: Sequence[Axis],
    params: dict[str, Scalar],
    entry: Entry,
    values: tuple[float, ...] | None,
) -> None:
    study.enqueue_trial(dict(params))
    trial = study.ask()
    for axis in axes:
        suggest(trial, axis.parameter.name, axis.searched)
    if entry.pending:
        return
    if entry.status == "failed" and not isinstance(study.sampler, CmaEsSampler):  # which knows no constraints
        trial.set_constraint("failed", _violation(entry))
    study.tell(trial, values, state=_state(entry))
