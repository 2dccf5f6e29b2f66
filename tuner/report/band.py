"""One configuration for each band of arrival rates, as rows of a table and as the places where the winner changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tuner.measurement.model import Interval
from tuner.recommendation.bands import STANDINGS, Band, differing, stretch_words, stretches_of
from tuner.report import format as fmt
from tuner.report.decision import trial_of
from tuner.report.gain import Datum
from tuner.report.model import ReportInput
from tuner.report.source import trial_source
from tuner.spec.model import Scalar
from tuner.spec.quantity import Money

__all__ = ["BandRow", "band_rows", "band_words"]

_NONE = "–"


@dataclass(frozen=True, slots=True)
class BandRow:
    """One band. ``settings`` are those that differ from the baseline; empty where it is the best, or nothing serves."""

    rates: str
    today: bool
    name: str
    settings: str
    replicas: Datum | None
    bill: Datum | None
    capacity: Datum | None
    baseline: str
    sure: str
    reason: str
    source: str


def band_rows(report: ReportInput) -> tuple[BandRow, ...]:
    """One row a band, in order; none where the spec has no bands."""
    baseline = _baseline(report)
    return tuple(_row(report, band, baseline) for band in report.bands)


def band_words(report: ReportInput) -> str:
    """Which configuration serves which rates, adjacent bands with one winner together; empty without bands."""
    if not report.bands:
        return ""
    baseline = _baseline(report)
    phrases = [stretch_words(stretch, baseline) for stretch in stretches_of(report.bands)]
    if len(phrases) == 1:
        return f"One configuration serves every band. {_capital(phrases[0])}."
    changes = len(phrases) - 1
    return f"The winner changes {'once' if changes == 1 else f'{changes} times'}. {_capital('; '.join(phrases))}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _baseline(report: ReportInput) -> Mapping[str, Scalar] | None:
    trial = trial_of(report, report.baseline)
    return None if trial is None else trial.assignment


def _row(report: ReportInput, band: Band, baseline: Mapping[str, Scalar] | None) -> BandRow:
    name = {"none": _NONE, "baseline": "baseline"}.get(band.standing, f"trial {band.trial}")
    own = band.assignment is not None and band.standing != "baseline"
    return BandRow(
        rates=f"up to {fmt.plain(band.up_to)}"
        if band.above == 0
        else f"{fmt.plain(band.above)} to {fmt.plain(band.up_to)}",
        today=band.today,
        name=name,
        settings=differing(band.assignment, baseline) if own and band.assignment is not None else "",
        replicas=None if band.replicas is None else Datum(f"{band.replicas:,}", float(band.replicas)),
        bill=_bill(report, band.bill),
        capacity=None if band.capacity is None else Datum(fmt.spread(band.capacity), band.capacity.low),
        baseline=_paid(report, band.baseline_replicas, band.baseline_bill),
        sure=STANDINGS[band.standing],
        reason=band.reason,
        source="" if band.trial is None else trial_source(report, band.trial),
    )


def _bill(report: ReportInput, bill: Interval | None) -> Datum | None:
    if bill is None:
        return None
    least = f" (at least {_amount(report, bill.low)})" if bill.low < bill.value else ""
    return Datum(f"{_amount(report, bill.value)}{least}", bill.value)


def _paid(report: ReportInput, replicas: int | None, bill: float | None) -> str:
    if replicas is None or bill is None:
        return _NONE
    return f"{replicas:,} for {_amount(report, bill)}"


def _amount(report: ReportInput, value: float) -> str:
    amount = Decimal(f"{Decimal(f'{value:.6g}'):f}")
    return fmt.amount(Money(amount=amount, currency=report.spec.prices.currency))
