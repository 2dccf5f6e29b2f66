"""Measured capacities of queues whose capacity is known: the interval holds it, and a pass far above it is rare."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from tuner.engine.protocol import Endpoint, HttpRequest
from tuner.load.simulated import SimulatedGenerator, SimulatedServer
from tuner.measurement.course import measure
from tuner.measurement.model import Measurement
from tuner.spec.model import Load, Search, Slo

SEEDS = 20
QUEUES = {
    "M/D/1 at 1,000/s": SimulatedServer(service=0.001, overhead=0.0005),
    "M/D/1 at 350/s": SimulatedServer(service=1 / 350, overhead=0.001),
    "M/D/2": SimulatedServer(service=0.002, instances=2, overhead=0.001),
    "M/D/8": SimulatedServer(service=0.01, instances=8, overhead=0.001),
    "batches of 16": SimulatedServer(service=0.008, service_each=0.0006, batch=16, overhead=0.001),
}
Truth = Callable[[SimulatedServer], float]


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "known"])
@pytest.mark.parametrize("queue", QUEUES)
def test_the_interval_holds_the_true_capacity(
    queue: str,
    known: bool,
    truth: Truth,
    endpoint: Endpoint,
    requests: tuple[HttpRequest, ...],
    slo: Slo,
    load: Load,
    search: Search,
) -> None:
    server = QUEUES[queue]
    true = truth(server)

    def once(seed: int) -> Measurement:
        return measure(
            SimulatedGenerator(server, seed=seed),
            endpoint,
            requests,
            slo=slo,
            load=load,
            search=search,
            seed=seed,
            known=1.02 * true if known else None,
            check=lambda: None,
        )

    measured = [once(seed) for seed in range(SEEDS)]
    found = [measurement.capacity for measurement in measured if measurement.capacity is not None]
    assert len(found) == SEEDS
    assert sum(capacity.rate.low <= true <= capacity.rate.high for capacity in found) >= SEEDS - 1
    errors = [math.log(capacity.rate.value / true) for capacity in found]
    assert math.sqrt(sum(error**2 for error in errors) / len(errors)) < 0.06
    assert all(capacity.certified == capacity.rate.low <= capacity.rate.value for capacity in found)
    assert sum(measurement.elapsed for measurement in measured) / SEEDS < (20 if known else 35)
