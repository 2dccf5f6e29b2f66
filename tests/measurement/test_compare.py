"""A difference is claimed as rarely as stated where there is none, and found where there is one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.measurement.compare import LOOKS, WORTHWHILE, next_look, paired_ratio

RUNS = 1500


def claims(pairs: int, noise: float, confidence: float, factor: float = 1.0) -> float:
    """Share of comparisons whose interval leaves out 1."""
    random = np.random.default_rng(pairs * 100 + int(noise * 100))
    found = 0
    for run in range(RUNS):
        baseline, candidate = 1000 * np.exp(random.normal(0, noise, (2, pairs)))
        interval = paired_ratio(baseline.tolist(), (factor * candidate).tolist(), confidence, run)
        found += interval.low > 1 or interval.high < 1
    return found / RUNS


@pytest.mark.parametrize("pairs", [4, 6, 8])
@pytest.mark.parametrize("noise", [0.03, 0.10])
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_equal_sides_are_told_apart_no_more_often_than_stated(pairs: int, noise: float, confidence: float) -> None:
    stated = 1 - confidence
    assert claims(pairs, noise, confidence) <= stated + 3 * math.sqrt(stated * confidence / RUNS)


def test_noise_with_slow_blocks_claims_nothing_either() -> None:
    random = np.random.default_rng(3)
    found = 0
    for run in range(RUNS):
        sides = 1000 * np.exp(random.normal(0, 0.02, (2, 6))) * np.where(random.random((2, 6)) < 0.1, 0.8, 1)
        interval = paired_ratio(sides[0].tolist(), sides[1].tolist(), 0.99, run)
        found += interval.low > 1 or interval.high < 1
    assert found / RUNS <= 0.02


def test_a_drift_of_the_machine_cancels_in_pairs() -> None:
    wobble = np.array([1.01, 0.99, 1.0, 1.01, 0.99, 1.0])
    drift = np.linspace(1.0, 0.5, 6)
    interval = paired_ratio((1000 * drift).tolist(), (1100 * drift * wobble).tolist(), 0.99, 1)
    assert interval.low > 1
    assert interval.value == pytest.approx(1.1, rel=0.01)


@pytest.mark.parametrize(("pairs", "factor"), [(4, 1.4), (6, 1.2), (8, 1.15)])
def test_a_real_difference_is_found(pairs: int, factor: float) -> None:
    assert claims(pairs, 0.03, 0.99, factor) > 0.9


values = st.floats(1e-3, 1e6)


@given(st.lists(st.tuples(values, values), min_size=3, max_size=12), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_interval_holds_its_value_and_turns_round(pairs: list[tuple[float, float]], confidence: float) -> None:
    baseline, candidate = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    there = paired_ratio(baseline, candidate, confidence, 1)
    back = paired_ratio(candidate, baseline, confidence, 1)
    assert there.low <= there.value <= there.high
    assert there.value * back.value == pytest.approx(1)
    if len(pairs) < 8:
        assert there.low * back.high == pytest.approx(1)


def test_equal_figures_prove_nothing() -> None:
    interval = paired_ratio([100.0] * 4, [100.0] * 4, 0.99, 1)
    assert interval.low < 1 < interval.high


@pytest.mark.parametrize(
    ("baseline", "candidate"),
    [([1.0, 2.0], [1.0, 2.0]), ([1.0] * 4, [1.0] * 3), ([1.0, 0.0, 1.0], [1.0] * 3), ([1.0] * 3, [1.0, math.inf, 1.0])],
)
def test_what_cannot_be_compared_is_refused(baseline: list[float], candidate: list[float]) -> None:
    with pytest.raises(ValueError, match="needs"):
        paired_ratio(baseline, candidate, 0.99, 1)


def looked_at(baseline: list[float], candidate: list[float], confidence: float) -> tuple[bool, int]:
    """Whether a difference is claimed, and after how many pairs the comparison ended."""
    pairs = LOOKS[0]
    while (wanted := next_look(baseline[:pairs], candidate[:pairs], confidence)) is not None:
        assert wanted > pairs
        pairs = wanted
    interval = paired_ratio(baseline[:pairs], candidate[:pairs], confidence, 0, LOOKS)
    return interval.low > 1 or interval.high < 1, pairs


def looked_at_often(noise: float, factor: float, confidence: float, runs: int) -> tuple[float, float]:
    """(Share of claims, pairs on average)."""
    random = np.random.default_rng(round(1000 * (noise + factor)))
    claims, used = 0, 0
    for _ in range(runs):
        baseline, candidate = 1000 * np.exp(random.normal(0, noise, (2, LOOKS[-1])))
        claimed, pairs = looked_at(baseline.tolist(), (factor * candidate).tolist(), confidence)
        claims, used = claims + claimed, used + pairs
    return claims / runs, used / runs


def test_looking_in_between_claims_no_more_than_stated() -> None:
    """At 95 %, where too many claims would show soonest; with ``WORTHWHILE`` out of reach nothing ends early."""
    share, _ = looked_at_often(0.5, 1.0, 0.95, 4000)
    assert 0.03 < share <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 4000)


def test_a_difference_of_5_percent_is_found_at_3_percent_noise() -> None:
    share, pairs = looked_at_often(0.03, 1.05, 1 - 0.01 / 3, 600)
    assert share >= 0.9
    assert pairs < 18, "a fixed number that finds it as often needs 18"


def test_a_large_difference_takes_few_pairs_and_none_takes_few_as_well() -> None:
    assert looked_at_often(0.03, 1.3, 1 - 0.01 / 3, 200)[1] < 7
    assert looked_at_often(0.03, 1.0, 1 - 0.01 / 3, 200)[1] < 12


def test_a_comparison_goes_on_while_a_worthwhile_difference_may_be_left() -> None:
    baseline = [100.0] * LOOKS[0]
    assert next_look(baseline, [100.0, 109.0, 105.5, 98.0, 108.0, 101.0], 0.99) == LOOKS[1]
    assert next_look(baseline, [100.0, 100.1, 99.9, 100.0, 100.1, 99.9], 0.99) is None
    assert next_look(baseline, [150.0, 150.1, 149.9, 150.0, 150.1, 149.9], 0.99) is None
    assert next_look([], [], 0.99) == LOOKS[0]
    assert next_look([100.0] * 7, [150.0] * 7, 0.99) == LOOKS[1], "nothing is looked at between looks"
    random = np.random.default_rng(1)
    noisy = random.lognormal(0, 0.5, (2, LOOKS[-1])).tolist()
    assert next_look(noisy[0], noisy[1], 0.99) is None, "the last look is the last"
    assert WORTHWHILE < 0.055


@given(st.sampled_from(LOOKS), st.sampled_from([0.9, 0.99]), st.integers(0, 99))
def test_a_look_is_more_careful_than_a_number_fixed_beforehand(pairs: int, confidence: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    baseline, candidate = random.lognormal(0, 0.1, (2, pairs)).tolist()
    look = paired_ratio(baseline, candidate, confidence, 0, LOOKS)
    alone = paired_ratio(baseline, candidate, confidence, 0, (pairs,))
    assert look.value == alone.value
    assert look.high / look.low > alone.high / alone.low * (1 - 1e-9)


def test_one_look_is_the_t_interval() -> None:
    baseline, candidate = [100.0, 101.0, 99.0, 100.5], [110.0, 112.0, 111.0, 109.0]
    once = paired_ratio(baseline, candidate, 0.99, 0, (4,))
    fixed = paired_ratio(baseline, candidate, 0.99, 0)
    assert (once.low, once.high) == pytest.approx((fixed.low, fixed.high))


@pytest.mark.parametrize("looks", [(), (2, 4), (4, 4), (8, 4), (5, 6)])
def test_looks_that_make_no_sense_are_refused(looks: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="needs"):
        paired_ratio([1.0] * 4, [1.1] * 4, 0.99, 0, looks)
