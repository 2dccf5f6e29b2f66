"""How large the share of requests over a bound is, how sure that is, and how fast the server answered.

Latencies of one queue come in bursts, so their exceedances are no coin tosses: a load of 5,000 requests may hold ten
bursts, and says as much as ten requests. Two things follow.

*The share.* Near its capacity a queue's latency falls off exponentially beyond its upper quantiles (the heavy-traffic
limit of every G/G/c queue; Kingman 1962, Whitt, Stochastic-Process Limits, section 9.6). So the share over a far bound
is taken from what is seen of the tail before it: share over a level u, times exp(-(bound - u) / mean excess over u).
Where the exceedances themselves are many, or are more than such a tail would have (a server with slow requests of
another kind), they are counted instead.

*The error.* The standard error of the logarithm of that share, from the means of blocks of the load (batch means;
Law, Simulation Modeling and Analysis, section 9.5.3): the largest over several lengths of blocks, each with the
correlation of neighbouring blocks added. A latency that drifts through the load has a large error by itself.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tuner.value import Value

__all__ = ["Tail", "Throughput", "tail_over", "throughput"]

UPPER = 0.12
"""The share of requests from which the tail is learnt."""
COUNTED = 0.4
"""Where more than this part of ``UPPER`` is over the bound, exceedances are counted."""
FEW, EXCESS = 20, 0.4
"""They are counted too where they are at least so many, and half as many again as the tail would have."""
BLOCKS = (32, 16, 8)
SHORTEST = 8
"""Requests in a block at least."""
LEAST = 64
"""Requests without which there is no estimate."""
SKEW = 0.5
"""Part of the variance added to the logarithm: the logarithm of an estimate lies below that of its mean, by half of
the variance where the estimate is log-normal; by this part, set by simulation, the capacities come out unbiased."""
NONE = 2.5
"""Standard error of the logarithm of a share of which nothing was seen, about half a request."""
FEARED, NEAR = 2.6, 2.0
"""Standard errors that are to be feared; errors up to the second are taken as they are."""
LOWEST = -25.0
"""Natural logarithm of the smallest share that is told apart from none."""

Floats = npt.NDArray[np.float64]


class Tail(Value):
    """Natural logarithm of the share of requests over a bound, failures included, and its standard error.

    ``none``: nothing of the share was seen, it is just small: the logarithm is that of half an independent request.
    """

    log_share: float
    error: float
    none: bool = False

    @property
    def independent(self) -> float:
        """Independent requests of which none was over the bound."""
        return 0.5 * math.exp(-self.log_share) if self.none else 0.0


class Throughput(Value):
    """Good answers per second while answers came, and the relative standard error of that."""

    rate: float
    error: float


def tail_over(bound: float, latency: Floats, failed: npt.NDArray[np.bool_]) -> Tail | None:
    """The tail over a bound of requests in the order of their schedule; ``None`` where they are too few.

    ``latency`` in seconds, shape (n,), meaningless where ``failed``, shape (n,).
    """
    if len(latency) < LEAST:
        return None
    over = (latency > bound) | failed
    share = float(over.mean())
    lost = float(failed.mean())
    if share >= COUNTED * UPPER:
        return _counted(over)
    seen = _extrapolated(bound, latency[~failed], lost)
    if seen is None or (over.sum() >= FEW and math.log(share) > seen.log_share + EXCESS):
        return _counted(over)
    return seen


def throughput(answered: Floats) -> Throughput | None:
    """The throughput of a server from the moments (seconds, any order) of its good answers; ``None`` for too few.

    The first and last tenth are left out: the server was filling up, or running empty.
    """
    edge = len(answered) // 10
    gaps = np.diff(np.sort(answered)[edge : len(answered) - edge])
    if len(gaps) < LEAST or not gaps.sum() > 0:
        return None
    mean = float(gaps.mean())
    return Throughput(rate=1 / mean, error=_error(gaps / mean, BLOCKS[-1:]))  # answers of a batch come at once


def _counted(over: npt.NDArray[np.bool_]) -> Tail:
    share = float(over.mean())
    if not share:
        return _none(len(over))
    error = _error(over / share)
    return _tail(math.log(share), error)


def _extrapolated(bound: float, latency: Floats, lost: float) -> Tail | None:
    """``lost`` is the share of requests that failed and are not among the latencies."""
    if len(latency) < LEAST:
        return None
    place = int(len(latency) * (1 - UPPER))
    level = min(float(np.partition(latency, place)[place]), bound)
    above = latency > level
    share = float(above.mean())
    if not share:  # a constant latency, below the bound
        return _none(len(latency))
    beyond = np.where(above, latency - level, 0.0)
    excess = float(beyond.mean()) / share
    distance = (bound - level) / excess
    # How each request moves the logarithm of the share (its influence function).
    influence = (above + distance * (beyond / excess - above)) / share
    tail = _tail(math.log(share) - distance, _within(distance, _error(influence)))
    if not (latency > bound).any():
        independent = (1 - share) / share / max(_error(above / share), 1e-9) ** 2
        none = _none(min(independent, len(latency)))
        tail = min(tail, none, key=lambda told: told.log_share + 2 * told.error)
    if not lost:
        return tail
    return Tail(log_share=math.log(math.exp(tail.log_share) * (1 - lost) + lost), error=tail.error)


def _within(distance: float, error: float) -> float:
    """A large error of a far distance, such that what is to be feared stays above 0.

    The mean excess is known by a factor, and so is the distance in units of it: a distance of 25 with an error of 20 is
    25 divided by some number, never below 0.
    """
    return min(error, max(distance * -math.expm1(-FEARED * error / max(distance, 1.0)) / FEARED, NEAR))


def _none(requests: float) -> Tail:
    """What is known where none of so many independent requests was over the bound."""
    return Tail(log_share=math.log(0.5 / max(requests, 1.0)), error=NONE, none=True)


def _tail(log_share: float, error: float) -> Tail:
    raised = log_share + SKEW * min(error**2, 2.0)
    return Tail(log_share=min(max(raised, LOWEST), 0.0), error=error)


def _error(influence: Floats, lengths: tuple[int, ...] = BLOCKS) -> float:
    """Standard error of the mean of a correlated series."""
    worst = 0.0
    for blocks in lengths:
        length = len(influence) // blocks
        if length < SHORTEST and blocks != BLOCKS[-1]:
            continue
        means = influence[: length * blocks].reshape(blocks, length).mean(axis=1)
        centred = means - means.mean()
        total = float(centred @ centred)
        if not total:
            continue
        alike = sum(max(float(centred[lag:] @ centred[:-lag]) / total, 0.0) for lag in (1, 2))
        worst = max(worst, total / (blocks - 1) / blocks * (1 + 2 * alike))
    return math.sqrt(worst)
