"""A spec's goal in the terms of a learner, and what it is told of a search's history."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from tuner.search.aiming import aim_of, tried_in
from tuner.search.objective import Goal, Metrics, cost_per_million
from tuner.search.record import Entry, Record
from tuner.space.assignment import Assignment

HOURLY = {1: 0.5, 2: 1.25}


def hourly(assignment: Assignment) -> float:
    return HOURLY[int(assignment["size"])]


@pytest.mark.parametrize(
    "section",
    [
        {"goal": "minimize-cost"},
        {"goal": "maximize-capacity"},
        {"goal": "weighted", "weights": {"cost": 1.0, "capacity": 3.0}},
        {"goal": "minimize-latency", "rate": "100/s"},
        {"goal": "weighted", "weights": {"latency": 0.5, "capacity": 0.3, "cost": 0.2}, "rate": "100/s"},
    ],
)
def test_the_learners_merit_is_the_goals(goal_of: Callable[..., Goal], section: dict[str, object]) -> None:
    """Their logarithms differ by a constant, whatever was measured."""
    goal = goal_of(**section)
    objective = aim_of(goal, hourly).objectives[0]

    def gap(size: int, capacity: float, latency: float) -> float:
        cost = cost_per_million(HOURLY[size], capacity)
        metrics = Metrics(capacity=capacity, hourly=HOURLY[size], cost=cost, latency=latency)
        measured = {"capacity": capacity, "latency": latency}
        told = objective.offset(Assignment({"size": size})) + sum(
            weight * math.log(measured[name]) for name, weight in objective.weights.items()
        )
        return math.log(goal.merit(metrics)) - told

    assert gap(1, 100.0, 0.010) == pytest.approx(gap(2, 731.0, 0.042))


def test_a_pareto_goal_has_a_merit_for_each_metric(goal_of: Callable[..., Goal]) -> None:
    aim = aim_of(goal_of(goal="pareto", of=("cost", "capacity")), hourly)
    assert [objective.weights for objective in aim.objectives] == [{"capacity": 1.0}, {"capacity": 1.0}]
    costs = [aim.objectives[0].offset(Assignment({"size": size})) for size in HOURLY]
    assert costs[0] - costs[1] == pytest.approx(math.log(HOURLY[2] / HOURLY[1]))


def test_a_goal_about_latency_is_limited_by_the_slo(goal_of: Callable[..., Goal]) -> None:
    (limit,) = aim_of(goal_of(goal="minimize-latency", rate="100/s"), hourly).limits
    assert (limit.metric, limit.bound) == ("latency", 0.050)


def test_history_teaches_what_ended_and_nothing_else() -> None:
    def entry(number: int, status: str, **facts: object) -> Entry:
        record = Record.model_validate({"assignment": {"size": number}, "origin": "search", **facts})
        return Entry(number, status, record)  # type: ignore[arg-type]

    history = [
        entry(1, "completed", capacity=120.0, hourly=1.0, cost=2.3),
        entry(2, "failed", overshoot=1.0),
        entry(3, "errored", reason="the machine"),
        entry(4, "running"),
    ]
    tried = tried_in(history)
    assert [(one.assignment["size"], one.outcome) for one in tried] == [(1, "completed"), (2, "failed")]
    assert [(reading.metric, reading.value) for reading in tried[0].readings] == [("capacity", 120.0)]
