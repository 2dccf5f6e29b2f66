"""How many workers a load gets: what one of them can send, found out once and only where it matters."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.engine.protocol import HttpRequest
from tuner.load import generator as generator_module
from tuner.load.arrivals import schedule
from tuner.load.calibration import FINENESS, SAFE_RATE, Calibration, sustained
from tuner.load.generator import LocustGenerator
from tuner.load.protocol import LoadPlan, LoadResult
from tuner.load.simulated import load_result
from tuner.load.tally import Observation, tally

Plan = Callable[..., LoadPlan]
Serve = Callable[[str], object]


class Worker:
    """Sends up to ``limit`` requests per second on time and the others late; never sooner than ``noise`` seconds."""

    def __init__(self, limit: float, noise: float = 0.0) -> None:
        self.limit = limit
        self.noise = noise
        self.plans: list[LoadPlan] = []

    def run(self, plan: LoadPlan) -> LoadResult:
        self.plans.append(plan)
        times = schedule(plan.arrivals, plan.planned, 0, plan.rate, plan.seed)
        seen = Observation(
            scheduled=times,
            latency=np.full(len(times), 0.001),
            sent_late=np.full(len(times), self.noise if plan.rate <= self.limit else self.noise + 0.1),
            failed=Counter(),
            lengths=Counter({16: len(times)}),
            first=0.0,
            finished=float(times[-1]),
            ended_early=False,
        )
        return load_result(
            tally(seen, planned=plan.planned, rate=plan.rate, timeout=1.0, bounds=(0.02,), elapsed=float(times[-1]))
        )


@settings(max_examples=8, deadline=None)
@given(st.floats(1600, 100_000), st.sampled_from([0.0, 0.004]))
def test_the_highest_rate_on_time_is_found(limit: float, noise: float) -> None:
    """Also on a machine whose own noise is beyond the bound."""
    worker = Worker(limit, noise)
    found = sustained(worker.run, 2048)
    assert found <= limit <= max(found * FINENESS, 2 * SAFE_RATE)
    assert sum(plan.lead + plan.duration for plan in worker.plans) < 2.5


def test_requests_are_as_large_as_the_plans() -> None:
    worker = Worker(5000)
    sustained(worker.run, 4096)
    assert {len(plan.requests[0].body) for plan in worker.plans} == {4096}


def test_low_rates_are_not_calibrated(plan: Plan) -> None:
    worker = Worker(5000)
    assert Calibration().workers(plan(1, rate=SAFE_RATE), 4, worker.run) == 1
    assert not worker.plans


def test_one_core_is_not_calibrated(plan: Plan) -> None:
    worker = Worker(5000)
    assert Calibration().workers(plan(1, rate=50_000.0), 1, worker.run) == 1
    assert not worker.plans


def test_high_rates_get_as_many_workers_as_they_need(plan: Plan) -> None:
    worker, calibration = Worker(5000), Calibration()
    assert calibration.workers(plan(1, rate=3000.0), 4, worker.run) == 1
    once = len(worker.plans)
    assert calibration.workers(plan(1, rate=8000.0), 4, worker.run) == 3
    assert calibration.workers(plan(1, rate=80_000.0), 4, worker.run) == 4
    assert len(worker.plans) == once > 0
    large = HttpRequest(path="/", body=b"x" * 100_000)
    calibration.workers(plan(1, rate=1000.0, requests=(large,)), 4, worker.run)
    assert len(worker.plans) > once


def test_a_generator_grows_and_stays(serve: Callable[..., object], plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("several workers need several cores")
    monkeypatch.setattr(generator_module, "CALIBRATION", Calibration({8192: 1600.0}))
    port = getattr(serve("ok"), "port")  # noqa: B009
    with LocustGenerator(cores[:2]) as generator:
        assert len(list(generator.pids)) == 1
        assert generator.run(plan(port, rate=100.0)).answered == 50
        assert len(list(generator.pids)) == 1
        assert generator.run(plan(port, rate=2000.0)).answered == 1000
        assert len(list(generator.pids)) == 2
        assert generator.run(plan(port, rate=100.0)).answered == 50
        assert len(list(generator.pids)) == 2
