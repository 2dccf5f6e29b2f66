"""The Pareto set of a campaign, and its knee.

The knee is where the product of the improvements over the baseline is largest. Which point that is does not depend on
the baseline: going from it to any other point, what some metrics gain in per cent is less than what the others lose
(proportional fairness: F. P. Kelly, "Charging and rate control for elastic traffic", 1997; J. F. Nash's bargaining
solution in logarithms, 1950). So it needs no scale for each metric, and always is a point of the set.
"""

from __future__ import annotations

from collections.abc import Sequence

from tuner.search.objective import Goal, Metrics
from tuner.search.record import Entry
from tuner.space.assignment import Assignment
from tuner.spec.model import Metric
from tuner.value import Value

__all__ = ["FrontPoint", "front_of", "knee_words"]


class FrontPoint(Value):
    """A configuration that no other one beats in every metric.

    ``values`` by metric: money for a million requests, requests per second, seconds.
    """

    trial: int
    assignment: Assignment
    values: dict[Metric, float]
    knee: bool
    baseline: bool


def front_of(goal: Goal, scored: Sequence[tuple[Entry, Metrics]], baseline_workload: str) -> tuple[FrontPoint, ...]:
    """The points in the order of their trials; empty for a goal that is no Pareto set."""
    if goal.objective.goal != "pareto":
        return ()
    signs = [1.0 if direction == "minimize" else -1.0 for direction in goal.directions]
    points = [
        [sign * value for sign, value in zip(signs, goal.values(metrics, None), strict=True)] for _, metrics in scored
    ]
    kept = [
        each
        for each, point in zip(scored, points, strict=True)
        if not any(_dominates(other, point) for other in points)
    ]
    knee = max(kept, key=lambda each: (goal.merit(each[1]), -each[0].number), default=None)
    return tuple(
        FrontPoint(
            trial=entry.number,
            assignment=entry.assignment,
            values=dict(zip(goal.objective.metrics, goal.values(metrics, None), strict=True)),
            knee=knee is not None and entry is knee[0],
            baseline=entry.record.workload == baseline_workload,
        )
        for entry, metrics in kept
    )


def knee_words(points: Sequence[FrontPoint]) -> str:
    """How many points there are and which is the knee, for example ``3 configurations; the knee is trial 2``."""
    knee = next((point for point in points if point.knee), None)
    if knee is None:
        return ""
    count = f"{len(points)} configuration{'' if len(points) == 1 else 's'}"
    name = "the baseline" if knee.baseline else f"trial {knee.trial}"
    return f"{count}; the knee is {name}, where the product of the improvements is largest"


def _dominates(left: Sequence[float], right: Sequence[float]) -> bool:
    """True where ``left`` is nowhere worse and somewhere better; smaller is better."""
    pairs = list(zip(left, right, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
