"""Stock-taking: which GPUs and MIG slices the manifests of one commit hold, and which limits they state.

Counted are replicas times limits of every workload; where an autoscaler may go higher, its maximum. A workload that is
bound to no board may be on any, so it counts on each. What cannot be read is told, because it may hold anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tuner.errors import UserError
from tuner.policy.quota import QuotaEntry
from tuner.repository.snapshot import Snapshot
from tuner.spec.quantity import parse_bytes

__all__ = ["ANY_BOARD", "PRODUCT", "Holding", "Stock", "take_stock"]

ANY_BOARD = "*"
PRODUCT = "nvidia.com/gpu.product"
_SIGNS = ("nvidia.com/", "amd.com/", "gpu.intel.com/", "HorizontalPodAutoscaler", "ScaledObject")
_OURS = ("policies/", "audit/")
_POD_SPEC: dict[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
_TEMPLATE = ("spec", "template", "spec")
_COUNT: dict[str, tuple[str, ...]] = {
    "Job": ("spec", "parallelism"),
    "CronJob": ("spec", "jobTemplate", "spec", "parallelism"),
}
_WITHOUT_PODS = frozenset({"ConfigMap", "CustomResourceDefinition", "LimitRange", "Namespace", "Node", "Secret"})
_AUTOSCALERS = {"HorizontalPodAutoscaler": ("maxReplicas", None), "ScaledObject": ("maxReplicaCount", 100)}
_KEDA_DEFAULT = 100


@dataclass(frozen=True, slots=True)
class Holding:
    """What one workload holds of one resource, all replicas together. ``product`` ``None``: bound to no board."""

    path: str
    kind: str
    namespace: str
    name: str
    containers: frozenset[str]
    product: str | None
    resource: str
    count: int


@dataclass(frozen=True, slots=True)
class Stock:
    """The stock of one commit. ``unread`` are files that name such a resource and are no plain manifests."""

    holdings: tuple[Holding, ...] = ()
    limits: tuple[QuotaEntry, ...] = ()
    """Of ResourceQuota objects."""
    unread: tuple[str, ...] = ()

    def held(self, entry: QuotaEntry, path: str = "", container: str = "") -> int:
        """How much of an entry's resource is held by all but the workload with this container in this file."""
        return sum(
            holding.count
            for holding in self.holdings
            if _counts(entry, holding.product, holding.resource, holding.namespace)
            and not (holding.path == path and container in holding.containers)
        )

    def own(self, path: str, container: str) -> tuple[Holding, ...]:
        """What the workload with this container in this file holds."""
        return tuple(each for each in self.holdings if each.path == path and container in each.containers)

    def entries(
        self, stated: Sequence[QuotaEntry], path: str, container: str, known: Sequence[str] = ()
    ) -> tuple[QuotaEntry, ...]:
        """The quota file's and the ResourceQuotas' entries, with what other workloads hold added to ``taken``.

        ``known`` files are not told as uncounted: a person has put what they hold into ``taken``.
        """
        unread = tuple(file for file in self.unread if file not in known)
        return tuple(
            entry.model_copy(update={"taken": entry.taken + self.held(entry, path, container), "uncounted": unread})
            for entry in (*stated, *self.limits)
        )


def _counts(entry: QuotaEntry, product: str | None, resource: str, namespace: str) -> bool:
    if resource != entry.resource:
        return False
    board = entry.product == ANY_BOARD or product is None or product == entry.product
    return board and (not entry.namespace or not namespace or namespace == entry.namespace)


def take_stock(snapshot: Snapshot) -> Stock:
    """Read every manifest of the commit that names a GPU or an autoscaler. PermanentError for a damaged repository."""
    documents: list[tuple[str, dict[str, Any]]] = []
    unread: list[str] = []
    for path in snapshot.holding(_SIGNS):
        if path.startswith(_OURS) or not path.endswith((".yaml", ".yml", ".json")):
            continue
        found = _documents(snapshot, path)
        if found is None:
            unread.append(path)
        else:
            documents += ((path, each) for each in found)
    most = dict(_most(each for _, each in documents))
    holdings: list[Holding] = []
    for path, document in documents:
        held = _holdings(path, document, most)
        if held is None:
            unread.append(path)
        else:
            holdings += held
    limits = tuple(limit for path, document in documents for limit in _limits(path, document))
    return Stock(tuple(holdings), limits, tuple(sorted(set(unread))))


def _documents(snapshot: Snapshot, path: str) -> list[dict[str, Any]] | None:
    """The Kubernetes objects of a file; ``None`` where it is no plain YAML or holds something else."""
    try:
        loaded = list(yaml.load_all(snapshot.read(path), getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (UserError, yaml.YAMLError, ValueError, RecursionError):
        return None
    found: list[dict[str, Any]] = []
    for each in loaded:
        if each is None:
            continue
        items = each.get("items") if isinstance(each, dict) and str(each.get("kind", "")).endswith("List") else [each]
        if not isinstance(items, list) or any(not isinstance(item, dict) for item in items):
            return None
        found += (item for item in items if not str(item.get("apiVersion", "")).startswith("tuner/"))
    return found


def _holdings(path: str, document: dict[str, Any], most: dict[tuple[str, str], int]) -> list[Holding] | None:
    """What an object holds; ``None`` where it names a GPU and it cannot be told how many."""
    kind, name = str(document.get("kind", "")), str(_at(document, "metadata", "name") or "")
    if kind in _WITHOUT_PODS or kind in _AUTOSCALERS or kind == "ResourceQuota":
        return []
    pod = _at(document, *_POD_SPEC.get(kind, _TEMPLATE))
    containers = [*_list(_at(pod, "containers")), *_list(_at(pod, "initContainers"))]
    if not containers:
        return None if _names_gpu(document) else []
    try:
        wanted = _wanted(pod)
    except ValueError:
        return None
    replicas = _replicas(kind, document)
    if not wanted:
        return []
    if replicas is None:
        return None
    replicas = max(replicas, most.get((kind, name), 0))
    namespace = str(_at(document, "metadata", "namespace") or "")
    product = _at(pod, "nodeSelector", PRODUCT)
    names = frozenset(str(each.get("name")) for each in containers)
    board = str(product) if product is not None else None
    return [
        Holding(path, kind, namespace, name, names, board, resource, count * replicas)
        for resource, count in sorted(wanted.items())
    ]


def _wanted(pod: Any) -> dict[str, int]:
    """Extended resources of one pod: its containers together, or the largest initial one. ValueError: no number."""
    together: dict[str, int] = {}
    for container in _list(_at(pod, "containers")):
        for resource, count in _extended(container):
            together[resource] = together.get(resource, 0) + count
    for container in _list(_at(pod, "initContainers")):
        for resource, count in _extended(container):
            together[resource] = max(together.get(resource, 0), count)
    return together


def _extended(container: Any) -> Iterator[tuple[str, int]]:
    requests, limits = (_at(container, "resources", kind) or {} for kind in ("requests", "limits"))
    if not isinstance(requests, dict) or not isinstance(limits, dict):
        raise ValueError("no mapping of resources")
    for resource, amount in {**requests, **limits}.items():
        if "/" in str(resource):
            yield str(resource), int(parse_bytes(str(amount)))


def _replicas(kind: str, document: dict[str, Any]) -> int | None:
    if kind == "DaemonSet":
        return None  # as many as there are nodes
    if kind == "Pod":
        return 1
    value = _at(document, *_COUNT.get(kind, ("spec", "replicas")))
    if value is None:
        return 1
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _most(documents: Iterator[dict[str, Any]]) -> Iterator[tuple[tuple[str, str], int]]:
    """The most replicas that an autoscaler may ask for, by kind and name of its target."""
    for document in documents:
        field, default = _AUTOSCALERS.get(str(document.get("kind")), ("", None))
        value = _at(document, "spec", field) if field else None
        most = default if value is None else value
        if isinstance(most, int):
            kind = _at(document, "spec", "scaleTargetRef", "kind") or "Deployment"
            yield (str(kind), str(_at(document, "spec", "scaleTargetRef", "name"))), most


def _limits(path: str, document: dict[str, Any]) -> Iterator[QuotaEntry]:
    """A ResourceQuota's limits of extended resources; for the board of its label, or else for any."""
    hard = _at(document, "spec", "hard")
    if document.get("kind") != "ResourceQuota" or not isinstance(hard, dict):
        return
    product = _at(document, "metadata", "labels", PRODUCT)
    for key, amount in sorted(hard.items(), key=lambda item: str(item[0])):
        resource = str(key).removeprefix("requests.").removeprefix("limits.")
        if "/" not in resource:
            continue
        try:
            limit = int(parse_bytes(str(amount)))
        except ValueError:
            limit = 0  # what cannot be read allows nothing
        yield QuotaEntry(
            product=str(product) if product else ANY_BOARD,
            resource=resource,
            limit=limit,
            namespace=str(_at(document, "metadata", "namespace") or ""),
            source=path,
        )


def _names_gpu(value: Any) -> bool:
    """Whether a GPU resource is a key or a text anywhere; what an alias repeats is looked at once."""
    waiting, seen = [value], set[int]()
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict | list):
            if id(each) not in seen:
                seen.add(id(each))
                waiting += [*each, *each.values()] if isinstance(each, dict) else each
        elif isinstance(each, str) and each != PRODUCT and each.startswith(_SIGNS[:3]):
            return True
    return False


def _at(value: Any, *steps: str) -> Any:
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _list(value: Any) -> list[Any]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
