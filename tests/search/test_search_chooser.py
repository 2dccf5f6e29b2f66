"""What is tried next: new, allowed, repeatable, and away from what failed."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tuner.search.encoding import Axis, axes_of
from tuner.search.objective import Goal
from tuner.search.pool import Pool
from tuner.search.proposal import Chooser
from tuner.search.record import Entry, Record
from tuner.space.assignment import Assignment
from tuner.space.parameter import Domain, Parameter
from tuner.space.space import Space
from tuner.spec.model import Search as Settings
from tuner.spec.model import Target
from tuner.trial.outcome import Completed, Outcome

Outcomes = Callable[[Assignment], Outcome]
Capacity = Callable[[Assignment], float | None]
SAMPLERS = ("tuner", "tpe", "random", "grid", "nsga2", "cmaes", "qmc")


def searched(
    space: Space, goal: Goal, capacity: Capacity, trials: int, *, sampler: str = "tpe", seed: int = 3, budget: int = 20
) -> list[Entry]:
    """A whole search in memory, the default configuration first; no capacity means that it failed."""
    chooser = Chooser(space, Settings.model_validate({"sampler": sampler, "seed": seed}), goal, budget)
    history: list[Entry] = []
    for number in range(trials):
        choice = chooser.choose(history, history[0].metrics) if history else None
        if history and choice is None:
            break
        assignment = space.defaults() if choice is None else choice.assignment
        record = Record(assignment=assignment, origin="baseline" if choice is None else choice.origin)
        history.append(ran(number, record, capacity(assignment)))
    return history


def ran(number: int, record: Record, capacity: float | None) -> Entry:
    if capacity is None:
        return Entry(number, "failed", record.model_copy(update={"outcome": "failed", "overshoot": 1.0}))
    facts = {"outcome": "completed", "capacity": capacity, "hourly": 1.0, "cost": 1e6 / 3600 / capacity}
    return Entry(number, "completed", record.model_copy(update=facts))


@pytest.fixture
def capacity(completed: Outcomes) -> Capacity:
    def of(assignment: Assignment) -> float | None:
        outcome = completed(assignment)
        assert isinstance(outcome, Completed)
        assert outcome.measurement.capacity is not None
        return outcome.measurement.capacity.rate.value

    return of


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_proposes_new_allowed_configurations(
    wide: Space, goal: Goal, capacity: Capacity, sampler: str
) -> None:
    seen = [entry.assignment for entry in searched(wide, goal, capacity, 24, sampler=sampler)]
    assert len(set(seen)) == 24
    assert all(wide.contains(assignment) for assignment in seen)


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "grid"])
def test_endless_spaces_are_searched_too(endless: Space, goal: Goal, capacity: Capacity, sampler: str) -> None:
    seen = [entry.assignment for entry in searched(endless, goal, capacity, 16, sampler=sampler)]
    assert len(set(seen)) == 16
    assert all(endless.contains(assignment) for assignment in seen)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_small_space_is_tried_whole_and_once(small: Space, goal: Goal, capacity: Capacity, sampler: str) -> None:
    seen = [entry.assignment for entry in searched(small, goal, capacity, 50, sampler=sampler)]
    assert sorted(map(str, seen)) == sorted(map(str, small.feasible()))


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "cmaes"])
@pytest.mark.parametrize(
    "section",
    [{"goal": "pareto", "of": ("cost", "capacity")}, {"goal": "weighted", "weights": {"cost": 1.0, "capacity": 2.0}}],
)
def test_every_goal_is_searched(
    wide: Space, goal_of: Callable[..., Goal], capacity: Capacity, sampler: str, section: dict[str, object]
) -> None:
    seen = [entry.assignment for entry in searched(wide, goal_of(**section), capacity, 12, sampler=sampler)]
    assert len(set(seen)) == 12


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_same_seed_searches_the_same_way(small: Space, goal: Goal, capacity: Capacity, sampler: str) -> None:
    assert searched(small, goal, capacity, 9, sampler=sampler) == searched(small, goal, capacity, 9, sampler=sampler)


def test_the_seed_decides_the_order_of_a_grid(small: Space, goal: Goal, capacity: Capacity) -> None:
    """In the order of the space a drift of the machine would look like a parameter's effect."""
    listed = [str(assignment) for assignment in small.feasible()]
    orders = [
        [str(entry.assignment) for entry in searched(small, goal, capacity, 50, sampler="grid", seed=seed)]
        for seed in range(4)
    ]
    assert all(sorted(order) == sorted(listed) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert listed not in orders


def test_failures_teach_the_sampler_to_look_elsewhere(wide: Space, goal: Goal, capacity: Capacity) -> None:
    """Only one of five instance counts does not crash: four of five blind proposals would."""

    def crashing(assignment: Assignment) -> float | None:
        return None if int(assignment["instances"]) > 1 else capacity(assignment)

    def failing(sampler: str, seeds: int) -> float:
        runs = [searched(wide, goal, crashing, 24, sampler=sampler, seed=seed, budget=24) for seed in range(seeds)]
        late = [entry for history in runs for entry in history[12:]]
        return sum(entry.status == "failed" for entry in late) / len(late)

    assert failing("tpe", 8) < 0.65
    assert failing("tuner", 1) < 0.2


def test_a_search_where_everything_fails_still_ends(small: Space, goal: Goal) -> None:
    history = searched(small, goal, lambda assignment: None, 50)
    assert len(history) == 9


def peaked(assignment: Assignment) -> float:
    """A surface with one top inside of the space, where every parameter matters."""
    batch, instances = math.log2(float(assignment["batch"])), int(assignment["instances"])
    top = 100 * math.exp(-((batch - 3) ** 2) / 4 - (instances - 4) ** 2 / 6)
    delay = math.exp(-4 * (float(assignment.get("delay", 0.9)) - 0.3) ** 2)
    return top * (1.3 if assignment["queue"] == "fifo" else 1.0) * (1.5 * delay if assignment["batching"] else 1.0)


def test_guided_search_finds_better_configurations_than_chance(wide: Space, goal: Goal) -> None:
    ranked = sorted(map(peaked, wide.feasible()), reverse=True)

    def ranks(sampler: str) -> int:
        """The rank of the best of 20 trials among all configurations, summed over ten searches."""
        found = [searched(wide, goal, peaked, 20, sampler=sampler, seed=seed) for seed in range(10)]
        return sum(ranked.index(max(peaked(entry.assignment) for entry in history)) for history in found)

    assert ranks("tpe") < 0.75 * ranks("random")
    assert ranks("tuner") < 0.5 * ranks("tpe")


def domains() -> st.SearchStrategy[Domain]:
    lows = st.integers(min_value=-5, max_value=50)
    ints = st.builds(
        lambda low, width, step: Domain(kind="int", low=low, high=low + width, step=step),
        lows,
        st.integers(1, 60),
        st.integers(1, 7),
    )
    floats = st.builds(
        lambda low, count, step: Domain(kind="float", low=low, high=low + count * step, step=step),
        lows,
        st.integers(1, 30),
        st.sampled_from([0.05, 0.1, 0.25, 1.0]),
    )
    logs = st.builds(
        lambda low, factor: Domain(kind="float", low=low, high=low * factor, log=True),
        st.floats(1e-4, 10),
        st.floats(2, 1e4),
    )
    lists = st.lists(st.integers(0, 1000), min_size=1, max_size=8, unique=True).flatmap(
        lambda values: st.sampled_from(["ordinal", "categorical", "int"]).map(
            lambda kind: Domain(kind=kind, values=tuple(sorted(values)))
        )
    )
    return st.one_of(ints, floats, logs, lists)


def axis_of(domain: Domain) -> Axis:
    default = domain.values[0] if domain.values is not None else domain.low
    assert default is not None
    target = Target.model_validate({"engine": "x"})
    return Axis(Parameter(name="x", domain=domain, default=default, target=target))


@hypothesis_settings(deadline=None)
@given(domains(), st.floats(min_value=0, max_value=1, exclude_max=True))
def test_whatever_is_drawn_is_a_value_of_the_domain_and_comes_back_as_itself(domain: Domain, unit: float) -> None:
    axis = axis_of(domain)
    value = axis.at(unit)
    assert domain.contains(value)
    encoded = axis.encode(value)
    assert encoded is not None
    assert axis.decode(encoded) == value
    assert axis.searched._contains(axis.searched.to_internal_repr(encoded))
    assert axis.shown._contains(axis.shown.to_internal_repr(value))


@hypothesis_settings(deadline=None)
@given(domains())
def test_every_listed_value_can_be_drawn(domain: Domain) -> None:
    if domain.size is None:
        return
    axis = axis_of(domain)
    drawn = {axis.at((place + 0.5) / domain.size) for place in range(domain.size)}
    assert drawn == set(domain.grid())


@hypothesis_settings(deadline=None)
@given(st.data())
def test_distance_is_a_distance(data: st.DataObject) -> None:
    domain = data.draw(domains())
    axes = [axis_of(domain)]
    left, right = (Assignment({"x": axes[0].at(data.draw(st.floats(0, 0.999)))}) for _ in range(2))
    pool = Pool(axes, [left, right, Assignment({})])
    assert pool.distances(left)[1] == pool.distances(right)[0] <= 1
    assert (pool.distances(left)[1] == 0) == (left == right)
    assert list(pool.distances(Assignment({}))) == [1, 1, 0]
    assert pool.distances(left)[2] == 1


def test_distances_of_all_parameters_add_up(wide: Space) -> None:
    axes = axes_of(wide)
    pool = Pool.of(wide, axes)
    assert pool is not None
    wanted = wide.defaults()
    apart = [Pool([axis], pool.points).distances(wanted) for axis in axes]
    assert pool.distances(wanted) == pytest.approx(sum(apart))
    left = pool.without([wanted])
    assert left is not None
    assert len(left) == len(pool.points) - 1
    nearest = left.nearest(wanted)
    assert nearest != wanted
    assert pool.distances(wanted)[pool.points.index(nearest)] == min(d for d in pool.distances(wanted) if d > 0)


def test_nothing_is_left_of_a_pool_that_is_known(small: Space) -> None:
    pool = Pool.of(small, axes_of(small))
    assert pool is not None
    assert pool.without(pool.points) is None


def test_an_axis_stands_after_those_that_it_depends_on(wide: Space) -> None:
    names = [axis.parameter.name for axis in axes_of(wide)]
    assert names.index("batching") < names.index("delay")
