"""What a machine has, with and without GPUs. The boards are played by an object with NVML's functions."""

# ruff: noqa: N802 - NVIDIA's names
from __future__ import annotations

import os
from pathlib import Path

import pynvml
import pytest

from tests.trial.fake_nvml import GIB, Device, FakeNvml, h100, nvml_error, slice_of
from tuner.engine.workload import Resources
from tuner.errors import UserError
from tuner.trial.gpus import choose_gpus
from tuner.trial.hardware import Hardware, MigInstance, survey, survey_gpus


def test_this_machine_is_described() -> None:
    found = survey()
    assert set(found.cpus) == os.sched_getaffinity(0)
    assert found.memory > 2**28
    assert found.cpu_model
    assert Hardware.model_validate_json(found.model_dump_json()) == found


def test_this_machine_says_whether_it_has_a_driver() -> None:
    inventory = survey_gpus()
    if Path("/proc/driver/nvidia/version").exists():
        assert inventory.driver
    else:
        assert (inventory.driver, inventory.gpus, inventory.note) == (None, (), "no NVIDIA driver")


def test_a_driver_without_a_board_says_so() -> None:
    nvml = FakeNvml([])
    inventory = survey_gpus(nvml)
    assert (inventory.driver, inventory.gpus, inventory.note) == ("580.65.06", (), "no GPU")
    assert nvml.open == 0


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_NO_PERMISSION, pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH])
def test_a_driver_that_does_not_answer_says_why(code: int) -> None:
    class Broken(FakeNvml):
        def nvmlInit(self) -> None:
            raise nvml_error(code)

    note = survey_gpus(Broken([])).note
    assert note.startswith("the NVIDIA driver does not answer: ")
    assert len(note) > len("the NVIDIA driver does not answer: ")


def test_instances_are_found_across_gaps() -> None:
    nvml = FakeNvml([h100(None, slice_of("1g.10gb", 1, 9.75), None, None, slice_of("3g.40gb", 4, 39.5), None, None)])
    (gpu,) = survey_gpus(nvml).gpus
    assert gpu.product == "NVIDIA-H100-80GB-HBM3"
    assert gpu.mig_enabled
    assert gpu.mig == (
        MigInstance(uuid="MIG-1", profile="1g.10gb", memory=int(9.75 * GIB), index=1),
        MigInstance(uuid="MIG-4", profile="3g.40gb", memory=int(39.5 * GIB), index=4),
    )
    assert survey_gpus(nvml).note == ""


def test_boards_without_mig_are_whole() -> None:
    old = Device("Tesla T4", "GPU-7", 16 * GIB)
    inventory = survey_gpus(FakeNvml([old, h100(mig=False)]))
    assert [(gpu.product, gpu.mig_enabled, gpu.mig) for gpu in inventory.gpus] == [
        ("Tesla-T4", False, ()),
        ("NVIDIA-H100-80GB-HBM3", False, ()),
    ]


def test_what_is_broken_is_named_and_the_rest_is_kept() -> None:
    board = h100(slice_of("1g.10gb", 0, 9.75), slice_of("1g.10gb", 1, 9.75, broken=True), Device("odd", "MIG-2", 1))
    inventory = survey_gpus(FakeNvml([h100(broken=True), board]))
    assert [[instance.uuid for instance in gpu.mig] for gpu in inventory.gpus] == [["MIG-0"]]
    assert "GPU 0 does not answer: " in inventory.note
    assert "GPU 1 instance 1 does not answer: " in inventory.note
    assert "GPU 1 instance 2: no profile in its name 'odd'" in inventory.note


def test_a_trial_sees_the_instances_that_it_asks_for() -> None:
    board = h100(slice_of("1g.10gb", 0, 9.75), slice_of("1g.10gb+me", 1, 9.75), slice_of("1g.10gb", 2, 9.75))
    inventory = survey_gpus(FakeNvml([board, Device("Tesla T4", "GPU-7", 16 * GIB)]))

    def seen(**gpus: int) -> dict[str, str]:
        return choose_gpus(Resources(gpus={f"nvidia.com/{name}": count for name, count in gpus.items()}), inventory)

    assert seen(**{"mig-1g.10gb": 2}) == {"CUDA_VISIBLE_DEVICES": "MIG-0,MIG-2"}
    assert seen(**{"mig-1g.10gb.me": 1}) == {"CUDA_VISIBLE_DEVICES": "MIG-1"}
    assert seen(gpu=1) == {"CUDA_VISIBLE_DEVICES": "GPU-7"}
    assert seen(gpu=0) == {"CUDA_VISIBLE_DEVICES": ""}
    with pytest.raises(UserError, match=r"needs 3 × nvidia.com/mig-1g.10gb, this machine has 2"):
        seen(**{"mig-1g.10gb": 3})


def test_without_gpus_nothing_is_set_and_asking_names_the_reason() -> None:
    inventory = survey_gpus(FakeNvml([]))
    assert choose_gpus(Resources(), inventory) == {}
    with pytest.raises(UserError, match=r"needs 1 × nvidia.com/gpu, this machine has 0: no GPU"):
        choose_gpus(Resources(gpus={"nvidia.com/gpu": 1}), inventory)
