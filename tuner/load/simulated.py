"""A generator and a server in simulated time: a queue whose capacity is known, for everything that measures.

No request is sent and no time passes; the schedule, the counts and the histograms are those of a real load.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tuner.load.arrivals import schedule
from tuner.load.protocol import LoadPlan, LoadResult, LoadWindow
from tuner.load.tally import Observation, Tally, tally

__all__ = ["SimulatedGenerator", "SimulatedServer"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SimulatedServer:
    """``instances`` take up to ``batch`` waiting requests each, first come, first served. Times in seconds.

    A batch takes ``service`` and ``service_each`` for every request in it, and an answer ``overhead`` on its way. With
    a batch of 1 this is an M/D/c queue under Poisson arrivals. The server does nothing for ``stall`` (begin, length),
    counted from the start of each load. ``failing`` is the share of requests that are answered with status 500.
    """

    service: float
    instances: int = 1
    batch: int = 1
    service_each: float = 0.0
    overhead: float = 0.0
    stall: tuple[float, float] | None = None
    failing: float = 0.0

    @property
    def saturation(self) -> float:
        """Requests per second that it answers at most."""
        return self.instances * self.batch / (self.service + self.service_each * self.batch)

    def latencies(self, arrivals: Floats, slowness: float = 1.0) -> Floats:
        """Seconds from each arrival (ascending) to its answer."""
        times: list[float] = arrivals.tolist()
        done = [0.0] * len(times)
        free = [0.0] * self.instances
        first = 0
        while first < len(times):
            begin = self._awake(max(heapq.heappop(free), times[first]))
            last = first + 1
            while last < len(times) and last - first < self.batch and times[last] <= begin:
                last += 1
            end = self._through(begin, slowness * (self.service + self.service_each * (last - first)))
            heapq.heappush(free, end)
            for number in range(first, last):
                done[number] = end
            first = last
        return np.array(done) - arrivals + self.overhead

    def _awake(self, moment: float) -> float:
        """The moment, or the end of the stall that it falls into."""
        if self.stall and self.stall[0] <= moment < sum(self.stall):
            return sum(self.stall)
        return moment

    def _through(self, begin: float, work: float) -> float:
        """When the work is done, the stall not worked through."""
        end = begin + work
        return end + self.stall[1] if self.stall and begin < self.stall[0] < end else end


class SimulatedGenerator:
    """A ``LoadGenerator`` for one simulated server; ``loads`` keeps the plans it was given.

    ``noise`` is the relative standard deviation of the server's speed from load to load (log-normal), drawn from
    ``seed``; ``lateness`` is how late every request is sent, in seconds.
    """

    def __init__(self, server: SimulatedServer, *, noise: float = 0.0, lateness: float = 0.0, seed: int = 0) -> None:
        self.server = server
        self.loads: list[LoadPlan] = []
        self._noise = noise
        self._lateness = lateness
        self._random = np.random.Generator(np.random.PCG64(seed))

    def run(self, plan: LoadPlan) -> LoadResult:
        """What the plan's load would bring."""
        self.loads.append(plan)
        slowness = float(np.exp(self._random.normal(0.0, self._noise))) if self._noise else 1.0
        times = schedule(plan.arrivals, plan.planned, plan.planned_lead, plan.rate, plan.seed)
        latency, failed = self._load(plan, times, slowness)
        moment = _hopeless(plan, times, latency)
        ended_early = moment < times[-1]
        if ended_early:
            times = times[: max(int(np.searchsorted(times, moment, side="right")), plan.planned_lead + 1)]
            latency, failed = self._load(plan, times, slowness, failed[: len(times)])
        return self._result(plan, times, latency, failed, ended_early=ended_early)

    def _load(
        self, plan: LoadPlan, times: Floats, slowness: float, failed: npt.NDArray[np.str_] | None = None
    ) -> tuple[Floats, npt.NDArray[np.str_]]:
        """Latencies, and the kind of failure of each request, empty where it was answered."""
        latency = self.server.latencies(times + self._lateness, slowness) + self._lateness
        if failed is None:
            failed = np.where(self._random.random(len(times)) < self.server.failing, "http-500", "")
        return latency, np.where(latency > plan.timeout, "timeout", np.where(failed == "timeout", "", failed))

    def _result(
        self, plan: LoadPlan, times: Floats, latency: Floats, failed: npt.NDArray[np.str_], *, ended_early: bool
    ) -> LoadResult:
        lead = plan.planned_lead
        resolved = times + np.minimum(latency, plan.timeout)
        finished = float(resolved.max())
        good = failed[lead:] == ""
        seen = Observation(
            scheduled=times[lead:],
            latency=np.where(good, latency[lead:], -1.0),
            sent_late=np.full(len(times) - lead, self._lateness),
            failed=Counter(kind for kind in failed[lead:].tolist() if kind),
            lengths=Counter({plan.requests[0].answer_bytes or 1: int(good.sum())}) if good.any() else Counter(),
            first=lead / plan.rate,
            finished=finished,
            ended_early=ended_early,
        )
        bounds = tuple(bound for _, bound in plan.bounds)
        return load_result(
            tally(seen, planned=plan.planned, rate=plan.rate, timeout=plan.timeout, bounds=bounds, elapsed=finished)
        )


def load_result(counted: Tally) -> LoadResult:
    """The value of a tally."""
    windows = tuple(LoadWindow(scheduled=w.scheduled, over=w.over, latency=w.latency) for w in counted.windows)
    fields = {name: getattr(counted, name) for name in LoadResult.model_fields if name != "windows"}
    return LoadResult(windows=windows, **fields)


def _hopeless(plan: LoadPlan, times: Floats, latency: Floats) -> float:
    """When it is known that more requests than allowed missed a bound; infinity where that never happens."""
    moments = [np.inf]
    lead = plan.planned_lead
    for (_, bound), limit in zip(plan.bounds, plan.hopeless_after or (), strict=False):
        missed = np.sort(times[lead:][latency[lead:] > bound] + bound)
        if len(missed) > limit:
            moments.append(float(missed[limit]))
    if plan.hopeless_failures is not None:
        failed = np.sort(times[lead:][latency[lead:] > plan.timeout] + plan.timeout)
        if len(failed) > plan.hopeless_failures:
            moments.append(float(failed[plan.hopeless_failures]))
    return float(min(moments))
