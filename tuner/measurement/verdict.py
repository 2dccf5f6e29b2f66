"""Does one load meet the SLO? Certified, refuted, or not to be told from so few requests.

Two rules have to agree. The first counts: MLPerf's early stopping (MLPerf Inference rules, appendix "Early stopping
criterion"). A percentile p is certified at confidence c by n requests, t of them over the bound, where a server that
just misses p would do so well with a probability of at most 1 - c: P(Binomial(n, 1 - p) <= t) <= 1 - c. It takes
exceedances for independent of each other, and those of one queue come in bursts; so the second rule asks for the share
over the bound as its tail has it to be below 1 - p by as many of its standard errors as the confidence needs, where the
error knows of the bursts (``load.tail``). Refuting a percentile needs both as well.

Each verdict is taken once, at an end that was fixed in advance; a load that ends early has only what the whole load
would have had too many of already, so its refutation holds for the whole load (a curtailed test). Where several looks
are taken until one passes, as in a capacity search, each gets its part of 1 - c (``looks``), so that a false pass among
all of them is no more probable than 1 - c.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from scipy.special import bdtr, bdtrc, ndtri

from tuner.load.histogram import decode
from tuner.load.protocol import LoadResult
from tuner.load.tail import Tail
from tuner.measurement.model import Judgement
from tuner.spec.model import Slo

__all__ = ["Limits", "Verdict", "allowed", "hopeless_failures", "hopeless_over", "judge", "needed", "refuting"]

LATENESS_SHARE = 0.2
LEAST_LATENESS = 0.001
GROWTH, STRAIGHT = 0.02, 0.9
"""Seconds of latency that a second of load adds, and how straight the line has to be, for a queue that grows."""
LEAST_WINDOWS = 5
EXTRAPOLATED = 0.25
"""Error of a tail's logarithm beside what its load shows: no tail is exactly exponential."""
BURST = 2.0
"""Seconds, in units of the bound, for which exceedances may come in one burst."""
WHY_INVALID = "the load generator was the bottleneck"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a load has to hold; ``bounds`` are (percentile in 0..100, seconds).

    ``lateness`` bounds the generator's own p99, in seconds: a fifth of the tightest bound, a millisecond at least.
    """

    bounds: tuple[tuple[float, float], ...]
    error_rate: float
    confidence: float
    lateness: float

    @classmethod
    def of(cls, slo: Slo) -> Self:
        """The limits of a spec's SLO."""
        lateness = max(LEAST_LATENESS, LATENESS_SHARE * min(bound for _, bound in slo.bounds))
        return cls(slo.bounds, slo.error_rate, slo.confidence, lateness)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement with its reason, in one line for people."""

    judgement: Judgement
    reason: str


@lru_cache(maxsize=65_536)
def needed(over: int, percentile: float, confidence: float) -> int:
    """Requests that certify the percentile with that many over its bound."""
    miss = 1 - percentile / 100
    low, high = over, over + 1
    while bdtr(over, high, miss) > 1 - confidence:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if bdtr(over, middle, miss) <= 1 - confidence else (middle, high)
    return high


@lru_cache(maxsize=65_536)
def allowed(requests: int, percentile: float, confidence: float) -> int | None:
    """The most requests over the bound with which that many certify the percentile; ``None`` where too few can."""
    low, high = -1, requests
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if needed(middle, percentile, confidence) <= requests else (low, middle)
    return None if low < 0 else low


@lru_cache(maxsize=65_536)
def refuting(requests: int, percentile: float, confidence: float) -> int:
    """The fewest requests over the bound that refute the percentile: P(Binomial(n, 1 - p) >= k) <= 1 - c."""
    return _refuting(requests, 1 - percentile / 100, confidence)


def _refuting(requests: int, share: float, confidence: float) -> int:
    low, high = 0, requests + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if bdtrc(middle - 1, requests, share) <= 1 - confidence else (middle, high)
    return high


def hopeless_over(requests: int, rate: float, percentile: float, bound: float, limits: Limits) -> int:
    """More requests over the bound (seconds) than this, of that many at the rate, refute it though they come in bursts.

    A burst counts as one request, of as many bursts as there is room for.
    """
    burst = max(1.0, min(rate * BURST * bound, requests / LEAST_WINDOWS))
    return round(burst * refuting(round(requests / burst), percentile, limits.confidence)) - 1


def hopeless_failures(requests: int, limits: Limits) -> int:
    """More failures than this, of that many requests, refute the error rate."""
    return _refuting(requests, limits.error_rate, limits.confidence) - 1


def judge(result: LoadResult, limits: Limits, looks: int = 1) -> Verdict:
    """Judge one load, one of so many ``looks``; the result's ``over`` and ``tails`` follow the limits' bounds.

    See the module for what a verdict claims.

    The error rate is judged by the share that was seen: certifying a small one as well would need several times the
    requests of a p99. It refutes where failures are significantly too many.
    """
    late = decode(result.lateness).get_value_at_percentile(99) / 1e6
    if late > limits.lateness:
        said = f"sent its requests {late * 1e3:.1f} ms late (p99, bound {limits.lateness * 1e3:.1f} ms)"
        return Verdict(Judgement.INVALID, f"{WHY_INVALID}: it {said}")
    judged = [_errors(result, limits)]
    tails = result.tails or (None,) * len(limits.bounds)
    confidence = 1 - (1 - limits.confidence) / looks
    for (percentile, bound), over, tail in zip(limits.bounds, result.over, tails, strict=True):
        judged.append(_percentile(result, percentile, bound, over, tail, confidence))
    for judgement in (Judgement.FAIL, Judgement.UNDECIDED):
        for verdict in judged:
            if verdict.judgement is judgement:
                return verdict
    if result.ended_early:
        return Verdict(Judgement.UNDECIDED, "the load ended early")
    if growing(result):
        return Verdict(Judgement.UNDECIDED, "the latency grew all through the load: the queue was not yet at its level")
    return Verdict(Judgement.PASS, "; ".join(verdict.reason for verdict in judged[1:]))


def growing(result: LoadResult) -> bool:
    """True where latency grew along a line through the whole load: more came than could be worked off.

    Overloaded by a share x, a queue makes every second of load wait x seconds longer. Queues that are not overloaded
    wander, but hardly ever as straight as that (correlation of the windows' means with time).
    """
    latency = np.array([window.latency for window in result.windows if window.scheduled])
    if len(latency) < LEAST_WINDOWS or not latency.std():
        return False
    time = np.arange(len(latency))
    straight = float(np.corrcoef(time, latency)[0, 1])
    length = result.planned / result.offered_rate / len(latency)
    return straight > STRAIGHT and float(np.polyfit(time, latency, 1)[0]) / length > GROWTH


def _errors(result: LoadResult, limits: Limits) -> Verdict:
    kinds = ", ".join(f"{kind} {count}" for kind, count in result.failed.items())
    reason = f"{result.failures} of {result.scheduled} requests failed ({kinds or 'none'})"
    if result.failures > hopeless_failures(result.planned, limits):
        return Verdict(Judgement.FAIL, f"{reason}, {limits.error_rate:.3%} may")
    if result.failures > limits.error_rate * result.scheduled:
        return Verdict(Judgement.UNDECIDED, f"{reason}, {limits.error_rate:.3%} may: too few requests to be sure")
    return Verdict(Judgement.PASS, reason)


def _percentile(
    result: LoadResult, percentile: float, bound: float, over: int, tail: Tail | None, confidence: float
) -> Verdict:
    name = f"p{percentile:g} <= {bound * 1e3:g} ms"
    seen = f"{over} of {result.scheduled} requests over"
    sure = _deviations(tail, percentile)
    needs = float(ndtri(confidence))
    if over >= refuting(result.planned, percentile, confidence):
        if sure is None or sure <= -needs or result.ended_early:
            return Verdict(Judgement.FAIL, f"{name} refuted: {seen}")
        return Verdict(Judgement.UNDECIDED, f"{name} undecided: {seen}, but in few bursts")
    most = allowed(result.planned, percentile, confidence)
    if most is None:
        least = needed(0, percentile, confidence)
        what = f"{name} cannot be told from {result.planned} requests: {confidence:.4g} confidence needs {least}"
        return Verdict(Judgement.UNDECIDED, what)
    if over > most:
        return Verdict(Judgement.UNDECIDED, f"{name} undecided: {seen}, {most} certify it")
    least = needed(0, percentile, confidence)
    if tail is not None and tail.none and tail.independent < least:
        what = f"they are worth {tail.independent:.0f} independent ones, {least} certify it"
        return Verdict(Judgement.UNDECIDED, f"{name} undecided: {seen}, {what}")
    if sure is not None and sure < needs:
        what = f"its tail is {sure:.1f} standard errors below, {needs:.1f} certify it"
        return Verdict(Judgement.UNDECIDED, f"{name} undecided: {seen}, {what}")
    return Verdict(Judgement.PASS, f"{name} certified: {seen}, {most} may be")


def _deviations(tail: Tail | None, percentile: float) -> float | None:
    """By how many standard errors the share over the bound is below the share allowed."""
    if tail is None or tail.none:
        return None
    return float((np.log1p(-percentile / 100) - tail.log_share) / np.hypot(tail.error, EXTRAPOLATED))
