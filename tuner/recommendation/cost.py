"""What a side costs: an hour, a million requests, a month."""

from __future__ import annotations

from decimal import Decimal

from tuner.engine.workload import Resources
from tuner.measurement.model import Interval
from tuner.recommendation.model import Cost
from tuner.search.fleet import replicas_of
from tuner.search.objective import cost_per_million
from tuner.space.price import hourly_cost
from tuner.spec.model import Prices
from tuner.spec.quantity import Money

__all__ = ["HOURS_A_MONTH", "cost_of", "replicas_for"]

HOURS_A_MONTH = 730


def replicas_for(expected: float, capacity: Interval, counts: tuple[int, ...] = ()) -> int:
    """Replicas that bear ``expected`` requests per second when each bears only the lower end of its capacity.

    Of ``counts``, ascending, where only these are allowed.
    """
    return replicas_of(expected, capacity.low if capacity.low > 0 else capacity.value, counts)


def cost_of(
    capacity: Interval, resources: Resources, prices: Prices, expected: float | None, counts: tuple[int, ...] = ()
) -> Cost:
    """The cost of one side. ``expected`` is the traffic in production in requests per second, where it is known.

    ``counts``: the numbers of replicas that are allowed, any where there are none.
    UserError where a resource has no limit or no price.
    """
    hourly = hourly_cost(prices, resources.cpu, resources.memory, resources.gpus)
    per_million = _money(cost_per_million(float(hourly.amount), capacity.value), hourly.currency)
    if expected is None:
        return Cost(hourly=hourly, per_million=per_million)
    replicas = replicas_for(expected, capacity, counts)
    monthly = Money(
        amount=(hourly.amount * replicas * HOURS_A_MONTH).quantize(Decimal("0.01")), currency=hourly.currency
    )
    return Cost(hourly=hourly, per_million=per_million, replicas=replicas, monthly=monthly)


def _money(amount: float, currency: str) -> Money:
    """Six significant digits, written out."""
    return Money(amount=Decimal(f"{Decimal(f'{amount:.6g}'):f}"), currency=currency)
