"""Driving a server: the plan of one load, what came of it, and the door to a generator."""

from __future__ import annotations

from typing import Protocol, Self

from pydantic import Field, model_validator

from tuner.engine.protocol import Endpoint, HttpRequest
from tuner.load.arrivals import Arrivals
from tuner.load.tail import Tail, Throughput
from tuner.value import Value

__all__ = ["LoadGenerator", "LoadPlan", "LoadResult", "LoadWindow", "TokenResult"]

LARGEST_PLAN = 5_000_000
"""Requests of one plan: the generator keeps a few bytes for each."""


class LoadPlan(Value):
    """One open-loop load at one rate. Times in seconds, rate in requests per second.

    Exactly ``planned`` requests are scheduled over ``duration``: a Poisson plan is the Poisson process given its
    number of arrivals, so that the load of a plan is the rate it says and the verdict's sample size is known before.
    """

    endpoint: Endpoint
    requests: tuple[HttpRequest, ...] = Field(min_length=1)
    arrivals: Arrivals
    rate: float = Field(gt=0)
    duration: float = Field(gt=0)
    seed: int
    timeout: float = Field(gt=0)
    bounds: tuple[tuple[float, float], ...]
    """(percentile in 0..100, bound in seconds): exceedances are counted exactly for each."""
    lead: float = Field(0.0, ge=0)
    """Seconds of the same load sent before anything counts: connections are open, the queue is at its level."""
    hopeless_after: tuple[int, ...] | None = None
    """For each bound: end at once when more requests than this have missed it. More load would tell nothing new."""
    hopeless_failures: int | None = None
    """End at once when more requests than this have failed."""
    outstanding: int = Field(1024, gt=0)
    """Requests (and connections) open at a time; further ones wait in the generator, their clock running."""

    token_bounds: tuple[float | None, float | None] = (None, None)
    """Of a streamed answer: to its first token, and the mean between two of its tokens; for ``TokenResult.good``."""

    @property
    def planned(self) -> int:
        """Number of requests that count."""
        return max(1, round(self.rate * self.duration))

    @property
    def planned_lead(self) -> int:
        """Number of requests sent before anything counts."""
        return round(self.rate * self.lead)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.planned + self.planned_lead > LARGEST_PLAN:
            raise ValueError(f"a load of {self.planned} requests is larger than {LARGEST_PLAN}: shorten it")
        if self.hopeless_after is not None and len(self.hopeless_after) != len(self.bounds):
            raise ValueError("hopeless_after needs one number for each bound")
        if len({request.protocol for request in self.requests}) > 1:
            raise ValueError("the requests of a load are of one protocol")
        return self


class LoadWindow(Value):
    """One slice of a plan's schedule, all slices equally long; the requests scheduled in it.

    ``latency`` is the mean in seconds, a failed request counting as the timeout; 0 where nothing was scheduled.
    """

    scheduled: int
    over: tuple[int, ...]
    latency: float


class TokenResult(Value):
    """The tokens of the good answers of a load of streamed answers.

    ``first_token`` (seconds from the scheduled time) and ``gap`` (between neighbouring tokens of an answer) are
    histograms as in ``LoadResult``. Tokens that come in one piece have no time between them.
    """

    first_token: str
    gap: str
    count: int
    """All tokens: what the server says in the ``usage`` of an answer, or else its events that carry text."""
    rate: float
    """Tokens per second, over the time of ``LoadResult.answered_rate``."""
    good: int
    """Requests within the plan's ``token_bounds``; all good answers where it has none."""


class LoadResult(Value):
    """What came of a plan. Latencies run from the scheduled time of a request.

    ``scheduled`` is how many requests fell due (fewer than ``planned`` only where the load ended early); each was
    either answered well or failed. ``histogram`` (of those requests, a failed one standing at the plan's timeout) and
    ``lateness`` (actual send minus scheduled time; a request that waited for a free connection was not late) are
    HdrHistograms in their standard base64 encoding, in microseconds with 3 digits. ``over`` counts requests over each
    bound of the plan, every failure included, in the plan's order.

    ``failed`` counts by kind: ``timeout``, ``refused``, ``reset`` (connection lost before the answer was whole),
    ``malformed`` (not the protocol), ``length`` (not the number of bytes that the request says), ``http-<status>``
    (anything but 200), ``grpc-<status>`` (anything but 0), ``abandoned`` (still open, and over every bound, when a load
    that ended early gave up waiting), and of a stream ``error`` (it says so), ``cut`` (over before its end), ``empty``
    (no token) and ``shape`` (a 200 that is no stream).
    """

    planned: int
    scheduled: int
    answered: int
    failed: dict[str, int] = Field(default_factory=dict)
    over: tuple[int, ...]
    histogram: str
    lateness: str
    offered_rate: float
    """Requests per second as the schedule had it, while it lasted."""
    answered_rate: float
    """Good answers per second, from the first request that fell due until the last one was answered."""
    elapsed: float
    """Seconds from the first request, lead included, until the last one was answered or had timed out."""
    ended_early: bool = False
    windows: tuple[LoadWindow, ...] = ()
    answer_lengths: dict[int, int] = Field(default_factory=dict)
    """How many good answers had a body of how many bytes; the most common lengths."""
    tokens: TokenResult | None = None
    tails: tuple[Tail, ...] = ()
    """The share of requests over each bound, in the plan's order; empty where the requests were too few to tell."""
    throughput: Throughput | None = None
    """How fast answers came while they did; of a server that fell behind, its saturation."""

    @property
    def failures(self) -> int:
        """Requests without a good answer: errors, resets, timeouts, wrong shapes."""
        return sum(self.failed.values())


class LoadGenerator(Protocol):
    """Sends a load and reports it. TemporaryError where the generator itself broke."""

    def run(self, plan: LoadPlan) -> LoadResult:
        """Send the plan's load; returns when every request is answered or timed out."""
        ...
