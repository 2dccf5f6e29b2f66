"""What better means, for each goal of a spec."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tuner.engine.workload import Resources
from tuner.errors import UserError
from tuner.measurement.model import Judgement, LoadPoint, Measurement
from tuner.search.objective import Goal, Metrics, Missed
from tuner.spec.model import Objective, Prices, Slo

GoalOf = Callable[..., Goal]
Measured = Callable[..., Measurement]
PointOf = Callable[..., LoadPoint]

positive = st.floats(min_value=1e-6, max_value=1e6)


def metrics_of(goal: Goal, measurement: Measurement, resources: Resources) -> Metrics:
    found = goal.metrics(measurement, resources)
    assert isinstance(found, Metrics)
    return found


def test_cost_is_money_for_a_million_requests_at_capacity(goal: Goal, measured: Measured, one_core: Resources) -> None:
    metrics = metrics_of(goal, measured(100.0), one_core)
    # One USD an hour buys 360,000 requests at 100/s.
    assert metrics.cost == pytest.approx(1e6 / 360_000)
    assert goal.values(metrics, None) == (metrics.cost,)
    assert goal.directions == ("minimize",)


def test_twice_the_cores_must_bring_twice_the_capacity(goal: Goal, measured: Measured, one_core: Resources) -> None:
    one = metrics_of(goal, measured(100.0), one_core)
    two = metrics_of(goal, measured(190.0), Resources(cpu=2.0, memory=2**30))
    assert goal.advantage(two, one) == pytest.approx(0.95)


def test_capacity_ignores_what_it_costs(goal_of: GoalOf, measured: Measured, one_core: Resources) -> None:
    goal = goal_of(goal="maximize-capacity")
    one = metrics_of(goal, measured(100.0), one_core)
    two = metrics_of(goal, measured(190.0), Resources(cpu=2.0, memory=2**30))
    assert goal.directions == ("maximize",)
    assert goal.values(two, None) == (190.0,)
    assert goal.advantage(two, one) == pytest.approx(1.9)


def test_latency_is_the_highest_bounded_percentile_at_the_stated_rate(
    goal_of: GoalOf, measured: Measured, point_of: PointOf, one_core: Resources
) -> None:
    goal = goal_of(goal="minimize-latency", rate="80/s")
    point = point_of(80.0, Judgement.PASS, {"p50": 0.004, "p99": 0.02}, 0.4)
    metrics = metrics_of(goal, measured(100.0, at_rate=point), one_core)
    assert goal.values(metrics, None) == (0.02,)


def test_a_configuration_that_misses_the_slo_at_the_stated_rate_has_no_score(
    goal_of: GoalOf, measured: Measured, point_of: PointOf, one_core: Resources
) -> None:
    goal = goal_of(goal="minimize-latency", rate="80/s")
    point = point_of(80.0, Judgement.FAIL, {"p50": 0.004, "p99": 0.2}, 4.0)
    missed = goal.metrics(measured(60.0, at_rate=point), one_core)
    assert isinstance(missed, Missed)
    assert missed.overshoot == pytest.approx(0.75)
    assert "80 requests/s" in missed.reason


def test_a_configuration_without_capacity_says_how_far_off_it_was(
    goal: Goal, measured: Measured, point_of: PointOf, one_core: Resources
) -> None:
    curve = (
        point_of(10.0, Judgement.FAIL, {"p99": 0.1}, 2.0),
        point_of(40.0, Judgement.FAIL, {"p99": 0.5}, 10.0),
    )
    missed = goal.metrics(measured(None, curve), one_core)
    assert isinstance(missed, Missed)
    assert missed.overshoot == pytest.approx(0.5), "the least load counts"


def test_a_workload_without_limits_has_no_price(goal: Goal, measured: Measured) -> None:
    with pytest.raises(UserError, match="limit"):
        goal.metrics(measured(100.0), Resources())


def test_weighted_is_the_weighted_sum_of_log_ratios(goal_of: GoalOf) -> None:
    goal = goal_of(goal="weighted", weights={"cost": 3.0, "capacity": 1.0})
    baseline = Metrics(capacity=100.0, hourly=1.0, cost=2.0)
    better = Metrics(capacity=200.0, hourly=1.0, cost=1.5)
    assert goal.directions == ("maximize",)
    assert goal.values(baseline, baseline)[0] == pytest.approx(0.0)
    assert goal.values(better, baseline)[0] == pytest.approx(0.75 * math.log(2 / 1.5) + 0.25 * math.log(2))


def test_pareto_keeps_each_metric_apart(goal_of: GoalOf) -> None:
    goal = goal_of(goal="pareto", of=("cost", "capacity"))
    assert goal.names == ("cost", "capacity")
    assert goal.directions == ("minimize", "maximize")
    assert goal.values(Metrics(capacity=100.0, hourly=1.0, cost=2.0), None) == (2.0, 100.0)


def goals() -> st.SearchStrategy[Goal]:
    slo = Slo.model_validate({"latency": {"p99": "50ms"}})
    prices = Prices.model_validate({"cpu": "1 USD", "memory": "0 USD"})
    sections = st.one_of(
        st.sampled_from(
            [
                {},
                {"goal": "maximize-capacity"},
                {"goal": "minimize-latency", "rate": "10/s"},
                {"goal": "pareto", "of": ("cost", "latency"), "rate": "10/s"},
            ]
        ),
        st.fixed_dictionaries({"cost": positive, "capacity": positive}).map(
            lambda weights: {"goal": "weighted", "weights": weights}
        ),
    )
    return sections.map(lambda section: Goal(Objective.model_validate(section), slo, prices))


metrics = st.builds(Metrics, capacity=positive, hourly=positive, cost=positive, latency=positive)


@hypothesis_settings(deadline=None)
@given(goals(), metrics, metrics, metrics)
def test_merit_orders_configurations_whatever_the_reference(
    goal: Goal, one: Metrics, two: Metrics, ref: Metrics
) -> None:
    assert math.isfinite(goal.merit(one))
    assert goal.merit(one) > 0
    assert goal.advantage(one, two) * goal.advantage(two, one) == pytest.approx(1.0)
    assert goal.advantage(one, ref) / goal.advantage(two, ref) == pytest.approx(goal.advantage(one, two), rel=1e-6)


@hypothesis_settings(deadline=None)
@given(goals(), metrics, st.floats(min_value=1.01, max_value=100))
def test_better_in_every_metric_is_better(goal: Goal, one: Metrics, factor: float) -> None:
    assert one.latency is not None
    better = Metrics(
        capacity=one.capacity * factor, hourly=one.hourly, cost=one.cost / factor, latency=one.latency / factor
    )
    assert goal.advantage(better, one) == pytest.approx(factor)
