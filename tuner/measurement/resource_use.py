"""What a server used while it was measured."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tuner.value import Value

__all__ = ["GpuUse", "ResourceUse"]


class GpuUse(Value):
    """One board or MIG instance, sampled at most once a second. ``None`` where the driver does not say."""

    uuid: str
    samples: int = Field(ge=0)
    peak_memory: int | None = None
    """Bytes; of the processes that ``memory_of`` names."""
    memory_of: Literal["server", "device"] = "device"
    """``server`` where the driver told the server's processes apart; ``device`` counts all that was in use."""
    activity: float | None = None
    """Mean share of the time in which a kernel ran. A MIG instance has none: the driver does not count it there."""


class ResourceUse(Value):
    """Over the loads of one measurement, warm-up included, the server's start not."""

    elapsed: float = Field(ge=0)
    """Seconds."""
    cpu_seconds: float | None = Field(None, ge=0)
    """Of all the server's processes."""
    gpus: tuple[GpuUse, ...] = ()

    @property
    def busy_cores(self) -> float | None:
        """CPU seconds a second."""
        return None if self.cpu_seconds is None or self.elapsed <= 0 else self.cpu_seconds / self.elapsed
