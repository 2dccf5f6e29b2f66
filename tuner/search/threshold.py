"""From which capacity on a configuration matters, given its hourly cost and the best ones that a search knows.

With ``merit = capacity * hourly**-share``, ``share`` being the weight of the cost, a configuration has the merit of the
best one at ``capacity_best * (hourly / hourly_best)**share`` requests per second. For a Pareto set of cost and capacity
a known point with another capacity and hourly cost dominates everything that bears no more than
``capacity_known * min(1, hourly / hourly_known)``. What bears less than ``NEAR`` of that does not matter; the known
capacity is taken at the lower end of its interval, so that luck in measuring it cuts nothing short. With bands of
arrival rates, ``n`` replicas may cost what the least known bill of a band is, so ``rate / n`` has to be borne; the band
that asks for least decides.

Where the goal looks at a latency, no capacity stands for the merit, so there is only one bound: below the objective's
rate the latency there does not count at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from tuner.search.bands import Bands
from tuner.search.objective import Goal
from tuner.search.record import Entry

__all__ = ["NEAR", "RIVALS", "least_capacity"]

RIVALS = 3
"""What is to be compared with is the third best one known: as many candidates may be confirmed, should policies deny
the better ones, and none that might be among them is cut short."""
NEAR = 0.9
"""Identical runs on shared machines differ by 10 % in one of ten cases; what is closer than that is measured."""
_FREE = 1e-12
"""What an hour of a configuration without a price counts as."""


def least_capacity(goal: Goal, hourly: float, history: Sequence[Entry]) -> float | None:
    """Requests per second; ``None`` while fewer than ``RIVALS`` are known that it could be compared with.

    ``hourly``: what an hour of the configuration costs. Trials that were cut short are nothing to compare with.
    """
    if "latency" in goal.objective.metrics:
        return goal.objective.rate
    price = max(hourly, _FREE)
    if goal.bands is not None:
        return _for_bands(goal.bands, price, list(_known(history)))
    if goal.objective.goal == "pareto":
        bounds = [low * min(1.0, price / other) for low, other in _known(history)]
    else:
        share = goal.shares().get("cost", 0.0)
        bounds = [float(low * (price / other) ** share) for low, other in _known(history)]
    return NEAR * sorted(bounds, reverse=True)[RIVALS - 1] if len(bounds) >= RIVALS else None


def _for_bands(bands: Bands, price: float, known: Sequence[tuple[float, float]]) -> float | None:
    """``None`` where too few are known to bear a band, and where one replica costs more than each band's bill."""
    needed = []
    for rate in bands.ends:
        counted = [(other, bands.replicas(rate, low)) for low, other in known if low > 0]
        bills = [other * replicas for other, replicas in counted if bands.allowed(replicas)]
        if len(bills) < RIVALS:
            return None
        affordable = math.floor(sorted(bills)[RIVALS - 1] / NEAR / price)
        allowed = [count for count in bands.counts if count <= affordable] if bands.counts else [affordable]
        if allowed and allowed[-1] > 0:
            needed.append(rate / allowed[-1])
    return min(needed, default=None)


def _known(history: Sequence[Entry]) -> Iterator[tuple[float, float]]:
    """(Capacity at least, hourly cost) of what was measured to the end."""
    for entry in history:
        if entry.metrics is not None and entry.record.cut is None:
            low = entry.record.capacity_low
            yield entry.metrics.capacity if low is None else low, max(entry.metrics.hourly, _FREE)
