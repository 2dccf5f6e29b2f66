"""The rules by which others find a capacity, on whatever server they are let loose: a simulated one or a real one.

``perf_analyzer`` is NVIDIA's perf_analyzer with a request rate, ``--async --request-distribution poisson
--percentile P --latency-threshold MS --binary-search --request-rate-range START:END:STEP`` and its defaults, after its
source (src/inference_profiler.h and .cc): at each rate, windows follow each other until throughput and latency of the
last three differ by 10 % at most, or one of the three was over the threshold, ten windows at most; a rate whose
latency alone would not settle counts as stable, and its three windows are put together; then the latency decides, in
whole milliseconds. Start and end of the range are measured first, and the search ends at once where the first fails or
the last holds. Windows are taken as the documented 5 s; the source waits 1.2 times as long, so that the real tool takes
a fifth more time than is counted here.

``sweep`` goes up in steps of 5 %, 10 s each, to the first rate whose percentile is over the bound.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bench.load_servers import Case
from tuner.load.simulated import SimulatedGenerator

__all__ = ["RANGE", "WINDOW", "Found", "Target", "Window", "climb", "halve", "perf_analyzer", "sweep"]

Floats = npt.NDArray[np.float64]

WINDOW, WINDOWS, STABILITY, MOST_WINDOWS = 5.0, 3, 0.10, 10
STEP, STEP_SECONDS = 1.05, 10.0
RANGE = (0.55, 0.85)
"""Share of the true capacity at which a peer's range begins, drawn for each run; it ends at twice that. This is what a
scout would have told: the capacity is inside, and near neither end."""


@dataclass(frozen=True, slots=True)
class Found:
    """A capacity estimate (requests per second; ``None`` where the tool names none) and what it took.

    ``above`` is the lowest rate above it that did not hold.
    """

    capacity: float | None
    above: float | None
    requests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Window:
    """What was sent in a stretch of load, and the latencies (seconds) of what was answered in it."""

    sent: int
    latency: Floats


class Target(Protocol):
    """A server under one tool, with its arrivals and what has to hold: a percentile (0..100) within seconds."""

    @property
    def percentile(self) -> float: ...

    @property
    def bound(self) -> float: ...

    def windows(self, rate: float) -> Iterator[Window]:
        """A load at the rate in windows of ``WINDOW`` seconds, for as long as more of them are taken."""
        ...

    def load(self, rate: float, seconds: float) -> Window:
        """One load at the rate, with all of its answers."""
        ...


@dataclass(slots=True)
class _Cost:
    requests: int = 0
    seconds: float = 0.0

    def add(self, window: Window, seconds: float) -> Window:
        self.requests += window.sent
        self.seconds += seconds
        return window


def halve(target: Target, start: float, precision: float) -> Found:
    """perf_analyzer's binary search from ``start`` to twice that; its step is ``precision`` times the start."""
    cost = _Cost()
    end, step = 2 * start, precision * start
    if not _holds(target, start, cost):
        return Found(None, start, cost.requests, cost.seconds)
    if _holds(target, end, cost):
        return Found(end, None, cost.requests, cost.seconds)
    while end - start > step:
        middle = (start + end) / 2
        start, end = (middle, end) if _holds(target, middle, cost) else (start, middle)
    return Found(start, end, cost.requests, cost.seconds)


def _holds(target: Target, rate: float, cost: _Cost) -> bool:
    """True where the rate meets the threshold, by windows of what was answered in them."""
    windows: list[Floats] = []
    stable = over = False
    for window in itertools.islice(target.windows(rate), MOST_WINDOWS):
        windows.append(cost.add(window, WINDOW).latency)
        if len(windows) >= WINDOWS:
            settled = [_ranked(seen, target.percentile) if len(seen) else math.inf for seen in windows[-WINDOWS:]]
            stable = _steady([len(seen) for seen in windows[-WINDOWS:]]) and _steady(settled)
            over = any(value >= target.bound for value in settled)
        if stable or over:
            break
    if not stable and not _steady([len(seen) for seen in windows[-WINDOWS:]]):
        return False
    merged = _ranked(np.concatenate(windows[-WINDOWS:]), target.percentile)
    return math.floor(merged * 1000 + 1e-9) < round(target.bound * 1000)


def _steady(values: list[int] | list[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) <= 1 + STABILITY


def _ranked(latency: Floats, percentile: float) -> float:
    """The value at the rank that perf_analyzer takes."""
    rank = int(percentile / 100 * (len(latency) - 1) + 0.5)
    return float(np.partition(latency, rank)[rank])


def climb(target: Target, start: float) -> Found:
    """The fixed-step sweep from ``start`` to twice that."""
    cost = _Cost()
    rate, end, held = start, 2 * start, None
    while rate <= end * 1.001:
        seen = cost.add(target.load(rate, STEP_SECONDS), STEP_SECONDS)
        if _ranked(seen.latency, target.percentile) > target.bound:
            return Found(held, rate, cost.requests, cost.seconds)
        held, rate = rate, rate * STEP
    return Found(held, None, cost.requests, cost.seconds)


@dataclass(slots=True)
class _Simulated:
    """A simulated server under one run of a tool."""

    case: Case
    generator: SimulatedGenerator
    random: np.random.Generator
    gaps: Floats = field(default_factory=lambda: np.empty(0))

    @classmethod
    def of(cls, case: Case, seed: int) -> _Simulated:
        random = np.random.Generator(np.random.PCG64((seed, 7)))
        return cls(case, SimulatedGenerator(case.server, seed=seed), random)

    @property
    def percentile(self) -> float:
        return self.case.percentile

    @property
    def bound(self) -> float:
        return self.case.bound

    def begin(self, true: float) -> float:
        return true * float(self.random.uniform(*RANGE))

    def windows(self, rate: float) -> Iterator[Window]:
        """As many as the rule can take; an answer belongs to the window in which it came."""
        times = self._schedule(rate, WINDOW * MOST_WINDOWS)
        latency = self.generator.serve(times)
        sent, answered = ((at / WINDOW).astype(np.int64) for at in (times, times + latency))
        for number in range(MOST_WINDOWS):
            yield Window(int((sent == number).sum()), latency[answered == number])

    def load(self, rate: float, seconds: float) -> Window:
        times = self._schedule(rate, seconds)
        return Window(len(times), self.generator.serve(times))

    def _schedule(self, rate: float, seconds: float) -> Floats:
        """The case's arrivals: one stream of gaps for all rates, as the tool seeds its own alike for each."""
        wanted = int(rate * seconds + 6 * self.case.cv * math.sqrt(rate * seconds) + 20)
        if wanted > len(self.gaps):
            shape = self.case.cv**-2
            drawn = self.random.gamma(shape, 1 / shape, wanted - len(self.gaps))
            self.gaps = np.concatenate([self.gaps, drawn])
        times = np.cumsum(self.gaps[:wanted]) / rate
        return times[times < seconds]


def perf_analyzer(case: Case, true: float, precision: float, seed: int) -> Found:
    """One run of perf_analyzer on a simulated server of that true capacity."""
    target = _Simulated.of(case, seed)
    return halve(target, target.begin(true), precision)


def sweep(case: Case, true: float, seed: int) -> Found:
    """One fixed-step sweep of a simulated server, over the same range."""
    target = _Simulated.of(case, seed)
    return climb(target, target.begin(true))
