"""Which GPUs a trial gets: the boards or MIG instances that its resources name."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.engine.workload import Resources
from tuner.errors import Problem, UserError
from tuner.trial.hardware import GpuInventory

__all__ = ["choose_gpus"]

_WHOLE = "nvidia.com/gpu"
_SLICE = "nvidia.com/mig-"


def choose_gpus(resources: Resources, inventory: GpuInventory) -> dict[str, str]:
    """The environment that shows a server exactly the GPUs it asks for, and none where it asks for none.

    Empty on a machine without GPUs. UserError where this machine does not have what is asked for.
    """
    problems: list[Problem] = []
    chosen: list[str] = []
    for resource, count in resources.gpus.items():
        if count == 0:
            continue
        have = _uuids(resource, inventory)
        if len(have) < count:
            problems.append(_missing(resource, count, len(have), inventory))
        chosen += have[:count]
    if problems:
        raise UserError(problems)
    return {"CUDA_VISIBLE_DEVICES": ",".join(chosen)} if inventory.gpus else {}


def _uuids(resource: str, inventory: GpuInventory) -> Sequence[str]:
    if resource == _WHOLE:
        return [gpu.uuid for gpu in inventory.gpus if not gpu.mig_enabled]
    # In a resource's name ``+`` is written ``.``.
    return [
        instance.uuid
        for gpu in inventory.gpus
        for instance in gpu.mig
        if f"{_SLICE}{instance.profile.replace('+', '.')}" == resource
    ]


def _missing(resource: str, count: int, have: int, inventory: GpuInventory) -> Problem:
    why = f": {inventory.note}" if inventory.note else ""
    return Problem(
        f"a trial needs {count} × {resource}, this machine has {have}{why}",
        "run the tuner on a machine that has them, or ask for other resources",
    )
