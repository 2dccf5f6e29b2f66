"""The pods that a manifest describes: what a cluster would run, as plain JSON, with its identity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from tuner.manifest.container import find_container
from tuner.manifest.manifest import Manifest
from tuner.manifest.tree import Tree
from tuner.value import Value, canonical_json, digest_of

__all__ = ["PodTemplate", "config_map_references"]

_REFERENCES = ("configMap", "configMapKeyRef", "configMapRef")


class PodTemplate(Value):
    """``spec.template`` of a Deployment or Rollout, and the ConfigMaps of the manifest that it refers to.

    Nobody changes ``pod`` and ``configuration`` in place. How many replicas there are is no part of it: every one of
    them is this.
    """

    service: str
    """Name of the workload."""
    container: str
    """The container that serves."""
    pod: dict[str, Any]
    configuration: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """``data`` and ``binaryData`` of each ConfigMap, by its name."""

    @classmethod
    def of(cls, manifest: Manifest) -> PodTemplate:
        """The template that this manifest describes. UserError, with the place, where it is none."""
        trees = {file: Tree.parse(text, file) for file, text in manifest.texts.items()}
        found = find_container(trees, manifest.path, manifest.container)
        pod = found.data["spec"]["template"]
        wanted = {str(reference.get("name")) for reference in config_map_references(pod)}
        return cls(
            service=str((found.data.get("metadata") or {}).get("name") or manifest.container),
            container=manifest.container,
            pod=pod,
            configuration={name: content for name, content in _config_maps(trees.values()) if name in wanted},
        )

    @property
    def digest(self) -> str:
        """Identity of what runs: canonical JSON, SHA-256."""
        return digest_of(canonical_json({"configuration": self.configuration, "pod": self.pod}))


def config_map_references(value: Any) -> Iterator[dict[str, Any]]:
    """Every object below ``value`` that names a ConfigMap: of volumes, of variables, of whole environments."""
    if isinstance(value, list):
        for item in value:
            yield from config_map_references(item)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key in _REFERENCES and isinstance(inner, dict):
                yield inner
            else:
                yield from config_map_references(inner)


def _config_maps(trees: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for tree in trees:
        for index in range(len(tree.documents)):
            data = tree.data(index)
            if isinstance(data, dict) and data.get("kind") == "ConfigMap":
                content = {key: data[key] for key in ("data", "binaryData") if data.get(key)}
                yield str((data.get("metadata") or {}).get("name")), content
