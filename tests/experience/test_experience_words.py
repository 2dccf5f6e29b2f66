"""Equal words mean the same machine."""

from __future__ import annotations

import pytest

from tuner.experience.words import hardware_words
from tuner.trial.hardware import Gpu, GpuInventory, Hardware, MigInstance

GIB = 2**30


def gpu(index: int, *profiles: str) -> Gpu:
    slices = tuple(
        MigInstance(uuid=f"MIG-{index}-{place}", profile=profile, memory=10 * GIB, index=place)
        for place, profile in enumerate(profiles)
    )
    return Gpu(
        index=index,
        uuid=f"GPU-{index}",
        product="NVIDIA-A100-SXM4-80GB",
        memory=80 * GIB,
        mig_enabled=bool(slices),
        mig=slices,
    )


def machine(*gpus: Gpu, memory: int = 64 * GIB, quota: float | None = None) -> Hardware:
    inventory = GpuInventory(gpus=gpus)
    return Hardware(cpu_model="EPYC", cpus=(2, 3, 4, 5), cpu_quota=quota, memory=memory, gpus=inventory)


def test_a_machine_is_told_by_what_makes_it_fast() -> None:
    assert hardware_words(machine()) == "EPYC, 4 cores, 64 GiB"
    assert hardware_words(machine(quota=1.5)) == "EPYC, 1.5 cores, 64 GiB"
    assert (
        hardware_words(machine(gpu(0), gpu(1, "1g.10gb", "1g.10gb", "3g.40gb")))
        == "EPYC, 4 cores, 64 GiB, 2 x NVIDIA-A100-SXM4-80GB, 2 x mig-1g.10gb, 1 x mig-3g.40gb"
    )


@pytest.mark.parametrize("memory", [64 * GIB - 300 * 2**20, 64 * GIB + 2**20])
def test_a_little_memory_makes_no_other_machine(memory: int) -> None:
    assert hardware_words(machine(memory=memory)) == hardware_words(machine())


def test_the_words_can_be_printed() -> None:
    odd = machine().model_copy(update={"cpu_model": "EPYC\x1b[31m\n" + "x" * 5000})
    assert hardware_words(odd).isprintable()
    assert len(hardware_words(odd)) <= 1000
