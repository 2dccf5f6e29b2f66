"""What a server uses of its GPUs, asked of the driver: memory of boards and MIG instances, activity of whole boards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pynvml

from tuner.measurement.resource_use import GpuUse

__all__ = ["GpuReader", "UseNvml"]

_MIG = "MIG-"


class UseNvml(Protocol):
    """The part of nvidia-ml-py that tells what is in use; ``nvmlDeviceGetUtilizationRates`` never under MIG."""

    def nvmlInit(self) -> Any: ...  # noqa: N802 - NVIDIA's names
    def nvmlShutdown(self) -> Any: ...  # noqa: N802
    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Any: ...  # noqa: N802
    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> Any: ...  # noqa: N802


@dataclass(slots=True)
class _Device:
    uuid: str
    samples: int = 0
    peak: int | None = None
    of: Literal["server", "device"] = "device"
    active: float = 0.0
    active_samples: int = 0


class GpuReader:
    """Samples the given boards and instances (NVML's UUIDs); ``pids`` tells the server's processes at each sample.

    Whatever the driver refuses stays ``None``; nothing is raised. Without devices the driver is not touched.
    """

    def __init__(self, uuids: Sequence[str], pids: Callable[[], Collection[int]], nvml: UseNvml = pynvml) -> None:
        self._devices = [_Device(uuid) for uuid in uuids]
        self._pids = pids
        self._nvml = nvml
        self._open = False
        if self._devices:
            try:
                nvml.nvmlInit()
                self._open = True
            except pynvml.NVMLError:
                return  # told by samples: 0

    @property
    def useful(self) -> bool:
        """Whether there is anything to sample."""
        return self._open

    def sample(self) -> None:
        """Look once at every device."""
        if not self._open:
            return
        pids = frozenset(self._pids())
        for device in self._devices:
            try:
                self._look(device, self._nvml.nvmlDeviceGetHandleByUUID(device.uuid), pids)
            except pynvml.NVMLError:
                continue

    def uses(self) -> tuple[GpuUse, ...]:
        """What the samples so far say, in the order of the devices."""
        return tuple(
            GpuUse(
                uuid=device.uuid,
                samples=device.samples,
                peak_memory=device.peak,
                memory_of=device.of,
                activity=device.active / device.active_samples if device.active_samples else None,
            )
            for device in self._devices
        )

    def close(self) -> None:
        """Give the driver back; any number of times."""
        if self._open:
            self._open = False
            try:
                self._nvml.nvmlShutdown()
            except pynvml.NVMLError:
                return  # what was read stays true

    def _look(self, device: _Device, handle: Any, pids: frozenset[int]) -> None:
        own = self._memory_of(handle, pids)
        used = int(self._nvml.nvmlDeviceGetMemoryInfo(handle).used) if own is None else own
        device.samples += 1
        if own is not None and device.of == "device":
            device.of, device.peak = "server", None  # told apart from now on: earlier totals were not the server's
        if (own is not None) == (device.of == "server"):
            device.peak = max(used, device.peak or 0)
        # Asked of a MIG instance it is an error, and asked of its board it would count the neighbours.
        if not device.uuid.startswith(_MIG):
            self._add_activity(device, handle)

    def _memory_of(self, handle: Any, pids: frozenset[int]) -> int | None:
        """Bytes of the server's processes; ``None`` where the driver does not tell (in a container: other ids)."""
        try:
            running = self._nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        except pynvml.NVMLError:
            return None
        sizes = [process.usedGpuMemory for process in running if process.pid in pids]
        known = [int(size) for size in sizes if size is not None]
        return sum(known) if known and len(known) == len(sizes) else None

    def _add_activity(self, device: _Device, handle: Any) -> None:
        try:
            rates = self._nvml.nvmlDeviceGetUtilizationRates(handle)
        except pynvml.NVMLError:
            return
        device.active += float(rates.gpu) / 100
        device.active_samples += 1
