"""The Pareto set as rows of a table, with its knee."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tuner.recommendation.bands import differing
from tuner.recommendation.front import FrontPoint
from tuner.report import format as fmt
from tuner.report.decision import trial_of
from tuner.report.metric import percentile_of
from tuner.report.model import ReportInput
from tuner.report.source import trial_source
from tuner.spec.model import Metric, Scalar
from tuner.spec.quantity import Money

__all__ = ["FrontRow", "front_rows"]


@dataclass(frozen=True, slots=True)
class FrontRow:
    """One point: ``values`` are the head of its column and the number in words, for each metric of the goal."""

    name: str
    settings: str
    knee: bool
    values: tuple[tuple[str, str], ...]
    source: str


def front_rows(report: ReportInput) -> tuple[FrontRow, ...]:
    """One row a point, the knee first; none where the goal is no Pareto set."""
    baseline = trial_of(report, report.baseline)
    known = None if baseline is None else baseline.assignment
    return tuple(_row(report, point, known) for point in sorted(report.front, key=lambda each: not each.knee))


def _row(report: ReportInput, point: FrontPoint, baseline: Mapping[str, Scalar] | None) -> FrontRow:
    return FrontRow(
        name="baseline" if point.baseline else f"trial {point.trial}",
        settings="" if point.baseline else differing(point.assignment, baseline),
        knee=point.knee,
        values=tuple((_head(report, metric), _text(report, metric, value)) for metric, value in point.values.items()),
        source=trial_source(report, point.trial),
    )


def _head(report: ReportInput, metric: Metric) -> str:
    name, _ = percentile_of(report.spec.slo)
    rate = fmt.plain(report.spec.objective.rate or 0)
    return {"cost": "a million requests", "capacity": "capacity", "latency": f"{name} at {rate} requests/s"}[metric]


def _text(report: ReportInput, metric: Metric, value: float) -> str:
    if metric == "capacity":
        return fmt.rate(value)
    if metric == "latency":
        return fmt.latency(value)
    amount = Decimal(f"{Decimal(f'{value:.6g}'):f}")
    return fmt.amount(Money(amount=amount, currency=report.spec.prices.currency))
