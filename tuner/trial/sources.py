"""Which of the sources about interference and resources this machine has, each with what it is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuner.trial.hardware import GpuInventory
from tuner.trial.machine_tree import MachineTree

__all__ = ["Source", "sources"]


@dataclass(frozen=True, slots=True)
class Source:
    """One source; what an absent one would tell is left out of the measurements, not taken for zero."""

    name: str
    there: bool
    detail: str


def sources(cpus: Sequence[int], gpus: GpuInventory, tree: MachineTree | None = None) -> tuple[Source, ...]:
    """Look at every source once; never fails."""
    tree = MachineTree() if tree is None else tree
    return (_cpu_times(tree, cpus), _pressure(tree), _throttling(tree), _clock(tree, cpus), *_gpus(gpus))


def _cpu_times(tree: MachineTree, cpus: Sequence[int]) -> Source:
    cores = tree.core_times() or {}
    there = any(cores[cpu].total > 0 for cpu in cpus if cpu in cores)
    told = "steal time and other processes on a trial's CPUs, from /proc/stat"
    return Source("interference", there, told if there else "/proc/stat does not tell CPUs apart: not recorded")


def _pressure(tree: MachineTree) -> Source:
    found = [name for name in ("cpu", "memory", "io") if tree.pressure(name) is not None]
    detail = f"waiting for {', '.join(found)}, from /proc/pressure" if found else "no /proc/pressure: not recorded"
    return Source("pressure", bool(found), detail)


def _throttling(tree: MachineTree) -> Source:
    if tree.throttling() is not None:
        return Source("throttling", there=True, detail="of the CPU quota around this process, from its control group")
    if tree.counts_throttling():
        return Source("throttling", there=True, detail="no CPU quota around this process: nothing can be throttled")
    return Source("throttling", there=False, detail="no cpu.stat of a control group: not recorded")


def _clock(tree: MachineTree, cpus: Sequence[int]) -> Source:
    clock = tree.frequency(cpus)
    detail = "not shown (usual in virtual machines): not recorded" if clock is None else f"now {clock / 1e9:.2f} GHz"
    return Source("cpu clock", clock is not None, detail)


def _gpus(inventory: GpuInventory) -> tuple[Source, ...]:
    if not inventory.gpus:
        return ()
    whole = [str(gpu.index) for gpu in inventory.gpus if not gpu.mig_enabled]
    sliced = [str(gpu.index) for gpu in inventory.gpus if gpu.mig_enabled]
    told = [f"memory and activity of GPU {', '.join(whole)}"] if whole else []
    told += [f"memory of each instance of GPU {', '.join(sliced)}, which tells no activity under MIG"] if sliced else []
    return (Source("gpu use", there=True, detail="; ".join(told)),)
