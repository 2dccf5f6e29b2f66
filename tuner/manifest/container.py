"""One container of a Deployment or Argo Rollout: where it stands, and what it is started with."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tuner.engine.workload import Resources, Workload
from tuner.errors import UserError
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
            node_selector={
                str(label): str(value)
                for label, value in _fields(self.tree, self.document, self.data, (*POD, "nodeSelector")).items()
            },
        )

    def _text(self, steps: Path) -> str:
        value = self.at(*steps)
        if not isinstance(value, str):
            raise self.problem(
                steps if value is not None else (), f"{'.'.join(map(str, steps))} is no text", "quote it"
            )
        return value

    def _texts(self, name: str) -> tuple[str, ...]:
        items = _items(self.tree, self.document, self.data, (*self.path, name))
        return tuple(self._text((name, index)) for index in range(len(items)))

    def _environment(self) -> Iterator[tuple[str, str]]:
        """Variables with a value of their own; those from a Secret or the like are not the manifest's to know."""
        for index, entry in enumerate(_items(self.tree, self.document, self.data, (*self.path, "env"))):
            _fields(self.tree, self.document, self.data, (*self.path, "env", index))
            if entry and "valueFrom" not in entry:
                value = "" if entry.get("value") is None else self._text(("env", index, "value"))
                yield self._text(("env", index, "name")), value

    def _resources(self) -> Resources:
        requests, limits = self._amounts("requests"), self._amounts("limits")
        gpus = {name: self._quantity(name, parse_bytes) for name in {**requests, **limits} if "/" in name}
        return Resources(
            cpu=self._quantity("cpu", parse_cores) if "cpu" in limits else None,
            memory=int(self._quantity("memory", parse_bytes)) if "memory" in limits else None,
            gpus={name: int(count) for name, count in gpus.items()},
        )

    def _amounts(self, kind: str) -> Mapping[str, Any]:
        _fields(self.tree, self.document, self.data, (*self.path, "resources"))
        return _fields(self.tree, self.document, self.data, (*self.path, "resources", kind))

    def _quantity(self, name: str, parse: Any) -> Any:
        kind = "limits" if name in self._amounts("limits") else "requests"
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
        for position, _ in enumerate(_items(tree, index, data, (*POD, "containers"))):
            entry = _fields(tree, index, data, (*POD, "containers", position))
            names.append(str(entry.get("name")))
            if entry.get("name") == container:
                found.append((index, (*POD, "containers", position)))
    if not found:
        raise _absent(tree, container, names)
    if len(found) > 1:
        second = tree.find(found[1][0], found[1][1])
        raise tree.problem(second, f"a second container is called {container!r}", "keep one workload a file")
    document, place = found[0]
    files = dict(_mounted(trees, tree, document, documents[document], place))
    contents = {mounted: _value(trees[s.file].data(s.document), s.path) for mounted, s in files.items()}
    kept = {mounted: source for mounted, source in files.items() if isinstance(contents[mounted], str)}
    texts = {mounted: contents[mounted] for mounted in kept}
    return Container(tree, document, place, documents[document], kept, texts)


def _absent(tree: Tree, container: str, names: list[str]) -> UserError:
    top = tree.documents[0] if tree.documents else None
    if not names:
        what = f"the file has no {' or '.join(KINDS[:2])} with containers"
        return tree.problem(top, what, "correct service.manifest")
    what = f"no container is called {container!r}; there is {', '.join(names)}"
    return tree.problem(top, what, "correct service.container")


def _mounted(
    trees: Mapping[str, Tree], tree: Tree, document: int, data: Any, place: Path
) -> Iterator[tuple[str, Source]]:
    """Each file that the container sees from a ConfigMap, by its path there."""
    sources = dict(_volumes(trees, tree, document, data))
    for number, _ in enumerate(_items(tree, document, data, (*place, "volumeMounts"))):
        mount = _fields(tree, document, data, (*place, "volumeMounts", number))
        below, target = str(mount.get("subPath") or ""), str(mount.get("mountPath"))
        for name, source in sources.get(str(mount.get("name")), {}).items():
            if not below:
                yield posixpath.join(target, name), source
            elif name == below:
                yield target, source
            elif name.startswith(f"{below}/"):
                yield posixpath.join(target, name[len(below) + 1 :]), source


def _volumes(
    trees: Mapping[str, Tree], tree: Tree, document: int, data: Any
) -> Iterator[tuple[str, Mapping[str, Source]]]:
    """Each volume that holds ConfigMaps: its name, and its entries by their path in the volume."""
    for index, _ in enumerate(_items(tree, document, data, (*POD, "volumes"))):
        path: Path = (*POD, "volumes", index)
        volume = _fields(tree, document, data, path)
        sources = (*path, "projected", "sources")
        _fields(tree, document, data, sources[:-1])
        parts = [(*sources, number) for number, _ in enumerate(_items(tree, document, data, sources))]
        entries: dict[str, Source] = {}
        for part in (path, *parts):
            if _fields(tree, document, data, part).get("configMap"):
                entries |= _entries(trees, tree, document, data, (*part, "configMap"))
        yield str(volume.get("name")), entries


def _entries(trees: Mapping[str, Tree], tree: Tree, document: int, data: Any, where: Path) -> Mapping[str, Source]:
    """The entries of the ConfigMap that the reference at ``where`` names, by their path in the volume."""
    reference = _fields(tree, document, data, where)
    name = reference.get("name")
    renamed = [
        _fields(tree, document, data, (*where, "items", number))
        for number, _ in enumerate(_items(tree, document, data, (*where, "items")))
    ]
    for file, other in trees.items():
        for index in range(len(other.documents)):
            found = other.data(index)
            if _value(found, ("kind",)) == "ConfigMap" and _value(found, ("metadata", "name")) == name:
                keys = _fields(other, index, found, ("data",))
                items = renamed or [{"key": key, "path": key} for key in keys]
                return {
                    str(item.get("path")): Source(file, index, ("data", str(item.get("key"))))
                    for item in items
                    if item.get("key") in keys
                }
    if reference.get("optional"):
        return {}
    raise tree.problem(
        tree.find(document, where), f"the ConfigMap {name!r} is missing", "put it into this file or one beside it"
    )


def _items(tree: Tree, document: int, data: Any, path: Path) -> list[Any]:
    """The list at a path, empty where there is none; UserError for anything else."""
    value = _value(data, path)
    if value is not None and not isinstance(value, list):
        raise tree.problem(tree.find(document, path), f"{path[-1]} is no list", "write one item a line")
    return value or []


def _fields(tree: Tree, document: int, data: Any, path: Path) -> Mapping[str, Any]:
    """The mapping at a path, empty where there is none; UserError for anything else."""
    value = _value(data, path)
    if value is not None and not isinstance(value, dict):
        raise tree.problem(tree.find(document, path), f"{path[-1]} is no mapping", "write key: value")
    return value or {}


def _value(data: Any, path: Path) -> Any:
    for step in path:
        if isinstance(data, dict):
            data = data.get(str(step))
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data
