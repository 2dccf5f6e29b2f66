"""Money before and after: what follows from a side's capacities at the spec's prices."""

from __future__ import annotations

from decimal import Decimal

from tuner.recommendation.model import Comparison, Side
from tuner.report import format as fmt
from tuner.report.decision import Decision
from tuner.spec.quantity import Money

__all__ = ["monthly_words", "per_million_range"]


def per_million_range(side: Side) -> tuple[Money, Money] | None:
    """Cost of a million requests at the highest and at the lowest capacity that a block measured.

    Hourly price / (capacity · 3600 s) · 10⁶. ``None`` without a cost or without a block that met the SLO. The stated
    cost itself is always within.
    """
    cost, capacities = side.cost, [capacity for capacity in side.capacities if capacity > 0]
    if cost.per_million is None or not capacities:
        return None
    ends = [cost.hourly.amount * 10**6 / (Decimal(capacity) * 3600) for capacity in (max(capacities), min(capacities))]
    low, high = min(ends[0], cost.per_million.amount), max(ends[1], cost.per_million.amount)
    currency = cost.per_million.currency
    return Money(amount=low, currency=currency), Money(amount=high, currency=currency)


def monthly_words(comparison: Comparison, decision: Decision) -> str:
    """What the change does, or would do, to the monthly bill; or why that cannot be said."""
    before, after = comparison.baseline.cost.monthly, comparison.candidate.cost.monthly
    if before is None or after is None:
        return "The spec does not state the expected traffic (load.expected), so there is no monthly cost."
    start = {
        Decision.PROPOSE: "A month costs",
        Decision.KEEP: "Taken at face value, a month would cost",
        Decision.DENIED: "With the denied configuration, a month would cost",
    }[decision]
    difference = after.amount - before.amount
    if difference == 0:
        return f"{start} the same, {fmt.amount(after)}: {_traffic(comparison)} needs as much as before."
    change = Money(amount=abs(difference), currency=after.currency)
    share = f" ({abs(difference) / before.amount * 100:.0f} %)" if before.amount else ""
    at = f" for {_traffic(comparison)}" if comparison.rate is not None else ""
    return f"{start} {fmt.amount(change)}{share} {'less' if difference < 0 else 'more'}{at}."


def _traffic(comparison: Comparison) -> str:
    rate = comparison.rate
    return "the expected traffic" if rate is None else f"traffic of up to {fmt.plain(rate)} requests/s"
