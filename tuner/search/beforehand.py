"""What a search knows before its first trial."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tuner.experience.model import Earlier
from tuner.space.assignment import Assignment

__all__ = ["Beforehand", "Hourly"]

Hourly = Callable[[Assignment], float]
"""Money for an hour of one replica of a configuration."""


def _alike(_: Assignment) -> float:
    return 1.0


@dataclass(frozen=True, slots=True)
class Beforehand:
    """Prices, and what earlier services taught; only the sampler ``tuner`` makes use of it.

    ``resemblance``: how like this service each earlier one is, 1 for all where it is not given. ``paid``: the budget is
    money, so that cheap trials are worth more.
    """

    hourly: Hourly = _alike
    experience: Sequence[Earlier] = ()
    resemblance: Sequence[float] | None = None
    paid: bool = False
