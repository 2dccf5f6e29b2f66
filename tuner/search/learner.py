"""What to try next, what to recommend and what to expect, from the trials so far and those of earlier services.

Nothing is remembered between calls but what was learned from earlier services: the same trials give the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tuner.experience.model import Earlier, Reading, Tried
from tuner.search.acquisition import Outlook
from tuner.search.aim import Aim
from tuner.search.belief import Belief, Mixture, log_share
from tuner.search.coordinates import Coordinates
from tuner.search.failing import Failures
from tuner.search.field import Bound, Field, Sample
from tuner.search.prior import Prior, cold_kernels, learn
from tuner.space.assignment import Assignment
from tuner.space.space import Space

__all__ = ["Choice", "Expected", "Learner", "Prediction", "Recommended"]

Floats = npt.NDArray[np.float64]
Informed = Sequence[tuple[Field, float]]

_INFORMED = 0.9
"""What the experience of earlier services is trusted, before this one has said anything."""
_UNLIKE = ((1.0, 0.5), (2.0, 0.3), (4.0, 0.2))
"""How many times further from earlier services a new one may be than these are from each other, and how likely."""
_HOLDS, _SURE = 0.5, 0.9
"""A trial within the limits, for the search; and for a recommendation."""
_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Choice:
    """The next trial. ``gain`` is expected of it: 0.02 is 2 % of merit; ``None`` while nothing holds the limits."""

    assignment: Assignment
    gain: float | None
    holds: float
    """The probability that it runs and holds the limits."""
    reason: str


@dataclass(frozen=True, slots=True)
class Recommended:
    """The best of what was tried, of which it is credible that it holds the limits."""

    assignment: Assignment
    holds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Expected:
    """A metric's median, and the ends of its 90 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is expected of a configuration."""

    metrics: Mapping[str, Expected]
    holds: float


class Learner:
    """Learns one space under one aim. ``candidates`` are all that may be tried."""

    def __init__(
        self,
        space: Space,
        aim: Aim,
        experience: Sequence[Earlier] = (),
        *,
        candidates: Sequence[Assignment] | None = None,
        resemblance: Sequence[float] | None = None,
    ) -> None:
        self._aim = aim
        self._coordinates = Coordinates(space)
        self._candidates = tuple(space.feasible()) if candidates is None else tuple(candidates)
        self._points = self._coordinates.of(self._candidates)
        self._place = {assignment: place for place, assignment in enumerate(self._candidates)}
        self._offsets = tuple(self._offset(objective.offset, self._candidates) for objective in aim.objectives)
        self._priors = {name: learn(experience, name, self._coordinates, resemblance) for name in aim.metrics}
        self._informed = {name: prior.fields(self._points) for name, prior in self._priors.items() if prior}
        self._elsewhere = self._failures(experience, self._points)
        self._experience = tuple(experience)
        self._kernels = cold_kernels(self._coordinates.width)

    def choose(self, tried: Sequence[Tried], *, repeat: bool = False) -> Choice | None:
        """The candidate that promises most; ``None`` where none is left. ``repeat`` allows what was tried already."""
        view = self._view(tried)
        if not len(self._candidates):
            return None
        best = view.best()
        worth = view.outlook.first() if best is None else view.outlook.worth(best)
        worth = worth[: len(self._candidates)].copy()
        closed = [view.places[number] for number, one in enumerate(tried) if not repeat or one.outcome == "failed"]
        worth[[place for place in closed if place < len(worth)]] = -np.inf
        place = int(np.argmax(worth))
        if not math.isfinite(worth[place]):
            return None
        gain = None if best is None else float(view.outlook.gain(best)[place])
        holds = float(view.outlook.holds()[place])
        return Choice(self._candidates[place], gain, holds, _reason(gain, holds))

    def recommend(self, tried: Sequence[Tried]) -> Recommended | None:
        """The best of what was tried; ``None`` where of nothing it is credible that it holds the limits."""
        view = self._view(tried)
        place = view.leader(_SURE)
        if place is None:
            return None
        holds = float(view.outlook.holds()[place])
        return Recommended(view.assignments[place], holds, f"best of {len(tried)} trials, within the limits at {holds:.0%}")

    def predict(self, tried: Sequence[Tried], assignments: Sequence[Assignment]) -> tuple[Prediction, ...]:
        """What is expected of any configurations, measurement errors left aside."""
        view = self._view(tried, assignments)
        places = [view.index[assignment] for assignment in assignments]
        ends = {name: (belief.mean, *belief.interval(_SHARE)) for name, belief in view.outlook.beliefs.items()}
        holds = view.outlook.holds()
        return tuple(
            Prediction(
                {name: Expected(*(float(math.exp(values[place])) for values in three)) for name, three in ends.items()},
                float(holds[place]),
            )
            for place in places
        )

    def _view(self, tried: Sequence[Tried], more: Sequence[Assignment] = ()) -> _View:
        """All beliefs after the trials, over the candidates and whatever else was tried or asked for."""
        others = dict.fromkeys(one for one in [*(each.assignment for each in tried), *more] if one not in self._place)
        index = self._place | {one: len(self._candidates) + number for number, one in enumerate(others)}
        points, offsets, informed = self._points, self._offsets, self._informed
        if others:
            added = self._coordinates.of(list(others))
            points = np.concatenate([points, added])
            offsets = tuple(
                np.concatenate([offset, self._offset(objective.offset, list(others))])
                for offset, objective in zip(offsets, self._aim.objectives, strict=True)
            )
            informed = {name: prior.fields(points) for name, prior in self._priors.items() if prior}
        places = np.array([index[one.assignment] for one in tried], dtype=np.intp)
        failed = np.array([one.outcome == "failed" for one in tried], dtype=np.bool_)
        beliefs = {name: self._belief(name, points, informed.get(name), tried, places) for name in self._aim.metrics}
        elsewhere = self._failures(self._experience, points) if others else self._elsewhere
        runs = elsewhere.with_trials(points, points[places], failed).running
        assignments = (*self._candidates, *others)
        return _View(Outlook(self._aim, beliefs, offsets[0], runs), assignments, index, places, failed)

    def _belief(
        self, name: str, points: Floats, informed: Informed | None, tried: Sequence[Tried], places: npt.NDArray[np.intp]
    ) -> Mixture:
        read = [
            (int(place), reading)
            for place, one in zip(places, tried, strict=True)
            for reading in one.readings
            if reading.metric == name
        ]
        exact = [(place, reading) for place, reading in read if reading.side == "at"]
        seen = Sample(
            np.array([place for place, _ in exact], dtype=np.intp),
            np.log([reading.value for _, reading in exact]),
            np.array([reading.error**2 for _, reading in exact]),
        )
        bounds = [_bound(place, reading) for place, reading in read if reading.side != "at"]
        if informed is not None:
            middle = float(informed[0][0].mean.mean())
        else:
            middle = float(seen.value.mean()) if len(seen.value) else (bounds[0].value if bounds else 0.0)
        none = np.empty((0, len(points)))
        cold = [Field(np.full(len(points), middle), points, kernel, none) for kernel in self._kernels]
        share = (1 - _INFORMED) if informed is not None else 1.0
        weights = [log_share(share, len(cold))] * len(cold)
        fields = [*cold]
        if informed is not None:
            for field, share in informed:
                for scale, weight in _UNLIKE:
                    fields.append(replace(field, kernel=field.kernel.times(scale)))
                    weights.append(math.log(_INFORMED * share * weight))
        return Belief(tuple(fields), np.array(weights)).after(seen, bounds)

    def _offset(self, offset: object, assignments: Sequence[Assignment]) -> Floats:
        return np.array([offset(assignment) for assignment in assignments])

    def _failures(self, experience: Sequence[Earlier], points: Floats) -> Failures:
        trials = [trial for earlier in experience for trial in earlier.trials]
        failed = np.array([trial.outcome == "failed" for trial in trials], dtype=np.bool_)
        tried = self._coordinates.of([trial.assignment for trial in trials] if failed.any() else [])
        return Failures.elsewhere(points, tried, failed)


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """What is believed of every assignment after the trials, which lie at ``places``."""

    outlook: Outlook
    assignments: Sequence[Assignment]
    index: Mapping[Assignment, int]
    places: npt.NDArray[np.intp]
    failed: npt.NDArray[np.bool_]

    def leader(self, sure: float) -> int | None:
        """The best place that ran and probably holds the limits."""
        ran = np.unique(self.places[~self.failed])
        ran = ran[self.outlook.holds()[ran] >= sure * self.outlook.runs[ran]]
        return int(ran[np.argmax(self.outlook.merit()[ran])]) if len(ran) else None

    def best(self) -> float | None:
        """The logarithm of the merit to beat."""
        place = self.leader(_HOLDS)
        return None if place is None else float(self.outlook.merit()[place])


def _bound(place: int, reading: Reading) -> Bound:
    return Bound(place, math.log(reading.value), reading.error**2, reading.side == "below")


def _reason(gain: float | None, holds: float) -> str:
    if gain is None:
        return f"nothing holds the limits yet; this probably does ({holds:.0%})"
    return f"expected to gain {100 * math.expm1(gain):.2g} %, within the limits at {holds:.0%}"
