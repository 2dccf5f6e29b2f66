"""From which capacity on a configuration matters, for every goal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.campaign.confirming import CANDIDATES
from tuner.search.objective import Goal, Metrics, cost_per_million
from tuner.search.record import Entry, Record
from tuner.search.threshold import NEAR, RIVALS, least_capacity
from tuner.spec.model import Objective, Prices, Slo

SLO = Slo.model_validate({"latency": {"p99": "50ms"}})
PRICES = Prices.model_validate({"cpu": "1 USD", "memory": "0 USD"})
Known = tuple[float, float]
KNOWN = st.lists(st.tuples(st.floats(1.0, 1e4), st.floats(0.01, 100.0)), min_size=RIVALS, max_size=6)
FREE_OF_LATENCY = [
    {"goal": "minimize-cost"},
    {"goal": "maximize-capacity"},
    {"goal": "weighted", "weights": {"cost": 1.0, "capacity": 3.0}},
]


def goal(section: dict[str, object]) -> Goal:
    return Goal(Objective.model_validate(section), SLO, PRICES)


def metrics(capacity: float, hourly: float) -> Metrics:
    return Metrics(capacity=capacity, hourly=hourly, cost=cost_per_million(hourly, capacity))


def entry(number: int, capacity: float, hourly: float, *, low: float | None = None, cut: str | None = None) -> Entry:
    record = Record.model_validate(
        {
            "assignment": {"n": number},
            "origin": "search",
            "outcome": "completed",
            "capacity": capacity,
            "capacity_low": capacity if low is None else low,
            "capacity_high": capacity,
            "hourly": hourly,
            "cost": cost_per_million(hourly, capacity),
            "cut": cut,
        }
    )
    return Entry(number, "completed", record)


def history(known: list[Known]) -> list[Entry]:
    return [entry(number, capacity, hourly) for number, (capacity, hourly) in enumerate(known)]


@pytest.mark.parametrize("section", FREE_OF_LATENCY)
@settings(deadline=None, max_examples=30)
@given(known=KNOWN, hourly=st.floats(0.01, 100.0))
def test_it_is_what_brings_a_configuration_near_the_best(
    section: dict[str, object], known: list[Known], hourly: float
) -> None:
    wanted = goal(section)
    least = least_capacity(wanted, hourly, history(known))
    assert least is not None
    rival = sorted((wanted.merit(metrics(*each)) for each in known), reverse=True)[RIVALS - 1]
    assert wanted.merit(metrics(least / NEAR, hourly)) == pytest.approx(rival)


@settings(deadline=None, max_examples=50)
@given(known=KNOWN, hourly=st.floats(0.01, 100.0), below=st.floats(0.1, 0.999))
def test_below_it_a_known_point_is_better_in_both_for_a_pareto_set(
    known: list[Known], hourly: float, below: float
) -> None:
    least = least_capacity(goal({"goal": "pareto", "of": ["cost", "capacity"]}), hourly, history(known))
    assert least is not None
    capacity = below * least
    cost = cost_per_million(hourly, capacity)
    better = sum(other > capacity and cost_per_million(price, other) < cost for other, price in known)
    assert better >= RIVALS


@settings(deadline=None, max_examples=50)
@given(known=KNOWN, hourly=st.floats(0.01, 100.0))
def test_above_it_no_known_point_is_clearly_better_in_both(known: list[Known], hourly: float) -> None:
    least = least_capacity(goal({"goal": "pareto", "of": ["cost", "capacity"]}), hourly, history(known))
    assert least is not None
    capacity = 1.001 * least
    cost = cost_per_million(hourly, capacity)
    better = sum(
        NEAR * other > capacity and cost_per_million(price, NEAR * other) < cost * (1 - 1e-9) for other, price in known
    )
    assert better < RIVALS


@pytest.mark.parametrize(
    "section",
    [
        {"goal": "minimize-latency", "rate": "100/s"},
        {"goal": "pareto", "of": ["cost", "latency"], "rate": "100/s"},
        {"goal": "weighted", "weights": {"latency": 1.0, "cost": 1.0}, "rate": "100/s"},
    ],
)
def test_where_latency_counts_only_the_stated_rate_has_to_be_borne(section: dict[str, object]) -> None:
    assert least_capacity(goal(section), 1.0, history([(1000.0, 1.0)])) == 100.0


@pytest.mark.parametrize("section", [*FREE_OF_LATENCY, {"goal": "pareto", "of": ["cost", "capacity"]}])
def test_while_little_is_known_everything_matters(section: dict[str, object]) -> None:
    assert least_capacity(goal(section), 1.0, []) is None
    assert least_capacity(goal(section), 1.0, history([(100.0, 1.0)] * (RIVALS - 1))) is None
    cut = [entry(number, 500.0, 1.0, cut="at most 500") for number in range(RIVALS)]
    assert least_capacity(goal(section), 1.0, cut) is None


def test_whatever_may_be_confirmed_is_measured() -> None:
    """So many candidates may be confirmed, where policies deny the better ones."""
    assert RIVALS == CANDIDATES


@settings(deadline=None, max_examples=60)
@given(
    known=KNOWN,
    hourly=st.floats(0.01, 100.0),
    share=st.floats(0.2, 0.999),
    counts=st.sampled_from([(), (1, 2, 3), (2, 4, 8)]),
)
def test_with_bands_what_bears_less_costs_more_in_every_band(
    known: list[Known], hourly: float, share: float, counts: tuple[int, ...]
) -> None:
    objective = Objective.model_validate({"goal": "minimize-cost", "bands": ["50/s", "700/s", "9000/s"]})
    wanted = Goal(objective, SLO, PRICES, counts=counts)
    assert wanted.bands is not None
    least = least_capacity(wanted, hourly, history(known))
    if least is None:
        return
    poor = metrics(share * least, hourly)
    for rate in wanted.bands.ends:
        bills = [wanted.bill(metrics(*each), rate) for each in known if wanted.serves(metrics(*each), rate)]
        assert len(bills) >= RIVALS, "where few are known to bear a band, nothing is cut short"
        assert wanted.bill(poor, rate) > sorted(bills)[RIVALS - 1] or not wanted.serves(poor, rate)


def test_luck_in_measuring_the_best_cuts_nothing_short(goal_of: Callable[..., Goal]) -> None:
    """The lower end of its interval is what counts."""
    known = [entry(number, 200.0, 1.0, low=100.0) for number in range(RIVALS)]
    assert least_capacity(goal_of(goal="maximize-capacity"), 1.0, known) == pytest.approx(NEAR * 100)


def test_what_costs_nothing_can_be_compared() -> None:
    assert least_capacity(goal({"goal": "minimize-cost"}), 0.0, history([(100.0, 0.0)] * RIVALS)) == pytest.approx(
        NEAR * 100
    )
