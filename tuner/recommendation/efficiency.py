"""How much a configuration makes of what it has: requests per second within the SLO, per unit of each resource."""

from __future__ import annotations

from pydantic import Field

from tuner.engine.workload import Resources
from tuner.measurement.model import Measurement
from tuner.value import Value

__all__ = ["Efficiency", "efficiency_of"]

_GIB = 2**30


class Efficiency(Value):
    """Capacity, in requests per second, for one unit. ``None`` where the resource is not given, or was not told."""

    requests_per_second_per_core: float | None = Field(None, ge=0)
    """Per core of the CPU limit: what is paid for, busy or not."""
    requests_per_second_per_gib: float | None = Field(None, ge=0)
    """Per GiB of memory that the server held at its peak."""
    requests_per_second_per_slice: float | None = Field(None, ge=0)
    """Per GPU or MIG instance that the server was given."""
    busy_cores: float | None = Field(None, ge=0)
    """CPU seconds a second, over all loads of the measurement."""


def efficiency_of(measurement: Measurement, resources: Resources) -> Efficiency | None:
    """The efficiency of what was measured with these resources; ``None`` where no load met the SLO."""
    if measurement.capacity is None:
        return None
    rate = measurement.capacity.rate.value
    return Efficiency(
        requests_per_second_per_core=_per(rate, resources.cpu),
        requests_per_second_per_gib=_per(rate, measurement.peak_memory, _GIB),
        requests_per_second_per_slice=_per(rate, sum(resources.gpus.values())),
        busy_cores=measurement.use.busy_cores if measurement.use is not None else None,
    )


def _per(rate: float, amount: float | None, unit: float = 1.0) -> float | None:
    return rate * unit / amount if amount else None
