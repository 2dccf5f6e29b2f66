"""Where warm-up ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.measurement.steady import steady_from


@given(st.integers(0, 8), st.integers(1, 4), st.integers(0, 2**31))
def test_the_cold_part_is_cut_off_and_little_more(cold: int, factor: int, seed: int) -> None:
    noise = np.random.Generator(np.random.PCG64(seed)).normal(0, 0.02, 20)
    series = np.exp(noise + np.where(np.arange(20) < cold, 0.5 * factor, 0.0))
    assert cold <= steady_from(series.tolist())
    assert np.mean(series[steady_from(series.tolist()) :]) < 1.1


def test_a_series_that_still_drifts_is_not_steady() -> None:
    assert steady_from([float(20 - value) for value in range(16)]) >= 7


def test_a_constant_is_steady_from_the_first() -> None:
    assert steady_from([0.01] * 10) == 0


@pytest.mark.parametrize("length", [0, 1, 3])
def test_too_few_values_are_not_steady(length: int) -> None:
    assert steady_from([1.0] * length) == length
