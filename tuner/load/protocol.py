"""Driving a server: the plan of one load, what came of it, and the door to a generator."""

from __future__ import annotations

from typing import Literal, Protocol

from pydantic import Field

from tuner.engine.protocol import Endpoint, HttpRequest
from tuner.value import Value

__all__ = ["LoadGenerator", "LoadPlan", "LoadResult"]


class LoadPlan(Value):
    """One open-loop load at one rate. Times in seconds, rate in requests per second."""

    endpoint: Endpoint
    requests: tuple[HttpRequest, ...] = Field(min_length=1)
    arrivals: Literal["poisson", "constant"]
    rate: float = Field(gt=0)
    duration: float = Field(gt=0)
    seed: int
    timeout: float = Field(gt=0)
    bounds: tuple[tuple[float, float], ...]
    """(percentile in 0..100, bound in seconds): exceedances are counted exactly for each."""
    hopeless_after: int | None = None
    """End at once when more requests than this have missed any bound or failed: more load would tell nothing new."""


class LoadResult(Value):
    """What came of a plan. Latencies run from the scheduled time of a request.

    ``histogram`` and ``lateness`` are HdrHistograms in their standard base64 encoding (microseconds, 3 digits);
    ``over`` counts requests over each bound of the plan, failures and timeouts included, in the plan's order.
    """

    scheduled: int
    answered: int
    failed: dict[str, int] = Field(default_factory=dict)
    over: tuple[int, ...]
    histogram: str
    lateness: str
    offered_rate: float
    answered_rate: float
    elapsed: float
    ended_early: bool = False

    @property
    def failures(self) -> int:
        """Requests without a good answer: errors, resets, timeouts, wrong shapes."""
        return sum(self.failed.values())


class LoadGenerator(Protocol):
    """Sends a load and reports it. TemporaryError where the generator itself broke."""

    def run(self, plan: LoadPlan) -> LoadResult:
        """Send the plan's load; returns when every request is answered or timed out."""
        ...
