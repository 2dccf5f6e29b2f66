"""When requests are sent: schedules fixed in advance from a seed.

Every schedule has exactly the arrivals that were asked for, so that a verdict's sample size is known before: each kind
of traffic is drawn given its number of arrivals, and the rate of a plan is the mean rate of its schedule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["LARGEST_TRACE", "Arrivals", "Diurnal", "Gamma", "Share", "Steady", "Trace", "schedule"]

LARGEST_TRACE = 1_000_000
STEPS = 4096
"""Points at which a wave is tabulated; between them it is taken for a line."""

Floats = npt.NDArray[np.float64]
Steady = Literal["poisson", "constant"]


@dataclass(frozen=True, slots=True)
class Gamma:
    """Bursty traffic: independent gaps, gamma distributed, with this coefficient of variation (1 is Poisson)."""

    cv: float

    def __post_init__(self) -> None:
        """ValueError for a coefficient of variation outside 0.1 to 10."""
        if not 0.1 <= self.cv <= 10:
            raise ValueError(f"a coefficient of variation of {self.cv} is not within 0.1 to 10")

    def lead(self, count: int, span: float, random: np.random.Generator) -> Floats:
        return self.spread(count, span, random)

    def spread(self, count: int, span: float, random: np.random.Generator) -> Floats:
        """Gaps divided by their sum are independent of it (Lukacs 1955), so scaling them conditions on the end."""
        gaps = np.maximum(random.gamma(self.cv**-2, 1.0, count + 1), np.finfo(np.float64).tiny)
        ends = np.cumsum(gaps)
        return np.asarray(ends[:-1] / ends[-1] * span)


@dataclass(frozen=True, slots=True)
class Diurnal:
    """A Poisson process whose rate rises and falls as a sine, by the share ``swing`` of its mean.

    A load holds whole waves, one at least, the ``period`` (seconds) stretched or squeezed to fit: its mean rate is the
    plan's whatever its length, and the peak is in every load.
    """

    swing: float
    period: float

    def __post_init__(self) -> None:
        """ValueError for a swing outside 0 to 1 or a period that is not above 0."""
        if not 0 <= self.swing <= 1:
            raise ValueError(f"a swing of {self.swing} is not within 0 to 1")
        if not (self.period > 0 and math.isfinite(self.period)):
            raise ValueError(f"a period of {self.period} s is not above 0")

    def lead(self, count: int, span: float, random: np.random.Generator) -> Floats:
        """A wave begins at its mean, so what comes before it is level."""
        return _uniform(count, span, random)

    def spread(self, count: int, span: float, random: np.random.Generator) -> Floats:
        """Uniform numbers through the inverse of the cumulated rate, which is the same for every wave."""
        waves = max(round(span / self.period), 1)
        place = np.linspace(0.0, 1.0, STEPS + 1)
        passed = place + self.swing / (2 * np.pi) * (1 - np.cos(2 * np.pi * place))
        wave, within = np.divmod(np.sort(random.uniform(0.0, waves, count)), 1.0)
        return np.asarray((wave + np.interp(within, passed, place)) / waves * span)


@dataclass(frozen=True, slots=True)
class Trace:
    """Traffic that was recorded: ``times`` are its ascending timestamps in seconds, as little-endian float64.

    A load replays as many neighbours as it has requests, from a place that its seed chooses, round and round where the
    trace is shorter, with time scaled so that their mean rate is the plan's.
    """

    times: bytes

    def __post_init__(self) -> None:
        """ValueError for fewer than two timestamps, more than a million, or times that are not ascending."""
        if len(self.times) % 8 or not 2 <= len(self.times) // 8 <= LARGEST_TRACE:
            raise ValueError(f"a trace has 2 to {LARGEST_TRACE} timestamps")
        gaps = np.diff(np.frombuffer(self.times, "<f8"))
        if not (np.isfinite(gaps).all() and (gaps >= 0).all() and gaps.any()):
            raise ValueError("the timestamps of a trace ascend")

    @classmethod
    def of(cls, times: npt.ArrayLike) -> Trace:
        """The trace of those timestamps in seconds. ValueError as above."""
        return cls(np.asarray(times, "<f8").tobytes())

    def lead(self, count: int, span: float, random: np.random.Generator) -> Floats:
        return _uniform(count, span, random)

    def spread(self, count: int, span: float, random: np.random.Generator) -> Floats:
        """The last timestamp is followed by the first one after a mean gap; a burst of equal ones stays a burst."""
        gaps = np.diff(np.frombuffer(self.times, "<f8"))
        gaps = np.append(gaps, gaps.mean())
        first = int(random.integers(len(gaps)))
        ends = np.cumsum(np.take(gaps, np.arange(first, first + count), mode="wrap"))
        whole = float(ends[-1])
        return np.concatenate([[0.0], ends[:-1]]) * (span / whole) if whole else np.zeros(count)


@dataclass(frozen=True, slots=True)
class Share:
    """What one of several workers sends of a schedule: ``times`` as little-endian float64, worked out before."""

    times: bytes


Arrivals = Steady | Gamma | Diurnal | Trace
"""How requests arrive: Poisson, equally spaced, or one of the kinds that carry numbers of their own."""


def schedule(arrivals: Arrivals | Share, count: int, lead_count: int, rate: float, seed: int) -> Floats:
    """Seconds from the start at which each of ``lead_count + count`` requests is sent, ascending.

    The lead fills the first ``lead_count / rate`` seconds, the counted requests the ``count / rate`` after them.
    Poisson: given its number of arrivals, a Poisson process is that many independent uniform times, sorted.
    """
    if isinstance(arrivals, Share):
        return np.frombuffer(arrivals.times, "<f8")
    total = lead_count + count
    if arrivals == "constant":
        return np.arange(total) / rate
    random = np.random.Generator(np.random.PCG64(seed))
    begin, span = lead_count / rate, count / rate
    if arrivals == "poisson":
        parts = [_uniform(lead_count, begin, random), begin + _uniform(count, span, random)]
    else:
        parts = [arrivals.lead(lead_count, begin, random), begin + arrivals.spread(count, span, random)]
    return np.minimum(np.concatenate(parts), total / rate)


def _uniform(count: int, span: float, random: np.random.Generator) -> Floats:
    return np.sort(random.uniform(0.0, span, count))
