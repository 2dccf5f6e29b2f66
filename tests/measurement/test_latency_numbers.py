"""Percentiles of encoded histograms are those of HdrHistogram, and merging loses nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.load.histogram import decode, encode_seconds
from tuner.measurement.latency import merged, percentile, percentiles

times = st.lists(st.floats(1e-6, 100), min_size=1, max_size=100)


@given(times, st.lists(st.sampled_from([1.0, 50.0, 90.0, 95.0, 99.0, 99.9]), min_size=1))
def test_percentiles_are_the_librarys(seconds: list[float], percents: list[float]) -> None:
    encoded = encode_seconds(np.array(seconds))
    theirs = decode(encoded)
    for percent in percents:
        exact = theirs.get_value_at_percentile(percent) / 1e6
        assert percentiles(encoded, percents)[f"p{percent:g}"] == pytest.approx(exact)


@given(times, times)
def test_a_merged_histogram_is_that_of_all_values(some: list[float], others: list[float]) -> None:
    whole = decode(encode_seconds(np.array(some + others)))
    assert decode(merged([encode_seconds(np.array(some)), encode_seconds(np.array(others))])).equals(whole)


def test_an_empty_histogram_has_no_percentiles() -> None:
    empty = encode_seconds(np.array([]))
    assert percentiles(empty, (50.0, 99.0)) == {}
    assert percentile(empty, 99.0) == 0.0
