"""What a finished trial teaches: its measurement as readings, each with its error, or with a bound where that is all.

``capacity`` is the largest rate within the SLO, in requests per second; ``latency`` is that of the SLO's highest
percentile at the objective's rate, in seconds; ``start_up`` is the time until the server was ready, in seconds, and
``seconds`` that of the whole trial, where it ran to its end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from scipy.special import ndtri

from tuner.experience.model import Reading, Tried
from tuner.load.histogram import decode, recorded
from tuner.measurement.latency import name_of, percentile
from tuner.measurement.model import Interval, Judgement, LoadPoint, Measurement
from tuner.spec.model import Slo
from tuner.trial.outcome import Completed, Failed, FailureKind, Trial

__all__ = ["SECONDS", "tried_of"]

SECONDS = "seconds"
_SECONDS_ERROR = 0.1
"""How much the time of one configuration's trials differs: its loads end when they have told enough."""


def tried_of(trial: Trial, slo: Slo) -> Tried | None:
    """What is learned of the trial's configuration; ``None`` where it is the machine that failed, or nobody knows."""
    outcome = trial.outcome
    if isinstance(outcome, Failed) and outcome.failure is not FailureKind.INFEASIBLE:
        return Tried(assignment=trial.assignment, outcome="failed")
    if not isinstance(outcome, Completed | Failed) or outcome.measurement is None:
        return None
    readings = tuple(_readings(outcome.measurement, slo))
    if not readings:
        return None
    taken = trial.ended - trial.started
    timed = (Reading(metric=SECONDS, value=taken, error=_SECONDS_ERROR),) if taken > 0 else ()
    return Tried(assignment=trial.assignment, outcome="completed", readings=(*readings, *timed))


def _readings(measurement: Measurement, slo: Slo) -> Iterator[Reading]:
    capacity = measurement.capacity
    if measurement.cut is not None:
        yield Reading(metric="capacity", value=measurement.cut.at_most, side="below")
    elif capacity is not None and capacity.rate.value > 0:
        error = _error(capacity.rate, slo.confidence)
        yield Reading(metric="capacity", value=capacity.rate.value, error=error)
    elif failed := [point.rate for point in measurement.curve if point.judgement is Judgement.FAIL]:
        yield Reading(metric="capacity", value=min(failed), side="below")
    if measurement.at_rate is not None:
        yield from _latency(measurement.at_rate, slo)
    if measurement.start_up is not None and measurement.start_up > 0:
        yield Reading(metric="start_up", value=measurement.start_up)


def _error(rate: Interval, confidence: float) -> float:
    """The standard deviation whose normal interval is as wide, on the logarithm; the wider side where one end is 0."""
    spread = ndtri(0.5 + confidence / 2)
    if rate.low > 0:
        return max(math.log(rate.high / rate.low) / 2 / float(spread), 0.0)
    return max(math.log(rate.high / rate.value) / float(spread), 0.0)


def _latency(point: LoadPoint, slo: Slo) -> Iterator[Reading]:
    """A load that failed the bound says only that the latency is above it: how far depends on the load's length."""
    percent, bound = slo.bounds[-1]
    value = point.latency.get(name_of(percent), 0.0)
    if value <= 0 or point.judgement is Judgement.INVALID:
        return
    if point.judgement is Judgement.FAIL and (value > bound or point.result.ended_early):
        if value > bound:
            yield Reading(metric="latency", value=bound, side="above")
        return
    yield Reading(metric="latency", value=value, error=_order_error(point.result.histogram, percent))


def _order_error(histogram: str, percent: float) -> float:
    """Standard deviation of the logarithm of a percentile, by order statistics.

    The number of requests below the true percentile is binomial, so one standard deviation of it, up and down, are
    percentiles between which the true one lies as often as a normal value within one standard deviation.
    """
    _, counts = recorded(decode(histogram))
    total = int(counts.sum())
    if total == 0:
        return 0.0
    step = 100 * math.sqrt(percent / 100 * (1 - percent / 100) / total)
    low = percentile(histogram, max(percent - step, 50 / total))
    high = percentile(histogram, min(percent + step, 100.0))
    return math.log(high / low) / 2 if 0 < low < high else 0.0
