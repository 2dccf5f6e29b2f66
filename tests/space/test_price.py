from __future__ import annotations

from decimal import Decimal

import pytest

from tuner.errors import UserError
from tuner.space.price import hourly_cost
from tuner.spec.model import Prices

_PRICES = Prices.model_validate({"cpu": "0.03 USD", "memory": "0.004 USD", "gpu": {"nvidia.com/gpu": "2.5 USD"}})


def test_an_hour_costs_what_each_resource_costs() -> None:
    cost = hourly_cost(_PRICES, 1.5, 3 * 2**29, {"nvidia.com/gpu": 2})
    assert (cost.amount, cost.currency) == (Decimal("5.0510"), "USD")
    assert hourly_cost(_PRICES, 1.5, 3 * 2**29, {"nvidia.com/gpu": 2}, replicas=3).amount == 3 * cost.amount


def test_what_is_not_used_needs_no_price() -> None:
    assert hourly_cost(_PRICES, 1, 0, {"nvidia.com/mig-1g.10gb": 0}).amount == Decimal("0.03")


def test_a_resource_without_a_price_or_a_limit_is_a_mistake() -> None:
    with pytest.raises(UserError) as caught:
        hourly_cost(_PRICES, None, None, {"nvidia.com/mig-1g.10gb": 1})
    assert [problem.what for problem in caught.value.problems] == [
        "the container has no CPU limit, so that its cost is not known",
        "the container has no memory limit, so that its cost is not known",
        "nvidia.com/mig-1g.10gb has no price",
    ]
