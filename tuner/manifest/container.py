"""One container of a Deployment or Argo Rollout: where it stands, and what it is started with."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tuner.engine.workload import Resources, Workload
from tuner.errors import Problem, UserError
from tuner.manifest.tree import Path, Tree
from tuner.spec.quantity import parse_bytes, parse_cores

__all__ = ["POD", "Container", "Source", "find_container"]

KINDS = ("Deployment", "Rollout", "StatefulSet")
POD: Path = ("spec", "template", "spec")


@dataclass(frozen=True, slots=True)
class Source:
    """The entry of a ConfigMap that a mounted file comes from."""

    file: str
    document: int
    path: Path


@dataclass(frozen=True, slots=True)
class Container:
    """The container ``path`` in document ``document`` of ``tree``; ``data`` is that document, plain."""

    tree: Tree
    document: int
    path: Path
    data: Any
    files: Mapping[str, Source]
    contents: Mapping[str, str]

    def at(self, *steps: str | int) -> Any:
        """The value below the container, ``None`` where there is none."""
        return _value(self.data, (*self.path, *steps))

    def problem(self, steps: Path, what: str, fix: str) -> UserError:
        """The error at something below the container."""
        return self.tree.problem(self.tree.find(self.document, (*self.path, *steps)), what, fix)

    def workload(self) -> Workload:
        """What the container is started with; UserError with the place for a value that Kubernetes would refuse."""
        return Workload(
            image=self._text(("image",)),
            command=self._texts("command"),
            arguments=self._texts("args"),
            environment=dict(self._environment()),
            files=dict(self.contents),
            resources=self._resources(),
            replicas=self._replicas(),
            node_selector={str(k): str(v) for k, v in (_value(self.data, (*POD, "nodeSelector")) or {}).items()},
        )

    def _text(self, steps: Path) -> str:
        value = self.at(*steps)
        if not isinstance(value, str):
            raise self.problem(
                steps if value is not None else (), f"{'.'.join(map(str, steps))} is no text", "quote it"
            )
        return value

    def _texts(self, name: str) -> tuple[str, ...]:
        items = self.at(name) or []
        if not isinstance(items, list):
            raise self.problem((name,), f"{name} is no list", "write one item a line")
        return tuple(self._text((name, index)) for index in range(len(items)))

    def _environment(self) -> Iterator[tuple[str, str]]:
        """Variables with a value of their own; those from a Secret or the like are not the manifest's to know."""
        for index, entry in enumerate(self.at("env") or []):
            if isinstance(entry, dict) and "name" in entry and "valueFrom" not in entry:
                value = "" if entry.get("value") is None else self._text(("env", index, "value"))
                yield str(entry["name"]), value

    def _resources(self) -> Resources:
        amounts = {**(self.at("resources", "requests") or {}), **(self.at("resources", "limits") or {})}
        gpus = {name: self._quantity(name, parse_bytes) for name in amounts if "/" in name}
        limits = self.at("resources", "limits") or {}
        return Resources(
            cpu=self._quantity("cpu", parse_cores) if "cpu" in limits else None,
            memory=int(self._quantity("memory", parse_bytes)) if "memory" in limits else None,
            gpus={name: int(count) for name, count in gpus.items()},
        )

    def _quantity(self, name: str, parse: Any) -> Any:
        kind = "limits" if name in (self.at("resources", "limits") or {}) else "requests"
        try:
            return parse(self.at("resources", kind, name))
        except ValueError as error:
            raise self.problem(("resources", kind, name), str(error), "correct the quantity") from error

    def _replicas(self) -> int:
        value = _value(self.data, ("spec", "replicas"))
        if value is None:
            return 1
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            node = self.tree.find(self.document, ("spec", "replicas"))
            raise self.tree.problem(node, "replicas is no whole number", "write a number")
        return value


def find_container(trees: Mapping[str, Tree], path: str, container: str) -> Container:
    """The container of that name in the file ``path``; its ConfigMaps may be in any of the files.

    UserError where no workload, or more than one, has such a container, or where a ConfigMap is missing.
    """
    tree = trees[path]
    documents = [tree.data(index) for index in range(len(tree.documents))]
    found: list[tuple[int, Path]] = []
    names: list[str] = []
    for index, data in enumerate(documents):
        if not isinstance(data, dict) or data.get("kind") not in KINDS:
            continue
        for position, entry in enumerate(_value(data, (*POD, "containers")) or []):
            if isinstance(entry, dict):
                names.append(str(entry.get("name")))
                if entry.get("name") == container:
                    found.append((index, (*POD, "containers", position)))
    if not found:
        raise UserError(_absent(path, container, names))
    if len(found) > 1:
        second = tree.find(found[1][0], found[1][1])
        raise tree.problem(second, f"a second container is called {container!r}", "keep one workload a file")
    document, place = found[0]
    files = dict(_mounted(trees, tree, document, documents[document], place))
    contents = {mounted: _value(trees[s.file].data(s.document), s.path) for mounted, s in files.items()}
    kept = {mounted: source for mounted, source in files.items() if isinstance(contents[mounted], str)}
    texts = {mounted: contents[mounted] for mounted in kept}
    return Container(tree, document, place, documents[document], kept, texts)


def _absent(path: str, container: str, names: list[str]) -> Problem:
    if not names:
        return Problem(f"the file has no {' or '.join(KINDS[:2])} with containers", "correct service.manifest", path)
    return Problem(
        f"no container is called {container!r}; there is {', '.join(names)}", "correct service.container", path
    )


def _mounted(
    trees: Mapping[str, Tree], tree: Tree, document: int, data: Any, place: Path
) -> Iterator[tuple[str, Source]]:
    """Each file that the container sees from a ConfigMap, by its path there."""
    sources = dict(_volumes(trees, tree, document, data))
    for mount in _value(data, (*place, "volumeMounts")) or []:
        entries = sources.get(str(mount.get("name")), {}) if isinstance(mount, dict) else {}
        below = str(mount.get("subPath", "")) if entries else ""
        for name, source in entries.items():
            if not below:
                yield posixpath.join(str(mount["mountPath"]), name), source
            elif name == below:
                yield str(mount["mountPath"]), source
            elif name.startswith(f"{below}/"):
                yield posixpath.join(str(mount["mountPath"]), name[len(below) + 1 :]), source


def _volumes(
    trees: Mapping[str, Tree], tree: Tree, document: int, data: Any
) -> Iterator[tuple[str, Mapping[str, Source]]]:
    """Each volume that holds ConfigMaps: its name, and its entries by their path in the volume."""
    for index, volume in enumerate(_value(data, (*POD, "volumes")) or []):
        if not isinstance(volume, dict):
            continue
        path: Path = (*POD, "volumes", index)
        given = [(volume["configMap"], (*path, "configMap"))] if volume.get("configMap") else []
        for number, part in enumerate(_value(volume, ("projected", "sources")) or []):
            if isinstance(part, dict) and part.get("configMap"):
                given.append((part["configMap"], (*path, "projected", "sources", number, "configMap")))
        entries: dict[str, Source] = {}
        for reference, where in given:
            entries |= _entries(trees, tree.find(document, where), tree, reference)
        if given:
            yield str(volume.get("name")), entries


def _entries(trees: Mapping[str, Tree], node: Any, tree: Tree, reference: Any) -> Mapping[str, Source]:
    name = reference.get("name") if isinstance(reference, dict) else None
    for file, other in trees.items():
        for index in range(len(other.documents)):
            data = other.data(index)
            if not isinstance(data, dict) or data.get("kind") != "ConfigMap":
                continue
            if _value(data, ("metadata", "name")) == name:
                items = reference.get("items") or [{"key": key, "path": key} for key in data.get("data") or {}]
                return {str(item["path"]): Source(file, index, ("data", str(item["key"]))) for item in items}
    if isinstance(reference, dict) and reference.get("optional"):
        return {}
    raise tree.problem(node, f"the ConfigMap {name!r} is missing", "put it into this file or one beside it")


def _value(data: Any, path: Path) -> Any:
    for step in path:
        if isinstance(data, dict):
            data = data.get(str(step))
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data
