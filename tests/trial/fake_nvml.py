"""NVML played by an object with its functions, as a MIG machine answers."""

# ruff: noqa: N802 - NVIDIA's names
from __future__ import annotations

from dataclasses import dataclass, field

import pynvml

GIB = 2**30


def nvml_error(code: int) -> Exception:
    return pynvml.NVMLError(code)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Memory:
    total: int
    used: int = 0


@dataclass(frozen=True)
class Running:
    """A process on a device; ``usedGpuMemory`` is ``None`` where the driver does not tell."""

    pid: int
    usedGpuMemory: int | None  # noqa: N815


@dataclass(frozen=True)
class Rates:
    """Per cent of the time since the driver's last sample."""

    gpu: int
    memory: int = 0


@dataclass(eq=False)
class Device:
    """A board or an instance; ``slots`` are a board's instances by index, ``None`` for a gap."""

    name: str
    uuid: str
    memory: int
    mig: bool | None = None
    slots: list[Device | None] = field(default_factory=list)
    broken: bool = False
    used: int = 0
    running: list[Running] | None = field(default_factory=list)
    busy: int = 0


@dataclass
class FakeNvml:
    """NVML as a MIG machine answers: what does not work under MIG is not there at all."""

    boards: list[Device]
    open: int = 0

    def nvmlInit(self) -> None:
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlSystemGetDriverVersion(self) -> str:
        return "580.65.06"

    def nvmlDeviceGetCount(self) -> int:
        return len(self.boards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Device:
        if self.boards[index].broken:
            raise nvml_error(pynvml.NVML_ERROR_GPU_IS_LOST)
        return self.boards[index]

    def nvmlDeviceGetName(self, handle: Device) -> str:
        return handle.name

    def nvmlDeviceGetUUID(self, handle: Device) -> str:
        return handle.uuid

    def nvmlDeviceGetMemoryInfo(self, handle: Device) -> Memory:
        if handle.broken:
            raise nvml_error(pynvml.NVML_ERROR_UNKNOWN)
        return Memory(handle.memory, handle.used)

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Device:
        for board in self.boards:
            for device in (board, *board.slots):
                if device is not None and device.uuid == uuid:
                    return device
        raise nvml_error(pynvml.NVML_ERROR_NOT_FOUND)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Device) -> list[Running]:
        if handle.running is None:
            raise nvml_error(pynvml.NVML_ERROR_NO_PERMISSION)
        return handle.running

    def nvmlDeviceGetUtilizationRates(self, handle: Device) -> Rates:
        if handle.mig or any(handle in board.slots for board in self.boards):
            raise nvml_error(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return Rates(handle.busy)

    def nvmlDeviceGetMigMode(self, device: Device) -> list[int]:
        if device.mig is None:
            raise nvml_error(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return [int(device.mig), 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, device: Device) -> int:
        return len(device.slots)

    def nvmlDeviceGetMigDeviceHandleByIndex(self, device: Device, index: int) -> Device:
        found = device.slots[index]
        if found is None:
            raise nvml_error(pynvml.NVML_ERROR_NOT_FOUND)
        return found


def slice_of(profile: str, number: int, gib: float, *, broken: bool = False) -> Device:
    return Device(f"NVIDIA H100 80GB HBM3 MIG {profile}", f"MIG-{number}", int(gib * GIB), broken=broken)


def h100(*slots: Device | None, mig: bool | None = True, broken: bool = False) -> Device:
    return Device("NVIDIA H100 80GB HBM3", "GPU-0", 80 * GIB, mig, list(slots), broken)
