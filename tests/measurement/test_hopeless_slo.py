"""An SLO that no load can meet is told after about a second, with what an unloaded server does."""

from __future__ import annotations

import pytest

from tuner.engine.protocol import Endpoint, HttpRequest
from tuner.load.simulated import SimulatedGenerator, SimulatedServer
from tuner.measurement.course import measure
from tuner.measurement.model import Judgement
from tuner.spec.model import Load, Search, Slo


@pytest.mark.parametrize(("service", "bound"), [(2, 1), (20, 10), (20, 19), (40, 20)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_tight_slo_costs_about_a_second(
    endpoint: Endpoint,
    requests: tuple[HttpRequest, ...],
    load: Load,
    search: Search,
    service: int,
    bound: int,
    seed: int,
) -> None:
    """In milliseconds; the clock is the simulated server's own."""
    measurement = measure(
        SimulatedGenerator(SimulatedServer(service=service / 1000), seed=seed),
        endpoint,
        requests,
        slo=Slo.model_validate({"latency": {"p99": f"{bound}ms"}}),
        load=load,
        search=search,
        seed=seed,
        check=lambda: None,
    )
    assert measurement.capacity is None
    assert measurement.elapsed < 2.0
    assert measurement.unloaded["p99"] == pytest.approx(service / 1000, rel=0.01)
    assert f"the SLO is tighter than the unloaded latency (p50 {service} ms" in measurement.reason
    assert [point.judgement for point in measurement.curve] == [Judgement.FAIL]
