"""The largest rate within the SLO, asked and told: bracket, close in on a logarithmic scale, confirm the last pass.

A probe that is not certified counts as not passed, undecided ones too: the search looks for the largest rate that is
known to hold, and near the capacity a rate is undecided within a few percent only. An invalid probe is repeated once.

What the interval means. Within a window of n requests a Poisson load wanders by about 1/sqrt(n) around its rate, and
so does the capacity that the window shows: bursts of queueing that its n requests did not happen to meet, or met. The
interval reaches from the last pass to the first failure, each moved outwards by that much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tuner.measurement.model import Capacity, Interval, Judgement, LoadPoint

__all__ = ["CapacitySearch", "Probe"]

SATURATED = 0.97
"""A server that answers less than this share of what was offered is saturated: its capacity is what it answered."""
BELOW_SATURATION = 0.95
"""Where the capacity is looked for first, as a share of what a saturated server answers."""
LONGEST_STRIDE = math.log(2)


@dataclass(frozen=True, slots=True)
class Probe:
    """The next load to measure; a ``confirm`` measures the last pass again."""

    rate: float
    purpose: Literal["bracket", "narrow", "confirm"]


class CapacitySearch:
    """Asks for probes and is told their points, until the capacity is known, or known not to exist.

    ``start``: requests per second to begin with. ``stride``: factor of the first step from it; strides double up to a
    factor of 2 until the capacity lies between two rates. ``precision``: relative width at which that is narrow enough.
    ``floor``: the lowest rate worth trying; ``ceiling``: the highest. ``most``: probes at most.
    """

    def __init__(
        self,
        start: float,
        *,
        precision: float,
        stride: float = 2.0,
        floor: float = 0.0,
        ceiling: float = math.inf,
        most: int = 16,
    ) -> None:
        if not (start > 0 and precision > 0 and stride > 1 and floor <= ceiling and most > 0):
            raise ValueError("a capacity search needs a start, a precision and a stride above 1")
        self._floor, self._ceiling, self._most = floor, ceiling, most
        self._start = min(max(start, floor), ceiling)
        self._width = math.log1p(precision)
        self._stride = min(math.log(stride), LONGEST_STRIDE)
        self._points: list[LoadPoint] = []
        self._confirmed: float | None = None
        self._contradictions = 0
        self._invalid = 0

    @property
    def doubt(self) -> str | None:
        """Why the result cannot be believed; ``None`` where it can."""
        if self._invalid > 1:
            return self._points[-1].reason
        if self._contradictions > 2:
            return f"the same rates passed and failed in turn, {self._contradictions} times: the machine is not steady"
        return None

    @property
    def _low(self) -> LoadPoint | None:
        """The highest pass below everything that did not pass."""
        high = self._high
        passed = [p for p in self._points if p.judgement is Judgement.PASS and (high is None or p.rate < high.rate)]
        return max(passed, key=lambda point: point.rate, default=None)

    @property
    def _high(self) -> LoadPoint | None:
        """The lowest rate that did not pass."""
        missed = [p for p in self._points if p.judgement in (Judgement.FAIL, Judgement.UNDECIDED)]
        return min(missed, key=lambda point: point.rate, default=None)

    def ask(self) -> Probe | None:
        """The next probe; ``None`` at the end."""
        if len(self._points) >= self._most or self.doubt is not None:
            return None
        if self._points and self._points[-1].judgement is Judgement.INVALID:
            return Probe(self._points[-1].rate, "bracket")
        low, high = self._low, self._high
        if low is None and high is None:
            return Probe(self._start, "bracket")
        if low is None and high is not None:
            return None if high.rate <= self._floor else Probe(max(self._below(high), self._floor), "bracket")
        if low is not None and high is None:
            if low.rate < self._ceiling:
                return Probe(min(low.rate * math.exp(self._step()), self._ceiling), "bracket")
        elif low is not None and high is not None and math.log(high.rate / low.rate) > self._width * 1.001:
            return Probe(self._between(low, high), "narrow")
        return None if low is None or self._confirmed == low.rate else Probe(low.rate, "confirm")

    def tell(self, probe: Probe, point: LoadPoint) -> None:
        """What the probe brought."""
        if point.judgement is Judgement.INVALID:
            self._invalid += 1
        else:
            self._invalid = 0
            if point.judgement is Judgement.PASS and probe.purpose == "confirm":
                self._confirmed = probe.rate
            if point.judgement is not Judgement.PASS and any(
                before.judgement is Judgement.PASS and before.rate >= point.rate for before in self._points
            ):
                self._contradictions += 1
        self._points.append(point)

    def capacity(self) -> Capacity | None:
        """The capacity; ``None`` where no rate passed, or its pass could not be confirmed."""
        low, high = self._low, self._high
        if low is None or self.doubt is not None or self._confirmed != low.rate:
            return None
        margin = 1 + 1 / math.sqrt(low.result.scheduled)
        top = low.rate * math.exp(self._width) if high is None else high.rate
        value = low.rate if high is None else _crossing(low, high)
        return Capacity(rate=Interval(value=value, low=low.rate / margin, high=top * margin), certified=low.rate)

    def _step(self) -> float:
        """The stride, doubled each time it was not enough."""
        taken = sum(point.judgement is not Judgement.INVALID for point in self._points) - 1
        return min(self._stride * 2.0**taken, LONGEST_STRIDE)

    def _below(self, high: LoadPoint) -> float:
        """Where to look for a pass: a stride down, or just below what a saturated server answered."""
        stride = high.rate * math.exp(-self._step())
        answered = _saturation(high)
        return stride if answered is None else min(answered * BELOW_SATURATION, high.rate * math.exp(-self._width))

    def _between(self, low: LoadPoint, high: LoadPoint) -> float:
        """Where the capacity is thought to be, not nearer to either end than the width that is asked for."""
        answered = _saturation(high)
        guess = _crossing(low, high) if answered is None else answered * BELOW_SATURATION
        span = math.log(high.rate / low.rate)
        if span <= 2 * self._width:
            return math.sqrt(low.rate * high.rate)
        place = min(max(math.log(guess / low.rate), self._width), span - self._width)
        return low.rate * math.exp(place)


def _saturation(point: LoadPoint) -> float | None:
    """What a saturated server answered, requests per second."""
    result = point.result
    if result.answered_rate >= SATURATED * result.offered_rate or not result.answered:
        return None
    return result.answered_rate


def _crossing(low: LoadPoint, high: LoadPoint) -> float:
    """Where the latency passes its bound, between a rate that passed and one that did not: a power law between them."""
    below, above = min(low.pressure, 0.999), max(high.pressure, 1.001)
    share = -math.log(below) / (math.log(above) - math.log(below)) if below > 0 else 0.5
    return float(low.rate * (high.rate / low.rate) ** share)
