"""What a search looks for, in the terms that a model learns: logarithms of measured quantities.

The merit of a configuration is ``exp(offset + sum of weight * log(metric))``, higher is better: ``offset`` holds what
is known beforehand (the price of its resources), the metrics are what a trial measures. A limit bounds a metric from
above (a latency by its SLO).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tuner.space.assignment import Assignment

__all__ = ["Aim", "Demand", "Limit", "Objective"]


@dataclass(frozen=True, slots=True)
class Limit:
    """The metric has to be at most ``bound`` (above 0)."""

    metric: str
    bound: float


@dataclass(frozen=True, slots=True)
class Demand:
    """A rate that whole replicas have to bear together: as many as it takes, of the numbers that are allowed.

    ``capacity(assignment)`` is the known part of the logarithm of what one replica bears; ``counts``, ascending, are
    the numbers allowed, any from 1 where there are none.
    """

    rate: float
    capacity: Callable[[Assignment], float]
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Objective:
    """One merit. ``offset(assignment)`` is the part that is known before any trial.

    With a ``demand``, ``capacity + sum of weight * log(metric)`` is the logarithm of one replica's capacity instead,
    and the merit is ``exp(offset) / replicas``: the offset is then what a replica costs.
    """

    weights: Mapping[str, float]
    offset: Callable[[Assignment], float]
    demand: Demand | None = None


@dataclass(frozen=True, slots=True)
class Aim:
    """One objective, or several, under limits: for a Pareto set, or, where each is a demand, the best for each.

    ``price(assignment)``, above 0, is what a trial costs, where the search pays by it and not by the trial.
    """

    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...] = ()
    price: Callable[[Assignment], float] | None = None

    @property
    def apart(self) -> bool:
        """Whether each objective has a best configuration of its own, so that none is given up for another."""
        return all(objective.demand is not None for objective in self.objectives)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that is looked at, each once."""
        named = [metric for objective in self.objectives for metric in objective.weights]
        return tuple(dict.fromkeys([*named, *(limit.metric for limit in self.limits)]))
