"""What a trial costs counts where the budget of a search is time or money, and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from tests.search.surfaces import AIM, ALL, SERVICES, SPACE, START, Imaginary, parameter
from tuner.experience.model import Earlier, Reading, Tried
from tuner.search.effort import Effort, best_for_its_price, effort_of
from tuner.search.learner import Learner
from tuner.search.record import Entry, Record
from tuner.space.assignment import Assignment
from tuner.space.space import Space
from tuner.spec.model import Budget


def entry(number: int, seconds: float, hourly: float = 0.0) -> Entry:
    facts = {"outcome": "failed", "overshoot": 0.5, "seconds": seconds, "hourly": hourly}
    record = Record.model_validate({"assignment": {"n": number}, "origin": "search", **facts})
    return Entry(number, "failed", record)


def test_while_the_trials_fit_into_the_time_each_counts_as_one() -> None:
    budget = Budget.model_validate({"trials": 10, "wallClock": "1000s"})
    history = [entry(0, 90.0), entry(1, 100.0)]
    assert effort_of(budget, history, 190.0) is None, "eight more of 100 s fit into 810 s"
    assert effort_of(budget, [], 0.0) is None, "nothing is known of how long a trial takes"


def test_where_the_time_ends_before_the_trials_do_time_is_what_is_paid() -> None:
    budget = Budget.model_validate({"trials": 10, "wallClock": "1000s"})
    history = [entry(0, 150.0), entry(1, 150.0)]
    assert effort_of(budget, history, 300.0) == Effort(paid=False, left=0.7)
    assert effort_of(budget, history, 300.0, reserve=200.0) == Effort(paid=False, left=0.625)
    assert effort_of(budget, history, 2000.0) == Effort(paid=False, left=0.0)


def test_where_the_budget_names_money_that_is_what_is_paid() -> None:
    budget = Budget.model_validate({"trials": 10, "wallClock": "1000s", "money": "4 USD"})
    assert effort_of(budget, [entry(0, 1800.0, hourly=2.0)], 1800.0) == Effort(paid=True, left=0.75)


NEW = (Imaginary("new", 0.007, 0.0013), Imaginary("slow", 0.020, 0.0022), Imaginary("light", 0.005, 0.0002))
Floats = npt.NDArray[np.float64]
LOGS: st.SearchStrategy[Floats] = st.lists(st.tuples(*[st.floats(-5.0, 5.0)] * 3), min_size=1, max_size=30).map(
    np.array
)


@given(LOGS, st.booleans(), st.floats(0.0, 1.0))
def test_what_is_chosen_for_its_price_brings_at_least_a_quarter_of_the_most(
    rows: Floats, paid: bool, left: float
) -> None:
    worth, seconds, hourly = rows.T
    place = best_for_its_price(Effort(paid=paid, left=left), worth, seconds, hourly)
    price = left * (seconds + hourly if paid else seconds)
    assert worth[place] >= worth.max() - math.log(4) - 1e-12
    assert worth[place] - price[place] >= worth.max() - price[int(np.argmax(worth))] - 1e-12


@given(LOGS)
def test_in_the_end_of_a_budget_prices_do_not_count_any_more(rows: Floats) -> None:
    worth, seconds, hourly = rows.T
    assert worth[best_for_its_price(Effort(paid=True, left=0.0), worth, seconds, hourly)] == worth.max()


def test_money_is_time_at_the_hourly_price() -> None:
    worth, seconds, hourly = np.zeros(2), np.log([60.0, 120.0]), np.log([3.0, 1.0])
    assert best_for_its_price(Effort(paid=False), worth, seconds, hourly) == 0
    assert best_for_its_price(Effort(paid=True), worth, seconds, hourly) == 1


BUILT = Space((*SPACE.parameters, parameter("build", ("ready", "compiled"), kind="categorical")), ())
"""The space with a way to build the model that takes ten minutes, and brings nothing."""
BEGIN = Assignment({**START, "build": "ready"})


def slow_start(assignment: Assignment) -> float:
    """Seconds of a trial."""
    return 600.0 if assignment["build"] == "compiled" else 30.0


def timed(tried: Tried) -> Tried:
    seconds = Reading(metric="seconds", value=slow_start(tried.assignment), error=0.1)
    return tried.model_copy(update={"readings": (*tried.readings, seconds)})


def remembered(service: Imaginary, teller: Callable[[Tried], Tried] = lambda tried: tried) -> Earlier:
    """What a service of the past taught, of 60 of its configurations."""
    every = tuple(Assignment({**one, "build": way}) for one in ALL[::7] for way in ("ready", "compiled"))
    earlier = service.earlier(every)
    return earlier.model_copy(update={"trials": tuple(teller(one) for one in earlier.trials)})


def searched(learner: Learner, service: Imaginary, count: int, effort: Effort | None) -> list[Assignment]:
    tried = [timed(service.tried(BEGIN))]
    for _ in range(count):
        choice = learner.choose(tried, effort=effort)
        assert choice is not None
        tried.append(timed(service.tried(choice.assignment)))
    return [one.assignment for one in tried]


def best_of(service: Imaginary, assignments: Sequence[Assignment]) -> float:
    return max(service.merit(one) for one in assignments)


def test_where_time_is_short_the_same_is_found_in_less_of_it() -> None:
    spent = dict.fromkeys((False, True), 0.0)
    for service in NEW:
        learner = Learner(BUILT, AIM)
        for short in spent:
            found = searched(learner, service, 14, Effort(paid=False) if short else None)
            spent[short] += sum(slow_start(one) for one in found)
            assert best_of(service, found) >= service.best + math.log(0.95)
    assert spent[True] < 0.8 * spent[False]


def test_experience_tells_beforehand_what_takes_long() -> None:
    """Before a single trial told its own time; of two that promise about as much the quick one is tried."""
    learner = Learner(BUILT, AIM, [remembered(service, timed) for service in SERVICES])
    tried = [NEW[0].tried(BEGIN)]
    for _ in range(3):
        choice = learner.choose(tried, effort=Effort(paid=False))
        assert choice is not None
        assert slow_start(choice.assignment) == 30.0
        tried.append(NEW[0].tried(choice.assignment))
    assert best_of(NEW[0], [one.assignment for one in tried]) >= NEW[0].best + math.log(0.95)


def test_a_budget_of_trials_does_not_look_at_how_long_they_take() -> None:
    """To the last trial, whatever is known of durations."""
    knows = Learner(BUILT, AIM, [remembered(service, timed) for service in SERVICES])
    does_not = Learner(BUILT, AIM, [remembered(service) for service in SERVICES])
    tried = [NEW[0].tried(BEGIN)]
    for _ in range(6):
        choice = does_not.choose(tried)
        assert choice == knows.choose([timed(one) for one in tried])
        assert choice is not None
        assert choice.most == choice.gain
        tried.append(NEW[0].tried(choice.assignment))


def test_as_long_as_nothing_tells_of_time_all_trials_cost_the_same() -> None:
    learner = Learner(BUILT, AIM, [remembered(service) for service in SERVICES])
    tried = [NEW[0].tried(BEGIN)]
    assert learner.choose(tried) == learner.choose(tried, effort=Effort(paid=False))


def test_a_cheap_trial_that_promises_little_does_not_hide_what_there_is_to_gain() -> None:
    """A search ends by what the best proposal promises, not by what the cheapest does."""
    learner = Learner(BUILT, AIM, [remembered(service) for service in SERVICES])
    tried = [timed(NEW[0].tried(one)) for one in (BEGIN, *(Assignment({**one, "build": "ready"}) for one in ALL[:2]))]
    free, short = learner.choose(tried), learner.choose(tried, effort=Effort(paid=False))
    assert free is not None
    assert short is not None
    assert short.most == free.gain
