"""The objects of one trial: an owner, and what it owns, made from the template that Git describes."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tuner.errors import PermanentError
from tuner.manifest.template import PodTemplate, config_map_references
from tuner.trial.kubernetes.difference import unlisted
from tuner.value import canonical_json

__all__ = ["LEASE", "MANAGED", "TRIAL", "Staging", "TrialObjects", "objects_of", "trial_pod"]

MANAGED = {"app.kubernetes.io/managed-by": "tuner"}
"""Labels of everything that trials make."""
TRIAL = "tuner/trial"
"""Label: the owner's name, on everything that belongs to it."""
LEASE = "tuner/lease"
"""Label of an owner: the lease of the process that runs the trial."""
DIGEST = "tuner/template"
"""Annotation: digest of the service's pod template that the trial measures."""
_LOAD = {"app.kubernetes.io/name": "tuner"}
"""Label of the pods that may send load."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Staging:
    """Where trials run. ``sources`` are address ranges, beside pods of tuner itself, from which load may come."""

    namespace: str
    priority_class: str | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrialObjects:
    """What is sent to the cluster: the owner first; the others, with their API paths, are given its uid."""

    name: str
    owner: Json
    owned: tuple[tuple[str, Json], ...]
    template: str
    """Digest of the service's pod template that is measured."""

    @property
    def text(self) -> str:
        """The objects as they are sent, for people."""
        bodies = [self.owner, *(body for _, body in self.owned)]
        return json.dumps(bodies, indent=1, ensure_ascii=False) + "\n"

    def belonging_to(self, uid: str) -> Iterator[tuple[str, Json]]:
        """Path and object of everything that is owned, once the owner is there."""
        reference = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": self.name,
            "uid": uid,
            "controller": False,
            "blockOwnerDeletion": True,
        }
        for path, body in self.owned:
            yield path, {**body, "metadata": {**body["metadata"], "ownerReferences": [reference]}}


def objects_of(template: PodTemplate, staging: Staging, *, lease: str, trial: str) -> TrialObjects:
    """The objects of one trial. Names follow from what they hold: the same trial of the same process is the same one.

    PermanentError where the pod would differ from the service's own in more than is allowed.
    """
    told = canonical_json([lease, trial, template.digest])
    name = f"tuner-{template.service[:30].rstrip('-.')}-{trial[:12]}-{hashlib.sha256(told.encode()).hexdigest()[:10]}"
    labels = {**MANAGED, TRIAL: name}
    renamed = {own: f"{name}-{number}" for number, own in enumerate(sorted(template.configuration))}
    pod = trial_pod(template, labels, renamed, staging)
    notes = {DIGEST: template.digest}
    owner = _object("v1", "ConfigMap", name, {**labels, LEASE: lease}, notes) | {
        "data": {"service": template.service, "trial": trial, "template": template.digest},
        "immutable": True,
    }
    core, apps = f"/api/v1/namespaces/{staging.namespace}", f"/apis/apps/v1/namespaces/{staging.namespace}"
    networks = f"/apis/networking.k8s.io/v1/namespaces/{staging.namespace}"
    owned = [
        *(
            (
                f"{core}/configmaps/{renamed[own]}",
                _object("v1", "ConfigMap", renamed[own], labels) | content | {"immutable": True},
            )
            for own, content in sorted(template.configuration.items())
        ),
        (f"{networks}/networkpolicies/{name}", _network(name, labels, staging)),
        (f"{apps}/deployments/{name}", _deployment(name, labels, notes, pod)),
    ]
    ports = list(_ports(pod, template.container))
    if ports:
        service = _object("v1", "Service", name, labels)
        owned.append(
            (
                f"{core}/services/{name}",
                service | {"spec": {"clusterIP": "None", "selector": {TRIAL: name}, "ports": ports}},
            )
        )
    return TrialObjects(name, owner, tuple(owned), template.digest)


def trial_pod(template: PodTemplate, labels: dict[str, str], renamed: dict[str, str], staging: Staging) -> Json:
    """The service's pod template with what a trial must have otherwise. PermanentError where more came out different.

    Secrets are named anew and optional, so that none is read whatever the namespace holds; ConfigMaps of the manifest
    are those of the trial.
    """
    pod: Json = copy.deepcopy(template.pod)
    metadata, spec = pod.setdefault("metadata", {}), pod["spec"]
    metadata["labels"] = dict(labels)
    for key in ("serviceAccountName", "serviceAccount", "priorityClassName", "priority"):
        spec.pop(key, None)
    spec["automountServiceAccountToken"] = False
    if staging.priority_class is not None:
        spec["priorityClassName"] = staging.priority_class
    for reference in config_map_references(spec):
        reference["name"] = renamed.get(str(reference.get("name")), reference.get("name"))
    for reference, key in _secrets(spec):
        reference[key], reference["optional"] = f"{labels[TRIAL]}-none", True
    if not template.pod.get("metadata"):
        metadata.setdefault("labels", {})
    wrong = unlisted(template.pod, pod)
    if wrong:
        raise PermanentError(f"the trial's pod would not be the service's: {', '.join(wrong)} would differ")
    return pod


def _secrets(value: Any) -> Iterator[tuple[Json, str]]:
    """Each reference to a Secret that a container could read, and the key that names it."""
    if isinstance(value, list):
        for item in value:
            yield from _secrets(item)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key in ("secretKeyRef", "secretRef") and isinstance(inner, dict):
                yield inner, "name"
            elif key == "secret" and isinstance(inner, dict):
                yield inner, "secretName" if "secretName" in inner else "name"
            else:
                yield from _secrets(inner)


def _object(version: str, kind: str, name: str, labels: dict[str, str], notes: dict[str, str] | None = None) -> Json:
    metadata: Json = {"name": name, "labels": dict(labels)}
    if notes:
        metadata["annotations"] = dict(notes)
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _deployment(name: str, labels: dict[str, str], notes: dict[str, str], pod: Json) -> Json:
    return _object("apps/v1", "Deployment", name, labels, notes) | {
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 0,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {TRIAL: name}},
            "template": pod,
        }
    }


def _network(name: str, labels: dict[str, str], staging: Staging) -> Json:
    """Only who sends load reaches a trial, so that nobody else's traffic is measured."""
    anywhere: Json = {"namespaceSelector": {}, "podSelector": {"matchLabels": dict(_LOAD)}}
    sources = [anywhere, *({"ipBlock": {"cidr": block}} for block in staging.sources)]
    return _object("networking.k8s.io/v1", "NetworkPolicy", name, labels) | {
        "spec": {
            "podSelector": {"matchLabels": {TRIAL: name}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": sources}],
        }
    }


def _ports(pod: Json, container: str) -> Iterator[Json]:
    for each in pod["spec"].get("containers") or []:
        if each.get("name") == container:
            for index, port in enumerate(each.get("ports") or []):
                number = port["containerPort"]
                protocol = port.get("protocol") or "TCP"
                yield {"name": port.get("name") or f"port-{index}", "port": number, "protocol": protocol}
