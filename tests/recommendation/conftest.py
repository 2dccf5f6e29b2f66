"""Goals, contenders and trials to decide about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tuner.engine.workload import Resources
from tuner.recommendation.confirm import Contender
from tuner.search.objective import Goal
from tuner.space.assignment import Assignment
from tuner.spec.model import Objective, Prices, Slo


@pytest.fixture
def goal_of() -> Callable[..., Goal]:
    """The goal for an objective section; prices 1 USD for a core, nothing for memory."""

    def make(**objective: Any) -> Goal:
        slo = Slo.model_validate({"latency": {"p99": "50ms"}})
        return Goal(
            Objective.model_validate(objective), slo, Prices.model_validate({"cpu": "1 USD", "memory": "0 USD"})
        )

    return make


@pytest.fixture
def goal(goal_of: Callable[..., Goal]) -> Goal:
    """The default goal: the least money per million requests."""
    return goal_of()


@pytest.fixture
def contender() -> Callable[..., Contender]:
    """One side of a confirmation, on this many cores."""

    def make(name: str, cpu: float = 1.0) -> Contender:
        return Contender(
            assignment=Assignment({"name": name}), workload=f"sha256:{name}", resources=Resources(cpu=cpu, memory=2**30)
        )

    return make
