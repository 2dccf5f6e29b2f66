"""Schedules, histograms and plans."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tuner.load.arrivals import schedule
from tuner.load.generator import LocustGenerator
from tuner.load.histogram import HIGHEST, decode, encode_seconds, recorded
from tuner.load.protocol import LoadPlan
from tuner.load.simulated import SimulatedServer


@given(st.lists(st.floats(0, 4000), min_size=1, max_size=200))
def test_histograms_keep_three_digits_of_every_value(seconds: list[float]) -> None:
    values, counts = recorded(decode(encode_seconds(np.array(seconds))))
    exact = np.sort(np.clip(np.rint(np.array(seconds) * 1e6), 1, HIGHEST))
    kept = np.repeat(values, counts)
    assert (np.abs(kept - exact) <= exact / 1000 + 0.5).all()


def test_recorded_values_are_those_of_the_library() -> None:
    histogram = decode(encode_seconds(np.random.default_rng(1).exponential(0.05, 3000)))
    values, counts = recorded(histogram)
    theirs = [(item.value_iterated_to, item.count_at_value_iterated_to) for item in histogram.get_recorded_iterator()]
    assert theirs == list(zip(values.tolist(), counts.tolist(), strict=True))


PLAN = {
    "endpoint": {"host": "127.0.0.1", "ports": {"http": 1, "grpc": 2, "metrics": 3}},
    "requests": [{"path": "/"}],
    "arrivals": "poisson",
    "rate": 100.0,
    "duration": 1.0,
    "seed": 1,
    "timeout": 1.0,
    "bounds": [(99.0, 0.05)],
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 0.0},
        {"duration": 1e6},
        {"requests": []},
        {"hopeless_after": (1, 2)},
        {"outstanding": 0},
        {"lead": -1.0},
    ],
)
def test_impossible_plans_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LoadPlan.model_validate({**PLAN, **wrong})


def test_a_generator_that_was_never_used_starts_nothing() -> None:
    generator = LocustGenerator()
    assert generator.pid is None
    generator.close()


def test_the_simulated_queue_is_an_m_d_1_queue() -> None:
    """Mean waiting time by Pollaczek and Khinchine: u * s / (2 * (1 - u))."""
    times = schedule("poisson", 400_000, 0, 700.0, 3)
    latency = SimulatedServer(service=0.001).latencies(times)
    assert latency.mean() == pytest.approx(0.001 + 0.7 * 0.001 / (2 * 0.3), rel=0.03)


def test_a_simulated_batching_server_answers_its_saturation() -> None:
    server = SimulatedServer(service=0.008, service_each=0.0005, batch=16, instances=2)
    times = np.arange(20_000) / (2 * server.saturation)
    done = times + server.latencies(times)
    assert 20_000 / done.max() == pytest.approx(server.saturation, rel=0.01)
