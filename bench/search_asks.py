"""How long one proposal takes: 1,000 and 100,000 candidates, 100 past trials, with and without earlier services."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tuner.experience.model import Earlier, Reading, Tried
from tuner.measurement.benchmark import Figure
from tuner.search.aim import Aim, Limit, Objective
from tuner.search.learner import Learner
from tuner.space.assignment import Assignment
from tuner.space.enumeration import random_points
from tuner.space.parameter import Domain, Parameter
from tuner.space.space import Space
from tuner.spec.model import Target

__all__ = ["proposal_times"]

TRIALS = 100
EARLIER = 20
REPEATS = 5
_SIZES = ((3, "<= 100"), (5, "<= 2000"))
_TARGET = Target.model_validate({"engine": "value"})


def proposal_times(sizes: Sequence[tuple[int, str]] = _SIZES) -> Iterator[Figure]:
    """Medians of a few proposals, each after another number of trials; ``sizes`` are (ten's powers, goal in ms)."""
    for dimensions, goal in sizes:
        space = _space(dimensions)
        aim = Aim((Objective({"latency": -1.0}, lambda _: 0.0),), (Limit("latency", 2.0),))
        earlier = tuple(_earlier(space, number) for number in range(EARLIER))
        tried = _tried(space, TRIALS, 0)
        for label, experience in (("cold", ()), (f"{EARLIER} earlier services", earlier)):
            learner = Learner(space, aim, experience)
            seconds = []
            for count in range(TRIALS - REPEATS + 1, TRIALS + 1):
                began = time.perf_counter()
                learner.choose(tried[:count])
                seconds.append(time.perf_counter() - began)
            name = f"a proposal among {10**dimensions:,} candidates after {TRIALS} trials, {label}"
            yield Figure.of(name, 1000 * statistics.median(seconds), "ms", goal=goal)


def _space(dimensions: int) -> Space:
    values = tuple(range(1, 11))
    return Space(
        tuple(
            Parameter(name=f"p{number}", domain=Domain(kind="ordinal", values=values), default=1, target=_TARGET)
            for number in range(dimensions)
        ),
        (),
    )


def _earlier(space: Space, number: int) -> Earlier:
    return Earlier(service=f"service-{number}", engine="synthetic", trials=tuple(_tried(space, TRIALS, number + 1)))


def _tried(space: Space, count: int, seed: int) -> list[Tried]:
    """Distinct random configurations of a smooth surface that differs from seed to seed."""
    powers = np.random.default_rng(seed).normal(-0.5, 0.2, len(space.parameters))
    found = dict.fromkeys(map(Assignment, random_points(space.parameters, 2 * count, seed)))
    return [
        Tried(assignment=assignment, outcome="completed", readings=(_reading(assignment, powers),))
        for assignment in list(found)[:count]
    ]


def _reading(assignment: Assignment, powers: npt.NDArray[np.float64]) -> Reading:
    numbers = np.log([float(value) for value in assignment.values()])
    return Reading(metric="latency", value=float(np.exp(4 + numbers @ powers)), error=0.02)
