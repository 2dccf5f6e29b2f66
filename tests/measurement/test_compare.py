"""A difference is claimed as rarely as stated where there is none, and found where there is one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.measurement.compare import paired_ratio

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
