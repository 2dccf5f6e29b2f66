"""What else the machine did during a measurement, from its own files: whole, missing, or wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.measurement.interference import LOST_SHARE, PRESSURE_SHARE, Interference, marks_of
from tuner.trial.disturbance import Snapshot, interference, look
from tuner.trial.machine_tree import CoreTime, MachineTree, Throttling

TICKS = os.sysconf("SC_CLK_TCK")
QUOTA = "nr_periods {periods}\nnr_throttled {throttled}\nthrottled_usec 1\n"


def write(root: Path, **files: str) -> MachineTree:
    """A tree of kernel files; ``__`` in a name is a folder."""
    for name, text in files.items():
        put(root, name.replace("__", "/"), text)
    return MachineTree(root)


def put(root: Path, name: str, text: str | bytes) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)


STAT = """\
cpu  300 0 0 0 0 0 0 0 0 0
cpu0 100 20 30 800 5 7 8 30 0 0
cpu2 200 0 0 700 0 0 0 100 0 0
intr 1 2 3
"""


def test_cpu_times_are_told_by_number_even_where_a_cpu_is_off(tmp_path: Path) -> None:
    cores = write(tmp_path, proc__stat=STAT).core_times()
    assert cores is not None
    assert set(cores) == {0, 2}
    assert cores[0] == CoreTime(work=150 / TICKS, stolen=30 / TICKS, total=1000 / TICKS)
    assert cores[2] == CoreTime(work=200 / TICKS, stolen=100 / TICKS, total=1000 / TICKS)


def test_pressure_is_the_time_in_which_some_process_waited(tmp_path: Path) -> None:
    some = "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
    tree = write(tmp_path, proc__pressure__memory=some)
    assert tree.pressure("memory") == 2.5
    assert tree.pressure("cpu") is None


@pytest.mark.parametrize(
    ("groups", "file"),
    [
        ("0::/\n", "sys/fs/cgroup/cpu.stat"),  # version 2, a container with a namespace of its own
        ("0::/user.slice/work.scope\n", "sys/fs/cgroup/user.slice/work.scope/cpu.stat"),
        ("0::/user.slice/work.scope\n", "sys/fs/cgroup/user.slice/cpu.stat"),  # the quota is further out
        ("0::/kubepods/pod7/abc\n", "sys/fs/cgroup/cpu.stat"),  # the host's path, the container's mount
        ("4:memory:/x\n3:cpu,cpuacct:/docker/abc\n0::/\n", "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.stat"),
        ("1:cpu:/\n0::/\n", "sys/fs/cgroup/cpu/cpu.stat"),
        ("3:cpu,cpuacct:/docker/abc\n", "sys/fs/cgroup/cpu/cpu.stat"),
    ],
)
def test_throttling_is_found_in_both_versions_of_control_groups(tmp_path: Path, groups: str, file: str) -> None:
    put(tmp_path, "proc/self/cgroup", groups)
    put(tmp_path, file, QUOTA.format(periods=40, throttled=6))
    tree = MachineTree(tmp_path)
    assert tree.throttling() == Throttling(40, 6)
    assert tree.counts_throttling()


def test_a_group_without_a_quota_is_not_throttled_and_says_nothing(tmp_path: Path) -> None:
    put(tmp_path, "proc/self/cgroup", "0::/a/b\n")
    put(tmp_path, "sys/fs/cgroup/a/b/cpu.stat", "usage_usec 5\n")
    put(tmp_path, "sys/fs/cgroup/a/cpu.stat", QUOTA.format(periods=0, throttled=0))
    assert MachineTree(tmp_path).throttling() is None
    assert MachineTree(tmp_path).counts_throttling()


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("0::/\n", {"cpu.max": "150000 100000", "memory.max": "4294967296"}),
        ("0::/a/b\n", {"a/cpu.max": "150000 100000", "a/b/cpu.max": "max 100000", "a/b/memory.max": "4294967296"}),
        ("0::/a/b\n", {"a/cpu.max": "150000 100000", "a/b/cpu.max": "900000 100000", "memory.max": "4294967296"}),
        (
            "2:cpu,cpuacct:/x\n3:memory:/x\n0::/\n",
            {
                "cpu,cpuacct/x/cpu.cfs_quota_us": "150000",
                "cpu,cpuacct/x/cpu.cfs_period_us": "100000",
                "cpu,cpuacct/cpu.cfs_quota_us": "-1",
                "cpu,cpuacct/cpu.cfs_period_us": "100000",
                "memory/x/memory.limit_in_bytes": "4294967296",
                "memory/memory.limit_in_bytes": "9223372036854771712",
            },
        ),
    ],
)
def test_the_tightest_group_around_limits_this_process(tmp_path: Path, groups: str, files: dict[str, str]) -> None:
    put(tmp_path, "proc/self/cgroup", groups)
    for name, text in files.items():
        put(tmp_path, f"sys/fs/cgroup/{name}", text + "\n")
    assert MachineTree(tmp_path).cpu_quota() == 1.5
    assert MachineTree(tmp_path).memory_limit() == 4 * 2**30


@pytest.mark.parametrize("text", ["max 100000", "max", "", "0 0", "-1 100000", "1 2 3", "\0"])
def test_no_quota_is_no_limit(tmp_path: Path, text: str) -> None:
    put(tmp_path, "proc/self/cgroup", "0::/\n")
    put(tmp_path, "sys/fs/cgroup/cpu.max", text)
    put(tmp_path, "sys/fs/cgroup/memory.max", "max\n")
    assert MachineTree(tmp_path).cpu_quota() is None
    assert MachineTree(tmp_path).memory_limit() is None


def test_a_group_cannot_lead_out_of_its_tree(tmp_path: Path) -> None:
    put(tmp_path, "proc/self/cgroup", "0::/../../../secret\n")
    put(tmp_path, "secret/cpu.stat", QUOTA.format(periods=1, throttled=1))
    assert MachineTree(tmp_path / "root").throttling() is None
    assert MachineTree(tmp_path).throttling() is None


def test_the_clock_is_the_mean_of_the_trials_cpus(tmp_path: Path) -> None:
    for cpu, clock in ((0, "2000000\n"), (1, "3000000\n"), (2, "9000000\n")):
        put(tmp_path, f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq", clock)
    assert MachineTree(tmp_path).frequency((0, 1)) == 2.5e9
    assert MachineTree(tmp_path).frequency((7,)) is None


FILES = (
    "proc/stat",
    "proc/pressure/cpu",
    "proc/self/cgroup",
    "sys/fs/cgroup/cpu.stat",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq",
)


@given(contents=st.lists(st.one_of(st.none(), st.binary(max_size=200), st.text(max_size=200)), min_size=5, max_size=5))
def test_whatever_the_files_hold_looking_does_not_fail(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes | str | None]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for name, content in zip(FILES, contents, strict=True):
        if content is not None:
            put(root, name, content if isinstance(content, bytes) else content.encode(errors="replace"))
    begin = look((0, 1), MachineTree(root))
    found = interference(begin, replace(begin, at=begin.at + 1))
    told = found.model_dump(include={"steal", "foreign", "throttled", "cpu_waiting", "memory_waiting", "io_waiting"})
    assert all(share is None or 0 <= share <= 1 for share in told.values())


@pytest.mark.parametrize(
    "line",
    [
        "cpu0 1 2 3",
        "cpu0 1 2 3 4 5 6 7 -8",
        "cpu0 1 2 3 4 5 6 7 x",
        "cpux 1 2 3 4 5 6 7 8",
        "cpu0 " + "9" * 5000 + " 2 3 4 5 6 7 8",
        "cpu0 ٣ 2 3 4 5 6 7 8",
    ],
)
def test_a_line_that_is_not_whole_is_no_cpu(tmp_path: Path, line: str) -> None:
    put(tmp_path, "proc/stat", line + "\n")
    assert MachineTree(tmp_path).core_times() is None


def test_a_file_without_an_end_is_cut(tmp_path: Path) -> None:
    put(tmp_path, "proc/stat", b"cpu0 1 2 3 4 5 6 7 8\n" + b"x" * (4 << 20))
    assert set(MachineTree(tmp_path).core_times() or ()) == {0}


def moment(
    at: float,
    *,
    own: float | None = 0.0,
    cores: dict[int, CoreTime] | None = None,
    pressure: dict[str, float | None] | None = None,
    throttling: Throttling | None = None,
    frequency: float | None = None,
) -> Snapshot:
    return Snapshot(at, (0, 1), cores, own, pressure or {}, throttling, frequency)


def cores(work: float, stolen: float, total: float) -> dict[int, CoreTime]:
    """Two CPUs of the trial, and a third one, which is none of its business."""
    return {0: CoreTime(work, stolen, total), 1: CoreTime(work, stolen, total), 2: CoreTime(0.0, total, total)}


def test_shares_are_of_the_trials_own_cpus() -> None:
    begin = moment(100.0, own=7.0, cores=cores(50.0, 1.0, 1000.0), pressure={"cpu": 1.0, "memory": 2.0, "io": None})
    end = moment(110.0, own=17.0, cores=cores(56.0, 2.0, 1010.0), pressure={"cpu": 3.0, "memory": 2.5, "io": 1.0})
    found = interference(begin, end)
    assert (found.elapsed, found.cores) == (10.0, 2)
    assert found.steal == pytest.approx(0.1)
    assert found.foreign == pytest.approx((12 - 10) / 20)
    assert (found.cpu_waiting, found.memory_waiting, found.io_waiting) == (0.2, 0.05, None)
    assert found.marks == ()


def test_what_is_above_its_bound_is_told_in_words() -> None:
    begin = moment(0.0, own=0.0, cores=cores(0.0, 0.0, 0.0), pressure={"memory": 0.0}, throttling=Throttling(100, 10))
    end = moment(10.0, own=5.0, cores=cores(5.0, 2.0, 10.0), pressure={"memory": 4.0}, throttling=Throttling(200, 60))
    assert interference(begin, end).reason == (
        "the hypervisor took 20 % of the trial's CPU time; other processes used 25 % of the trial's CPU time; "
        "the container's CPU quota was used up in 50 % of the periods; processes waited for memory 40 % of the time"
    )


def test_absent_is_not_zero() -> None:
    found = interference(moment(0.0), moment(10.0))
    assert found == Interference(elapsed=10.0, cores=2)
    hidden = interference(moment(0.0, own=None, cores=cores(0, 0, 0)), moment(10.0, own=None, cores=cores(5, 1, 10)))
    assert (hidden.steal, hidden.foreign) == (0.1, None)


def test_counters_that_stand_still_or_are_another_machines_say_nothing() -> None:
    still = interference(moment(0.0, cores=cores(0, 0, 0)), moment(10.0, cores=cores(0, 0, 0)))
    other = interference(moment(0.0, cores=cores(0, 0, 0)), moment(10.0, cores=cores(90, 0, 100)))
    gone = interference(moment(0.0, cores=cores(0, 0, 0)), moment(10.0, cores={5: CoreTime(1, 1, 10)}))
    short = interference(moment(0.0, cores=cores(0, 0, 0)), moment(0.1, cores=cores(0.1, 0, 0.1)))
    assert [(each.steal, each.foreign) for each in (still, other, gone, short)] == [(None, None)] * 4


def test_a_quota_that_was_never_needed_is_zero() -> None:
    found = interference(moment(0.0, throttling=Throttling(5, 1)), moment(1.0, throttling=Throttling(5, 1)))
    assert found.throttled == 0.0


def test_clocks_are_told_from_lowest_to_highest() -> None:
    found = interference(moment(0.0, frequency=3e9), moment(5.0, frequency=2.9e9), [1.2e9, 3.1e9])
    assert (found.frequency_low, found.frequency_high) == (1.2e9, 3.1e9)


shares = st.one_of(st.none(), st.floats(0, 1))


@given(steal=shares, foreign=shares, throttled=shares, memory_waiting=shares, cpu_waiting=shares)
def test_marks_are_what_is_above_a_bound_and_nothing_else(**told: float | None) -> None:
    found = Interference(elapsed=1.0, cores=1, **told)
    bounds = {"steal": LOST_SHARE, "foreign": LOST_SHARE, "throttled": LOST_SHARE, "memory_waiting": PRESSURE_SHARE}
    above = [name for name, bound in bounds.items() if (told[name] or 0.0) > bound]
    assert len(marks_of(found)) == len(above)


SPIN = "import os\nos.sched_setaffinity(0, [{cpu}])\nprint(os.getpid(), flush=True)\nwhile True: pass"
APART = "import subprocess, sys; subprocess.Popen([sys.executable, '-I', '-S', '-c', sys.argv[1]])"


@pytest.fixture
def busy_neighbour() -> Iterator[int]:
    """The CPU that a program keeps busy which is no child of this process: its parent has ended."""
    cpu = min(os.sched_getaffinity(0))
    command = [sys.executable, "-I", "-S", "-c", APART, SPIN.format(cpu=cpu)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        try:
            yield cpu
        finally:
            os.kill(pid, signal.SIGKILL)


def test_this_machine_tells_of_a_busy_neighbour(busy_neighbour: int) -> None:
    begin = end = look((busy_neighbour,))
    while end.at - begin.at < 1.0:
        threading.Event().wait(0.05)  # this process must not be busy itself
        end = look((busy_neighbour,))
    found = interference(begin, end)
    if found.foreign is None:
        pytest.skip("this kernel does not tell CPUs apart")
    assert found.foreign > LOST_SHARE
    assert any("other processes" in mark for mark in found.marks)
