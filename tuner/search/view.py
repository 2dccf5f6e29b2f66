"""What is believed of every configuration after some trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tuner.experience.model import Reading, Tried
from tuner.search.acquisition import Outlook
from tuner.search.aim import Aim
from tuner.search.belief import Belief, Mixture
from tuner.search.failing import running
from tuner.search.field import Bound, Field, Sample
from tuner.search.ground import Ground
from tuner.search.kernel import Kernel

__all__ = ["View", "belief_of", "view"]

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

_INFORMED = 0.9
"""What the experience of earlier services is trusted, before this one has said anything."""
_HOLDS = 0.5
"""Probability to hold the limits from which on a trial is the one to beat."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """``places`` of the trials among the assignments of the ground, and which of them ``failed``."""

    ground: Ground
    outlooks: tuple[Outlook, ...]
    places: Places
    failed: npt.NDArray[np.bool_]

    @property
    def beliefs(self) -> Mapping[str, Mixture]:
        """Each metric's."""
        return self.outlooks[0].beliefs

    @property
    def holds(self) -> Floats:
        """The probability of each assignment to run and to hold every limit."""
        return self.outlooks[0].holds()

    def within(self, sure: float) -> Places:
        """The places that were tried, ran, and hold the limits with that probability."""
        ran = np.unique(self.places[~self.failed])
        outlook = self.outlooks[0]
        return np.asarray(ran[outlook.holds()[ran] >= sure * outlook.runs[ran]])

    def leader(self, sure: float = _HOLDS, objective: int = 0) -> int | None:
        """The best of these by that objective."""
        within = self.within(sure)
        return int(within[np.argmax(self.outlooks[objective].merit(within))]) if len(within) else None

    def first(self) -> Floats:
        """Logarithm of the worth of a trial while nothing within the limits is known, over all objectives."""
        return np.asarray(np.mean([outlook.first() for outlook in self.outlooks], axis=0))

    def gain(self, sure: float) -> Floats | None:
        """By assignment, the gain that is expected over what is best so far, on average over all objectives.

        Each objective has a best of its own. ``None`` while nothing holds the limits with that probability.
        """
        within = self.within(sure)
        if not len(within):
            return None
        gains = [outlook.gain(float(outlook.merit(within).max())) for outlook in self.outlooks]
        return np.asarray(np.mean(gains, axis=0))


def view(ground: Ground, aim: Aim, kernels: Sequence[Kernel], tried: Sequence[Tried]) -> View:
    """What the trials make of it; every one of them lies on the ground."""
    places = np.array([ground.index[one.assignment] for one in tried], dtype=np.intp)
    failed = np.array([one.outcome == "failed" for one in tried], dtype=np.bool_)
    beliefs = {
        name: belief_of(name, ground.points, ground.informed.get(name, ()), kernels, tried, places)
        for name in aim.metrics
    }
    runs = running(ground.points, ground.failing, kernels, places, failed)
    outlooks = tuple(
        Outlook(aim, beliefs, offset, capacity, runs, number)
        for number, (offset, capacity) in enumerate(zip(ground.offsets, ground.capacities, strict=True))
    )
    return View(ground, outlooks, places, failed)


def belief_of(
    name: str,
    points: Floats,
    informed: Sequence[tuple[Field, float]],
    kernels: Sequence[Kernel],
    tried: Sequence[Tried],
    places: Places,
) -> Mixture:
    """What is believed of a metric at the points: ``informed`` by earlier services, cold, and after the trials.

    ``places`` of the trials among the points.
    """
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
    usual = float(seen.value.mean()) if len(exact) else (bounds[0].value if bounds else 0.0)
    cold = _cold(points, kernels, float(informed[0][0].mean.mean()) if informed else usual)
    weighted = [(field, (1 - _INFORMED if informed else 1.0) / len(cold)) for field in cold]
    weighted += [(field, _INFORMED * share) for field, share in informed]
    weights = np.log([weight for _, weight in weighted])
    return Belief(tuple(field for field, _ in weighted), weights).after(seen, bounds)


def _cold(points: Floats, kernels: Sequence[Kernel], level: float) -> list[Field]:
    mean, none = np.full(len(points), level), np.empty((0, len(points)))
    return [Field(mean, points, kernel, none) for kernel in kernels]


def _bound(place: int, reading: Reading) -> Bound:
    return Bound(place, math.log(reading.value), reading.error**2, reading.side == "below")
