"""What of the sources about interference and resources a machine has."""

from __future__ import annotations

import os
from pathlib import Path

from tests.trial.fake_nvml import FakeNvml, h100, slice_of
from tests.trial.test_trial_interference import QUOTA, STAT, put
from tuner.trial.hardware import GpuInventory, survey_gpus
from tuner.trial.machine_tree import MachineTree
from tuner.trial.sources import sources


def told(root: Path, inventory: GpuInventory | None = None) -> dict[str, tuple[bool, str]]:
    found = sources((0, 2), inventory or GpuInventory(note="no GPU"), MachineTree(root))
    return {source.name: (source.there, source.detail) for source in found}


def test_a_machine_without_any_source_says_so_for_each(tmp_path: Path) -> None:
    found = told(tmp_path)
    assert set(found) == {"interference", "pressure", "throttling", "cpu clock"}
    assert not any(there for there, _ in found.values())
    assert all("not recorded" in detail for _, detail in found.values())


def test_a_machine_with_all_of_them_says_what_they_tell(tmp_path: Path) -> None:
    put(tmp_path, "proc/stat", STAT)
    for name in ("cpu", "memory", "io"):
        put(tmp_path, f"proc/pressure/{name}", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n")
    put(tmp_path, "proc/self/cgroup", "0::/\n")
    put(tmp_path, "sys/fs/cgroup/cpu.stat", QUOTA.format(periods=3, throttled=1))
    put(tmp_path, "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "2450000\n")
    board, mig = h100(mig=False), h100(slice_of("1g.10gb", 0, 9.75))
    found = told(tmp_path, survey_gpus(FakeNvml([board, mig])))
    assert all(there for there, _ in found.values())
    assert found["pressure"][1] == "waiting for cpu, memory, io, from /proc/pressure"
    assert "quota around this process" in found["throttling"][1]
    assert found["cpu clock"][1] == "now 2.45 GHz"
    assert found["gpu use"][1] == (
        "memory and activity of GPU 0; memory of each instance of GPU 1, which tells no activity under MIG"
    )


def test_a_sandbox_whose_counters_are_zero_has_no_cpu_times(tmp_path: Path) -> None:
    put(tmp_path, "proc/stat", "cpu0 0 0 0 0 0 0 0 0 0 0\ncpu2 0 0 0 0 0 0 0 0 0 0\n")
    assert not told(tmp_path)["interference"][0]


def test_no_quota_is_no_missing_source(tmp_path: Path) -> None:
    put(tmp_path, "proc/self/cgroup", "1:cpu:/\n")
    put(tmp_path, "sys/fs/cgroup/cpu/cpu.stat", QUOTA.format(periods=0, throttled=0))
    there, detail = told(tmp_path)["throttling"]
    assert there
    assert detail.startswith("no CPU quota")


def test_this_machine_can_be_asked() -> None:
    found = sources(sorted(os.sched_getaffinity(0)), GpuInventory())
    assert all(source.detail for source in found)
