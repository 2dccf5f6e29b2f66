"""Who says what is tried next: Optuna's samplers as specs name them, tuner's own, or a list of points.

One narrow door for all of them, so that strategies are compared on the same trials: ask, run, tell.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, CmaEsSampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

from tuner.errors import UserError
from tuner.experience.model import Earlier, Tried
from tuner.replay.recording import Recording
from tuner.search.design import spread
from tuner.search.encoding import Axis, axes_of, suggest
from tuner.search.learned import TunerSampler
from tuner.search.pool import Pool
from tuner.search.sampler import make_sampler, startup_points
from tuner.search.storage import quiet
from tuner.space.assignment import Assignment
from tuner.spec.model import Scalar

__all__ = ["SAMPLERS", "Strategy", "learned", "strategy_named", "tuner_sampler"]

SAMPLERS = ("tuner", "tpe", "random", "nsga2", "cmaes", "grid", "qmc")
_TRIES = 8
"""Proposals that are asked of a sampler that does not know what was tried, before the nearest one left is taken."""
_FAILED = 1.0
"""How far off a configuration counts that did not even run: worse than a limit that is broken by half."""


class Strategy(Protocol):
    """Asks for one configuration after another; each is told before the next is asked for."""

    def ask(self) -> Assignment | None:
        """The next configuration; ``None`` where there is nothing left to try."""
        ...

    def tell(self, tried: Tried) -> None:
        """What the trial of the last one measured."""
        ...


def strategy_named(
    name: str, recording: Recording, *, seed: int, trials: int, experience: Sequence[Earlier] = ()
) -> Strategy:
    """The strategy of a spec's ``search.sampler``. Only ``tuner`` learns from experience. UserError for others."""
    quiet()
    if name not in SAMPLERS:
        raise UserError.of(f"there is no sampler {name!r}", f"choose one of {', '.join(SAMPLERS)}")
    if name == "cmaes" and len(recording.aim.objectives) > 1:
        raise UserError.of("the sampler cmaes looks for one best value, not for bands", "choose tuner, nsga2 or tpe")
    if name in ("grid", "qmc"):
        return _Listed(recording, seed, grid=name == "grid")
    if name == "tuner":
        return learned(recording, tuner_sampler(recording, experience, seed))
    sampler = make_sampler(name, seed, conditional=False, budget=trials)
    spreads = startup_points(name, len(recording.space.parameters), trials)
    return _Sampled(recording, sampler, seed, spreads=spreads, repeats=False)


def tuner_sampler(recording: Recording, experience: Sequence[Earlier] = (), seed: int = 0) -> TunerSampler:
    """Tuner's own sampler, which has learned from experience; it serves any number of searches."""
    quiet()
    return TunerSampler(seed=seed, space=recording.space, aim=recording.aim, experience=tuple(experience))


def learned(recording: Recording, sampler: TunerSampler) -> Strategy:
    """A search by a sampler that was made by ``tuner_sampler`` for the same recording."""
    return _Sampled(recording, sampler, seed=0, spreads=0, repeats=True)


@dataclass(slots=True)
class _Sampled:
    """An Optuna sampler. The start comes first, then ``spreads`` evenly spread points, then what it proposes."""

    recording: Recording
    sampler: BaseSampler
    seed: int
    spreads: int
    repeats: bool
    _study: optuna.Study = field(init=False)
    _axes: tuple[Axis, ...] = field(init=False)
    _known: dict[Assignment, None] = field(default_factory=dict)
    _trial: optuna.Trial | None = None
    _pool: Pool = field(init=False)

    def __post_init__(self) -> None:
        directions = [StudyDirection.MAXIMIZE] * len(self.recording.aim.objectives)
        self._study = optuna.create_study(directions=directions, sampler=self.sampler)
        self._axes = axes_of(self.recording.space)
        self._pool = Pool(self._axes, self.recording.candidates)

    def ask(self) -> Assignment | None:
        number = len(self._known)
        start = self.recording.start
        if number == 0 and start is not None:
            return self._begin(start)
        left = self._pool.without(self._known)
        if left is None:
            return None
        if self.repeats:
            return self._proposed()
        place = number - (start is not None)
        if place < self.spreads:
            return self._begin(left.nearest(spread(self.recording.space, self._axes, place, self.seed)))
        first: Assignment | None = None
        for _ in range(_TRIES):
            wished = self._proposed()
            if wished not in self._known and self.recording.space.contains(wished):
                return wished
            first = first or wished
            self._give_up()
        return self._begin(left[0] if first is None else left.nearest(first))

    def _begin(self, assignment: Assignment) -> Assignment:
        self._study.enqueue_trial({axis.parameter.name: self._encoded(axis, assignment) for axis in self._axes})
        return self._proposed()

    @staticmethod
    def _encoded(axis: Axis, assignment: Assignment) -> Scalar | None:
        return axis.encode(assignment[axis.parameter.name])

    def _proposed(self) -> Assignment:
        self._trial = self._study.ask()
        return Assignment(
            {
                axis.parameter.name: axis.decode(suggest(self._trial, axis.parameter.name, axis.searched))
                for axis in self._axes
            }
        )

    def _give_up(self) -> None:
        if self._trial is not None:
            self._study.tell(self._trial, state=TrialState.FAIL)

    def tell(self, tried: Tried) -> None:
        trial = self._trial
        if trial is None:
            raise ValueError("nothing was asked for")
        self._known[tried.assignment] = None
        trial.set_user_attr("tried", tried.model_dump(mode="json"))
        merits, excess = self.recording.merits(tried), self.recording.excess(tried)
        broken = excess is None or excess > 0
        if not isinstance(self.sampler, CmaEsSampler):  # which knows no constraints
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                trial.set_constraint("limits", _FAILED if excess is None else max(excess, -1e6))
        elif broken:
            merits = None
        if merits is None:
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, [float(np.log(merit)) for merit in merits])


class _Listed:
    """Every configuration in order, or evenly spread points; the start comes first."""

    def __init__(self, recording: Recording, seed: int, *, grid: bool) -> None:
        self._recording, self._seed, self._grid = recording, seed, grid
        self._axes = axes_of(recording.space)
        self._pool = Pool(self._axes, recording.candidates)
        self._known: dict[Assignment, None] = {}

    def ask(self) -> Assignment | None:
        left = self._pool.without(self._known)
        if left is None:
            return None
        start = self._recording.start
        if not self._known and start is not None:
            return start
        if self._grid:
            return left[0]
        place = len(self._known) - (start is not None)
        return left.nearest(spread(self._recording.space, self._axes, place, self._seed))

    def tell(self, tried: Tried) -> None:
        self._known[tried.assignment] = None
