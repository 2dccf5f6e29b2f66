"""Experience to keep and to exchange, and trials that it is made from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tuner.experience.database import sqlite_url
from tuner.experience.model import Earlier, ModelFeatures, Reading, Tried
from tuner.load.histogram import encode_seconds
from tuner.load.protocol import LoadResult
from tuner.measurement.latency import percentiles
from tuner.measurement.model import Judgement, LoadPoint
from tuner.space.assignment import Assignment


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def storage_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Every place where experience may be kept."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "state" / "experience.db")
    return str(request.getfixturevalue("postgres_url"))


def tried(batch: int, capacity: float = 100.0) -> Tried:
    return Tried(
        assignment=Assignment({"batch": batch, "mode": "fast", "share": 0.5}),
        outcome="completed",
        readings=(Reading(metric="capacity", value=capacity, error=0.05),),
    )


def earlier(service: str = "echo", count: int = 3, **about: object) -> Earlier:
    """Trials of one service; ``about`` sets what else is known of it."""
    features = ModelFeatures(size=1000, parameters=900, operations=12, depth=7)
    known = {"engine": "triton", "hardware": "a machine", "load": "http", "features": features, **about}
    trials = tuple(tried(index, 100.0 + index) for index in range(count))
    return Earlier.model_validate({"service": service, "trials": trials, **known})


@pytest.fixture
def earlier_of() -> Callable[..., Earlier]:
    """Trials of one service."""
    return earlier


@pytest.fixture
def load_point() -> Callable[..., LoadPoint]:
    """One load of ``rate`` requests per second, with these latencies in seconds."""

    def make(
        rate: float, judgement: Judgement, seconds: tuple[float, ...] = (0.01,) * 100, *, ended_early: bool = False
    ) -> LoadPoint:
        histogram = encode_seconds(np.array(seconds))
        result = LoadResult(
            planned=len(seconds),
            scheduled=len(seconds),
            answered=len(seconds),
            over=(0,),
            histogram=histogram,
            lateness=encode_seconds(np.zeros(1)),
            offered_rate=rate,
            answered_rate=rate,
            elapsed=1.0,
            ended_early=ended_early,
        )
        latency = percentiles(histogram, (50.0, 99.0))
        return LoadPoint(
            rate=rate, judgement=judgement, reason="measured", latency=latency, lateness_p99=0.0, result=result
        )

    return make
