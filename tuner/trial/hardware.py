"""What this machine has: CPUs, memory, GPUs and MIG instances. Looking never fails; what is missing is said."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Protocol

import psutil
import pynvml

from tuner.trial.machine_tree import MachineTree
from tuner.value import Value

__all__ = ["Gpu", "GpuInventory", "Hardware", "MigInstance", "Nvml", "survey", "survey_gpus"]

_MIG_NAME = re.compile(r"\bMIG (\S+)$")


class MigInstance(Value):
    """One MIG instance. ``profile`` as NVIDIA writes it (``1g.10gb``); it means something only with the product."""

    uuid: str
    profile: str
    memory: int
    """Bytes."""
    index: int
    """Position on its board; the numbers may have gaps."""


class Gpu(Value):
    """One board. ``product`` as the node label ``nvidia.com/gpu.product`` spells it."""

    index: int
    uuid: str
    product: str
    memory: int
    """Bytes."""
    mig_enabled: bool
    mig: tuple[MigInstance, ...] = ()


class GpuInventory(Value):
    """All boards. ``note`` says why there is none, and what could not be read; empty where all is well."""

    driver: str | None = None
    gpus: tuple[Gpu, ...] = ()
    note: str = ""


class Hardware(Value):
    """One machine as this process may use it. Memory in bytes; ``cpu_quota`` in cores, where a container sets one."""

    cpu_model: str
    cpus: tuple[int, ...]
    cpu_quota: float | None
    memory: int
    gpus: GpuInventory


class Nvml(Protocol):
    """The part of nvidia-ml-py that is used: only calls that work under MIG."""

    def nvmlInit(self) -> Any: ...  # noqa: N802 - NVIDIA's names
    def nvmlShutdown(self) -> Any: ...  # noqa: N802
    def nvmlSystemGetDriverVersion(self) -> str: ...  # noqa: N802
    def nvmlDeviceGetCount(self) -> int: ...  # noqa: N802
    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any: ...  # noqa: N802
    def nvmlDeviceGetName(self, handle: Any) -> str: ...  # noqa: N802
    def nvmlDeviceGetUUID(self, handle: Any) -> str: ...  # noqa: N802
    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetMigMode(self, device: Any) -> Any: ...  # noqa: N802
    def nvmlDeviceGetMaxMigDeviceCount(self, device: Any) -> int: ...  # noqa: N802
    def nvmlDeviceGetMigDeviceHandleByIndex(self, device: Any, index: int) -> Any: ...  # noqa: N802


def survey(nvml: Nvml = pynvml) -> Hardware:
    """Look at this machine, through the limits of the control groups around this process."""
    tree = MachineTree()
    limit = tree.memory_limit()
    memory = int(psutil.virtual_memory().total)
    return Hardware(
        cpu_model=_cpu_model(),
        cpus=tuple(sorted(os.sched_getaffinity(0))),
        cpu_quota=tree.cpu_quota(),
        memory=memory if limit is None else min(memory, limit),
        gpus=survey_gpus(nvml),
    )


def survey_gpus(nvml: Nvml = pynvml) -> GpuInventory:
    """The NVIDIA boards and their MIG instances; an inventory with a note, never an exception."""
    try:
        nvml.nvmlInit()
    except pynvml.NVMLError as error:
        absent = _code(error) in (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
        return GpuInventory(note="no NVIDIA driver" if absent else f"the NVIDIA driver does not answer: {error}")
    try:
        driver = nvml.nvmlSystemGetDriverVersion()
        count = nvml.nvmlDeviceGetCount()
    except pynvml.NVMLError as error:
        return GpuInventory(note=f"the NVIDIA driver does not answer: {error}")
    else:
        gpus, notes = _boards(nvml, count)
        return GpuInventory(driver=driver, gpus=gpus, note="; ".join(notes) if count else "no GPU")
    finally:
        _shut_down(nvml)


def _boards(nvml: Nvml, count: int) -> tuple[tuple[Gpu, ...], list[str]]:
    gpus: list[Gpu] = []
    notes: list[str] = []
    for index in range(count):
        try:
            gpus.append(_board(nvml, index, notes))
        except pynvml.NVMLError as error:
            notes.append(f"GPU {index} does not answer: {error}")
    return tuple(gpus), notes


def _board(nvml: Nvml, index: int, notes: list[str]) -> Gpu:
    device = nvml.nvmlDeviceGetHandleByIndex(index)
    enabled = _mig_enabled(nvml, device)
    return Gpu(
        index=index,
        uuid=nvml.nvmlDeviceGetUUID(device),
        product=re.sub(r"\s+", "-", nvml.nvmlDeviceGetName(device).strip()),
        memory=int(nvml.nvmlDeviceGetMemoryInfo(device).total),
        mig_enabled=enabled,
        mig=tuple(_instances(nvml, device, f"GPU {index}", notes)) if enabled else (),
    )


def _mig_enabled(nvml: Nvml, device: Any) -> bool:
    try:
        current, _pending = nvml.nvmlDeviceGetMigMode(device)
    except pynvml.NVMLError as error:
        if _code(error) == pynvml.NVML_ERROR_NOT_SUPPORTED:
            return False
        raise
    return bool(current)


def _instances(nvml: Nvml, device: Any, board: str, notes: list[str]) -> list[MigInstance]:
    found: list[MigInstance] = []
    for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(device)):
        try:
            handle = nvml.nvmlDeviceGetMigDeviceHandleByIndex(device, index)
            name = nvml.nvmlDeviceGetName(handle)
            match = _MIG_NAME.search(name)
            if match is None:
                notes.append(f"{board} instance {index}: no profile in its name {name!r}")
                continue
            memory = int(nvml.nvmlDeviceGetMemoryInfo(handle).total)
            found.append(MigInstance(uuid=nvml.nvmlDeviceGetUUID(handle), profile=match[1], memory=memory, index=index))
        except pynvml.NVMLError as error:
            # Not found is a gap: instances keep their numbers when others are removed.
            if _code(error) != pynvml.NVML_ERROR_NOT_FOUND:
                notes.append(f"{board} instance {index} does not answer: {error}")
    return found


def _code(error: pynvml.NVMLError) -> int:
    """The library sets the number past the eyes of a type checker."""
    return int(getattr(error, "value", pynvml.NVML_ERROR_UNKNOWN))


def _shut_down(nvml: Nvml) -> None:
    try:
        nvml.nvmlShutdown()
    except pynvml.NVMLError:
        return  # what was read stays true


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, os.uname().machine)
