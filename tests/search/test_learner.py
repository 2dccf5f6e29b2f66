"""What a learner makes of trials and of experience."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import pytest

from tests.search.surfaces import (
    AIM,
    ALL,
    SERVICES,
    SLO,
    SPACE,
    START,
    Imaginary,
    known,
    parameter,
    trials_needed,
)
from tuner.experience.model import Earlier, Reading, Tried
from tuner.search.aim import Aim, Limit, Objective
from tuner.search.learner import Learner
from tuner.space.assignment import Assignment
from tuner.space.parameter import Domain, Parameter
from tuner.space.space import Space

NEW = (Imaginary("new", 0.007, 0.0013), Imaginary("slow", 0.020, 0.0022), Imaginary("light", 0.005, 0.0002))


def needed(experience: Sequence[Earlier], services: Sequence[Imaginary] = NEW) -> list[int]:
    learner = Learner(SPACE, AIM, experience)
    return [trials_needed(learner, service) for service in services]


def test_experience_of_similar_services_saves_trials() -> None:
    cold, warm = needed(()), needed([service.earlier() for service in SERVICES])
    assert median(warm) <= 5
    assert sum(warm) < sum(cold)


def test_experience_that_tells_nothing_costs_at_most_one_trial() -> None:
    """Earlier services whose latency hangs on nothing that is tuned here."""
    flat = [
        Earlier(
            service=f"flat {number}",
            engine="e",
            trials=tuple(
                Tried(
                    assignment=one,
                    outcome="completed",
                    readings=(Reading(metric="latency", value=0.02 + 0.001 * ((7 * place + number) % 5)),),
                )
                for place, one in enumerate(ALL[::5])
            ),
        )
        for number in range(3)
    ]
    assert median(needed(flat)) <= median(needed(())) + 1


def test_poisoned_experience_costs_at_most_three_trials() -> None:
    """Every value off by ten times, and one service that contradicts the others."""
    poisoned = [service.earlier(factor=10.0) for service in SERVICES]
    contradicting = [service.earlier(factor=10.0 if number % 2 else 0.1) for number, service in enumerate(SERVICES)]
    cold = median(needed(()))
    assert median(needed(poisoned)) <= cold + 3
    assert median(needed(contradicting)) <= cold + 3


def test_experience_with_other_parameters_is_left_aside() -> None:
    other = Earlier(
        service="other",
        engine="e",
        trials=tuple(
            Tried(
                assignment=Assignment({"threads": threads}),
                outcome="completed",
                readings=(Reading(metric="latency", value=0.1 / threads),),
            )
            for threads in range(1, 9)
        ),
    )
    assert needed([other]) == needed(())


def test_spaces_that_overlap_in_part_teach_what_they_share() -> None:
    """Earlier trials without a quota, all at the whole one."""
    partly = [
        Earlier(
            service=service.name,
            engine="e",
            trials=tuple(
                Tried(
                    assignment=Assignment({name: one[name] for name in ("batch", "share")}),
                    outcome="completed",
                    readings=(Reading(metric="latency", value=service.latency(one)),),
                )
                for one in ALL
                if one["quota"] == 100
            ),
        )
        for service in SERVICES
    ]
    assert median(needed(partly)) <= median(needed(())) + 1


def test_the_same_trials_give_the_same_choice() -> None:
    experience = [service.earlier() for service in SERVICES[:3]]
    tried = [NEW[0].tried(one) for one in (START, ALL[40], ALL[90])]
    choices = [Learner(SPACE, AIM, experience).choose(tried) for _ in range(2)]
    assert choices[0] == choices[1]


def test_nothing_is_tried_twice_and_the_end_is_told() -> None:
    small = Space((parameter("batch", (1, 2)), parameter("share", (50, 100)), parameter("quota", (100,))), ())
    learner = Learner(small, AIM)
    tried: list[Tried] = []
    while (choice := learner.choose(tried)) is not None:
        tried.append(NEW[0].tried(choice.assignment))
    assert len({one.assignment for one in tried}) == len(tried) == 4


def test_a_space_of_one_point() -> None:
    alone = Space((parameter("batch", (4,)), parameter("share", (50,)), parameter("quota", (100,))), ())
    learner = Learner(alone, AIM)
    choice = learner.choose([])
    assert choice is not None
    assert learner.choose([NEW[0].tried(choice.assignment)]) is None


def test_where_nothing_holds_the_limit_nothing_is_recommended() -> None:
    hopeless = Imaginary("hopeless", 0.2, 0.01)
    learner, tried = Learner(SPACE, AIM), [hopeless.tried(START)]
    for _ in range(9):
        choice = learner.choose(tried)
        assert choice is not None
        assert choice.gain is None
        tried.append(hopeless.tried(choice.assignment))
    assert learner.recommend(tried) is None
    nearest = min(tried, key=lambda one: one.readings[0].value)
    assert nearest.readings[0].value == pytest.approx(min(hopeless.latency(one) for one in ALL), rel=0.1)


def test_a_crash_teaches_its_neighbours() -> None:
    fragile = Imaginary("fragile", 0.004, 0.0004, crash=lambda one: one["batch"] == 8)
    learner, tried = Learner(SPACE, AIM), [fragile.tried(START)]
    for _ in range(14):
        choice = learner.choose(tried)
        assert choice is not None
        tried.append(fragile.tried(choice.assignment))
    assert sum(one.outcome == "failed" for one in tried) <= 4
    assert max(fragile.merit(one.assignment) for one in tried) >= fragile.best + math.log(0.95)


def test_crashes_of_earlier_services_are_avoided() -> None:
    earlier = Earlier(
        service="crashed",
        engine="e",
        trials=tuple(Imaginary("c", 0.004, 0.0004, crash=lambda one: one["batch"] == 8).tried(one) for one in ALL),
    )
    predicted = Learner(SPACE, AIM, [earlier]).predict([], ALL)
    by_batch = {
        batch: [each.holds for each, one in zip(predicted, ALL, strict=True) if one["batch"] == batch]
        for batch in (1, 8)
    }
    assert median(by_batch[8]) < 0.5 < median(by_batch[1])


def test_what_was_measured_often_makes_room_for_what_is_not_known() -> None:
    """Two noisy readings leave a repeat worth something; of a dozen alike nothing more is to be had."""
    learner = Learner(SPACE, AIM, [one.earlier() for one in SERVICES])
    tried: list[Tried] = []
    chosen: list[Assignment] = []
    for number in range(20):
        choice = learner.choose(tried, repeat=True)
        assert choice is not None
        chosen.append(choice.assignment)
        tried.append(NEW[0].tried(choice.assignment, 0.05, number))
    assert max(chosen.count(one) for one in chosen) <= 14
    assert max(NEW[0].merit(one) for one in chosen if NEW[0].latency(one) <= SLO) >= NEW[0].best + math.log(0.99)


def test_without_errors_nothing_is_measured_again() -> None:
    learner, tried = Learner(SPACE, AIM), [NEW[0].tried(START)]
    for _ in range(12):
        choice = learner.choose(tried, repeat=True)
        assert choice is not None
        assert choice.assignment not in {one.assignment for one in tried}
        tried.append(NEW[0].tried(choice.assignment))


def test_recommended_is_what_credibly_holds_the_limit() -> None:
    """With 5 % noise a reading just within the limit is no proof."""
    service = NEW[0]
    learner = Learner(SPACE, AIM, [one.earlier() for one in SERVICES])
    for seed in range(5):
        tried = [service.tried(START, 0.05, seed)]
        for _ in range(11):
            choice = learner.choose(tried, repeat=True)
            assert choice is not None
            tried.append(service.tried(choice.assignment, 0.05, seed + len(tried)))
        recommended = learner.recommend(tried)
        assert recommended is not None
        assert recommended.holds >= 0.9
        assert service.latency(recommended.assignment) <= SLO


def test_parallel_proposals_differ() -> None:
    learner, tried = Learner(SPACE, AIM), [NEW[0].tried(START)]
    pending: list[Assignment] = []
    for _ in range(4):
        choice = learner.choose(tried, pending=pending)
        assert choice is not None
        pending.append(choice.assignment)
    assert len(set(pending)) == 4


def test_a_reading_that_only_bounds_moves_the_expectation_its_way() -> None:
    learner = Learner(SPACE, AIM)
    tried = [NEW[0].tried(one) for one in ALL[::17]]
    place = ALL[33]
    before = learner.predict(tried, [place])[0].metrics["latency"].value

    def bounded(value: float, side: str) -> float:
        reading = Reading.model_validate({"metric": "latency", "value": value, "side": side})
        more = [*tried, Tried(assignment=place, outcome="completed", readings=(reading,))]
        return learner.predict(more, [place])[0].metrics["latency"].value

    assert bounded(before * 2, "above") > before
    assert bounded(before / 2, "below") < before
    assert bounded(before * 100, "below") == pytest.approx(before, rel=0.05)


def test_predictions_hold_what_their_interval_says() -> None:
    """90 % of all configurations of three services, more or less."""
    learner = Learner(SPACE, AIM, [service.earlier() for service in SERVICES])
    inside = []
    for service in NEW:
        tried = [service.tried(one) for one in (START, *ALL[::31])]
        for each, one in zip(learner.predict(tried, ALL), ALL, strict=True):
            expected = each.metrics["latency"]
            inside.append(expected.low <= service.latency(one) <= expected.high)
    assert 0.8 <= sum(inside) / len(inside) <= 0.99


def test_a_hundred_parameters_are_searched() -> None:
    many = Space(tuple(parameter(f"p{number}", (1, 2, 4, 8)) for number in range(100)), ())

    def latency(assignment: Assignment) -> float:
        return 0.01 * (1 + sum(abs(math.log2(float(assignment[f"p{number}"])) - 2) for number in range(3)))

    aim = Aim((Objective({"latency": -1.0}, lambda _: 0.0),), (Limit("latency", SLO),))
    learner = Learner(many, aim)
    tried: list[Tried] = []
    for _ in range(12):
        choice = learner.choose(tried)
        assert choice is not None
        assert many.contains(choice.assignment)
        value = latency(choice.assignment)
        tried.append(
            Tried(
                assignment=choice.assignment,
                outcome="completed",
                readings=(Reading(metric="latency", value=value),),
            )
        )
    assert len({one.assignment for one in tried}) == 12


def test_a_pareto_set_is_spread_over_both_objectives() -> None:
    """Throughput by itself, and throughput by cost."""

    def throughput(assignment: Assignment) -> float:
        return math.log(float(assignment["batch"]))

    both = Aim((Objective({"latency": -1.0}, throughput), Objective({"latency": -1.0}, known)), AIM.limits)
    service, learner = NEW[0], Learner(SPACE, both)
    tried = [service.tried(START)]
    for _ in range(15):
        choice = learner.choose(tried)
        assert choice is not None
        tried.append(service.tried(choice.assignment))
    held = [one.assignment for one in tried if service.latency(one.assignment) <= SLO]
    fastest = max(throughput(one) - math.log(service.latency(one)) for one in ALL if service.latency(one) <= SLO)
    assert max(throughput(one) - math.log(service.latency(one)) for one in held) >= fastest + math.log(0.95)
    assert max(service.merit(one) for one in held) >= service.best + math.log(0.9)


def test_a_continuous_space_needs_no_list() -> None:
    share = Parameter(
        name="share",
        domain=Domain(kind="float", low=1.0, high=100.0, log=True),
        default=100.0,
        target=SPACE.parameters[0].target,
    )
    endless = Space((SPACE.parameters[0], share, SPACE.parameters[2]), ())
    service, learner = NEW[0], Learner(endless, AIM)
    tried = [service.tried(START)]
    for _ in range(14):
        choice = learner.choose(tried)
        assert choice is not None
        tried.append(service.tried(choice.assignment))
    assert max(service.merit(one.assignment) for one in tried) >= service.best + math.log(0.95)


def test_a_baseline_outside_of_the_space_teaches_too() -> None:
    """What runs in production may have values that nobody would try."""
    narrow = Space((parameter("batch", (2, 4, 8)), *SPACE.parameters[1:]), ())
    outside = NEW[0].tried(START)
    learner = Learner(narrow, AIM, [service.earlier() for service in SERVICES])
    choice = learner.choose([outside])
    assert choice is not None
    assert narrow.contains(choice.assignment)
    assert choice != learner.choose([])
    assert choice == learner.choose([outside])


def test_where_trials_are_paid_by_what_they_run_on_cheap_ones_come_first() -> None:
    """The same search twice, once with a budget of trials and once of money; an hour costs what its share costs."""

    def price(assignment: Assignment) -> float:
        return float(assignment["share"])

    def spent(aim: Aim) -> float:
        learner, tried = Learner(SPACE, aim, [service.earlier() for service in SERVICES]), [NEW[0].tried(START)]
        for _ in range(6):
            choice = learner.choose(tried)
            assert choice is not None
            tried.append(NEW[0].tried(choice.assignment))
        return sum(price(one.assignment) for one in tried)

    assert spent(Aim(AIM.objectives, AIM.limits, price)) <= spent(AIM)
