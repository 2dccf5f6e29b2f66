"""The machine's CPUs, split between the server and the load generator."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.errors import UserError
from tuner.trial.cpus import plan_cpus


def alone(cpu: int) -> tuple[int, int]:
    return 0, cpu


def paired(cpu: int) -> tuple[int, int]:
    """CPU 0 and 4, 1 and 5 … share a core."""
    return 0, cpu % 4


@given(st.sets(st.integers(0, 255), min_size=2), st.none() | st.floats(0.01, 300))
def test_a_split_is_whole_or_refused(allowed: set[int], limit: float | None) -> None:
    if limit is not None and math.ceil(limit) > len(allowed) - 1:
        with pytest.raises(UserError, match=f"at most {len(allowed) - 1},"):
            plan_cpus(limit, sorted(allowed), core=alone)
        return
    plan = plan_cpus(limit, sorted(allowed), core=alone)
    assert not set(plan.server) & set(plan.generator)
    assert set(plan.server) | set(plan.generator) <= allowed
    assert plan.generator
    assert limit is None or len(plan.server) == max(1, math.ceil(limit))


def test_two_cpus_give_one_each() -> None:
    for limit in (None, 0.5, 1):
        plan = plan_cpus(limit, (0, 1), core=alone)
        assert (plan.server, plan.generator) == ((0,), (1,))


def test_what_a_split_falsifies_is_said() -> None:
    assert plan_cpus(1, (0, 1), core=alone).note == ""
    assert "overstated" in plan_cpus(0.5, (0, 1), core=alone).note
    assert "no CPU limit" in plan_cpus(None, (0, 1, 2, 3), core=alone).note


def test_without_a_limit_the_generator_keeps_a_quarter() -> None:
    plan = plan_cpus(None, range(8), core=alone)
    assert (len(plan.server), len(plan.generator)) == (6, 2)


def test_hardware_threads_of_one_core_stay_together() -> None:
    plan = plan_cpus(2, range(8), core=paired)
    assert plan.server == (0, 4)
    assert not {paired(cpu) for cpu in plan.server} & {paired(cpu) for cpu in plan.generator}
    assert plan_cpus(1, range(8), core=paired).generator == (1, 5, 2, 6, 3, 7)


def test_a_containers_quota_counts() -> None:
    plan = plan_cpus(2, range(8), quota=4.0, core=alone)
    assert (len(plan.server), len(plan.generator)) == (2, 2)
    with pytest.raises(UserError, match="this machine gives 4"):
        plan_cpus(4, range(8), quota=4.0, core=alone)


def test_one_cpu_is_too_few() -> None:
    with pytest.raises(UserError, match="this machine gives 1"):
        plan_cpus(1, (3,), core=alone)
