"""What better means: from a measurement and its resources to the values that a search compares.

Every goal has a *merit*: a positive number, higher is better, and the ratio of two merits says how many times better
one configuration is than another. Cost and latency enter it as their inverse, capacity as it is; ``weighted`` and
``pareto`` multiply the parts, each to the power of its share of the weight (``pareto``: equal shares). The logarithm
of a ratio of merits is so the weighted sum of the logarithms of the parts' ratios, which needs no scale per metric.
With bands of arrival rates there is a merit for each: the inverse of what an hour of all replicas costs that it takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from tuner.engine.workload import Resources
from tuner.measurement.model import LoadPoint, Measurement
from tuner.search.bands import Bands
from tuner.space.price import hourly_cost
from tuner.spec.model import Metric, Objective, Prices, Slo
from tuner.value import Value

__all__ = ["Goal", "Metrics", "Missed", "cost_per_million", "overshoot", "percentile_key"]

Direction = Literal["minimize", "maximize"]


class Metrics(Value):
    """What one configuration is judged by.

    ``capacity`` in requests per second within the SLO, of which ``certified`` hold with the SLO's confidence;
    ``hourly`` and ``cost`` (a million requests at capacity) in the currency of the prices; ``latency`` in seconds at
    the objective's rate, where the goal looks at it.
    """

    capacity: float = Field(gt=0)
    hourly: float = Field(ge=0)
    cost: float = Field(ge=0)
    latency: float | None = Field(None, gt=0)
    certified: float | None = Field(None, ge=0)

    @property
    def sure(self) -> float:
        """The capacity that replicas are counted by: the certified one, where there is one."""
        return self.certified or self.capacity


@dataclass(frozen=True, slots=True)
class Missed:
    """Ran and does not count: the SLO was not met. ``overshoot`` in (0, 1) says by how much, 0 being a near miss."""

    reason: str
    overshoot: float


def percentile_key(percentile: float) -> str:
    """``p99`` for 99, ``p99.9`` for 99.9: the spelling in specs and in measured latencies."""
    return f"p{percentile:g}"


class Goal:
    """A spec's objective, applied to measurements."""

    def __init__(
        self,
        objective: Objective,
        slo: Slo,
        prices: Prices,
        *,
        expected: float | None = None,
        counts: Sequence[int] = (),
    ) -> None:
        """``expected`` is the traffic of today, ``counts`` the replicas that the manifest may have; both for bands."""
        self.objective = objective
        self.slo = slo
        self.bounds = slo.bounds
        self.prices = prices
        self.bands = Bands.of(objective, expected, counts)
        """``None`` where the goal looks at no rate in particular."""
        self.names: tuple[str, ...] = _names(objective)
        """Names of ``values``, in order."""
        self.directions: tuple[Direction, ...] = tuple(
            "maximize" if name in ("capacity", "improvement") else "minimize" for name in self.names
        )
        """Which way each of ``values`` is better."""

    @property
    def latency_percentile(self) -> str:
        """The percentile that a goal about latency compares: the highest that the SLO bounds."""
        return percentile_key(self.bounds[-1][0])

    def hourly(self, resources: Resources) -> float:
        """Money for an hour of one replica. UserError where a resource has no limit or no price."""
        return float(hourly_cost(self.prices, resources.cpu, resources.memory, resources.gpus).amount)

    def metrics(self, measurement: Measurement, resources: Resources) -> Metrics | Missed:
        """The metrics of a measured configuration, or why it has none."""
        if measurement.capacity is None or measurement.capacity.rate.value <= 0:
            return Missed(measurement.reason or "no load met the SLO", overshoot(measurement))
        hourly = self.hourly(resources)
        capacity = measurement.capacity.rate.value
        latency = self._latency(measurement.at_rate, capacity)
        if isinstance(latency, Missed):
            return latency
        return Metrics(
            capacity=capacity,
            hourly=hourly,
            cost=cost_per_million(hourly, capacity),
            latency=latency,
            certified=max(measurement.capacity.rate.low, 0.0),
        )

    def _latency(self, at_rate: LoadPoint | None, capacity: float) -> float | Missed | None:
        """A load that was too short to tell counts as within the SLO where the capacity is above it."""
        if "latency" not in self.objective.metrics:
            return None
        if at_rate is None:
            return Missed(f"the latency at {self.objective.rate:g} requests/s was not measured", 0.5)
        if at_rate.judgement != "pass" and (at_rate.judgement != "undecided" or at_rate.rate > capacity):
            reason = f"at {at_rate.rate:g} requests/s the SLO is not met: {at_rate.reason}"
            return Missed(reason, _excess(at_rate))
        latency = at_rate.latency.get(self.latency_percentile)
        return Missed(f"no {self.latency_percentile} was measured", 0.5) if latency is None else latency

    def merit(self, metrics: Metrics) -> float:
        """How good, as one positive number, higher is better; only ratios of merits mean something.

        With bands: in that of today.
        """
        if self.bands is not None:
            return self.merits(metrics)[self.bands.today]
        return math.exp(sum(share * self._log_merit(metric, metrics) for metric, share in self.shares().items()))

    def merits(self, metrics: Metrics) -> tuple[float, ...]:
        """The merit in each band; without bands the only one."""
        if self.bands is None:
            return (self.merit(metrics),)
        return tuple(1 / max(self.bill(metrics, rate), 1e-300) for rate in self.bands.ends)

    def bill(self, metrics: Metrics, rate: float) -> float:
        """Money for an hour of all the replicas that bear the rate, by what one certainly bears; with bands only."""
        if self.bands is None:
            raise ValueError("the goal has no bands")
        return metrics.hourly * self.bands.replicas(rate, metrics.sure)

    def serves(self, metrics: Metrics, rate: float) -> bool:
        """Whether the manifest may have as many replicas as bear the rate."""
        return self.bands is None or self.bands.allowed(self.bands.replicas(rate, metrics.sure))

    def advantage(self, metrics: Metrics, reference: Metrics) -> float:
        """How many times better than ``reference``; above 1 is better."""
        return self.merit(metrics) / self.merit(reference)

    def shares(self) -> dict[Metric, float]:
        """The share of each metric in the merit; they sum to 1."""
        weights = self.objective.weights if self.objective.goal == "weighted" else None
        named: dict[Metric, float] = dict(weights or dict.fromkeys(dict.fromkeys(self.objective.metrics), 1.0))
        total = sum(named.values())
        return {metric: weight / total for metric, weight in named.items()}

    def values(self, metrics: Metrics, reference: Metrics | None) -> tuple[float, ...]:
        """What the study records, in the order of ``names`` and ``directions``.

        ``improvement`` of a weighted goal is the weighted sum of log-ratios against ``reference`` (the baseline),
        higher is better; without a reference it is against 1 of each unit, which orders configurations the same way.
        """
        if self.objective.goal == "weighted":
            return (math.log(self.merit(metrics)) - (math.log(self.merit(reference)) if reference else 0.0),)
        if self.bands is not None:
            return tuple(self.bill(metrics, rate) for rate in self.bands.ends)
        return tuple(self._value(metric, metrics) for metric in self.objective.metrics)

    def _value(self, metric: Metric, metrics: Metrics) -> float:
        if metric == "latency":
            if metrics.latency is None:
                raise ValueError("a goal about latency needs a measured latency")
            return metrics.latency
        return metrics.capacity if metric == "capacity" else metrics.cost

    def _log_merit(self, metric: Metric, metrics: Metrics) -> float:
        value = math.log(max(self._value(metric, metrics), 1e-300))
        return value if metric == "capacity" else -value


def _names(objective: Objective) -> tuple[str, ...]:
    if objective.bands is not None:
        return tuple(f"hourly up to {rate:g} requests/s" for rate in objective.bands)
    return ("improvement",) if objective.goal == "weighted" else objective.metrics


def overshoot(measurement: Measurement | None) -> float:
    """How far over the SLO the least load was, in (0, 1): 1 - bound / latency of the worst percentile."""
    if measurement is None or not measurement.curve:
        return 0.5
    return _excess(min(measurement.curve, key=lambda point: point.rate))


def _excess(point: LoadPoint) -> float:
    return min(max(1 - 1 / point.pressure, 0.01), 0.99) if point.pressure > 1 else 0.01


def cost_per_million(hourly: float, capacity: float) -> float:
    """Money for a million requests at ``capacity`` requests per second with ``hourly`` money for an hour."""
    return hourly / (capacity * 3600) * 1e6
