"""What an hour of a configuration costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from tuner.errors import Problem, UserError
from tuner.spec.model import Prices
from tuner.spec.quantity import Money

__all__ = ["hourly_cost"]

_GIB = Decimal(2**30)


def hourly_cost(
    prices: Prices, cores: float | None, memory: int | None, gpus: Mapping[str, int], *, replicas: int = 1
) -> Money:
    """Money for an hour of ``replicas`` times ``cores`` CPU cores, ``memory`` bytes and ``gpus`` by resource.

    UserError where a GPU resource has no price, or where ``cores`` or ``memory`` is ``None``: a container without a
    limit can use the whole machine, so that no cost can be stated.
    """
    problems = tuple(_unknown(prices, cores, memory, gpus))
    if problems or cores is None or memory is None:
        raise UserError(problems)
    one = (
        prices.cpu.amount * Decimal(repr(float(cores)))
        + prices.memory.amount * Decimal(memory) / _GIB
        + sum((prices.gpu[name].amount * count for name, count in sorted(gpus.items()) if count), Decimal(0))
    )
    return Money(amount=one * replicas, currency=prices.currency)


def _unknown(prices: Prices, cores: float | None, memory: int | None, gpus: Mapping[str, int]) -> Iterator[Problem]:
    for name, amount in (("CPU", cores), ("memory", memory)):
        if amount is None:
            what = f"the container has no {name} limit, so that its cost is not known"
            yield Problem(what, f"set resources.limits.{name.lower()} in the manifest")
    for name, count in sorted(gpus.items()):
        if count and name not in prices.gpu:
            yield Problem(f"{name} has no price", f"add prices.gpu: {{{name}: <price of one for an hour>}} to the spec")
