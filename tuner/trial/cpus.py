"""Which cores the server gets and which the load generator: never the same ones."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from tuner.errors import UserError
from tuner.value import Value

__all__ = ["CpuPlan", "core_of", "plan_cpus"]

_TOPOLOGY = Path("/sys/devices/system/cpu")


class CpuPlan(Value):
    """Logical CPUs by number. ``note`` says what the split falsifies; empty where it is as in production."""

    server: tuple[int, ...]
    generator: tuple[int, ...]
    note: str = ""


def core_of(cpu: int) -> tuple[int, int]:
    """(package, core): equal for the hardware threads of one core. Its own core where the kernel does not say."""
    folder = _TOPOLOGY / f"cpu{cpu}/topology"
    try:
        return int((folder / "physical_package_id").read_text()), int((folder / "core_id").read_text())
    except (OSError, ValueError):
        return -1, cpu


def plan_cpus(
    limit: float | None,
    allowed: Sequence[int] | None = None,
    *,
    quota: float | None = None,
    core: Callable[[int], tuple[int, int]] = core_of,
) -> CpuPlan:
    """Split the allowed CPUs (default: those of this process) for a server with a CPU limit in cores.

    The server gets the limit rounded up to whole CPUs, hardware threads of one core together; the generator gets
    others, on other cores where there are any. Without a limit the server gets three quarters. ``quota`` is what the
    surrounding container may use in all. UserError where the machine cannot give that.
    """
    cpus = sorted(os.sched_getaffinity(0) if allowed is None else set(allowed), key=lambda cpu: (*core(cpu), cpu))
    usable = len(cpus) if quota is None else min(len(cpus), math.floor(quota))
    if usable < 2:
        raise UserError.of(
            f"a trial needs one CPU for the server and one for the load generator, this machine gives {usable}",
            "run the tuner where at least two CPUs are free",
        )
    need = usable - math.ceil(usable / 4) if limit is None else max(1, math.ceil(limit))
    if need > usable - 1:
        raise UserError.of(
            f"a CPU limit of {limit:g} needs {need} CPUs for the server and one for the load generator, "
            f"this machine gives {usable}",
            f"lower resources.cpu to at most {usable - 1}, or run the tuner on a larger machine",
        )
    server = cpus[:need]
    taken = {core(cpu) for cpu in server}
    others = cpus[need:usable]
    generator = [cpu for cpu in cpus[need:] if core(cpu) not in taken][: len(others)] or others
    return CpuPlan(server=tuple(server), generator=tuple(generator), note=_note(limit, need, len(cpus) - need))


def _note(limit: float | None, need: int, left: int) -> str:
    if limit is None:
        return f"no CPU limit: the server runs on {need} CPUs, {left} are left to the load generator"
    if need > limit:
        return f"a CPU limit of {limit:g} is tried on {need} whole CPUs: the capacity is overstated"
    return ""
