"""Whole replicas: how many bear a rate, and what a trial may gain on the staircase of their cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.search.surfaces import ALL, SLO, SPACE, START, Imaginary
from tuner.search.acquisition import Outlook
from tuner.search.aim import Aim, Demand, Limit, Objective
from tuner.search.belief import Mixture
from tuner.search.field import Posterior
from tuner.search.fleet import replicas_of
from tuner.search.learner import Learner
from tuner.space.assignment import Assignment

Floats = npt.NDArray[np.float64]


def outlook(
    rate: float,
    means: Sequence[float],
    deviation: float,
    *,
    hourly: Sequence[float],
    counts: tuple[int, ...] = (),
    metric: str = "capacity",
    weight: float = 1.0,
    known: float = 0.0,
    limits: tuple[Limit, ...] = (),
) -> Outlook:
    """What is believed of two kinds of candidates, in two parts that lie 0.2 apart."""
    parts = tuple(Posterior(np.array(means) + shift, np.full(len(means), deviation**2)) for shift in (-0.1, 0.1))
    demand = Demand(rate, lambda _: known, counts)
    aim = Aim((Objective({metric: weight}, lambda _: 0.0, demand),), limits)
    beliefs = {metric: Mixture(parts, np.array([0.4, 0.6]))}
    offset, capacity = -np.log(np.array(hourly)), np.full(len(means), known)
    return Outlook(aim, beliefs, offset, capacity, np.ones(len(means)))


def drawn(mean: float, deviation: float, count: int = 400_000) -> Floats:
    """Logarithms of what the metric may be, by the same belief."""
    random = np.random.default_rng(5)
    shift = np.where(random.random(count) < 0.4, -0.1, 0.1)
    return np.asarray(mean + shift + deviation * random.standard_normal(count))


def staircase(rate: float, logs: Floats, hourly: float, counts: tuple[int, ...] = ()) -> Floats:
    """Logarithms of the merit of each draw."""
    needed = np.maximum(np.ceil(rate / np.exp(logs)), 1)
    if counts:
        allowed = np.array(counts)
        place = np.minimum(np.searchsorted(allowed, needed), len(counts) - 1)
        needed = np.where(needed > allowed[-1], needed, allowed[place])
    return np.asarray(-np.log(hourly * needed))


@pytest.mark.parametrize("rate", [30.0, 100.0, 450.0, 1500.0, 20_000.0])
@pytest.mark.parametrize("counts", [(), (1, 2, 4, 8, 16, 64, 512), (3, 5)])
@pytest.mark.parametrize("deviation", [0.05, 0.4])
def test_merit_and_gain_are_those_of_many_draws(rate: float, counts: tuple[int, ...], deviation: float) -> None:
    mean, hourly = math.log(110.0), 0.7
    logs = staircase(rate, drawn(mean, deviation), hourly, counts)
    seen = outlook(rate, [mean], deviation, hourly=[hourly], counts=counts)
    assert seen.merit()[0] == pytest.approx(logs.mean(), abs=0.01 if not counts or rate < 300 else 0.03)
    best = float(np.quantile(logs, 0.4)) - 0.01
    gains = np.maximum(logs - best, 0.0)
    if counts:
        gains[np.exp(-logs) > hourly * counts[-1] * 1.001] = 0.0
    assert seen.gain(best)[0] == pytest.approx(gains.mean(), abs=0.004)


def test_between_two_steps_nothing_is_gained() -> None:
    """110 to 190 requests per second each, certainly: two replicas bear 200 per second either way."""
    seen = outlook(200.0, [math.log(110.0), math.log(190.0), math.log(215.0)], 1e-3, hourly=[1.0, 1.0, 1.0])
    now = outlook(200.0, [math.log(120.0)], 1e-6, hourly=[1.0])
    gain = seen.gain(-math.log(2.0))
    assert now.merit()[0] == pytest.approx(-math.log(2.0), abs=1e-6)
    assert gain[0] == pytest.approx(0.0, abs=1e-9)
    # 190 is 172 or 210 by the belief's two parts: with six in ten it is one replica.
    assert gain[1] == pytest.approx(0.6 * math.log(2.0), abs=1e-6)
    assert gain[2] == pytest.approx(0.6 * math.log(2.0), abs=1e-6)


def test_what_the_limit_forbids_is_no_gain() -> None:
    """A capacity that falls with a latency: 1,000 / latency, and the latency has a limit that often breaks it."""
    rate, mean, deviation, bound = 40.0, math.log(50.0), 0.3, 45.0
    seen = outlook(
        rate,
        [mean],
        deviation,
        hourly=[1.0],
        metric="latency",
        weight=-1.0,
        known=math.log(1000.0),
        limits=(Limit("latency", bound),),
    )
    latencies = drawn(mean, deviation)
    logs = staircase(rate, math.log(1000.0) - latencies, 1.0)
    best = -math.log(4.0)
    expected = np.where(latencies <= math.log(bound), np.maximum(logs - best, 0.0), 0.0)
    assert seen.gain(best)[0] == pytest.approx(expected.mean(), abs=0.004)


@hypothesis_settings(deadline=None)
@given(st.floats(0.01, 1e6), st.floats(0.01, 1e6))
def test_replicas_suffice_and_one_less_does_not(rate: float, capacity: float) -> None:
    count = replicas_of(rate, capacity)
    assert count * capacity >= rate * (1 - 1e-8)
    assert count == 1 or (count - 1) * capacity < rate


def test_only_allowed_numbers_of_replicas_are_taken() -> None:
    assert replicas_of(250.0, 100.0, (2, 4, 8)) == 4
    assert replicas_of(50.0, 100.0, (2, 4, 8)) == 2
    assert replicas_of(2500.0, 100.0, (2, 4, 8)) == 25, "as many as it would take"
    with pytest.raises(ValueError, match="bear nothing"):
        replicas_of(1.0, 0.0)


def hourly(assignment: Assignment) -> float:
    return 0.05 + float(assignment["share"]) / 100 * float(assignment["quota"]) / 100


def bears(service: Imaginary, assignment: Assignment) -> float:
    """Requests per second of one replica."""
    return float(assignment["batch"]) / service.latency(assignment)


def bill(service: Imaginary, assignment: Assignment, rate: float) -> float:
    held = service.latency(assignment) <= SLO
    return hourly(assignment) * replicas_of(rate, bears(service, assignment)) if held else math.inf


@pytest.mark.parametrize("service", [Imaginary("new", 0.007, 0.0013), Imaginary("slow", 0.020, 0.0022)])
def test_one_search_finds_the_best_of_every_band(service: Imaginary) -> None:
    """Another configuration for each of three bands, of 200, in 24 trials, none of them known beforehand."""
    rates = (20.0, 150.0, 900.0)

    def capacity(assignment: Assignment) -> float:
        return math.log(float(assignment["batch"]))

    def offset(assignment: Assignment) -> float:
        return -math.log(hourly(assignment))

    each = tuple(Objective({"latency": -1.0}, offset, Demand(rate, capacity)) for rate in rates)
    learner = Learner(SPACE, Aim(each, (Limit("latency", SLO),)))
    tried = [service.tried(START)]
    for _ in range(23):
        choice = learner.choose(tried)
        assert choice is not None
        tried.append(service.tried(choice.assignment))
    best = [min(ALL, key=lambda one, rate=rate: bill(service, one, rate)) for rate in rates]  # type: ignore[misc]
    assert len({bill(service, one, rate) for one, rate in zip(best, rates, strict=True)}) == len(rates)
    for number, (one, rate) in enumerate(zip(best, rates, strict=True)):
        least = min(bill(service, other.assignment, rate) for other in tried)
        assert least <= 1.05 * bill(service, one, rate), rate
        chosen = learner.recommend(tried, number)
        assert chosen is not None
        assert bill(service, chosen.assignment, rate) <= 1.05 * bill(service, one, rate)
