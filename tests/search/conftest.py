"""A small service to search: its space, its goals, and what a measurement of it looks like."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuner.engine.workload import Resources
from tuner.load.protocol import LoadResult
from tuner.measurement.model import Capacity, Interval, Judgement, LoadPoint, Measurement
from tuner.search.objective import Goal
from tuner.search.storage import sqlite_url
from tuner.space.assignment import Assignment
from tuner.space.parameter import Condition, Domain, Parameter
from tuner.space.rule import compile_rule
from tuner.space.space import Space
from tuner.spec.model import Constraint, Objective, Prices, Scalar, Slo, Target
from tuner.trial.outcome import Completed, Outcome, Trial

ONE_CORE = Resources(cpu=1.0, memory=2**30)


def _parameter(name: str, domain: Domain, default: Scalar, when: tuple[Condition, ...] = ()) -> Parameter:
    target = Target.model_validate({"engine": name})
    return Parameter(name=name, domain=domain, default=default, target=target, when=when)


def _space(*parameters: Parameter, rule: str | None = None) -> Space:
    names = [parameter.name for parameter in parameters]
    rules = (compile_rule(Constraint(expression=rule, reason="a rule"), names),) if rule else ()
    return Space(parameters, rules)


@pytest.fixture
def small() -> Space:
    """Twelve configurations, nine of them allowed."""
    return _space(
        _parameter("batch", Domain(kind="ordinal", values=(1, 2, 4, 8)), 1),
        _parameter("instances", Domain(kind="int", low=1, high=3, step=1), 1),
        rule="batch * instances <= 8",
    )


@pytest.fixture
def wide() -> Space:
    """Every kind of parameter: 1,100 configurations before the rule, a delay only where batching is on."""
    return _space(
        _parameter("batching", Domain(kind="categorical", values=(True, False)), True),
        _parameter("batch", Domain(kind="ordinal", values=(1, 2, 4, 8, 16)), 1),
        _parameter(
            "delay",
            Domain(kind="float", low=0.0, high=0.9, step=0.1),
            0.0,
            (Condition(name="batching", values=(True,)),),
        ),
        _parameter("instances", Domain(kind="int", low=1, high=5, step=1), 1),
        _parameter("queue", Domain(kind="categorical", values=("fifo", "priority")), "fifo"),
        rule="batch * instances <= 32",
    )


@pytest.fixture
def endless() -> Space:
    """A continuous range, so that nothing can be listed."""
    return _space(
        _parameter("share", Domain(kind="float", low=0.001, high=1.0, log=True), 0.5),
        _parameter("threads", Domain(kind="int", low=1, high=64, step=1, log=True), 1),
        rule="share * double(threads) <= 16.0",
    )


@pytest.fixture
def goal_of() -> Callable[..., Goal]:
    """The goal for an objective section; prices 1 USD for a core, nothing for memory."""

    def make(**objective: Any) -> Goal:
        slo = Slo.model_validate({"latency": {"p99": "50ms", "p50": "10ms"}})
        prices = Prices.model_validate({"cpu": "1 USD", "memory": "0 USD"})
        return Goal(Objective.model_validate(objective), slo, prices)

    return make


@pytest.fixture
def goal(goal_of: Callable[..., Goal]) -> Goal:
    """The default goal: the least money per million requests."""
    return goal_of()


def load_point(rate: float, judgement: Judgement, latency: dict[str, float], pressure: float) -> LoadPoint:
    """A point of the curve; how the histogram looks does not matter to a search."""
    result = LoadResult(
        planned=1,
        scheduled=1,
        answered=1,
        over=(0, 0),
        histogram="",
        lateness="",
        offered_rate=rate,
        answered_rate=rate,
        elapsed=1.0,
    )
    return LoadPoint(
        rate=rate,
        judgement=judgement,
        reason="measured",
        latency=latency,
        lateness_p99=0.0,
        result=result,
        pressure=pressure,
    )


@pytest.fixture
def point_of() -> Callable[..., LoadPoint]:
    """Make one point of a load-latency curve."""
    return load_point


@pytest.fixture
def measured() -> Callable[..., Measurement]:
    """A measurement with this capacity (requests per second; ``None`` for none) and these points."""

    def make(
        capacity: float | None, curve: tuple[LoadPoint, ...] = (), at_rate: LoadPoint | None = None
    ) -> Measurement:
        rate = None if capacity is None else Interval(value=capacity, low=capacity * 0.95, high=capacity * 1.05)
        found = None if rate is None else Capacity(rate=rate)
        return Measurement(capacity=found, curve=curve, at_rate=at_rate, warm_up=1.0, elapsed=5.0)

    return make


def throughput(assignment: Assignment) -> float:
    """A smooth surface over the parameters that are there: its top is inside of the space."""
    merit = 100.0
    for name, value in assignment.items():
        number = float(value) if isinstance(value, int | float) else float(len(value))
        merit *= math.exp(-((math.log1p(number) - 1.4) ** 2) / (2 + len(name)))
    return merit


@pytest.fixture
def completed(measured: Callable[..., Measurement]) -> Callable[[Assignment], Outcome]:
    """The outcome of running a configuration of the small service."""
    return lambda assignment: Completed(measurement=measured(throughput(assignment)))


@pytest.fixture
def trial_of() -> Callable[[int, Assignment, Outcome], Trial]:
    """A finished trial that took ten seconds; the workload is named after the configuration."""

    def make(number: int, assignment: Assignment, outcome: Outcome) -> Trial:
        start = 1000.0 + 20 * number
        return Trial(
            number=number,
            assignment=assignment,
            workload=assignment.digest,
            outcome=outcome,
            started=start,
            ended=start + 10,
        )

    return make


@pytest.fixture
def one_core() -> Resources:
    """What every trial of the small service runs with."""
    return ONE_CORE


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def storage_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Every place where a study may be kept."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "study.db")
    return str(request.getfixturevalue("postgres_url"))
