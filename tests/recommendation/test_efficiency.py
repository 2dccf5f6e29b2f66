"""How much a configuration makes of what it has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.engine.workload import Resources
from tuner.measurement.model import Capacity, Interval, Measurement
from tuner.measurement.resource_use import ResourceUse
from tuner.recommendation.efficiency import Efficiency, efficiency_of

GIB = 2**30


def measured(rate: float | None, *, peak: int | None = None, cpu: float | None = None) -> Measurement:
    capacity = None if rate is None else Capacity(rate=Interval(value=rate, low=rate, high=rate))
    use = ResourceUse(elapsed=10.0, cpu_seconds=cpu)
    return Measurement(capacity=capacity, curve=(), warm_up=0.0, elapsed=10.0, peak_memory=peak, use=use)


def test_each_resource_has_its_own_figure() -> None:
    resources = Resources(cpu=4, memory=8 * GIB, gpus={"nvidia.com/mig-1g.10gb": 2, "nvidia.com/mig-2g.20gb": 1})
    assert efficiency_of(measured(600.0, peak=GIB // 2, cpu=25.0), resources) == Efficiency(
        requests_per_second_per_core=150.0,
        requests_per_second_per_gib=1200.0,
        requests_per_second_per_slice=200.0,
        busy_cores=2.5,
    )


def test_what_is_not_given_or_not_told_is_absent_and_not_zero() -> None:
    assert efficiency_of(measured(600.0), Resources(gpus={"nvidia.com/gpu": 0})) == Efficiency()
    bare = Measurement(capacity=measured(1.0).capacity, curve=(), warm_up=0.0, elapsed=1.0)
    assert efficiency_of(bare, Resources()) == Efficiency()
    assert ResourceUse(elapsed=0.0, cpu_seconds=1.0).busy_cores is None


def test_without_a_capacity_there_is_nothing_to_divide() -> None:
    assert efficiency_of(measured(None), Resources(cpu=1)) is None


@given(rate=st.floats(0.1, 1e6), cpu=st.floats(0.1, 512), factor=st.floats(1.1, 10))
def test_the_same_capacity_on_fewer_cores_is_more_efficient(rate: float, cpu: float, factor: float) -> None:
    large = efficiency_of(measured(rate), Resources(cpu=cpu * factor))
    small = efficiency_of(measured(rate), Resources(cpu=cpu))
    assert large is not None
    assert small is not None
    assert small.requests_per_second_per_core == pytest.approx(factor * (large.requests_per_second_per_core or 0))
