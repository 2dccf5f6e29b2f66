"""Bands of arrival rates: for each, the configuration that bears its upper end for the least money an hour.

What a configuration is worth in a band follows from its capacity and its price alone, so one campaign's measurements
answer every band.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from tuner.search.fleet import replicas_of
from tuner.spec.model import Objective

__all__ = ["Bands"]


@dataclass(frozen=True, slots=True)
class Bands:
    """``ends`` are the upper ends in requests per second, ascending; ``today`` is the place of the present one.

    ``counts``, ascending: the numbers of replicas that the manifest may have; any from 1 where there are none.
    """

    ends: tuple[float, ...]
    today: int
    counts: tuple[int, ...] = ()

    @classmethod
    def of(cls, objective: Objective, expected: float | None, counts: Sequence[int] = ()) -> Self | None:
        """The bands of a spec, ``None`` where it has none; ``expected`` is the traffic of today."""
        if objective.bands is None:
            return None
        held = (place for place, end in enumerate(objective.bands) if expected is not None and expected <= end)
        return cls(objective.bands, next(held, len(objective.bands) - 1), tuple(sorted(counts)))

    @property
    def rate(self) -> float:
        """The upper end of the band of today: what the manifest has to serve."""
        return self.ends[self.today]

    def above(self, place: int) -> float:
        """The lower end of a band: its rates lie above it."""
        return self.ends[place - 1] if place else 0.0

    def replicas(self, rate: float, capacity: float) -> int:
        """How many replicas of that capacity bear the rate."""
        return replicas_of(rate, capacity, self.counts)

    def allowed(self, replicas: int) -> bool:
        """Whether the manifest may have so many."""
        return not self.counts or replicas <= self.counts[-1]
