"""The course of a measurement: warm up, see the unloaded latency, search the capacity, load at the stated rate.

A configuration whose capacity is about known is measured again in fewer loads, for blocks that are compared with each
other; every load is judged by the same rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy.special import betaincinv

from tuner.engine.protocol import Endpoint, HttpRequest
from tuner.load.arrivals import Arrivals
from tuner.load.protocol import LoadGenerator, LoadResult
from tuner.load.trace import arrivals_of
from tuner.measurement.capacity import CapacitySearch, Probe
from tuner.measurement.latency import percentile
from tuner.measurement.model import Capacity, Cut, Interval, Judgement, LoadPoint, Measurement
from tuner.measurement.probe import Prober
from tuner.measurement.steady import steady_from
from tuner.measurement.verdict import Limits
from tuner.spec.model import Load, Search, Slo

__all__ = ["measure"]

SCOUT, SCOUT_COUNT = 0.6, 40
"""Seconds of a scout, and the requests that it takes at least, within the longest load."""
FIRST_SHARE = 0.5
"""The first look around the capacity takes this share of the longest load."""
LOOKS = 8
"""Loads of one search that may be taken for a pass: each is judged at its part of what confidence leaves."""
BLOCK_LOADS = 2
"""Judged loads where the capacity is about known."""
REFUSED = (Judgement.FAIL, Judgement.INVALID)
FIRST_COUNT, FIRST_RATE = 10, 40.0
SETTLE = 0.4
"""Seconds of one round of warm-up load."""
ROUNDS, LEAST_ROUNDS = 6, 2
UNLOADED, UNLOADED_COUNT, UNLOADED_RATE = 0.8, 40, 100.0
GUESS = 0.8
"""The rate tried first where nothing is known: the share of a server that answers one request at a time."""
STEADY = 0.7
"""Share of a capacity that is known or expected at which a server gets warm."""
BEYOND = 1.5
"""The first scout goes this far beyond a capacity that is known or expected, so that the server falls behind."""


def measure(
    generator: LoadGenerator,
    endpoint: Endpoint,
    requests: Sequence[HttpRequest],
    *,
    slo: Slo,
    load: Load,
    search: Search,
    seed: int,
    start_rate: float | None = None,
    known: float | None = None,
    at_rate: float | None = None,
    enough: float | None = None,
    check: Callable[[], None],
    arrivals: Arrivals | None = None,
) -> Measurement:
    """Measure a started server. ``check`` runs between loads and raises where the server is gone.

    ``start_rate``: where the capacity is expected, requests per second; guessed from the unloaded latency where
    ``None``. ``known``: what it was measured to be; the search begins there, takes fewer loads, and takes no unloaded
    latency. ``at_rate``: a rate to report as well. ``enough``: a capacity that is certain to be below it does not
    matter, so the measurement is cut short; not where it is ``known``. ``arrivals``: those of the spec, with the trace
    that it names, for which alone they are needed. Whatever ``check`` and the generator raise passes through.
    """
    prober = _prober(generator, endpoint, requests, slo, load, search, seed, check, arrivals)
    first = _first(prober)
    if known is not None:
        _settle(prober, STEADY * known, first)
        return _measurement(prober, _hunt(prober, _again(known, prober, search)), prober.elapsed, at_rate, {})
    if not first.answered:
        return _refused(prober, prober.elapsed, prober.point(FIRST_RATE, first))
    median = percentile(first.histogram, 50)
    unloaded = _unloaded(prober, median)
    seen = unloaded.result.elapsed
    settling = STEADY * start_rate if start_rate else 0.5 / median
    settled = _settle(prober, settling, first)
    if unloaded.judgement in REFUSED:  # perhaps only because it was cold
        unloaded = _unloaded(prober, median)
        seen += unloaded.result.elapsed
    warm_up = prober.elapsed - seen
    if unloaded.judgement in REFUSED:
        return _refused(prober, warm_up, unloaded)
    start = BEYOND * start_rate if start_rate else GUESS / unloaded.latency["p50"]
    if settled < settling:  # far less than was expected: a scout of that would only make a queue to be worked off
        start = min(start, BEYOND * settled / STEADY)
    wanted = CapacitySearch(
        start, precision=search.precision, confidence=slo.confidence, floor=prober.floor, enough=enough
    )
    hunt = _hunt(prober, wanted)
    return _measurement(prober, hunt, warm_up, at_rate, unloaded.latency)


def _again(known: float, prober: Prober, search: Search) -> CapacitySearch:
    return CapacitySearch(
        BEYOND * known,
        precision=search.precision,
        confidence=prober.limits.confidence,
        likely=known,
        floor=prober.floor,
        loads=BLOCK_LOADS,
    )


@dataclass(frozen=True, slots=True)
class _Hunt:
    points: tuple[LoadPoint, ...]
    capacity: Capacity | None
    doubt: str | None
    cut: Cut | None


def _prober(
    generator: LoadGenerator,
    endpoint: Endpoint,
    requests: Sequence[HttpRequest],
    slo: Slo,
    load: Load,
    search: Search,
    seed: int,
    check: Callable[[], None],
    arrivals: Arrivals | None,
) -> Prober:
    return Prober(
        generator=generator,
        endpoint=endpoint,
        requests=tuple(requests),
        load=load,
        limits=Limits.of(slo),
        longest=search.probe,
        seed=1000 * seed,
        check=check,
        arrivals=arrivals or arrivals_of(load.arrivals),
    )


def _first(prober: Prober) -> LoadResult:
    """A few requests; again where none was answered, for a server that has to get ready first."""
    for _ in range(ROUNDS):
        result = prober.send(FIRST_RATE, FIRST_COUNT, constant=True)
        if result.answered:
            break
    return result


def _settle(prober: Prober, rate: float, first: LoadResult) -> float:
    """Load until the latency is steady: the last round is no different from what came before it.

    The rate at which it ended: lower where the server was refuted, by halves or, far beyond a server that answers one
    request at a time, as ``first`` saw it, by half of the way to that.
    """
    calm = 0.5 / percentile(first.histogram, 50) if first.answered else 0.0
    results: list[LoadResult] = []
    steady = False
    while len(results) < ROUNDS and not (steady and len(results) >= LEAST_ROUNDS):
        result = prober.send(rate, max(int(rate * SETTLE), 1), hopeless=True)
        results.append(result)
        if result.ended_early:
            rate = min(rate / 2, math.sqrt(rate * calm)) if calm else rate / 2
        windows = [window.latency for told in results for window in told.windows if window.scheduled]
        steady = not result.ended_early and steady_from(windows) <= len(windows) / 2 - 1
    prober.learn(results)
    return rate


def _unloaded(prober: Prober, median: float) -> LoadPoint:
    """The latency of requests that hardly ever meet another one; ``median`` seconds is about what one takes."""
    rate = min(0.5 / median, UNLOADED_RATE)
    count = max(min(UNLOADED_COUNT, int(rate * UNLOADED)), FIRST_COUNT)
    point = prober.point(rate, prober.send(rate, count, constant=True, hopeless=True))
    if point.judgement is Judgement.INVALID:
        point = prober.point(rate, prober.send(rate, count, constant=True, hopeless=True))
    return point


def _refused(prober: Prober, warm_up: float, point: LoadPoint) -> Measurement:
    """Not even the unloaded server meets the SLO, or it cannot be seen because the generator is late."""
    told = ", ".join(f"{name} {seconds * 1e3:.3g} ms" for name, seconds in point.latency.items())
    reason, doubt = "", None
    if point.judgement is Judgement.INVALID:
        doubt = point.reason
    elif point.result.answered:
        reason = f"the SLO is tighter than the unloaded latency ({told} at {point.rate:.4g}/s): {point.reason}"
    else:
        reason = f"no request was answered well: {point.reason}"
    return Measurement(
        capacity=None,
        curve=(point,),
        unloaded=point.latency,
        reason=reason,
        doubt=doubt,
        warm_up=warm_up,
        elapsed=prober.elapsed,
    )


def _hunt(prober: Prober, search: CapacitySearch) -> _Hunt:
    points = []
    while probe := search.ask():
        point = _probe(prober, probe)
        search.tell(probe, point)
        points.append(point)
        if point.result.failures:
            _recover(prober)
    return _Hunt(tuple(points), search.capacity(), search.doubt, search.cut)


def _probe(prober: Prober, probe: Probe) -> LoadPoint:
    if probe.purpose != "scout":
        return prober.probe(probe.rate, FIRST_SHARE if probe.purpose == "first" else 1.0, LOOKS)
    count = max(round(probe.rate * min(SCOUT, prober.longest)), min(SCOUT_COUNT, int(probe.rate * prober.longest)), 1)
    return prober.point(probe.rate, prober.send(probe.rate, count))


def _recover(prober: Prober) -> None:
    """Requests were given up: let the server work off what it still has of them before the next load."""
    for _ in range(ROUNDS):
        result = prober.send(FIRST_RATE, FIRST_COUNT, constant=True)
        if not result.failures and not any(result.over):
            return


def _measurement(
    prober: Prober, hunt: _Hunt, warm_up: float, at_rate: float | None, unloaded: dict[str, float]
) -> Measurement:
    stated = None if at_rate is None else prober.probe(at_rate)
    doubt = hunt.doubt
    if doubt is None and stated is not None and stated.judgement is Judgement.INVALID:
        doubt = stated.reason
    return Measurement(
        capacity=hunt.capacity,
        cut=hunt.cut,
        curve=hunt.points,
        at_rate=stated,
        unloaded=unloaded,
        reason="" if hunt.capacity or doubt else _why_none(prober, hunt),
        doubt=doubt,
        failures=_failures(hunt, prober.limits.confidence),
        warm_up=warm_up,
        elapsed=prober.elapsed,
    )


def _why_none(prober: Prober, hunt: _Hunt) -> str:
    lowest = min(hunt.points, key=lambda point: point.rate)
    told = f"no load met the SLO, the lowest tried was {lowest.rate:.4g}/s: {lowest.reason}"
    if lowest.rate > prober.floor * 1.001:
        return told
    seconds = prober.longest
    return f"{told}; below {prober.floor:.4g}/s a probe of {seconds:g} s is too short to tell (search.probe)"


def _failures(hunt: _Hunt, confidence: float) -> Interval | None:
    """Share of failed requests in all loads up to the capacity, with its Clopper-Pearson upper limit."""
    most = hunt.capacity.rate.high if hunt.capacity else 0.0
    passed = [point.result for point in hunt.points if point.rate <= most and not point.result.ended_early]
    scheduled, failed = sum(result.scheduled for result in passed), sum(result.failures for result in passed)
    if not scheduled:
        return None
    high = 1.0 if failed == scheduled else float(betaincinv(failed + 1, scheduled - failed, confidence))
    return Interval(value=failed / scheduled, low=0.0, high=high)
