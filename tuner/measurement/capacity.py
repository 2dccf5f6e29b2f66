"""The largest rate within the SLO, asked and told: scout upwards, close in on a logarithmic scale, confirm.

Scouts are short loads, each at twice the rate of the one before, until the server falls behind; what a saturated
server answers bounds its capacity. The probes that follow are long enough to be certified, and the next one is always
where a queueing curve through what was seen puts the capacity: latency = unloaded + a * u / (1 - u) with the
utilisation u = rate / saturation (the heavy-traffic form of every single-queue model; a from the best probe).

A probe that is not certified counts as not passed, undecided ones too: the search looks for the largest rate that is
known to hold, and near the capacity a rate is undecided within a few percent only. An invalid probe is repeated once.
A pass that is taken back by a later load at the same or a lower rate counts against it; a server that does so again and
again has no one capacity, and its interval says so.

What the interval means. Within n requests a Poisson load wanders by about 1/sqrt(n) around its rate, and a queue that
starts empty needs longer than that many requests to show a load that is a few times 1/sqrt(n) too high. So the
interval reaches from the confirmed rate, less 3/sqrt(n), to the lowest rate that did not hold, and 1.5/sqrt(n) more (to
what the saturated server answered, and 1/sqrt(n) more, where that is lower). The factors were set by simulation of
M/D/1, M/D/2, M/D/8 and batching queues, in which the interval holds the stationary capacity in at least 90 of 100 runs
at 300 requests/s and 98 at 1,000 (``tests/measurement/test_capacity_truth.py``).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from tuner.measurement.model import Capacity, Interval, Judgement, LoadPoint

__all__ = ["CapacitySearch", "Probe", "Purpose"]

Purpose = Literal["scout", "narrow", "confirm"]
SATURATED = 0.97
"""A server that answers less than this share of what was offered is saturated."""
LOADED = 0.3
"""A pass whose latency has come this far from the unloaded one towards its bound is near the capacity."""
USUAL = 0.93
"""Utilisation at the capacity where nothing is known of the latency."""
UNSTEADY = 3
"""After this many passes that were taken back the server is unsteady: its capacity is then sought with less precision,
and the interval reaches up to the highest rate that ever passed."""
HOPELESS = 8
"""After this many nothing about it can be believed."""
CHANCE = 1.5
"""How far a rate that did not pass may be below the capacity, in the same units."""
TRANSIENT = 3.0
"""How far a confirmed rate may be above the capacity, in units of 1/sqrt(n): see the module."""


@dataclass(frozen=True, slots=True)
class Probe:
    """The next load to measure: a short ``scout``, a ``narrow`` that is judged, a ``confirm`` of the last pass."""

    rate: float
    purpose: Purpose


class CapacitySearch:
    """Asks for probes and is told their points, until the capacity is known, or known not to exist.

    ``start``: requests per second of the first scout. ``precision``: relative width at which the capacity is known well
    enough. ``likely``: where the capacity is expected, judged first. ``unloaded``: the pressure (latency over bound) of
    a server without load. ``floor``: the lowest rate that can be certified; ``ceiling``: the highest to try. ``most``:
    probes at most. ValueError where these make no sense.
    """

    def __init__(
        self,
        start: float,
        *,
        precision: float,
        likely: float | None = None,
        unloaded: float = 0.0,
        floor: float = 0.0,
        ceiling: float = math.inf,
        most: int = 24,
    ) -> None:
        if not (start > 0 and precision > 0 and unloaded >= 0 and floor <= ceiling and most > 0):
            raise ValueError("a capacity search needs a start and a precision above 0, and a floor below the ceiling")
        self._floor, self._ceiling, self._most = floor, ceiling, most
        self._start = min(max(start, floor), ceiling)
        self._width = math.log1p(precision)
        self._likely = likely
        self._unloaded = min(unloaded, 0.95)
        self._scouts: list[LoadPoint] = []
        self._judged: list[LoadPoint] = []
        self._invalid: list[Probe] = []
        self._doubt: str | None = None
        self._confirmed: LoadPoint | None = None
        self._contradictions = 0

    @property
    def doubt(self) -> str | None:
        """Why the result cannot be believed; ``None`` where it can."""
        return self._doubt

    def ask(self) -> Probe | None:
        """The next probe; ``None`` at the end."""
        if len(self._scouts) + len(self._judged) >= self._most or self._doubt is not None:
            return None
        if self._invalid:
            return self._invalid[-1]
        low, high = self._low(), self._high()
        if high is None and (not self._scouts or self._scouts[-1].rate < self._ceiling):
            rate = self._start if not self._scouts else min(2 * self._scouts[-1].rate, self._ceiling)
            return Probe(rate, "scout")
        if low is None:
            return self._first(high)
        width = self._width * (UNSTEADY if self._unsteady else 1)
        if high is not None and math.log(self._end(low, high) / low.rate) > width * 1.001:
            return Probe(self._between(low, high), "narrow")
        return None if self._confirmed is low else Probe(low.rate, "confirm")

    def tell(self, probe: Probe, point: LoadPoint) -> None:
        """What the probe brought."""
        if point.judgement is Judgement.INVALID:
            if self._invalid:
                self._doubt = point.reason
            self._invalid.append(probe)
            return
        self._invalid.clear()
        if probe.purpose == "scout":
            self._scouts.append(point)
            return
        passed = point.judgement is Judgement.PASS
        low = self._low()
        if not passed and low is not None and point.rate <= low.rate:
            self._contradictions += 1
            if self._contradictions >= HOPELESS:
                self._doubt = f"rates that had passed did not pass again, {HOPELESS} times: the machine is unsteady"
        self._judged.append(point)
        if passed and probe.purpose == "confirm":
            self._confirmed = point

    def capacity(self) -> Capacity | None:
        """The capacity; ``None`` where no rate passed, or its pass could not be confirmed."""
        low, high = self._confirmed, self._high()
        if low is None or self._doubt is not None or low is not self._low():
            return None
        passed = [p for p in self._judged if p.rate == low.rate and p.judgement is Judgement.PASS]
        spread = 1 / math.sqrt(sum(point.result.scheduled for point in passed))
        end = low.rate * math.exp(self._width) if high is None else self._end(low, high)
        bottom, top = low.rate / (1 + TRANSIENT * spread), end * (1 + spread)
        if high is not None and end == high.rate:
            top = end * (1 + CHANCE / math.sqrt(high.result.planned))
        if self._unsteady:
            top = max(top, (1 + spread) * max(p.rate for p in self._judged if p.judgement is Judgement.PASS))
        value = low.rate if high is None else self._expected(low, high)
        return Capacity(rate=Interval(value=min(max(value, bottom), top), low=bottom, high=top), certified=low.rate)

    def _low(self) -> LoadPoint | None:
        """The highest pass below everything that did not pass; of equal ones the last."""
        high = self._high()
        passed = [p for p in self._judged if p.judgement is Judgement.PASS and (high is None or p.rate < high.rate)]
        return max(reversed(passed), key=lambda point: point.rate, default=None)

    def _high(self) -> LoadPoint | None:
        """The lowest rate that did not hold, judged at least as often so as not."""
        passes = Counter(point.rate for point in self._judged if point.judgement is Judgement.PASS)
        misses = Counter(point.rate for point in self._judged if point.judgement is not Judgement.PASS)
        missed = [
            point
            for point in self._judged
            if point.judgement is not Judgement.PASS and misses[point.rate] >= passes[point.rate]
        ]
        missed += [p for p in self._scouts if p.judgement is Judgement.FAIL or p.pressure > 1 or _is_saturated(p)]
        return min(missed, key=lambda point: point.rate, default=None)

    @property
    def _unsteady(self) -> bool:
        return self._contradictions >= UNSTEADY

    @property
    def _saturation(self) -> float | None:
        """What the server answered at most when it fell behind, requests per second."""
        return max((p.result.answered_rate for p in (*self._scouts, *self._judged) if _is_saturated(p)), default=None)

    def _first(self, high: LoadPoint | None) -> Probe | None:
        """Nothing has passed below what did not."""
        if high is None:
            return Probe(self._ceiling, "narrow")
        if high.rate <= self._floor * 1.001:  # the end of the search is not left to one load
            told = [point.judgement for point in self._judged if point.rate == high.rate]
            decided = len(told) > 2 or len(told) - told.count(Judgement.PASS) > 1
            return None if decided else Probe(high.rate, "narrow")
        if self._judged:
            guess = high.rate * math.exp(-self._width * 2.0 ** (self._misses - 1))
        else:
            guess = min(self._aim(high), high.rate * math.exp(-self._width / 2))
        if self._saturation is not None:
            guess = min(guess, SATURATED * self._saturation)
        return Probe(max(guess, self._floor), "narrow")

    @property
    def _misses(self) -> int:
        """Probes in a row that did not pass, one at least."""
        trailing = 0
        for point in reversed(self._judged):
            if point.judgement is Judgement.PASS:
                break
            trailing += 1
        return max(trailing, 1)

    def _aim(self, high: LoadPoint) -> float:
        """The first rate to judge."""
        saturation = self._saturation
        limit = high.rate if saturation is None else SATURATED * saturation
        held = [point for point in self._scouts if point.rate < min(limit, high.rate)]
        if self._likely is None or self._likely > limit:
            return self._expected(held[-1] if held else None, high)
        return self._likely

    def _between(self, low: LoadPoint, high: LoadPoint) -> float:
        """Where the capacity is thought to be, but nearer to neither end than half the width asked for."""
        end = self._end(low, high)
        span = math.log(end / low.rate)
        if span <= 2 * self._width:
            return math.sqrt(low.rate * end)
        place = math.log(self._expected(low, high) / low.rate)
        return low.rate * math.exp(min(max(place, self._width), span - self._width))

    def _end(self, low: LoadPoint, high: LoadPoint) -> float:
        """Where the capacity can be at most: not above what the server answers at most, once that is near."""
        saturation = self._saturation
        near = low.pressure > self._unloaded + LOADED * (1 - self._unloaded)
        return high.rate if saturation is None or not near else min(high.rate, max(saturation, low.rate))

    def _expected(self, held: LoadPoint | None, high: LoadPoint) -> float:
        """Where latency passes its bound by the queueing curve, or between two points where nothing was saturated."""
        saturation = self._saturation
        if held is not None and (saturation is None or not _is_saturated(high)):
            return _crossing(held, high)
        if saturation is None:
            return high.rate * math.exp(-4 * self._width)
        if held is None or held.rate >= saturation:
            return saturation * USUAL
        utilisation = held.rate / saturation
        slope = max(held.pressure - self._unloaded, 1e-3) * (1 - utilisation) / utilisation
        room = 1 - self._unloaded
        return saturation * room / (slope + room)


def _is_saturated(point: LoadPoint) -> bool:
    result = point.result
    return bool(result.answered) and result.answered_rate < SATURATED * result.offered_rate and point.pressure > 1


def _crossing(low: LoadPoint, high: LoadPoint) -> float:
    """Where the latency passes its bound, between a rate that held and one that did not: a power law between them."""
    below, above = min(low.pressure, 0.999), max(high.pressure, 1.001)
    share = -math.log(below) / (math.log(above) - math.log(below)) if below > 0 else 0.5
    return float(low.rate * (high.rate / low.rate) ** share)
