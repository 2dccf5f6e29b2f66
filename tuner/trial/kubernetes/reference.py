"""The reference load in a pod: the speed of the cores that a server on this cluster gets."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tuner.engine.workload import Resources
from tuner.errors import TemporaryError
from tuner.trial import reference_worker
from tuner.trial.kubernetes.api import Api
from tuner.trial.kubernetes.objects import LEASE, MANAGED, TRIAL, Staging
from tuner.trial.kubernetes.pod import Pod
from tuner.trial.kubernetes.removal import remove
from tuner.trial.kubernetes.shell import Shell
from tuner.trial.reference import SECONDS, ReferenceLoad, ReferenceRun, speed_of
from tuner.trial.reference_worker import PARTS
from tuner.value import canonical_json

__all__ = ["pod_reference"]

_CORES = 8
_END = "."
_LOOP = f"""
for line in sys.stdin:
    print(json.dumps(work(float(line))), "{_END}", sep="\\n", flush=True)
"""
_SLEEP = "import signal; signal.pause()"
_PATIENCE = 120.0

Json = dict[str, Any]


@contextmanager
def pod_reference(
    api: Api, staging: Staging, lease: str, image: str | None, resources: Resources, nodes: Mapping[str, str]
) -> Iterator[ReferenceLoad]:
    """A pod with the server's CPU limit, on nodes with these labels; it sleeps between runs, and ends with the context.

    TemporaryError where it cannot run, and where there is no image for it.
    """
    if image is None:
        raise TemporaryError("no image is set for the reference load, so the cluster's speed is not known")
    cores = min(_CORES, max(1, math.ceil(resources.cpu or 1)))
    name = f"tuner-reference-{hashlib.sha256(canonical_json([lease, cores, image]).encode()).hexdigest()[:10]}"
    core = f"/api/v1/namespaces/{staging.namespace}"
    labels = {**MANAGED, TRIAL: name}
    owner: Json = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {**labels, LEASE: lease}},
    }
    uid = str(api.apply(f"{core}/configmaps/{name}", owner)["metadata"]["uid"])
    shells: list[Shell] = []
    try:
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid, "blockOwnerDeletion": True}
        pod = _pod(name, labels, image, resources.cpu or cores, nodes, staging)
        pod["metadata"]["ownerReferences"] = [reference]
        api.apply(f"{core}/pods/{name}", pod)
        _await_running(api, core, name)
        source = inspect.getsource(reference_worker) + _LOOP
        command = ("python3", "-I", "-S", "-c", source)
        shells = [Shell(api.source, staging.namespace, name, "reference", command) for _ in range(cores)]
        yield _PodReference(shells)
    finally:
        for shell in shells:
            shell.close()
        remove(api, staging.namespace, name, uid)


class _PodReference:
    def __init__(self, shells: list[Shell]) -> None:
        self._shells = shells

    def run(self) -> ReferenceRun:
        """See the Protocol: one worker a core, all at the same time."""
        began = time.monotonic()
        with ThreadPoolExecutor(len(self._shells)) as pool:
            parts = list(pool.map(_rates, self._shells))
        totals = [sum(rates) for rates in zip(*parts, strict=True)]
        return ReferenceRun(speed=speed_of(totals), seconds=time.monotonic() - began, cores=len(parts))


def _rates(shell: Shell) -> list[float]:
    try:
        rates = [float(rate) for rate in json.loads("".join(shell.ask(str(SECONDS), _END, patience=10.0)))]
    except (ValueError, TypeError) as error:
        raise TemporaryError("the reference load does not answer") from error
    if len(rates) != PARTS or not all(rate > 0 and math.isfinite(rate) for rate in rates):
        raise TemporaryError("the reference load does not answer with its parts")
    return rates


def _await_running(api: Api, core: str, name: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    query = {"fieldSelector": f"metadata.name={name}"}
    while time.monotonic() < deadline:
        page = api.page(f"{core}/pods", query)
        pods = [Pod.of(each) for each in page.items]
        if pods and pods[0].ready:
            return
        watch = api.watch(f"{core}/pods", query, page.version, seconds=math.ceil(deadline - time.monotonic()))
        for _, found in watch:
            if found.get("kind") == "Pod" and Pod.of(found).ready:
                watch.close()
                return
    raise TemporaryError(f"the pod of the reference load does not run after {_PATIENCE:g} s", delay=10.0)


def _pod(name: str, labels: dict[str, str], image: str, cpu: float, nodes: Mapping[str, str], staging: Staging) -> Json:
    """It asks for next to nothing, so that it never takes the place of a trial, and may use what a server may."""
    container = {
        "name": "reference",
        "image": image,
        "command": ["python3", "-I", "-S", "-c", _SLEEP],
        "resources": {
            "requests": {"cpu": "1m", "memory": "32Mi"},
            "limits": {"cpu": f"{round(cpu * 1000)}m", "memory": "128Mi"},
        },
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec: Json = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "nodeSelector": dict(nodes),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    if staging.priority_class is not None:
        spec["priorityClassName"] = staging.priority_class
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}
