"""The largest rate within the SLO, asked and told: scout upwards, then load where it tells most, until it is known.

Scouts are short loads, each at twice the rate of the one before, until the server falls behind: how fast it then
answers is its saturation. The loads that follow are judged, each a little below where the curve through all loads
(``measurement.curve``) puts the capacity: above it a queue takes long to show its level, far below it there is little
to see. The search ends when the interval is as narrow as asked for, or after ``loads`` of them.

Where a capacity below some rate does not matter (``enough``), the search ends once the interval lies below it. Two
loads have to agree on that, so that a hiccup during one of them ends nothing: if the scouts say so, the next load is at
that rate, and a server that cannot bear it is refuted within about a second.

An invalid load is repeated once. A load that was mostly over its bound ends early and costs little; it moves the next
one down and does not count among ``loads``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tuner.load.tail import Throughput
from tuner.measurement.curve import CapacityCurve, Sight
from tuner.measurement.model import Capacity, Cut, Judgement, LoadPoint

__all__ = ["LOADS", "CapacitySearch", "Probe", "Purpose"]

Purpose = Literal["scout", "first", "narrow"]
LOADS = 5
"""Judged loads at most, whatever the precision."""
LEAST = 2
SATURATED = 0.85
"""A server that answers less than this share of what was offered is saturated."""
BELOW = 0.4
"""How far below the median of the capacity to load, in its standard deviations."""
OVERRUN = 0.3
"""A load with more than this share of its requests over a bound only tells that its rate was too high."""
COLD = 0.5
"""Error of a scout's excess beside its own: its queue starts empty."""
ROUGH = 0.2
"""Relative error of a saturation that was not measured, only passed."""
FLOOR_LOADS = 2
SAME = 1.001
"""Rates no further apart than this are one rate."""
FAILED = 2
"""So many scouts in a row that were mostly over their bound are behind, though all of them were answered in time."""


@dataclass(frozen=True, slots=True)
class Probe:
    """The next load to measure: a short ``scout``, a ``first`` look around the capacity, a ``narrow`` one."""

    rate: float
    purpose: Purpose


class CapacitySearch:
    """Asks for probes and is told their points, until the capacity is known, or known not to exist.

    ``start``: requests per second of the first scout. ``precision``: relative width of the interval, at
    ``confidence``, that is narrow enough. ``likely``: where the capacity is expected, loaded first; it enters no
    result. ``floor``: the lowest rate that can be certified. ``enough``: a capacity below it does not matter; nothing
    is cut short below the floor. ``most``: probes at most. ValueError where these make no sense.
    """

    def __init__(
        self,
        start: float,
        *,
        precision: float,
        confidence: float = 0.99,
        likely: float | None = None,
        floor: float = 0.0,
        enough: float | None = None,
        loads: int = LOADS,
        most: int = 24,
    ) -> None:
        if not (start > 0 and precision > 0 and 0 < confidence < 1 and floor >= 0 and min(loads, most) > 0):
            raise ValueError("a capacity search needs a start and a precision above 0, and a confidence below 1")
        self._start, self._floor = max(start, floor), floor
        self._precision, self._confidence = precision, confidence
        self._likely, self._loads, self._most = likely, loads, most
        self._enough = enough if enough is not None and enough >= floor else None
        self._scouts: list[LoadPoint] = []
        self._judged: list[LoadPoint] = []
        self._invalid: Probe | None = None
        self._doubt: str | None = None
        self._curve: CapacityCurve | None = None

    @property
    def doubt(self) -> str | None:
        """Why the result cannot be believed; ``None`` where it can."""
        return self._doubt

    def ask(self) -> Probe | None:
        """The next probe; ``None`` at the end."""
        if self._doubt is not None or len(self._scouts) + len(self._judged) >= self._most:
            return None
        if self._invalid is not None:
            return self._invalid
        curve = self._fitted()
        if curve is None:
            return Probe(2 * self._scouts[-1].rate if self._scouts else self._start, "scout")
        if self._none_holds() or self._known(curve) or self.cut is not None:
            return None
        if (needed := self._unconfirmed(curve)) is not None:
            return Probe(needed, "first")
        return Probe(max(self._aim(curve), self._floor), "narrow" if self._telling else "first")

    def tell(self, probe: Probe, point: LoadPoint) -> None:
        """What the probe brought."""
        if point.judgement is Judgement.INVALID:
            if self._invalid is not None:
                self._doubt = point.reason
            self._invalid = probe
            return
        self._invalid = None
        (self._scouts if probe.purpose == "scout" else self._judged).append(point)
        self._curve = None

    @property
    def cut(self) -> Cut | None:
        """The capacity is certainly below what would be enough, and known no better than that."""
        curve = self._fitted()
        if self._enough is None or curve is None or self._doubt is not None or self._none_holds():
            return None
        if self._known(curve) or not self._is_short(curve, self._enough) or not self._misses(self._enough):
            return None
        return Cut(at_most=curve.interval(self._confidence).high, needed=self._enough)

    def capacity(self) -> Capacity | None:
        """The capacity; ``None`` where no rate held. Of one that was cut short no rate is certified."""
        curve = self._fitted()
        if curve is None or self._doubt is not None or self._none_holds():
            return None
        rate = curve.interval(self._confidence)
        if self.cut is not None:
            return Capacity(rate=rate)
        return Capacity(rate=rate, certified=rate.low) if self._telling else None

    def _fitted(self) -> CapacityCurve | None:
        """The curve through all loads so far; ``None`` while the server was not seen to fall behind."""
        if self._curve is None:
            saturation = self._saturation()
            self._curve = None if saturation is None else CapacityCurve(saturation, self._sights())
        return self._curve

    @property
    def _telling(self) -> list[LoadPoint]:
        """Judged loads that say where the capacity is, not only that it is below."""
        return [point for point in self._judged if not _is_overrun(point)]

    def _known(self, curve: CapacityCurve) -> bool:
        telling = len(self._telling)
        if telling < LEAST:
            return False
        interval = curve.interval(self._confidence)
        return telling >= self._loads or interval.high / interval.low <= 1 + self._precision

    def _is_short(self, curve: CapacityCurve, enough: float) -> bool:
        return curve.interval(self._confidence).high < enough

    def _misses(self, enough: float) -> bool:
        """A judged load of no more than that rate was over a bound, too."""
        return any(point.rate <= enough * SAME and (_is_overrun(point) or point.excess > 0) for point in self._judged)

    def _unconfirmed(self, curve: CapacityCurve) -> float | None:
        """The rate that would be enough, where the curve denies it and no load was sent to see."""
        enough = self._enough
        if enough is None or not self._is_short(curve, enough) or self._misses(enough):
            return None
        tried = any(enough / SAME <= point.rate <= enough * SAME for point in self._judged)
        return None if tried else enough

    def _none_holds(self) -> bool:
        """The lowest rate that can be certified was tried often enough, and never held."""
        lowest = [point for point in self._judged if point.rate <= self._floor * SAME]
        missed = sum(_is_overrun(point) or point.excess > 0 for point in lowest)
        return missed >= FLOOR_LOADS and missed > len(lowest) / 2

    def _aim(self, curve: CapacityCurve) -> float:
        highest = min((point.rate for point in self._judged if _is_overrun(point)), default=math.inf)
        if not self._judged and self._likely is not None:
            return self._likely
        return min(curve.quantile(0.5) * math.exp(-BELOW * curve.deviation), 0.97 * highest)

    def _saturation(self) -> Throughput | None:
        """How fast the server answers when it falls behind, but no less than what it was seen to hold."""
        behind = [point for point in self._scouts if _is_saturated(point)]
        seen = [point.result.throughput for point in behind if point.result.throughput is not None]
        if not behind:
            if len(self._scouts) < FAILED or not all(map(_is_overrun, self._scouts[-FAILED:])):
                return None
            behind = self._scouts[-1:]
        rough = Throughput(rate=max(behind[-1].result.answered_rate, behind[-1].rate / 4), error=ROUGH)
        best = min(seen, key=lambda found: found.error, default=rough)
        held = max((point.rate for point in self._telling if point.excess < 0), default=0.0)
        return best if held < best.rate else Throughput(rate=1.02 * held, error=max(best.error, 0.02))

    def _sights(self) -> list[Sight]:
        scouts = [_sight(point, COLD) for point in self._scouts]
        return scouts + [_sight(point) for point in self._judged]


def _sight(point: LoadPoint, error: float = 0.0) -> Sight:
    return Sight(
        rate=point.rate,
        excess=max(point.excess, 1.0) if point.judgement is Judgement.FAIL else point.excess,
        error=math.hypot(point.error, error),
        allowed=point.allowed,
        overrun=_is_overrun(point),
        none=point.none,
    )


def _is_saturated(point: LoadPoint) -> bool:
    """Answers came clearly slower than requests, and late."""
    result = point.result
    return result.answered_rate < SATURATED * result.offered_rate and (point.pressure > 1 or not result.answered)


def _is_overrun(point: LoadPoint) -> bool:
    return point.judgement is Judgement.FAIL or point.result.ended_early or max(_shares(point)) > OVERRUN


def _shares(point: LoadPoint) -> list[float]:
    return [over / max(point.result.scheduled, 1) for over in point.result.over] or [0.0]
