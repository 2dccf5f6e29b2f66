"""Which configurations deserve a confirmation, what they cost, and why not the next best."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tuner.engine.workload import Resources
from tuner.errors import UserError
from tuner.measurement.model import Interval
from tuner.recommendation.cost import cost_of, replicas_for
from tuner.recommendation.front import knee_words
from tuner.recommendation.rank import Ranking, rank
from tuner.search.objective import Goal, Metrics
from tuner.search.record import Entry, Record, Status
from tuner.space.assignment import Assignment
from tuner.spec.model import Objective, Prices, Slo

PRICES = Prices.model_validate({"cpu": "0.5 USD", "memory": "0.1 USD", "gpu": {"nvidia.com/gpu": "2 USD"}})


def entry(
    number: int,
    capacity: float | None,
    *,
    workload: str = "",
    status: Status = "completed",
    cost: float = 0,
    latency: float | None = None,
    cut: str | None = None,
) -> Entry:
    known: dict[str, object] = {"outcome": status, "workload": workload or f"w{number}", "latency": latency, "cut": cut}
    if capacity is not None:
        known |= {"capacity": capacity, "hourly": 1.0, "cost": cost or 1e6 / 3600 / capacity}
    if status == "failed":
        known |= {"overshoot": 1 / (number + 2), "reason": "no load met the SLO"}
    return Entry(
        number, status, Record.model_validate({"assignment": Assignment({"n": number}), "origin": "search"} | known)
    )


def numbers(ranking: Ranking) -> list[int]:
    return [candidate.number for candidate in ranking.candidates]


def test_the_best_comes_first_and_what_is_no_better_than_the_baseline_not_at_all(goal: Goal) -> None:
    history = [entry(0, 100, workload="base"), entry(1, 150), entry(2, 90), entry(3, 170), entry(4, 100)]
    ranking = rank(goal, history, "base")
    assert numbers(ranking) == [3, 1]
    assert ranking.candidates[0].advantage == pytest.approx(1.7)
    assert ranking.rule == "the lowest cost within the SLO"


def test_a_trial_that_was_cut_short_is_no_candidate(goal: Goal) -> None:
    """Though it is better than the baseline: something still better was known."""
    history = [entry(0, 100, workload="base"), entry(1, 300), entry(2, 150, cut="at most 160 requests/s")]
    assert numbers(rank(goal, history, "base")) == [1]


def test_a_trial_of_the_baselines_own_workload_is_no_candidate(goal: Goal) -> None:
    history = [entry(0, 100, workload="base"), entry(1, 180, workload="base")]
    ranking = rank(goal, history, "base")
    assert ranking.candidates == ()
    assert ranking.reason == "the baseline is the best configuration found in 2 trials"


def test_of_two_trials_of_one_workload_the_first_counts(goal: Goal) -> None:
    history = [entry(0, 100, workload="base"), entry(1, 150, workload="w"), entry(2, 151, workload="w")]
    assert numbers(rank(goal, history, "base")) == [1]


def test_where_nothing_met_the_slo_the_nearest_miss_is_named(goal: Goal) -> None:
    history = [entry(number, None, status="failed") for number in range(3)]
    ranking = rank(goal, history, "base")
    assert ranking.candidates == ()
    assert ranking.reason == ("none of 3 configurations met the SLO; the nearest miss is n=2 (no load met the SLO)")
    assert rank(goal, [], "base").reason == "no trial was completed"


def test_a_pareto_goal_names_its_front_and_its_knee(goal_of: Callable[..., Goal]) -> None:
    goal = goal_of(goal="pareto", of=("cost", "latency"), rate="10/s")
    history = [
        entry(0, 100, workload="base", cost=4.0, latency=0.040),
        entry(1, 100, cost=1.0, latency=0.039),
        entry(2, 100, cost=1.5, latency=0.010),
        entry(3, 100, cost=3.9, latency=0.008),
        entry(4, 100, cost=1.6, latency=0.011),
    ]
    ranking = rank(goal, history, "base")
    assert [(point.trial, point.knee, point.baseline) for point in ranking.front] == [
        (1, False, False),
        (2, True, False),
        (3, False, False),
    ]
    assert ranking.front[1].values == {"cost": 1.5, "latency": 0.010}
    assert knee_words(ranking.front).startswith("3 configurations; the knee is trial 2")
    assert numbers(ranking)[0] == 2
    assert ranking.rule.startswith("the knee of the Pareto front of cost and latency")


@st.composite
def histories(draw: st.DrawFn) -> list[Entry]:
    entries = []
    for number in range(draw(st.integers(0, 12))):
        status: Status = draw(st.sampled_from(["completed", "failed", "errored", "inconclusive", "running"]))
        capacity = draw(st.floats(1e-3, 1e6)) if status == "completed" else None
        latency = draw(st.floats(1e-4, 10))
        workload = draw(st.sampled_from(["base", "", "", "shared"]))
        made = entry(
            number, capacity, workload=workload, status="failed" if status == "running" else status, latency=latency
        )
        entries.append(Entry(number, status, made.record) if status == "running" else made)
    return entries


GOALS: list[dict[str, object]] = [
    {},
    {"goal": "maximize-capacity"},
    {"goal": "minimize-latency", "rate": "10/s"},
    {"goal": "weighted", "weights": {"cost": 0.7, "latency": 0.3}, "rate": "10/s"},
    {"goal": "pareto", "of": ("cost", "latency", "capacity"), "rate": "10/s"},
]


@hypothesis_settings(deadline=None)
@given(st.sampled_from(GOALS), histories())
def test_a_failed_trial_never_wins_whatever_the_goal(section: dict[str, object], history: list[Entry]) -> None:
    slo = Slo.model_validate({"latency": {"p99": "50ms"}})
    goal = Goal(Objective.model_validate(section), slo, PRICES)
    ranking = rank(goal, history, "base")
    completed = {entry.number for entry in history if entry.status == "completed"}
    assert set(numbers(ranking)) <= completed
    assert {point.trial for point in ranking.front} <= completed
    assert sum(point.knee for point in ranking.front) == bool(ranking.front)
    assert (ranking.reason == "") == bool(ranking.candidates)
    merits = [goal.merit(candidate.metrics) for candidate in ranking.candidates]
    assert merits == sorted(merits, reverse=True)
    assert all(math.isfinite(merit) for merit in merits)
    assert all(c.advantage is None or c.advantage > 1 for c in ranking.candidates)
    workloads = [candidate.workload for candidate in ranking.candidates]
    assert "base" not in workloads
    assert len(workloads) == len(set(workloads))


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 0.0, -1.0])
def test_no_metric_can_be_nan_infinite_or_nothing(wrong: float) -> None:
    with pytest.raises(ValidationError):
        Metrics(capacity=wrong, hourly=1.0, cost=1.0)


def test_cost_of_a_side() -> None:
    capacity = Interval(value=100.0, low=90.0, high=110.0)
    cost = cost_of(capacity, Resources(cpu=2.0, memory=4 * 2**30), PRICES, expected=185.0)
    assert cost.hourly.amount == Decimal("1.4")
    assert cost.per_million is not None
    assert float(cost.per_million.amount) == pytest.approx(1.4 / 360_000 * 1e6, rel=1e-5)
    assert cost.replicas == 3, "185 requests/s need three replicas of at least 90"
    assert cost.monthly is not None
    assert str(cost.monthly) == "3066.00 USD"


def test_cost_without_expected_traffic_names_no_month() -> None:
    cost = cost_of(Interval(value=100.0, low=90.0, high=110.0), Resources(cpu=1.0, memory=2**30), PRICES, None)
    assert cost.replicas is None
    assert cost.monthly is None


def test_a_gpu_without_a_price_is_the_users_mistake() -> None:
    capacity = Interval(value=100.0, low=90.0, high=110.0)
    with pytest.raises(UserError, match="no price"):
        cost_of(capacity, Resources(cpu=1.0, memory=2**30, gpus={"nvidia.com/mig-1g.10gb": 1}), PRICES, None)
    priced = cost_of(capacity, Resources(cpu=1.0, memory=2**30, gpus={"nvidia.com/gpu": 1}), PRICES, None)
    assert priced.hourly.amount == Decimal("2.6")


@hypothesis_settings(deadline=None)
@given(st.floats(0.1, 1e6), st.floats(0.1, 1e5))
def test_replicas_bear_the_expected_traffic_and_none_is_idle(expected: float, low: float) -> None:
    count = replicas_for(expected, Interval(value=low * 1.1, low=low, high=low * 1.2))
    assert count * low >= expected * (1 - 1e-12)
    assert count == 1 or (count - 1) * low < expected
