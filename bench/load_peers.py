"""The rules by which others find a capacity, as tools that measure the same simulated servers.

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

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.load_servers import Case
from tuner.load.simulated import SimulatedGenerator

__all__ = ["Found", "perf_analyzer", "sweep"]

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


@dataclass(slots=True)
class _Tool:
    """One run of a tool on one server."""

    case: Case
    generator: SimulatedGenerator
    random: np.random.Generator
    gaps: Floats
    requests: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, case: Case, seed: int) -> _Tool:
        random = np.random.Generator(np.random.PCG64((seed, 7)))
        return cls(case, SimulatedGenerator(case.server, seed=seed), random, np.empty(0))

    def begin(self, true: float) -> float:
        return true * float(self.random.uniform(*RANGE))

    def schedule(self, rate: float, seconds: float) -> Floats:
        """The case's arrivals: one stream of gaps for all rates, as the tool seeds its own alike for each."""
        wanted = int(rate * seconds + 6 * self.case.cv * math.sqrt(rate * seconds) + 20)
        if wanted > len(self.gaps):
            shape = self.case.cv**-2
            drawn = self.random.gamma(shape, 1 / shape, wanted - len(self.gaps))
            self.gaps = np.concatenate([self.gaps, drawn])
        times = np.cumsum(self.gaps[:wanted]) / rate
        return times[times < seconds]

    def percentile(self, latency: Floats) -> float:
        """The value at the rank that perf_analyzer takes."""
        rank = int(self.case.percentile / 100 * (len(latency) - 1) + 0.5)
        return float(np.partition(latency, rank)[rank])


def perf_analyzer(case: Case, true: float, precision: float, seed: int) -> Found:
    """One run of perf_analyzer; its step is ``precision`` times the start of its range."""
    tool = _Tool.of(case, seed)
    start = tool.begin(true)
    end, step = 2 * start, precision * start
    if not _holds(tool, start):
        return Found(None, start, tool.requests, tool.seconds)
    if _holds(tool, end):
        return Found(end, None, tool.requests, tool.seconds)
    while end - start > step:
        middle = (start + end) / 2
        start, end = (middle, end) if _holds(tool, middle) else (start, middle)
    return Found(start, end, tool.requests, tool.seconds)


def _holds(tool: _Tool, rate: float) -> bool:
    """True where the rate meets the threshold, by windows of what was answered in them."""
    times = tool.schedule(rate, WINDOW * MOST_WINDOWS)
    latency = tool.generator.serve(times)
    window = ((times + latency) / WINDOW).astype(np.int64)
    windows: list[Floats] = []
    stable = over = False
    while len(windows) < MOST_WINDOWS and not (stable or over):
        windows.append(latency[window == len(windows)])
        if len(windows) >= WINDOWS:
            settled = [tool.percentile(seen) if len(seen) else math.inf for seen in windows[-WINDOWS:]]
            stable = _steady([len(seen) for seen in windows[-WINDOWS:]]) and _steady(settled)
            over = any(value >= tool.case.bound for value in settled)
    tool.seconds += WINDOW * len(windows)
    tool.requests += int((times < WINDOW * len(windows)).sum())
    if not stable and not _steady([len(seen) for seen in windows[-WINDOWS:]]):
        return False
    merged = tool.percentile(np.concatenate(windows[-WINDOWS:]))
    return math.floor(merged * 1000 + 1e-9) < round(tool.case.bound * 1000)


def _steady(values: list[int] | list[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) <= 1 + STABILITY


def sweep(case: Case, true: float, seed: int) -> Found:
    """One fixed-step sweep over the same range."""
    tool = _Tool.of(case, seed)
    rate = tool.begin(true)
    end, held = 2 * rate, None
    while rate <= end * 1.001:
        times = tool.schedule(rate, STEP_SECONDS)
        latency = tool.generator.serve(times)
        tool.requests += len(times)
        tool.seconds += STEP_SECONDS
        if tool.percentile(latency) > case.bound:
            return Found(held, rate, tool.requests, tool.seconds)
        held, rate = rate, rate * STEP
    return Found(held, None, tool.requests, tool.seconds)
