"""What was measured of one configuration: facts with their uncertainty."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from tuner.load.protocol import LoadResult
from tuner.measurement.interference import Interference
from tuner.measurement.resource_use import ResourceUse
from tuner.value import Value

__all__ = ["Capacity", "Cut", "Interval", "Judgement", "LoadPoint", "Measurement"]


class Judgement(StrEnum):
    """What one load says about the SLO. INVALID: the load generator was the bottleneck, so it says nothing."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    UNDECIDED = "undecided"
    INVALID = "invalid"


class Interval(Value):
    """A value with the interval around it, at the confidence that the owner states."""

    value: float
    low: float
    high: float


class LoadPoint(Value):
    """One point of the load-latency curve, with its reason."""

    rate: float
    judgement: Judgement
    reason: str
    latency: dict[str, float]
    """Seconds by percentile (``p50``, ``p90``, ``p99`` … and each percentile of the SLO)."""
    lateness_p99: float
    """How late the generator itself sent, in seconds."""
    result: LoadResult
    pressure: float = 0.0
    """The largest ratio of a latency to its bound; above 1 where a bound is missed."""
    excess: float = 0.0
    """ln(share of requests over a bound / share allowed) of the bound where it is largest: 0 at the capacity."""
    error: float = 1.0
    """Standard error of the excess, which knows that requests come late in bursts."""
    allowed: float = 0.01
    """The share of requests that may be over that bound."""
    none: bool = False
    """Nothing was seen of that share: the excess is that of half an independent request."""


class Capacity(Value):
    """The largest rate (requests per second) within the SLO, with its interval at the SLO's confidence.

    ``certified`` is the rate that the server holds with that confidence at least: the interval's lower end.
    """

    rate: Interval
    certified: float | None = None


class Cut(Value):
    """A measurement was ended early, as its capacity is certain not to matter. Both in requests per second.

    ``at_most`` is the upper end of the capacity's interval, ``needed`` what the configuration would have to bear.
    """

    at_most: float
    needed: float

    @property
    def reason(self) -> str:
        """For people, in one line."""
        return f"at most {_plain(self.at_most)} requests/s, needs {_plain(self.needed)} to matter"


def _plain(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


class Measurement(Value):
    """Everything measured of one configuration in one trial."""

    capacity: Capacity | None
    """``None`` where not even the lowest load met the SLO."""
    cut: Cut | None = None
    """Set where it was ended early: the capacity's interval is wide then, and none of it is certified."""
    curve: tuple[LoadPoint, ...]
    at_rate: LoadPoint | None = None
    """The point at the objective's stated rate, where the goal is about latency."""
    unloaded: dict[str, float] = Field(default_factory=dict)
    """Seconds by percentile at a load that queues nothing: a tight SLO is told apart from a slow server."""
    reason: str = ""
    """Why there is no capacity, in one line for people; empty where there is one."""
    doubt: str | None = None
    """Why the measurement cannot be believed (generator, unsteady machine); ``None`` where it can."""
    failures: Interval | None = None
    """Share of requests that failed at loads up to the capacity, with its upper limit at the SLO's confidence."""
    start_up: float | None = None
    """Seconds from the server's start until it was ready."""
    template: str | None = None
    """Digest of the pod template that ran; ``None`` where the trial was no pod."""
    warm_up: float
    """Seconds of load before anything counted."""
    elapsed: float
    statistics: dict[str, float] = Field(default_factory=dict)
    """The engine's own counters after the load."""
    peak_memory: int | None = None
    """Bytes."""
    cpu_seconds: float | None = None
    """Of the server since it was started, its start included."""
    use: ResourceUse | None = None
    """What the server used over the loads; ``None`` where the place of the trial cannot say."""
    interference: Interference | None = None
    """What else the machine did meanwhile; ``None`` where the place of the trial cannot say."""
