"""What to propose, and why."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tuner.measurement.model import Interval
from tuner.space.assignment import Assignment
from tuner.spec.quantity import Money
from tuner.value import Value

__all__ = ["Comparison", "Cost", "KeepBaseline", "Propose", "Recommendation", "Side"]


class Cost(Value):
    """Money at the spec's prices. ``monthly`` (730 h) only where the spec states the expected traffic."""

    hourly: Money
    """One replica for an hour."""
    per_million: Money | None
    """A million requests at full capacity within the SLO."""
    replicas: int | None = None
    """Replicas that the expected traffic, or with bands the upper end of its band, needs at the lower end of the
    capacity's interval."""
    monthly: Money | None = None


class Side(Value):
    """Baseline or candidate as the confirmation measured it. Capacities in requests per second, one a block."""

    assignment: Assignment
    workload: str
    capacities: tuple[float, ...]
    latency: dict[str, float]
    """Seconds by percentile at the same load for both sides."""
    cost: Cost


class Comparison(Value):
    """Candidate against baseline, interleaved on one machine; ``ratio`` above 1 is better.

    ``fleet`` compares the money for all replicas that bear ``rate`` requests per second.
    """

    metric: Literal["cost", "capacity", "latency", "weighted", "pareto", "fleet"]
    rate: float | None = None
    baseline: Side
    candidate: Side
    ratio: Interval
    confidence: float
    order: str
    """The blocks in the order they ran, for example ``ABBA``."""


class Propose(Value):
    """Better with the stated confidence: worth a pull request."""

    kind: Literal["propose"] = "propose"
    comparison: Comparison
    reason: str = Field(min_length=1)


class KeepBaseline(Value):
    """Nothing better was shown. ``comparison`` is the nearest miss, where there was a candidate at all."""

    kind: Literal["keep-baseline"] = "keep-baseline"
    reason: str = Field(min_length=1)
    comparison: Comparison | None = None


Recommendation = Annotated[Propose | KeepBaseline, Field(discriminator="kind")]
