"""A spec's goal as what a learner aims at, and the history of a search as what it learns from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from tuner.experience.model import Reading, Tried
from tuner.search.aim import Aim, Demand, Limit, Objective
from tuner.search.bands import Bands
from tuner.search.beforehand import Hourly
from tuner.search.objective import Goal
from tuner.search.record import Entry
from tuner.space.assignment import Assignment
from tuner.spec.model import Metric

__all__ = ["aim_of", "tried_in"]

_LEAST = 1e-12
"""Where an hour costs nothing, every configuration costs the same."""


def aim_of(goal: Goal, hourly: Hourly, *, paid: bool = False, precision: float = 0.0) -> Aim:
    """The logarithm of the goal's merit in terms of capacity and latency; a Pareto goal has one merit for each metric.

    The cost of a million requests is the hourly cost, which is known, by the capacity, which is measured. ``paid``:
    the budget of the search is money, so a trial costs what its server costs. With bands there is one merit for each;
    replicas are counted by the lower ends of intervals, which lie half of the ``precision`` below what is measured.
    """
    price = (lambda assignment: max(hourly(assignment), _LEAST)) if paid else None
    if goal.bands is not None:
        return Aim(_demands(goal.bands, hourly, math.log1p(-precision / 2)), price=price)
    shares = goal.shares()
    apart = goal.objective.goal == "pareto"
    wanted = [{metric: 1.0} for metric in goal.objective.metrics] if apart else [shares]
    limits = (Limit("latency", goal.bounds[-1][1]),) if "latency" in goal.objective.metrics else ()
    return Aim(tuple(_objective(each, hourly) for each in wanted), limits, price)


def _demands(bands: Bands, hourly: Hourly, certain: float) -> tuple[Objective, ...]:
    """One for each band; what they know beforehand is the same function, so that it is worked out once."""

    def offset(assignment: Assignment) -> float:
        return -math.log(max(hourly(assignment), _LEAST))

    def capacity(_: Assignment) -> float:
        return certain

    return tuple(Objective({"capacity": 1.0}, offset, Demand(end, capacity, bands.counts)) for end in bands.ends)


def _objective(shares: Mapping[Metric, float], hourly: Hourly) -> Objective:
    cost = shares.get("cost", 0.0)
    weights = {"capacity": shares.get("capacity", 0.0) + cost, "latency": -shares.get("latency", 0.0)}

    def offset(assignment: Assignment) -> float:
        return -cost * math.log(max(hourly(assignment), _LEAST)) if cost else 0.0

    return Objective({metric: weight for metric, weight in weights.items() if weight}, offset)


def tried_in(history: Iterable[Entry]) -> tuple[Tried, ...]:
    """What the finished trials brought, in order; those that the machine spoiled say nothing."""
    return tuple(_tried(entry) for entry in history if entry.finished)


def _tried(entry: Entry) -> Tried:
    record = entry.record
    if record.tried is not None:
        return record.tried.model_copy(update={"assignment": entry.assignment})
    if entry.metrics is None:
        return Tried(assignment=entry.assignment, outcome="failed")
    readings = [Reading(metric="capacity", value=entry.metrics.capacity)]
    if entry.metrics.latency is not None:
        readings.append(Reading(metric="latency", value=entry.metrics.latency))
    return Tried(assignment=entry.assignment, outcome="completed", readings=tuple(readings))
