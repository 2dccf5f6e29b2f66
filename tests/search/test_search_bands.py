"""A goal with bands of arrival rates: its merits, what a study records, and when a search for all of them stops."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tuner.errors import UserError
from tuner.search.aiming import aim_of
from tuner.search.bands import Bands
from tuner.search.objective import Goal, Metrics
from tuner.search.proposal import Chooser
from tuner.search.record import Entry, Record
from tuner.search.sampler import check_sampler
from tuner.search.stopping import Plateau, gain_reason, stop_reason
from tuner.space.assignment import Assignment
from tuner.space.space import Space
from tuner.spec.model import Budget, Objective, Prices, Slo
from tuner.spec.model import Search as Settings

BUDGET = Budget.model_validate({"trials": 50, "wallClock": "10h"})


def goal_for(expected: float = 300.0, counts: Sequence[int] = ()) -> Goal:
    return Goal(
        Objective.model_validate({"bands": ["100/s", "400/s", "1600/s"]}),
        Slo.model_validate({"latency": {"p99": "50ms"}}),
        Prices.model_validate({"cpu": "1 USD", "memory": "0 USD"}),
        expected=expected,
        counts=counts,
    )


def metrics(capacity: float, hourly: float, certified: float | None = None) -> Metrics:
    return Metrics(capacity=capacity, hourly=hourly, cost=hourly / capacity, certified=certified)


def entry(number: int, capacity: float, hourly: float = 1.0) -> Entry:
    facts = {"capacity": capacity, "hourly": hourly, "cost": hourly / capacity, "seconds": 36.0, "cores": 1.0}
    known = {"assignment": Assignment({"batch": number}), "origin": "search", "outcome": "completed", **facts}
    return Entry(number, "completed", Record.model_validate(known))


@pytest.mark.parametrize(("expected", "place"), [(1.0, 0), (100.0, 0), (100.5, 1), (400.0, 1), (1600.0, 2)])
def test_today_is_the_band_that_holds_the_traffic(expected: float, place: int) -> None:
    bands = goal_for(expected).bands
    assert bands is not None
    assert bands.today == place
    assert [bands.above(number) for number in range(3)] == [0.0, 100.0, 400.0]
    assert Bands.of(Objective.model_validate({}), expected) is None


def test_a_study_records_the_money_for_each_band() -> None:
    goal = goal_for()
    assert goal.names == tuple(f"hourly up to {rate} requests/s" for rate in (100, 400, 1600))
    assert set(goal.directions) == {"minimize"}
    assert goal.values(metrics(150.0, 2.0), None) == (2.0, 6.0, 22.0)
    assert goal.merits(metrics(150.0, 2.0)) == pytest.approx((1 / 2, 1 / 6, 1 / 22))
    assert goal.merit(metrics(150.0, 2.0)) == pytest.approx(1 / 6)
    assert goal.values(metrics(150.0, 2.0, certified=130.0), None) == (2.0, 8.0, 26.0)
    assert goal.advantage(metrics(450.0, 3.0), metrics(150.0, 2.0)) == pytest.approx(2.0)


def test_what_takes_more_replicas_than_allowed_does_not_serve() -> None:
    goal = goal_for(counts=(1, 2, 4))
    assert goal.serves(metrics(150.0, 1.0), 400.0)
    assert goal.bill(metrics(150.0, 1.0), 400.0) == 4.0
    assert not goal.serves(metrics(150.0, 1.0), 1600.0)


def test_every_band_is_an_objective_that_counts_whole_replicas() -> None:
    aim = aim_of(goal_for(), lambda _: 2.0, precision=0.1)
    assert aim.apart
    assert [one.demand.rate if one.demand else None for one in aim.objectives] == [100.0, 400.0, 1600.0]
    assert aim.metrics == ("capacity",)


def test_a_search_goes_on_while_any_band_gains() -> None:
    """Six trials gain nothing today; the highest band takes one replica less with the last of them."""
    goal, flat = goal_for(50.0), [entry(number, 150.0) for number in range(4)]
    still = [*flat, *(entry(4 + number, 155.0) for number in range(5))]
    assert stop_reason(BUDGET, goal, [*still, entry(9, 156.0)], 0.0, plateau=Plateau(trials=6)) is not None
    assert stop_reason(BUDGET, goal, [*still, entry(9, 540.0)], 0.0, plateau=Plateau(trials=6)) is None


def test_what_a_gain_is_worth_is_told_for_all_replicas() -> None:
    reason = gain_reason(0.001, goal_for(), [entry(number, 150.0) for number in range(8)])
    assert reason is not None
    assert "a month for all replicas of today's band" in reason
    # Three replicas of 1 USD an hour for 730 hours, of which 0.1 %.
    assert "about 2.2 USD" in reason


def test_a_sampler_of_one_value_is_refused_for_bands() -> None:
    with pytest.raises(UserError, match="bands"):
        check_sampler(Settings.model_validate({"sampler": "cmaes"}), objectives=3, finite=True)


@pytest.mark.parametrize("sampler", ["tuner", "tpe", "nsga2", "random", "grid", "qmc"])
def test_any_other_sampler_searches_for_all_bands(small: Space, sampler: str) -> None:
    goal = goal_for()
    chooser = Chooser(small, Settings.model_validate({"sampler": sampler, "seed": 1}), goal, budget=12)
    history: list[Entry] = []
    for number in range(9):
        choice = chooser.choose(history, None)
        assert choice is not None
        batch, instances = (float(choice.assignment[name]) for name in ("batch", "instances"))
        made = entry(number, 60.0 * batch**0.6 * instances**0.9, instances)
        record = made.record.model_copy(update={"assignment": choice.assignment})
        history.append(Entry(number, "completed", record))
    assert len({one.assignment for one in history}) == 9, "all that the space holds, none twice"
