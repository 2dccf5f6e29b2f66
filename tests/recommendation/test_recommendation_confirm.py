"""Candidate against baseline: how often it is wrong, what it finds, and that it can be killed after each block."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from tuner.measurement.compare import LOOKS
from tuner.measurement.model import Capacity, Interval, LoadPoint, Measurement
from tuner.recommendation.confirm import (
    ATTEMPTS,
    Block,
    BlockErrored,
    BlockFailed,
    BlockMeasured,
    BlockResult,
    Confirmation,
    Contender,
    result_of,
    shared_confidence,
    shared_rate,
)
from tuner.recommendation.decide import decide, keep_without_candidate, out_of_time, recommend
from tuner.recommendation.model import KeepBaseline, Propose, Recommendation
from tuner.search.objective import Goal
from tuner.trial.outcome import Completed, Errored, Failed, FailureKind, Inconclusive

ContenderOf = Callable[..., Contender]
Service = Callable[[Block], BlockResult]


def service(baseline: float, candidate: float, noise: float, seed: int, drift: float = 0.0) -> Service:
    """Both sides' capacities in requests per second, with lognormal noise and a drift of the machine by block."""
    chance = random.Random(seed)

    def measure(block: Block) -> BlockResult:
        true = baseline if block.side == "baseline" else candidate
        capacity = true * math.exp(chance.gauss(0, noise) + drift * block.index)
        return BlockMeasured(capacity=capacity, latency={"p50": 0.005, "p99": 0.02})

    return measure


def confirmed(confirmation: Confirmation, measure: Service) -> Recommendation:
    while (block := confirmation.next()) is not None:
        confirmation.record(block, measure(block))
    return recommend(confirmation)


def proposals(goal: Goal, contender: ContenderOf, make: Callable[[int], Service], runs: int, confidence: float) -> int:
    decisions = [
        confirmed(Confirmation(goal, contender("a"), contender("b"), confidence=confidence, seed=run), make(run))
        for run in range(runs)
    ]
    return sum(isinstance(decision, Propose) for decision in decisions)


@pytest.mark.parametrize("noise", [0.02, 0.05, 0.10])
def test_the_same_configuration_on_both_sides_keeps_the_baseline(
    goal: Goal, contender: ContenderOf, noise: float
) -> None:
    """At 95 % 1 in 40 may be wrong (one side of the interval), 15 of 600; 30 is four standard deviations above."""
    wrong = proposals(goal, contender, lambda run: service(500, 500, noise, run), 600, 0.95)
    assert wrong <= 30


def test_a_drifting_machine_is_not_mistaken_for_a_gain(goal: Goal, contender: ContenderOf) -> None:
    wrong = proposals(goal, contender, lambda run: service(500, 500, 0.03, run, drift=0.01), 400, 0.95)
    assert wrong <= 20


def test_a_worse_candidate_is_all_but_never_proposed(goal: Goal, contender: ContenderOf) -> None:
    assert proposals(goal, contender, lambda run: service(500, 480, 0.05, run), 400, 0.95) <= 4


@pytest.mark.parametrize(("gain", "noise"), [(1.1, 0.025), (1.3, 0.05), (2.0, 0.10)])
def test_real_gains_are_found(goal: Goal, contender: ContenderOf, gain: float, noise: float) -> None:
    found = proposals(goal, contender, lambda run: service(500, 500 * gain, noise, run), 200, 0.95)
    assert found >= 180


def test_sides_are_interleaved_and_share_their_arrivals(goal: Goal, contender: ContenderOf) -> None:
    confirmation = Confirmation(goal, contender("a"), contender("b"), confidence=0.95, seed=70)
    recommendation = confirmed(confirmation, service(500, 800, 0.02, 1))
    assert recommendation.comparison is not None
    assert recommendation.comparison.order == "ABBAABBAABBA"
    assert len(confirmation.plan) == 2 * LOOKS[-1]
    for pair in range(LOOKS[-1]):
        seeds = {block.seed for block in confirmation.plan if block.pair == pair}
        assert seeds == {70 + pair}


def test_the_ratio_is_in_the_units_of_the_goal(goal_of: Callable[..., Goal], contender: ContenderOf) -> None:
    """Twice the capacity on twice the cores: no cheaper, but more."""
    cheaper = Confirmation(goal_of(), contender("a"), contender("b", cpu=2.0), confidence=0.95, seed=1)
    larger = Confirmation(
        goal_of(goal="maximize-capacity"), contender("a"), contender("b", cpu=2.0), confidence=0.95, seed=1
    )
    assert isinstance(confirmed(cheaper, service(500, 1000, 0.02, 3)), KeepBaseline)
    recommendation = confirmed(larger, service(500, 1000, 0.02, 3))
    assert isinstance(recommendation, Propose)
    assert recommendation.comparison.metric == "capacity"
    assert recommendation.comparison.ratio.value == pytest.approx(2.0, rel=0.05)


def test_latency_is_compared_where_the_goal_says_so(goal_of: Callable[..., Goal], contender: ContenderOf) -> None:
    goal = goal_of(goal="minimize-latency", rate="100/s")

    def measure(block: Block) -> BlockResult:
        latency = {"p99": 0.02 if block.side == "baseline" else 0.016 + 0.0001 * block.pair}
        return BlockMeasured(capacity=500.0, latency=latency)

    recommendation = confirmed(Confirmation(goal, contender("a"), contender("b"), confidence=0.95, seed=1), measure)
    assert isinstance(recommendation, Propose)
    assert 1.2 < recommendation.comparison.ratio.value < 1.25


@pytest.mark.parametrize("killed_after", range(2 * LOOKS[2] + 1))
def test_it_goes_on_after_any_block_as_if_nothing_had_happened(
    goal: Goal, contender: ContenderOf, killed_after: int
) -> None:
    def fresh() -> Confirmation:
        return Confirmation(goal, contender("a"), contender("b"), confidence=0.95, seed=5)

    measure = service(500, 700, 0.05, 8)
    results = {block: measure(block) for block in fresh().plan}  # more than it takes
    whole = confirmed(fresh(), lambda block: results[block])
    stored: list[tuple[Block, BlockResult]] = []
    first = fresh()
    while len(stored) < killed_after and (block := first.next()) is not None:
        stored.append((block, results[block]))
        first.record(*stored[-1])
    second = fresh()
    for block, result in [*stored, *stored]:
        second.record(block, result)
    measured_again: list[Block] = []

    def measure_rest(block: Block) -> BlockResult:
        measured_again.append(block)
        return results[block]

    assert confirmed(second, measure_rest) == whole
    assert not {block for block, _ in stored} & set(measured_again)


def test_a_block_of_another_plan_is_refused(goal: Goal, contender: ContenderOf) -> None:
    confirmation = Confirmation(goal, contender("a"), contender("b"), confidence=0.95, seed=5)
    other = Confirmation(goal, contender("a"), contender("b"), confidence=0.95, seed=6)
    with pytest.raises(ValueError, match="not in this confirmation's plan"):
        confirmation.record(other.plan[0], BlockFailed(reason="x"))


def test_a_candidate_that_dies_is_not_fit(goal: Goal, contender: ContenderOf) -> None:
    steady = service(500, 900, 0.02, 1)
    confirmation = Confirmation(goal, contender("a"), contender("b"), confidence=0.95, seed=5)
    recommendation = confirmed(
        confirmation,
        lambda block: BlockFailed(reason="died: signal 11") if block.index == 5 else steady(block),
    )
    assert isinstance(recommendation, KeepBaseline)
    assert recommendation.reason == "keep the baseline: the candidate failed in block 6: died: signal 11"
    assert recommendation.comparison is None
    assert confirmation.next() is None, "no block is run for nothing"


def test_a_block_that_the_machine_spoiled_is_run_again_but_not_for_ever(goal: Goal, contender: ContenderOf) -> None:
    steady = service(500, 900, 0.02, 1)

    def patchy(block: Block) -> BlockResult:
        return BlockErrored(reason="no port") if block.attempt < ATTEMPTS and block.index == 3 else steady(block)

    confirmation = Confirmation(goal, contender("a"), contender("b"), confidence=0.95, seed=5)
    assert isinstance(confirmed(confirmation, patchy), Propose)
    hopeless = Confirmation(goal, contender("a"), contender("b"), confidence=0.95, seed=5)
    recommendation = confirmed(hopeless, lambda block: BlockErrored(reason="disk full"))
    assert isinstance(recommendation, KeepBaseline)
    assert f"could not be measured in {ATTEMPTS} attempts: disk full" in recommendation.reason


def test_the_smaller_the_difference_the_more_blocks_it_takes(goal: Goal, contender: ContenderOf) -> None:
    taken = []
    for gain in (1.5, 1.08):
        confirmation = Confirmation(goal, contender("a"), contender("b"), confidence=0.99, seed=5)
        comparison = confirmed(confirmation, service(500, 500 * gain, 0.03, 6)).comparison
        assert comparison is not None
        taken.append(len(comparison.order))
    assert taken[0] == 2 * LOOKS[0]
    assert taken[0] < taken[1] <= 2 * LOOKS[-1]


def test_out_of_time_the_next_look_is_the_last(goal: Goal, contender: ContenderOf) -> None:
    confirmation = Confirmation(goal, contender("a"), contender("b"), confidence=0.99, seed=5)
    measure = service(500, 510, 0.05, 8)
    for _ in range(2 * LOOKS[0] + 1):
        block = confirmation.next()
        assert block is not None
        confirmation.record(block, measure(block))
    confirmation.out_of_time()
    recommendation = confirmed(confirmation, measure)
    assert isinstance(recommendation, KeepBaseline)
    assert recommendation.comparison is not None
    assert len(recommendation.comparison.order) == 2 * LOOKS[1]


def test_nothing_is_decided_between_two_looks(goal: Goal, contender: ContenderOf) -> None:
    confirmation = Confirmation(goal, contender("a"), contender("b"), confidence=0.95, seed=5)
    for block in confirmation.plan[: 2 * LOOKS[0] - 1]:
        confirmation.record(block, BlockMeasured(capacity=500.0, latency={}))
    assert confirmation.comparison() is None
    with pytest.raises(ValueError, match="not finished"):
        recommend(confirmation)


def test_several_candidates_share_the_error() -> None:
    assert shared_confidence(0.95, 1) == pytest.approx(0.95)
    assert shared_confidence(0.95, 5) == pytest.approx(0.99)


def test_latencies_are_compared_at_a_load_that_both_bear() -> None:
    assert shared_rate(300.0, 100.0, [500.0, 900.0]) == 300
    assert shared_rate(None, 100.0, [500.0, 900.0]) == 100
    assert shared_rate(None, 450.0, [500.0, 900.0]) == 400


@pytest.mark.parametrize(("looks", "confidence"), [((2, 6), 0.95), ((), 0.95), (LOOKS, 1.0), (LOOKS, 0.0)])
def test_a_plan_that_can_tell_nothing_is_refused(
    goal: Goal, contender: ContenderOf, looks: tuple[int, ...], confidence: float
) -> None:
    with pytest.raises(ValueError, match=r"pairs|confidence"):
        Confirmation(goal, contender("a"), contender("b"), looks=looks, confidence=confidence, seed=1)


def measurement(capacity: float | None, at_rate: LoadPoint | None = None) -> Measurement:
    rate = None if capacity is None else Capacity(rate=Interval(value=capacity, low=capacity, high=capacity))
    return Measurement(capacity=rate, curve=(), at_rate=at_rate, warm_up=1.0, elapsed=5.0)


def test_what_a_trial_of_a_block_says(goal: Goal, goal_of: Callable[..., Goal]) -> None:
    assert result_of(Completed(measurement=measurement(500.0)), goal) == BlockMeasured(capacity=500.0, latency={})
    assert isinstance(result_of(Completed(measurement=measurement(None)), goal), BlockErrored)
    assert isinstance(result_of(Failed(failure=FailureKind.INFEASIBLE, reason="slow now"), goal), BlockErrored)
    assert isinstance(result_of(Failed(failure=FailureKind.DIED, reason="signal 9"), goal), BlockFailed)
    assert isinstance(result_of(Errored(reason="no port"), goal), BlockErrored)
    assert isinstance(result_of(Inconclusive(reason="generator late"), goal), BlockErrored)
    latency_goal = goal_of(goal="minimize-latency", rate="100/s")
    assert isinstance(result_of(Completed(measurement=measurement(500.0)), latency_goal), BlockErrored)


def test_reasons_carry_the_figures(goal: Goal, contender: ContenderOf) -> None:
    better = confirmed(
        Confirmation(goal, contender("a"), contender("b"), confidence=0.95, seed=2), service(500, 700, 0.02, 2)
    )
    assert isinstance(better, Propose)
    assert "times requests for the same money" in better.reason
    same = confirmed(
        Confirmation(goal, contender("a"), contender("b"), confidence=0.95, seed=2), service(500, 500, 0.02, 2)
    )
    assert isinstance(same, KeepBaseline)
    assert same.comparison is not None
    assert f"{same.comparison.ratio.low:.3f} to {same.comparison.ratio.high:.3f}" in same.reason
    assert "not shown to be better" in same.reason
    worse = confirmed(
        Confirmation(goal, contender("a"), contender("b"), confidence=0.95, seed=2), service(500, 300, 0.02, 2)
    )
    assert "is worse" in worse.reason


def test_a_gain_too_small_for_a_change_is_kept_back(goal: Goal, contender: ContenderOf) -> None:
    tiny = confirmed(
        Confirmation(goal, contender("a"), contender("b"), confidence=0.95, seed=2), service(500, 505, 0.0005, 2)
    )
    assert isinstance(tiny, KeepBaseline)
    assert tiny.comparison is not None
    assert tiny.comparison.ratio.low > 1
    assert "too small for a change" in tiny.reason
    assert isinstance(decide(tiny.comparison, minimum_gain=0.005), Propose)


def test_cheaper_at_full_load_and_dearer_a_month_is_kept_back(goal: Goal, contender: ContenderOf) -> None:
    """Three times the capacity on two cores, for traffic that one core bears."""
    confirmation = Confirmation(goal, contender("a"), contender("b", cpu=2.0), confidence=0.95, seed=2, expected=100.0)
    recommendation = confirmed(confirmation, service(500, 1500, 0.02, 2))
    assert isinstance(recommendation, KeepBaseline)
    assert "1460.00 USD a month instead of 730.00 USD" in recommendation.reason


def test_the_baseline_itself_is_no_candidate(goal: Goal, contender: ContenderOf) -> None:
    same = Confirmation(goal, contender("a"), contender("a"), confidence=0.95, seed=2)
    recommendation = confirmed(same, service(500, 900, 0.01, 2))
    assert isinstance(recommendation, KeepBaseline)
    assert "the same configuration" in recommendation.reason
    assert isinstance(decide(None), KeepBaseline)
    assert keep_without_candidate("nothing was found").reason == "keep the baseline: nothing was found"


def test_no_further_confirmation_is_begun_once_the_wall_clock_is_spent() -> None:
    kept = out_of_time(240.0, 251.0, 7, confirmed=1, begun=False)
    assert kept == KeepBaseline(reason="keep the baseline: trial 7 was not confirmed, the wall clock of 240 s is spent")
    assert out_of_time(240.0, 239.0, 7, confirmed=1, begun=False) is None
    assert out_of_time(240.0, 251.0, 7, confirmed=0, begun=False) is None, "the search would have been in vain"
    assert out_of_time(240.0, 251.0, 7, confirmed=1, begun=True) is None, "what was begun before a crash is finished"
