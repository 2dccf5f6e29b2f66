"""One load on one server, sized so that its verdict can be certain, and what it says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from tuner.engine.protocol import Endpoint, HttpRequest
from tuner.load.arrivals import Arrivals
from tuner.load.protocol import LoadGenerator, LoadPlan, LoadResult
from tuner.measurement.latency import name_of, percentile, percentiles
from tuner.measurement.model import LoadPoint
from tuner.measurement.verdict import Limits, hopeless_failures, hopeless_over, judge, needed
from tuner.spec.model import Load

__all__ = ["Prober"]

SHOWN = (50.0, 90.0, 95.0, 99.0)
SAME_LENGTH = 20
"""Answers that must all have had one length before another length counts as a failure."""
LEAD, LONGEST_LEAD = 0.2, 2.0
"""Share of each probe's duration that is load before anything counts, and the seconds it takes at most."""


@dataclass(slots=True)
class Prober:
    """Sends loads to one server and judges them; ``elapsed`` sums up their seconds.

    ``longest`` is the longest load at one rate, in seconds. ``check`` runs before and after each load and raises where
    the server is gone.
    """

    generator: LoadGenerator
    endpoint: Endpoint
    requests: tuple[HttpRequest, ...]
    load: Load
    limits: Limits
    longest: float
    seed: int
    check: Callable[[], None]
    arrivals: Arrivals
    elapsed: float = field(default=0.0, init=False)
    _loads: int = field(default=0, init=False)

    @property
    def floor(self) -> float:
        """The lowest rate at which the longest load holds enough requests to certify every bound."""
        return self.certifying(0) / self.longest

    def certifying(self, over: int) -> int:
        """Requests that certify every bound with that many over it."""
        return max(needed(over, percent, self.limits.confidence) for percent, _ in self.limits.bounds)

    def probe(self, rate: float, share: float = 1.0, looks: int = 1) -> LoadPoint:
        """Load at the rate for that share of the longest load, one of so many that are looked at."""
        duration = share * self.longest
        count = max(int(rate * duration * (1 + 1e-9)), 1)
        return self.point(rate, self.send(rate, count, lead=min(LEAD * duration, LONGEST_LEAD), hopeless=True), looks)

    def send(
        self, rate: float, count: int, *, lead: float = 0.0, hopeless: bool = False, constant: bool = False
    ) -> LoadResult:
        """A load of that many requests at the rate; a ``hopeless`` one ends as soon as it is refuted."""
        self.check()
        limits = self.limits
        plan = LoadPlan(
            endpoint=self.endpoint,
            requests=self.requests,
            arrivals="constant" if constant else self.arrivals,
            rate=rate,
            duration=count / rate,
            seed=self.seed + self._loads,
            timeout=self.load.timeout,
            bounds=limits.bounds,
            lead=lead,
            hopeless_after=tuple(hopeless_over(count, rate, *bound, limits) for bound in limits.bounds)
            if hopeless
            else None,
            hopeless_failures=hopeless_failures(count, limits) if hopeless else None,
        )
        self._loads += 1
        result = self.generator.run(plan)
        self.elapsed += result.elapsed
        self.check()
        return result

    def learn(self, results: Iterable[LoadResult]) -> None:
        """Expect answers of the length that all good answers had so far, where the engine could not say it."""
        lengths: Counter[int] = Counter()
        for result in results:
            lengths.update(result.answer_lengths)
        if len(lengths) == 1 and lengths.total() >= SAME_LENGTH:
            (length,) = lengths
            self.requests = tuple(
                request.expecting(length) if request.answer_bytes is None else request for request in self.requests
            )

    def point(self, rate: float, result: LoadResult, looks: int = 1) -> LoadPoint:
        """The point of the curve that a load makes, one of so many that are looked at."""
        verdict = judge(result, self.limits, looks)
        latency = percentiles(result.histogram, (*SHOWN, *(percent for percent, _ in self.limits.bounds)))
        excess, error, allowed, none = max(_excesses(result, self.limits))
        return LoadPoint(
            rate=rate,
            judgement=verdict.judgement,
            reason=verdict.reason,
            latency=latency,
            lateness_p99=percentile(result.lateness, 99),
            result=result,
            pressure=max(latency.get(name_of(percent), 0.0) / bound for percent, bound in self.limits.bounds),
            excess=excess,
            error=error,
            allowed=allowed,
            none=none,
        )


def _excesses(result: LoadResult, limits: Limits) -> Iterator[tuple[float, float, float, bool]]:
    """(Excess, error, share allowed, none seen) by bound; by mere counts where requests are too few for a tail."""
    for place, (percent, _) in enumerate(limits.bounds):
        allowed, over = 1 - percent / 100, result.over[place]
        if result.tails:
            tail = result.tails[place]
            yield tail.log_share - math.log(allowed), tail.error, allowed, tail.none
        else:
            share = max(over, 0.5) / max(result.scheduled, 1)
            yield math.log(share / allowed), 1 / math.sqrt(max(over, 0.5)), allowed, not over
