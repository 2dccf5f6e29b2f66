"""When a search stops and why, how far it is, and what mattered."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tuner.search.importance import importance
from tuner.search.objective import Goal
from tuner.search.progress import progress
from tuner.search.record import Entry, Record, Status
from tuner.search.stopping import PATIENCE, Plateau, gain_reason, spent, stop_reason
from tuner.space.assignment import Assignment
from tuner.space.space import Space
from tuner.spec.model import Budget, Objective, Prices, Slo


def entry(number: int, capacity: float | None, status: Status = "completed", **facts: object) -> Entry:
    known: dict[str, object] = {"seconds": 36.0, "cores": 2.0, "hourly": 10.0, "outcome": status}
    if status == "running":
        known = {}
    if capacity is not None:
        known |= {"capacity": capacity, "cost": 1e6 / 360 / capacity}
    record = {"assignment": Assignment({"batch": number}), "origin": "search"} | known | facts
    return Entry(number, status, Record.model_validate(record))


def growing(count: int) -> list[Entry]:
    return [entry(number, 100.0 * 1.1**number) for number in range(count)]


def budget(**limits: object) -> Budget:
    return Budget.model_validate(limits)


def test_nothing_stops_a_search_that_has_just_begun(goal: Goal) -> None:
    assert stop_reason(budget(), goal, [], 0.0) is None


def test_the_budget_of_trials_counts_answers_only(goal: Goal) -> None:
    history = [*growing(2), entry(2, None, "failed"), entry(3, None, "errored", reason="no port")]
    assert stop_reason(budget(trials=4), goal, history, 100.0) is None
    assert stop_reason(budget(trials=3), goal, history, 100.0) == "stopped: the budget of 3 trials is used"


def test_no_trial_is_started_that_the_wall_clock_would_cut_off(goal: Goal) -> None:
    history = growing(2)
    assert stop_reason(budget(wallClock="100s"), goal, history, 60.0) is None
    assert "wall clock" in (stop_reason(budget(wallClock="100s"), goal, history, 70.0) or "")
    assert "wall clock" in (stop_reason(budget(wallClock="100s"), goal, history, 60.0, reserve=10.0) or "")


def test_compute_and_money_are_summed_over_every_trial(goal: Goal) -> None:
    history = [*growing(4), entry(4, None, "errored", reason="no port")]
    used = spent(history, 500.0)
    assert used.core_hours == pytest.approx(5 * 36 * 2 / 3600)
    assert used.money == pytest.approx(5 * 0.1)
    assert "0.1 core-hours" in (stop_reason(budget(computeHours=0.1), goal, history, 200.0) or "")
    assert "0.5 USD" in (stop_reason(budget(money="0.5 USD"), goal, history, 200.0) or "")
    assert stop_reason(budget(money="0.6 USD", computeHours=0.11), goal, history, 200.0) is None


def test_a_trial_that_promises_too_little_is_not_run_and_both_are_told_in_money(goal: Goal) -> None:
    """10 USD an hour are 7,300 a month: 0.4 % of that, against 36 seconds."""
    history = growing(6)
    assert gain_reason(0.006, goal, history) is None
    assert gain_reason(0.004, goal, history[:5]) is None
    reason = gain_reason(0.004, goal, history)
    assert reason == (
        "stopped: another trial is expected to gain 0.4 %: about 29 USD a month for each replica, "
        "where a trial costs 0.1"
    )


def test_a_gain_that_is_worth_less_than_a_trial_is_none(goal: Goal) -> None:
    """A month of a replica is 7,300 USD: 2 % of it are 146, and a trial of 20 hours costs 200."""
    dear = [entry(number, 100.0, seconds=72_000.0) for number in range(6)]
    reason = gain_reason(0.02, goal, dear)
    assert reason is not None
    assert reason.endswith("where a trial costs 2e+02")
    assert gain_reason(0.04, goal, dear) is None


def test_a_sampler_that_knows_nothing_beforehand_has_to_say_so_several_times_in_a_row(goal: Goal) -> None:
    little = [entry(6 + number, 100.0, gain=0.001) for number in range(PATIENCE - 1)]
    history = [*growing(6), *little]
    assert gain_reason(0.001, goal, history, patience=PATIENCE) is not None
    assert gain_reason(0.001, goal, history[:-1], patience=PATIENCE) is None, "one fewer"
    assert gain_reason(0.02, goal, history, patience=PATIENCE) is None, "the last one promises more"
    hoped = [*history[:-1], entry(len(history), 100.0, gain=0.02)]
    assert gain_reason(0.001, goal, hoped, patience=PATIENCE) is None, "one among them promised more"


def test_a_search_that_gains_nothing_stops_and_says_so(goal: Goal) -> None:
    flat = [*growing(3), *[entry(3 + number, 121.5) for number in range(10)]]
    reason = stop_reason(budget(trials=20), goal, flat, 10.0)
    assert reason == "stopped: the last 10 trials gained less than 1 %"
    assert stop_reason(budget(trials=20), goal, flat[:-1], 10.0) is None
    assert stop_reason(budget(trials=20), goal, [*flat[:-1], entry(12, 125.0)], 10.0) is None


def test_failures_gain_nothing_either(goal: Goal) -> None:
    history = [*growing(1), *[entry(1 + number, None, "failed") for number in range(5)]]
    reason = stop_reason(budget(), goal, history, 10.0, plateau=Plateau(trials=5, gain=0.1))
    assert reason == "stopped: the last 5 trials gained less than 10 %"


def test_a_search_without_any_score_yet_goes_on(goal: Goal) -> None:
    history = [entry(number, None, "failed") for number in range(12)]
    assert stop_reason(budget(trials=20), goal, history, 10.0) is None


def test_a_machine_that_runs_nothing_is_seen_to(goal: Goal) -> None:
    history = [*growing(1), *[entry(1 + n, None, "errored", reason="disk full") for n in range(5)]]
    assert "5 trials in a row" in (stop_reason(budget(), goal, history, 10.0) or "")
    assert "disk full" in (stop_reason(budget(), goal, history, 10.0) or "")
    assert stop_reason(budget(), goal, [*history, entry(6, 110.0)], 10.0) is None


def test_progress_names_the_best_and_what_is_left(goal: Goal) -> None:
    history = [
        entry(0, 100.0, origin="baseline"),
        *growing(3)[1:],
        entry(3, None, "failed"),
        entry(4, 90.0),
        entry(5, None, "running"),
    ]
    state = progress(budget(trials=10), goal, history, 200.0)
    assert state.best is not None
    assert state.best.number == 2
    assert state.best.advantage == pytest.approx(1.21)
    assert (state.completed, state.failed, state.spoiled, state.left) == (4, 1, 0, 5)
    assert state.seconds_left == pytest.approx(5 * 36)
    short = progress(budget(trials=10, wallClock="250s"), goal, history, 190.0, reserve=30.0, size=6)
    assert (short.total, short.left) == (6, 1)
    assert short.seconds_left == pytest.approx(30), "the wall clock, less what is kept for the confirmation"


def test_progress_of_nothing(goal: Goal) -> None:
    state = progress(budget(), goal, [], 0.0)
    assert state.best is None
    assert state.seconds_left is None


@hypothesis_settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(1, 10**6).map(float)), max_size=30))
def test_the_best_is_the_best_of_those_that_count(capacities: list[float | None]) -> None:
    history = [entry(n, c, "completed" if c else "failed") for n, c in enumerate(capacities)]
    goal = _goal()
    best = progress(budget(), goal, history, 0.0).best
    known = [capacity for capacity in capacities if capacity is not None]
    assert (best is None) == (not known)
    if best is not None:
        assert best.metrics.capacity == max(known)


def _goal() -> Goal:
    slo = Slo.model_validate({"latency": {"p99": "50ms"}})
    return Goal(Objective.model_validate({}), slo, Prices.model_validate({"cpu": "1 USD", "memory": "0 USD"}))


def history_over(space: Space, count: int, capacity: Callable[[Assignment], float]) -> list[Entry]:
    points = list(space.feasible())
    chosen = points[:: max(len(points) // count, 1)][:count]
    return [entry(number, capacity(point), assignment=point) for number, point in enumerate(chosen)]


def test_the_parameter_that_decides_is_the_important_one(small: Space, goal: Goal) -> None:
    found = importance(history_over(small, 9, lambda a: 100.0 * int(a["batch"])), small, goal)
    assert found.method == "fANOVA"
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert found.shares["batch"] > 0.8


def test_conditional_parameters_have_a_share_too(wide: Space, goal: Goal) -> None:
    def capacity(assignment: Assignment) -> float:
        return 100.0 * (2 if assignment["batching"] else 1) * (1 + float(assignment.get("delay", 0.0)))

    found = importance(history_over(wide, 200, capacity), wide, goal)
    assert found.method == "PED-ANOVA"
    assert set(found.shares) == {parameter.name for parameter in wide.parameters}
    assert found.shares["delay"] + found.shares["batching"] > 0.5


def test_too_few_trials_say_nothing(small: Space, goal: Goal) -> None:
    found = importance(history_over(small, 4, lambda a: float(a["batch"])), small, goal)
    assert found.shares == {}
    assert found.reason == "too few trials: 4 were completed, 8 are needed"


def test_trials_that_are_all_alike_say_nothing(small: Space, goal: Goal) -> None:
    found = importance(history_over(small, 9, lambda a: 100.0), small, goal)
    assert found.shares == {}
    assert "within 1 %" in found.reason
