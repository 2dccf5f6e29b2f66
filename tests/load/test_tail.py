"""The share of requests over a bound, by the tail, against what is known."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.load.tail import tail_over, throughput

Floats = npt.NDArray[np.float64]


def random(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def good(count: int) -> npt.NDArray[np.bool_]:
    return np.zeros(count, dtype=bool)


def waits(rate: float, count: int, seed: int) -> Floats:
    """Sojourn times of an M/M/1 queue that serves 1 a second, from its stationary state."""
    source = random(seed)
    arrivals = np.cumsum(source.exponential(1 / rate, count + 2000))
    work = np.cumsum(source.exponential(1.0, count + 2000))
    begin = arrivals - np.concatenate([[0.0], work[:-1]])
    return np.asarray(work + np.maximum.accumulate(begin) - arrivals)[2000:]


@pytest.mark.parametrize("rate", [0.5, 0.8, 0.9])
def test_the_share_and_its_error_are_those_of_the_queue(rate: float) -> None:
    """M/M/1: the sojourn time is exponential with rate 1 - rate, so the share over b is exp(-(1 - rate) * b)."""
    bound, count = 4.6 / (1 - rate), int(400 / (1 - rate) ** 2)
    told = [tail_over(bound, waits(rate, count, seed), good(count)) for seed in range(300)]
    off = np.array([(tail.log_share + 4.6) / math.hypot(tail.error, 0.25) for tail in told if tail is not None])
    assert len(off) == 300
    assert abs(np.median(off)) < 0.5
    assert (np.abs(off) < 2.6).mean() > 0.95


def test_bursts_make_the_error_larger_than_coin_tosses_would() -> None:
    bursts, alone = waits(0.9, 5000, 1), waits(0.9, 5000, 1)
    random(2).shuffle(alone)
    together, apart = tail_over(46.0, bursts, good(5000)), tail_over(46.0, alone, good(5000))
    assert together is not None
    assert apart is not None
    assert together.error > 3 * apart.error


def test_slow_requests_of_another_kind_are_counted() -> None:
    """2 % of requests take 100 ms whatever the load: the tail before the bound says nothing of them."""
    source = random(3)
    latency = source.exponential(0.002, 5000)
    latency[source.random(5000) < 0.02] = 0.1
    tail = tail_over(0.05, latency, good(5000))
    assert tail is not None
    assert math.exp(tail.log_share) == pytest.approx(0.02, rel=0.25)


def test_failures_are_over_every_bound() -> None:
    source = random(4)
    latency, failed = source.exponential(0.002, 5000), source.random(5000) < 0.03
    tail = tail_over(0.05, np.where(failed, -1.0, latency), failed)
    assert tail is not None
    assert math.exp(tail.log_share) == pytest.approx(0.03, rel=0.25)
    everything = tail_over(0.05, latency, np.ones(5000, dtype=bool))
    assert everything is not None
    assert everything.log_share == 0.0


def test_a_constant_latency_below_the_bound_tells_only_how_small_the_share_is() -> None:
    tail = tail_over(0.05, np.full(5000, 0.01), good(5000))
    assert tail is not None
    assert tail.none
    assert tail.log_share == pytest.approx(math.log(0.5 / 5000))


def test_a_latency_that_drifts_has_a_large_error() -> None:
    noise = random(5).exponential(0.002, 5000)
    still, drifting = (
        tail_over(0.05, noise + 0.01, good(5000)),
        tail_over(0.05, noise + np.linspace(0, 0.04, 5000), good(5000)),
    )
    assert still is not None
    assert drifting is not None
    assert drifting.error > 0.5


@given(
    st.integers(0, 400),
    st.floats(1e-6, 10.0),
    st.sampled_from(["exponential", "constant", "two", "heavy"]),
    st.floats(0, 1),
    st.integers(0, 2**31),
)
def test_any_load_has_a_finite_tail_or_none(count: int, bound: float, kind: str, failing: float, seed: int) -> None:
    source = random(seed)
    latency = {
        "exponential": source.exponential(0.01, count),
        "constant": np.full(count, 0.01),
        "two": source.choice([0.001, 1.0], count),
        "heavy": source.pareto(0.7, count),
    }[kind]
    failed = source.random(count) < failing
    tail = tail_over(bound, np.where(failed, -1.0, latency), failed)
    if tail is not None:
        assert -30 < tail.log_share <= 0
        assert 0 <= tail.error < math.inf


def test_throughput_is_the_rate_of_answers_with_its_error() -> None:
    told = [throughput(np.cumsum(random(seed).exponential(0.001, 1000))) for seed in range(200)]
    off = np.array([math.log(found.rate / 1000) / found.error for found in told if found is not None])
    assert len(off) == 200
    assert (np.abs(off) < 3).mean() > 0.95
    assert throughput(np.arange(20.0)) is None
    assert throughput(np.zeros(1000)) is None
