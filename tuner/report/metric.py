"""The one number that the objective looks at, read from a trial: with its direction, its unit and its words."""

from __future__ import annotations

from tuner.measurement.model import Interval, Measurement
from tuner.report import format as fmt
from tuner.report.model import ReportInput
from tuner.search.bands import Bands
from tuner.search.objective import Goal, Metrics
from tuner.spec.model import Metric, Slo, TuningSpec
from tuner.trial.outcome import Completed, Trial

__all__ = [
    "bands_in",
    "better",
    "conditions",
    "merit_of",
    "metric_of",
    "metric_words",
    "percentile_of",
    "reading",
    "reading_text",
    "slo_words",
]


def metric_of(spec: TuningSpec) -> Metric:
    """The metric that orders the trials; the first one of a weighted or pareto goal."""
    return spec.objective.metrics[0]


def better(metric: Metric, value: float, than: float) -> bool:
    """More capacity is better, less cost and latency are."""
    return value > than if metric == "capacity" else value < than


def percentile_of(slo: Slo) -> tuple[str, float]:
    """Name and bound (seconds) of the highest percentile that the SLO bounds: the one that plots show."""
    percentile, bound = slo.bounds[-1]
    return f"p{percentile:g}", bound


def slo_words(slo: Slo) -> str:
    """The latency bounds, for example ``p50 ≤ 10 ms and p99 ≤ 50 ms``."""
    return " and ".join(f"p{percentile:g} ≤ {fmt.bound(bound)}" for percentile, bound in slo.bounds)


def conditions(spec: TuningSpec) -> str:
    """Everything that has to hold for a load to count, in one phrase."""
    return (
        f"{slo_words(spec.slo)}, at most {fmt.percent(spec.slo.error_rate)} failed requests, "
        f"each with {fmt.percent(spec.slo.confidence)} confidence"
    )


def reading(report: ReportInput, trial: Trial) -> Interval | None:
    """The metric of a completed trial: requests per second, money per million requests, or seconds.

    With bands: money for an hour of all the replicas that bear today's band, by what one certainly bears. The interval
    of the cost follows from that of the capacity: hourly price / (requests per hour) · 10⁶. ``None`` where the trial
    has no such number, or was cut short before it was known.
    """
    if not isinstance(trial.outcome, Completed) or trial.outcome.measurement.cut is not None:
        return None
    measurement = trial.outcome.measurement
    metric = metric_of(report.spec)
    if metric == "latency":
        return _latency(report, measurement)
    capacity = measurement.capacity.rate if measurement.capacity else None
    return capacity if metric == "capacity" or capacity is None else _cost(report, trial.number, capacity)


def _latency(report: ReportInput, measurement: Measurement) -> Interval | None:
    name, _ = percentile_of(report.spec.slo)
    value = measurement.at_rate.latency.get(name) if measurement.at_rate else None
    return None if value is None else Interval(value=value, low=value, high=value)


def _cost(report: ReportInput, number: int, capacity: Interval) -> Interval | None:
    cost = report.costs.get(number)
    if cost is None or cost.per_million is None:
        return None
    value = float(cost.per_million.amount)
    hourly = float(cost.hourly.amount)
    if (bands := bands_in(report)) is not None:
        paid, least = (
            hourly * bands.replicas(bands.rate, end or capacity.value) for end in (capacity.low, capacity.high)
        )
        return Interval(value=paid, low=min(least, paid), high=paid)
    low, high = (hourly / (rate * 3600) * 1e6 if rate > 0 else value for rate in (capacity.high, capacity.low))
    return Interval(value=value, low=min(low, value), high=max(high, value))


def merit_of(report: ReportInput, trial: Trial) -> float | None:
    """How good a trial is by the whole goal (``Goal.merit``); ``None`` where it has no score."""
    cost = report.costs.get(trial.number)
    if not isinstance(trial.outcome, Completed) or cost is None or cost.per_million is None:
        return None
    measurement = trial.outcome.measurement
    latency = _latency(report, measurement)
    spec = report.spec
    if (
        measurement.capacity is None
        or measurement.cut is not None
        or ("latency" in spec.objective.metrics and latency is None)
    ):
        return None
    metrics = Metrics(
        capacity=measurement.capacity.rate.value,
        hourly=float(cost.hourly.amount),
        cost=float(cost.per_million.amount),
        latency=latency.value if latency is not None else None,
        certified=max(measurement.capacity.rate.low, 0.0),
    )
    expected = spec.load.expected
    return Goal(spec.objective, spec.slo, spec.prices, expected=expected, counts=report.counts).merit(metrics)


def bands_in(report: ReportInput) -> Bands | None:
    """The spec's bands of arrival rates; ``None`` where it has none."""
    return Bands.of(report.spec.objective, report.spec.load.expected, report.counts)


def metric_words(report: ReportInput) -> str:
    """Name and unit of the metric, as an axis or a column has it."""
    name, _ = percentile_of(report.spec.slo)
    if (bands := bands_in(report)) is not None:
        return (
            f"an hour of all replicas for up to {fmt.plain(bands.rate)} requests/s ({report.spec.prices.cpu.currency})"
        )
    words: dict[Metric, str] = {
        "capacity": "capacity within the SLO (requests/s)",
        "cost": f"cost of a million requests ({report.spec.prices.cpu.currency})",
        "latency": f"{name} latency at {fmt.plain(report.spec.objective.rate or 0)} requests/s (ms)",
    }
    return words[metric_of(report.spec)]


def reading_text(report: ReportInput, interval: Interval) -> str:
    """A reading with its unit and interval."""
    metric = metric_of(report.spec)
    if metric == "capacity":
        return fmt.rate(interval)
    if metric == "latency":
        return fmt.latency(interval.value)
    unit = "per million" if report.spec.objective.bands is None else "an hour"
    return f"{fmt.spread(interval)} {report.spec.prices.cpu.currency} {unit}"
