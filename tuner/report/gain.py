"""Baseline against candidate: the rows of the before-and-after table, each with its raw values and its source."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace

from tuner.measurement.model import Interval
from tuner.recommendation.model import Comparison, Side
from tuner.report import format as fmt
from tuner.report.cost import per_million_range
from tuner.report.decision import subject_of
from tuner.report.model import ReportInput
from tuner.report.source import comparison_source
from tuner.spec.quantity import Money

__all__ = ["Datum", "Gain", "cost_gains", "gains_of"]


@dataclass(frozen=True, slots=True)
class Datum:
    """A number as it is read, and as it was recorded."""

    text: str
    raw: float


@dataclass(frozen=True, slots=True)
class Gain:
    """One row: what was compared, both sides, and how it changed."""

    name: str
    baseline: Datum
    candidate: Datum
    change: str
    source: str
    main: bool = True
    """False for what a reader in a hurry can do without."""


def gains_of(report: ReportInput) -> tuple[Gain, ...]:
    """Capacity and latencies; empty where nothing was compared."""
    subject = subject_of(report)
    if subject.comparison is None:
        return ()
    source = comparison_source(report, subject)
    return (*_capacity(subject.comparison, source), *_latencies(report, subject.comparison, source))


def cost_gains(report: ReportInput) -> tuple[Gain, ...]:
    """Money: per million requests, an hour of one replica, replicas and a month, as far as they are known."""
    subject = subject_of(report)
    if subject.comparison is None:
        return ()
    source = comparison_source(report, subject)
    before, after = subject.comparison.baseline, subject.comparison.candidate
    rows = [
        _money("a million requests", _per_million(before), _per_million(after), source),
        _hourly(before, after),
        _replicas(subject.comparison, source),
        _money("a month (730 h)", _spent(before.cost.monthly), _spent(after.cost.monthly), source),
    ]
    return tuple(row for row in rows if row is not None)


def _capacity(comparison: Comparison, source: str) -> tuple[Gain, ...]:
    before, after = comparison.baseline.capacities, comparison.candidate.capacities
    if not before or not after:
        return ()
    medians = statistics.median(before), statistics.median(after)
    return (
        Gain(
            name="capacity, median (range) of blocks",
            baseline=_blocks(before),
            candidate=_blocks(after),
            change=_percent(*medians),
            source=source,
        ),
    )


def _blocks(capacities: tuple[float, ...]) -> Datum:
    median = statistics.median(capacities)
    return Datum(fmt.rate(Interval(value=median, low=min(capacities), high=max(capacities))), median)


def _latencies(report: ReportInput, comparison: Comparison, source: str) -> list[Gain]:
    before, after = comparison.baseline.latency, comparison.candidate.latency
    bounded = {f"p{percentile:g}" for percentile, _ in report.spec.slo.bounds}
    load = f" at {fmt.number(report.compared_at)} requests/s" if report.compared_at else " at the same load"
    return [
        Gain(
            name=f"{name} latency{load}",
            baseline=Datum(fmt.latency(before[name]), before[name]),
            candidate=Datum(fmt.latency(after[name]), after[name]),
            change=_percent(before[name], after[name]),
            source=source,
            main=name in bounded,
        )
        for name in sorted(before.keys() & after.keys(), key=_percentile)
    ]


def _percentile(name: str) -> tuple[float, str]:
    number = name.removeprefix("p")
    return (float(number), name) if number.replace(".", "", 1).isdecimal() else (float("inf"), name)


def _percent(before: float, after: float) -> str:
    if before <= 0:
        return "–"
    return _signed(round((after / before - 1) * 100), " %")


def _signed(change: int, unit: str = "") -> str:
    return f"{'+' if change > 0 else '−'}{abs(change):,}{unit}" if change else "same"


def _spent(money: Money | None) -> Datum | None:
    return None if money is None else Datum(fmt.amount(money), float(money.amount))


def _per_million(side: Side) -> Datum | None:
    if side.cost.per_million is None:
        return None
    value = float(side.cost.per_million.amount)
    low, high = (float(end.amount) for end in per_million_range(side) or (side.cost.per_million,) * 2)
    middle, bottom, top = fmt.between(Interval(value=value, low=low, high=high))
    spread = f" ({bottom}–{top})" if low < high else ""
    return Datum(f"{middle}{spread} {side.cost.per_million.currency}", value)


def _money(name: str, before: Datum | None, after: Datum | None, source: str) -> Gain | None:
    if before is None or after is None:
        return None
    return Gain(name, before, after, _percent(before.raw, after.raw), source)


def _hourly(before: Side, after: Side) -> Gain | None:
    row = _money("one replica, an hour", _spent(before.cost.hourly), _spent(after.cost.hourly), "prices of the spec")
    return replace(row, main=row.baseline.raw != row.candidate.raw) if row is not None else None


def _replicas(comparison: Comparison, source: str) -> Gain | None:
    counts = comparison.baseline.cost.replicas, comparison.candidate.cost.replicas
    rate = comparison.rate
    name = "replicas for the expected traffic" if rate is None else f"replicas for up to {fmt.plain(rate)} requests/s"
    if counts[0] is None or counts[1] is None:
        return None
    data = [Datum(f"{count:,}", float(count)) for count in counts if count is not None]
    return Gain(name, data[0], data[1], _signed(counts[1] - counts[0]), source)
