"""What to try next, what to recommend and what to expect, from the trials so far and those of earlier services.

Nothing is remembered between calls but what was learned from earlier services: the same trials give the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tuner.experience.model import Earlier, Reading, Tried
from tuner.search.aim import Aim
from tuner.search.candidates import Candidates
from tuner.search.coordinates import Coordinates
from tuner.search.durations import Durations
from tuner.search.effects import Effects, effects_of
from tuner.search.effort import Effort, best_for_its_price
from tuner.search.failing import USUAL
from tuner.search.front import front_gain
from tuner.search.ground import Ground, Knowledge
from tuner.search.prior import cold_kernels
from tuner.search.repeating import told_anew
from tuner.search.view import View, view
from tuner.space.assignment import Assignment
from tuner.space.space import Space

__all__ = ["Choice", "Expected", "Learner", "Prediction", "Recommended", "WhyNot"]

Floats = npt.NDArray[np.float64]

_KNOWN, _SURE = 0.9, 0.95
"""Probability to hold the limits from which on a search looks for better ones, and that a recommendation needs."""
_SHARE = 0.9
_GOOD = 3
"""Configurations around which a space that cannot be listed is looked at more closely."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The next trial. ``gain`` is expected of it: 0.02 is 2 % of merit; ``None`` while nothing holds the limits."""

    assignment: Assignment
    gain: float | None
    holds: float
    """The probability that it runs and holds the limits."""
    reason: str
    most: float | None = None
    """The gain that is expected of what would be tried if all trials cost the same."""


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
    """What is expected of a configuration: each metric, and the probability that it runs and holds the limits."""

    metrics: Mapping[str, Expected]
    holds: float


@dataclass(frozen=True, slots=True)
class WhyNot:
    """``behind``: logarithm of the best's merit over the expected one, ``None`` where there is no best."""

    behind: float | None
    holds: float
    gain: float | None
    reason: str


class Learner:
    """Learns one space under one aim.

    ``resemblance`` weighs each earlier service by how like this one it is, 1 where nothing tells them apart.
    """

    def __init__(
        self,
        space: Space,
        aim: Aim,
        experience: Sequence[Earlier] = (),
        *,
        seed: int = 0,
        resemblance: Sequence[float] | None = None,
    ) -> None:
        self._aim, self._seed, self._parameters = aim, seed, space.parameters
        self._coordinates = Coordinates(space)
        self._knowledge = Knowledge(self._coordinates, aim, experience, resemblance)
        self._kernels = cold_kernels(self._coordinates.width)
        self._durations = Durations(self._coordinates, self._kernels, experience, resemblance)
        self._candidates = Candidates(space, seed)
        listed = self._candidates.listed
        self._ground = None if listed is None else self._knowledge.ground(listed)
        self._wider = self._ground
        """The listed space and whatever else was asked for last: a baseline outside of the space is asked each time."""

    @property
    def informed(self) -> bool:
        """Whether earlier services teach anything about this one."""
        return self._knowledge.informed

    def choose(
        self,
        tried: Sequence[Tried],
        *,
        pending: Sequence[Assignment] = (),
        but: Collection[Assignment] = (),
        repeat: bool = False,
        effort: Effort | None = None,
    ) -> Choice | None:
        """The candidate that promises most, for what its trial costs where there is an ``effort``.

        ``None`` where none is left.

        ``pending`` trials count as if they had brought what is expected of them (a kriging believer: D. Ginsbourger et
        al., 2010), so that parallel proposals differ. ``but`` these it is; ``repeat`` allows what was tried already.
        """
        if effort is None and self._aim.price is not None:
            effort = Effort(paid=True)
        candidates = self._now(tried)
        if not tried and not pending and not self.informed and candidates:
            return self._middle([one for one in candidates if one not in but])
        seen, told = self._view(tried, (*self._unlisted(candidates), *pending)), tuple(tried)
        if pending:
            told += tuple(self._believed(seen, assignment) for assignment in pending)
            seen = self._view(told, self._unlisted(candidates))
        worth, gain = self._worth(seen)
        if repeat and tried:
            anew = told_anew(seen, tried)
            worth, gain = worth + np.log(anew), None if gain is None else gain * anew
        closed = {one.assignment for one in tried if not repeat or one.outcome == "failed"} | {*pending, *but}
        open_ = seen.ground.among(len(candidates), closed)
        if not open_.any():
            return None
        worth = np.where(open_, worth, -np.inf)
        best = place = int(np.argmax(worth))
        if effort is not None:
            seconds = self._durations.expected(seen.ground, told, seen.places)
            place = best_for_its_price(effort, worth, seconds, seen.ground.prices, feasible=gain is not None)
        most, expected = (None if gain is None else float(gain[each]) for each in (best, place))
        holds = float(seen.holds[place])
        return Choice(seen.ground.assignments[place], expected, holds, _reason(expected, holds), most)

    def _middle(self, candidates: Sequence[Assignment]) -> Choice | None:
        """Where nothing at all is known, the middle tells most about the rest."""
        if not candidates:
            return None
        distance = ((self._coordinates.of(candidates) - 0.5) ** 2).sum(axis=1)
        return Choice(
            candidates[int(np.argmin(distance))], None, 1 - USUAL, "nothing is known yet: the middle of the space"
        )

    def recommend(self, tried: Sequence[Tried], objective: int = 0) -> Recommended | None:
        """The best of what was tried; ``None`` where of nothing it is credible that it holds the limits."""
        seen = self._view(tried)
        place = seen.leader(_SURE, objective)
        if place is None:
            return None
        holds = float(seen.holds[place])
        reason = f"the best of {len(tried)} trials, within the limits at {holds:.0%}"
        return Recommended(seen.ground.assignments[place], holds, reason)

    def predict(self, tried: Sequence[Tried], assignments: Sequence[Assignment]) -> tuple[Prediction, ...]:
        """What is expected of any configurations, measurement errors left aside."""
        seen = self._view(tried, assignments)
        ends = {
            name: [np.exp(values) for values in (belief.mean, *belief.interval(_SHARE))]
            for name, belief in seen.beliefs.items()
        }
        holds = seen.holds
        return tuple(
            Prediction(
                {name: Expected(*(float(values[place]) for values in three)) for name, three in ends.items()},
                float(holds[place]),
            )
            for place in (seen.ground.index[assignment] for assignment in assignments)
        )

    def effects(self, tried: Sequence[Tried]) -> Effects:
        """Which parameters matter for the expected merit of the first objective, over the space."""
        candidates = self._now(tried)
        seen = self._view(tried, self._unlisted(candidates))
        return effects_of(self._parameters, candidates, seen.outlooks[0].merit()[: len(candidates)])

    def why_not(self, tried: Sequence[Tried], assignment: Assignment) -> WhyNot:
        """What speaks against a configuration that may not even be tried yet."""
        seen = self._view(tried, (assignment,))
        place, leader = seen.ground.index[assignment], seen.leader()
        merit, holds = seen.outlooks[0].merit(), seen.holds
        if leader is None:
            return WhyNot(None, float(holds[place]), None, "nothing within the limits is known to compare it with")
        behind = float(merit[leader] - merit[place])
        gain = float(seen.outlooks[0].gain(float(merit[leader]))[place])
        if place == leader:
            return WhyNot(0.0, float(holds[place]), gain, "it is the best that is known")
        reason = (
            f"it probably breaks a limit ({holds[place]:.0%} to hold them all)"
            if holds[place] < _SURE / 2
            else f"its merit is expected {100 * math.expm1(behind):.2g} % below the best"
            if behind > 0
            else f"it may be better, and trying it is expected to gain {100 * math.expm1(gain):.2g} %"
        )
        return WhyNot(behind, float(holds[place]), gain, reason)

    def _worth(self, seen: View) -> tuple[Floats, Floats | None]:
        """By assignment, what a trial is worth, in any unit, and its expected gain where there is something to beat."""
        if len(self._aim.objectives) > 1 and not self._aim.apart:
            return front_gain(seen, self._seed + len(seen.places)), None
        gain = seen.gain(_KNOWN)
        if gain is None:
            return seen.first(), None
        return seen.outlooks[0].worth(gain, informed=self.informed), gain

    def _believed(self, seen: View, assignment: Assignment) -> Tried:
        place = seen.ground.index[assignment]
        readings = tuple(
            Reading(metric=name, value=math.exp(float(belief.mean[place])), error=float(belief.deviation[place]) / 2)
            for name, belief in seen.beliefs.items()
        )
        return Tried(assignment=assignment, outcome="completed", readings=readings)

    def _now(self, tried: Sequence[Tried]) -> tuple[Assignment, ...]:
        if self._candidates.listed is not None:
            return self._candidates.listed
        good: list[Assignment] = []
        if tried:
            seen = self._view(tried)
            places = seen.within(0.0)
            order = places[np.argsort(-seen.outlooks[0].merit()[places])]
            good = [seen.ground.assignments[place] for place in order[:_GOOD]]
        return self._candidates.now(len(tried), good)

    def _unlisted(self, candidates: Sequence[Assignment]) -> Sequence[Assignment]:
        """Candidates that are not on the ground already."""
        return candidates if self._ground is None else ()

    def _view(self, tried: Sequence[Tried], more: Sequence[Assignment] = ()) -> View:
        return view(self._known([*more, *(one.assignment for one in tried)]), self._aim, self._kernels, tried)

    def _known(self, wanted: Sequence[Assignment]) -> Ground:
        """The ground with all of these on it: the listed space, where that holds them."""
        if self._ground is not None:
            others = tuple(dict.fromkeys(one for one in wanted if one not in self._ground.index))
            if not others:
                return self._ground
            if self._wider is None or self._wider.assignments[len(self._ground.assignments) :] != others:
                self._wider = self._knowledge.ground([*self._ground.assignments, *others])
            return self._wider
        return self._knowledge.ground(wanted)


def _reason(gain: float | None, holds: float) -> str:
    if gain is None:
        return f"nothing holds the limits yet; this does at {holds:.0%}"
    return f"expected to gain {100 * math.expm1(gain):.2g} %, within the limits at {holds:.0%}"
