"""What an emulated slice is worth in processor time, and how that is written where the runtime wrote before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.cluster.compute import Quota, processors, share

SLICE = "nvidia.com/mig-1g.10gb"


@given(st.floats(0.01, 512))
def test_a_quota_is_one_that_the_kernel_takes_and_never_more_than_was_granted(granted: float) -> None:
    quota = Quota.of(granted)
    assert quota.quota >= 1_000
    assert 5_000 <= quota.period <= 1_000_000
    assert granted * 0.995 <= quota.quota / quota.period <= granted * (1 + 1e-6)


def test_a_container_may_use_its_slice_or_its_own_limit_whichever_is_less() -> None:
    part = 16 / 132 * (os.cpu_count() or 1)
    assert processors({SLICE: "1"}) == pytest.approx(part)
    assert processors({SLICE: "1", "cpu": "512"}) == pytest.approx(part)
    assert processors({SLICE: "1", "cpu": "50m"}) == pytest.approx(0.05)
    assert share({"cpu": "2"}) == 0


def test_a_quota_is_written_over_what_the_runtime_left(tmp_path: Path) -> None:
    for name, value in (("cpu.cfs_quota_us", "1212"), ("cpu.cfs_period_us", "100000")):
        (tmp_path / name).write_text(value)
    wanted = Quota.of(32 / 132)
    wanted.write(tmp_path)
    assert Quota.read(tmp_path) == wanted == Quota(1212, 5000)
