"""What a trial teaches: a value with its error, a bound where that is all that is known, or nothing."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from tuner.experience.model import Reading, Tried
from tuner.experience.readings import tried_of
from tuner.measurement.model import Capacity, Cut, Interval, Judgement, LoadPoint, Measurement
from tuner.space.assignment import Assignment
from tuner.spec.model import Slo
from tuner.trial.outcome import Completed, Errored, Failed, FailureKind, Inconclusive, Outcome, Trial

POINT = Assignment({"batch": 4})


@pytest.fixture
def slo() -> Slo:
    return Slo.model_validate({"latency": {"p50": "20ms", "p99": "50ms"}})


def learned(outcome: Outcome, slo: Slo) -> Tried | None:
    trial = Trial(number=3, assignment=POINT, workload="", outcome=outcome, started=10.0, ended=20.0)
    return tried_of(trial, slo)


def measured(
    capacity: tuple[float, float, float] | None = None,
    *points: LoadPoint,
    at_rate: LoadPoint | None = None,
    start_up: float | None = None,
) -> Measurement:
    found = None
    if capacity is not None:
        value, low, high = capacity
        found = Capacity(rate=Interval(value=value, low=low, high=high))
    return Measurement(capacity=found, curve=points, at_rate=at_rate, start_up=start_up, warm_up=1.0, elapsed=5.0)


def reading(found: Tried | None, metric: str) -> Reading:
    assert found is not None
    (one,) = [reading for reading in found.readings if reading.metric == metric]
    return one


def test_a_capacity_has_the_error_of_its_interval(slo: Slo) -> None:
    """A normal value with 5 % standard deviation has a 99 % interval of 2.576 of them on either side."""
    wide = math.exp(0.05 * 2.5758)
    found = learned(Completed(measurement=measured((200.0, 200 / wide, 200 * wide))), slo)
    assert found is not None
    assert (found.assignment, found.outcome) == (POINT, "completed")
    assert reading(found, "capacity").value == 200
    assert reading(found, "capacity").side == "at"
    assert reading(found, "capacity").error == pytest.approx(0.05, rel=1e-3)


def test_an_interval_of_another_confidence_is_read_as_such() -> None:
    slo = Slo.model_validate({"latency": {"p99": "50ms"}, "confidence": "90%"})
    wide = math.exp(0.05 * 1.6449)
    found = learned(Completed(measurement=measured((200.0, 200 / wide, 200 * wide))), slo)
    assert reading(found, "capacity").error == pytest.approx(0.05, rel=1e-3)


def test_an_interval_down_to_nothing_has_the_error_of_its_other_side(slo: Slo) -> None:
    found = learned(Completed(measurement=measured((200.0, 0.0, 200 * math.exp(0.2576)))), slo)
    assert reading(found, "capacity").error == pytest.approx(0.1, rel=1e-3)


def test_a_configuration_that_held_no_load_is_known_to_be_below_the_lowest(
    slo: Slo, load_point: Callable[..., LoadPoint]
) -> None:
    points = [
        load_point(40.0, Judgement.FAIL),
        load_point(10.0, Judgement.FAIL),
        load_point(5.0, Judgement.UNDECIDED),
    ]
    outcome = Failed(failure=FailureKind.INFEASIBLE, reason="no load met the SLO", measurement=measured(None, *points))
    found = learned(outcome, slo)
    assert found is not None
    assert found.outcome == "completed", "it ran: that it missed the SLO is read off its reading"
    assert reading(found, "capacity") == Reading(metric="capacity", value=10.0, side="below")


def test_a_trial_that_was_cut_short_is_known_to_be_below_the_end_of_its_interval(slo: Slo) -> None:
    cut = Cut(at_most=220.0, needed=400.0)
    measurement = measured((200.0, 90.0, 220.0)).model_copy(update={"cut": cut})
    found = learned(Completed(measurement=measurement), slo)
    assert reading(found, "capacity") == Reading(metric="capacity", value=220.0, side="below")


@pytest.mark.parametrize("kind", [kind for kind in FailureKind if kind is not FailureKind.INFEASIBLE])
def test_a_configuration_that_did_not_run_failed(slo: Slo, kind: FailureKind) -> None:
    assert learned(Failed(failure=kind, reason="it died"), slo) == Tried(assignment=POINT, outcome="failed")


@pytest.mark.parametrize(
    "outcome",
    [
        Errored(reason="no port"),
        Inconclusive(reason="noise"),
        Inconclusive(reason="the machine changed its speed", measurement=measured((200.0, 190.0, 210.0))),
        Failed(failure=FailureKind.INFEASIBLE, reason="nothing was measured"),
    ],
)
def test_what_says_nothing_of_the_configuration_is_left_out(slo: Slo, outcome: Outcome) -> None:
    assert learned(outcome, slo) is None


def test_a_latency_is_that_of_the_highest_percentile_at_the_stated_rate(
    slo: Slo, load_point: Callable[..., LoadPoint]
) -> None:
    seconds = tuple(np.random.default_rng(1).lognormal(-4.0, 0.3, 2000))
    at_rate = load_point(100.0, Judgement.PASS, seconds)
    found = reading(learned(Completed(measurement=measured((200.0, 190.0, 210.0), at_rate=at_rate)), slo), "latency")
    assert found.value == at_rate.latency["p99"] == pytest.approx(np.percentile(seconds, 99), rel=0.02)
    assert found.side == "at"


def test_the_error_of_a_latency_is_that_of_its_percentile(slo: Slo, load_point: Callable[..., LoadPoint]) -> None:
    """Against what it is the error of: how much the p99 of so many requests differs from load to load."""
    random = np.random.default_rng(7)
    logs, errors = [], []
    for _ in range(300):
        at_rate = load_point(100.0, Judgement.PASS, tuple(random.lognormal(-4.5, 0.3, 1500)))
        found = reading(learned(Completed(measurement=measured((1.0, 0.9, 1.1), at_rate=at_rate)), slo), "latency")
        logs.append(math.log(found.value))
        errors.append(found.error)
    assert float(np.mean(errors)) == pytest.approx(float(np.std(logs)), rel=0.25)


def test_a_latency_over_its_bound_is_known_to_be_above_it(slo: Slo, load_point: Callable[..., LoadPoint]) -> None:
    late = load_point(100.0, Judgement.FAIL, (0.3,) * 200)
    found = reading(learned(Completed(measurement=measured((80.0, 75.0, 85.0), at_rate=late)), slo), "latency")
    assert (found.value, found.side) == (0.05, "above")


def test_a_load_that_failed_for_another_reason_has_a_latency(slo: Slo, load_point: Callable[..., LoadPoint]) -> None:
    erring = load_point(100.0, Judgement.FAIL, (0.01,) * 200)
    found = reading(learned(Completed(measurement=measured((80.0, 75.0, 85.0), at_rate=erring)), slo), "latency")
    assert (round(found.value, 4), found.side) == (0.01, "at")


@pytest.mark.parametrize(("judgement", "early"), [(Judgement.INVALID, False), (Judgement.FAIL, True)])
def test_a_latency_that_was_not_seen_is_not_told(
    slo: Slo, load_point: Callable[..., LoadPoint], judgement: Judgement, early: bool
) -> None:
    cut = load_point(100.0, judgement, (0.01,) * 200, ended_early=early)
    found = learned(Completed(measurement=measured((80.0, 75.0, 85.0), at_rate=cut)), slo)
    assert found is not None
    assert "latency" not in [each.metric for each in found.readings]


def test_a_trial_that_ran_tells_how_long_it_took(slo: Slo) -> None:
    found = reading(learned(Completed(measurement=measured((80.0, 75.0, 85.0))), slo), "seconds")
    assert (found.value, found.side) == (10.0, "at")


def test_the_time_until_a_server_is_ready_is_kept(slo: Slo) -> None:
    found = learned(Completed(measurement=measured((200.0, 190.0, 210.0), start_up=2.5)), slo)
    assert reading(found, "start_up").value == 2.5
