"""The machine as parameters: replicas, cores, memory, GPUs, MIG slices and node labels of the manifest.

Their values are numbers inside (cores, bytes, counts), however a person wrote them (``500m``, ``16Gi``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tuner.space.parameter import Domain, Parameter
from tuner.spec.mistake import Mistake, shown
from tuner.spec.model import Scalar, Target
from tuner.spec.quantity import parse_bytes, parse_cores

__all__ = ["BUILT_IN", "ResourceKind", "resource_kind", "typed_value"]

_RESOURCE = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")

BUILT_IN: Mapping[str, Target] = {
    "replicas": Target(manifest="replicas"),
    "cpu": Target(manifest="resources.cpu"),
    "memory": Target(manifest="resources.memory"),
    "gpu": Target(manifest="resources.gpu"),
    "gpu_product": Target(manifest="nodeSelector.nvidia.com/gpu.product"),
}
"""Parameters that every engine has, by name, and where they land."""


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """How one kind of resource is read. ``limits`` is what a manifest can hold; ``None``: only listed values."""

    read: Callable[[Scalar], Scalar]
    limits: Domain | None
    description: str


def _count(raw: Scalar) -> Scalar:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or raw != int(raw) or raw < 0:
        raise Mistake(f"{shown(raw)} is not a count", "write a whole number, 0 or more")
    return int(raw)


def _replicas(raw: Scalar) -> Scalar:
    if _count(raw) == 0:
        raise Mistake("0 replicas serve nothing", "write 1 or more")
    return _count(raw)


def _cores(raw: Scalar) -> Scalar:
    if not parse_cores(raw) >= 0.001:
        raise Mistake(f"{shown(raw)} is less than 1m, the smallest CPU share", "write for example 500m or 2")
    return parse_cores(raw)


def _memory(raw: Scalar) -> Scalar:
    if not isinstance(raw, str):
        raise Mistake(f"{shown(raw)} has no unit", "write for example 512Mi or 16Gi")
    if parse_bytes(raw) < 2**20:
        raise Mistake(f"{shown(raw)} is less than 1Mi", "write for example 512Mi or 16Gi")
    return parse_bytes(raw)


def _resource_name(raw: Scalar) -> Scalar:
    if not isinstance(raw, str) or not _RESOURCE.fullmatch(raw):
        raise Mistake(
            f"{shown(raw)} is not a GPU resource", "write for example nvidia.com/gpu or nvidia.com/mig-1g.10gb"
        )
    return raw


def _label_value(raw: Scalar) -> Scalar:
    if not isinstance(raw, str) or not _LABEL_VALUE.fullmatch(raw):
        raise Mistake(f"{shown(raw)} is not the value of a node label", "write for example NVIDIA-H100-80GB-HBM3")
    return raw


_REPLICAS = ResourceKind(_replicas, Domain(kind="int", low=1, high=10_000, step=1), "Number of replicas.")
_CPU = ResourceKind(_cores, Domain(kind="float", low=0.001, high=1024), "CPU cores of one replica.")
_MEMORY = ResourceKind(_memory, None, "Memory of one replica, in bytes.")
_GPU = ResourceKind(_resource_name, None, "GPU or MIG resource of one replica, one of it.")
_LABEL = ResourceKind(_label_value, None, "Value of the node label.")
_COUNT = ResourceKind(_count, Domain(kind="int", low=0, high=64, step=1), "GPUs or MIG slices of one replica.")


def resource_kind(target: Target) -> ResourceKind | None:
    """How values for the target are read; ``None`` where it is no field of the manifest."""
    if target.manifest is None:
        return None
    if target.manifest.startswith("nodeSelector."):
        return _LABEL
    known = {"replicas": _REPLICAS, "resources.cpu": _CPU, "resources.memory": _MEMORY, "resources.gpu": _GPU}
    return known.get(target.manifest, _COUNT)


def typed_value(parameter: Parameter, raw: Scalar) -> Scalar | None:
    """The value as the parameter holds it (``16Gi`` of memory in bytes); ``None`` where it is of the wrong type."""
    kind = resource_kind(parameter.target)
    if kind is None or not isinstance(raw, str):
        return parameter.domain.typed(raw)
    try:
        return kind.read(raw)
    except Mistake:
        return None
