"""Specs, endpoints and truths for measurements in simulated time."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import pytest

from tuner.engine.protocol import Endpoint, HttpRequest, Ports
from tuner.load.arrivals import schedule
from tuner.load.simulated import SimulatedServer
from tuner.spec.model import Load, Search, Slo

ENDPOINT = Endpoint(host="127.0.0.1", ports=Ports(http=1, grpc=2, metrics=3))


@pytest.fixture
def endpoint() -> Endpoint:
    return ENDPOINT


@pytest.fixture
def requests() -> tuple[HttpRequest, ...]:
    return (HttpRequest(path="/"),)


@pytest.fixture
def slo() -> Slo:
    return Slo.model_validate({"latency": {"p99": "50ms"}})


@pytest.fixture
def load() -> Load:
    payload = {"samples": "samples", "inputs": [{"name": "image", "datatype": "UINT8", "shape": [1]}]}
    return Load.model_validate({"payload": payload})


@pytest.fixture
def search() -> Search:
    return Search.model_validate({})


@lru_cache
def stationary(server: SimulatedServer, bound: float = 0.05, share: float = 0.01, requests: int = 300_000) -> float:
    """The rate at which that share of a long run is over the bound, by bisection."""
    low, high = 0.3 * server.saturation, server.saturation
    while high / low > 1.002:
        rate = (low * high) ** 0.5
        latency = server.latencies(schedule("poisson", requests, 0, rate, 12345))[requests // 20 :]
        low, high = (rate, high) if (latency > bound).mean() <= share else (low, rate)
    return float((low * high) ** 0.5)


@pytest.fixture(scope="session")
def truth() -> Callable[[SimulatedServer], float]:
    return stationary
