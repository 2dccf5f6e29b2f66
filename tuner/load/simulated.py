"""A generator and a server in simulated time: a queue whose capacity is known, for everything that measures.

No request is sent and no time passes; the schedule, the counts and the histograms are those of a real load.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tuner.load.arrivals import schedule
from tuner.load.protocol import LoadPlan, LoadResult, LoadWindow, TokenResult
from tuner.load.queues import Floats, Pace, alike, batched, unlike
from tuner.load.tally import Observation, Tally, tally

__all__ = ["SimulatedGenerator", "SimulatedServer", "Spells"]

COLD_STEPS = 10
GOOD, BAD_STATUS, TIMEOUT = 0, 1, 2
KINDS = {BAD_STATUS: "http-500", TIMEOUT: "timeout"}


@dataclass(frozen=True, slots=True)
class Spells:
    """Slow spells: a server is ``slowness`` times as slow for ``slow`` seconds, then quick for ``quick``, on average.

    Both last exponential times, so that the server's speed is a Markov chain of two states.
    """

    slowness: float
    slow: float
    quick: float

    @property
    def speed(self) -> float:
        """The average speed, 1 being quick."""
        return (self.quick + self.slow / self.slowness) / (self.quick + self.slow)


@dataclass(frozen=True, slots=True)
class SimulatedServer:
    """``instances`` take up to ``batch`` waiting requests each, first come, first served. Times in seconds.

    A batch takes ``service`` and ``service_each`` for every request in it, and an answer ``overhead`` on its way. With
    a batch of 1 this is an M/D/c queue under Poisson arrivals. By ``law`` a batch takes a random time of that mean
    instead: ``exponential`` makes it M/M/c, ``log-normal`` has the coefficient of variation ``variation``.

    What changes over time: the server does nothing for ``stall`` (begin, length), counted from the start of each load;
    it is ``cold`` (seconds, slowness) in the first seconds of its life, as slow as that at first and a little less so
    each tenth of them; and it has ``spells``. ``failing`` is the share of requests that are answered with status 500.
    """

    service: float
    instances: int = 1
    batch: int = 1
    service_each: float = 0.0
    overhead: float = 0.0
    stall: tuple[float, float] | None = None
    failing: float = 0.0
    law: Literal["deterministic", "exponential", "log-normal"] = "deterministic"
    variation: float = 1.5
    cold: tuple[float, float] | None = None
    spells: Spells | None = None

    @property
    def saturation(self) -> float:
        """Requests per second that it answers at most, once it is warm."""
        speed = self.spells.speed if self.spells else 1.0
        return speed * self.instances * self.batch / (self.service + self.service_each * self.batch)

    def latencies(self, arrivals: Floats, slowness: float = 1.0, *, seed: int = 0, age: float = 0.0) -> Floats:
        """Seconds from each arrival (ascending, from 0) to its answer.

        ``slowness`` multiplies all work. What is random comes from ``seed``: fewer arrivals of the same seed get the
        same service. ``age``: seconds that the server has been under load before.
        """
        pace = self._pace(float(arrivals[-1]), seed, age)
        begun = arrivals if pace is None else pace.work(arrivals)
        factors = self._factors(len(arrivals), seed)
        if self.batch > 1:
            work = [slowness * (self.service + self.service_each * size) for size in range(self.batch + 1)]
            done = batched(begun, work, self.batch, self.instances, factors)
        elif factors is None:
            done = alike(begun, slowness * (self.service + self.service_each), self.instances)
        else:
            done = unlike(begun, slowness * (self.service + self.service_each) * factors, self.instances)
        ended = done if pace is None else pace.moment(done)
        return np.asarray(ended - arrivals + self.overhead)

    def _factors(self, count: int, seed: int) -> Floats | None:
        """What each service time is multiplied by; mean 1."""
        if self.law == "deterministic":
            return None
        random = np.random.Generator(np.random.PCG64((seed, 0)))
        if self.law == "exponential":
            return random.standard_exponential(count)
        sigma = float(np.sqrt(np.log1p(self.variation**2)))
        return np.exp(sigma * random.standard_normal(count) - sigma**2 / 2)

    def _pace(self, last: float, seed: int, age: float) -> Pace | None:
        """How the speed changes during a load whose last arrival is at ``last``; ``None`` where it does not."""
        changes: list[tuple[Floats, Floats]] = []
        if self.stall:
            changes.append((np.array([self.stall[0], sum(self.stall)]), np.array([0.0, 1.0])))
        if self.cold and age < self.cold[0]:
            steps = np.arange(COLD_STEPS + 1) / COLD_STEPS
            changes.append((steps * self.cold[0] - age, self.cold[1] ** (steps - 1.0)))
        if self.spells:
            changes.append(_spells(self.spells, 2 * last + 10.0, seed))
        if not changes:
            return None
        begins = np.unique(np.concatenate([[0.0], *(begin for begin, _ in changes)]))
        speeds = np.ones(len(begins))
        for begin, speed in changes:
            at = np.searchsorted(begin, begins, side="right") - 1
            speeds *= np.where(at >= 0, speed[np.maximum(at, 0)], 1.0)
        return Pace.of(begins, speeds)


def _spells(spells: Spells, until: float, seed: int) -> tuple[Floats, Floats]:
    """(Moments at which the speed changes, the speed from there on), the last speed 1; stationary from 0 on."""
    random = np.random.Generator(np.random.PCG64((seed, 1)))
    slow_first = random.random() < spells.slow / (spells.slow + spells.quick)
    pairs = int(1.5 * until / (spells.slow + spells.quick)) + 20
    lasting = random.standard_exponential((pairs, 2)) * (
        [spells.slow, spells.quick] if slow_first else [spells.quick, spells.slow]
    )
    begins = np.concatenate([[0.0], np.cumsum(lasting.ravel())])
    speeds = np.tile([1 / spells.slowness, 1.0] if slow_first else [1.0, 1 / spells.slowness], pairs)
    return begins, np.append(speeds, 1.0)


class SimulatedGenerator:
    """A ``LoadGenerator`` for one simulated server; ``loads`` keeps the plans it was given.

    ``noise`` is the relative standard deviation of the server's speed from load to load (log-normal), drawn from
    ``seed`` as all that is random; ``lateness`` is how late every request is sent, in seconds. The server gets older
    from load to load; its queue is empty at the start of each.
    """

    def __init__(self, server: SimulatedServer, *, noise: float = 0.0, lateness: float = 0.0, seed: int = 0) -> None:
        self.server = server
        self.loads: list[LoadPlan] = []
        self._noise = noise
        self._lateness = lateness
        self._age = 0.0
        self._random = np.random.Generator(np.random.PCG64(seed))

    def run(self, plan: LoadPlan) -> LoadResult:
        """What the plan's load would bring."""
        self.loads.append(plan)
        slowness, seed = self._speed()
        times = schedule(plan.arrivals, plan.planned, plan.planned_lead, plan.rate, plan.seed)
        latency = self._latencies(times, slowness, seed)
        failed = self._failures(latency, plan.timeout)
        moment = _hopeless(plan, times, latency, failed)
        ended_early = moment < times[-1]
        if ended_early:
            times = times[: max(int(np.searchsorted(times, moment, side="right")), plan.planned_lead + 1)]
            bad_status = failed[: len(times)] == BAD_STATUS
            latency = self._latencies(times, slowness, seed) if self.server.batch > 1 else latency[: len(times)]
            failed = np.where(latency > plan.timeout, TIMEOUT, np.where(bad_status, BAD_STATUS, GOOD))
        result = self._result(plan, times, latency, failed, ended_early=ended_early)
        self._age += result.elapsed
        return result

    def serve(self, times: Floats) -> Floats:
        """Seconds from each moment (ascending, from 0) of a schedule of one's own to its answer, failures aside."""
        latency = self._latencies(times, *self._speed())
        self._age += float((times + latency).max())
        return latency

    def _speed(self) -> tuple[float, int]:
        """(How slow the server is, and the seed of what is random) in the next load."""
        slowness = float(np.exp(self._random.normal(0.0, self._noise))) if self._noise else 1.0
        return slowness, int(self._random.integers(2**63))

    def _latencies(self, times: Floats, slowness: float, seed: int) -> Floats:
        latency = self.server.latencies(times + self._lateness, slowness, seed=seed, age=self._age)
        return latency + self._lateness

    def _failures(self, latency: Floats, timeout: float) -> npt.NDArray[np.int64]:
        """For each request, how it failed."""
        failed = np.where(latency > timeout, TIMEOUT, GOOD)
        if self.server.failing:
            bad_status = self._random.random(len(latency)) < self.server.failing
            failed = np.where(failed == TIMEOUT, TIMEOUT, np.where(bad_status, BAD_STATUS, GOOD))
        return failed

    def _result(
        self, plan: LoadPlan, times: Floats, latency: Floats, failed: npt.NDArray[np.int64], *, ended_early: bool
    ) -> LoadResult:
        lead = plan.planned_lead
        finished = float((times + np.minimum(latency, plan.timeout)).max())
        good = failed[lead:] == GOOD
        answered = int(good.sum())
        seen = Observation(
            scheduled=times[lead:],
            latency=np.where(good, latency[lead:], -1.0),
            sent_late=np.full(len(times) - lead, self._lateness),
            failed=Counter(
                {name: count for kind, name in KINDS.items() if (count := int((failed[lead:] == kind).sum()))}
            ),
            lengths=Counter({plan.requests[0].answer_bytes or 1: answered}) if answered else Counter(),
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
    tokens = TokenResult(**asdict(counted.tokens)) if counted.tokens else None
    fields = {name: getattr(counted, name) for name in LoadResult.model_fields if name not in ("windows", "tokens")}
    return LoadResult(windows=windows, tokens=tokens, **fields)


def _hopeless(plan: LoadPlan, times: Floats, latency: Floats, failed: npt.NDArray[np.int64]) -> float:
    """When it is known that more requests than allowed missed a bound, or failed; infinity where that never happens."""
    moments = [np.inf]
    lead = plan.planned_lead
    times, latency, failed = times[lead:], latency[lead:], failed[lead:]
    for (_, bound), limit in zip(plan.bounds, plan.hopeless_after or (), strict=False):
        missed = (latency > bound) | (failed != GOOD)
        moments.append(_after(limit, (times + np.minimum(latency, bound))[missed]))
    if plan.hopeless_failures is not None:
        resolved = times + np.minimum(latency, plan.timeout)
        moments.append(_after(plan.hopeless_failures, resolved[failed != GOOD]))
    return float(min(moments))


def _after(limit: int, moments: Floats) -> float:
    """When there were more than that many; infinity where there never were."""
    return float(np.sort(moments)[limit]) if len(moments) > limit else np.inf
