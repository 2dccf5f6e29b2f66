"""Which edits turn one container into another: as few as there can be, in the words that stand there already."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from tuner.engine.workload import Resources, Workload
from tuner.errors import UserError
from tuner.manifest.change import Edit
from tuner.manifest.container import POD, Container
from tuner.manifest.tree import Path
from tuner.spec.quantity import parse_bytes, parse_cores

__all__ = ["edits_for", "written_bytes", "written_cores"]

_UNITS = (("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10))
_REFERENCE = "$("


def written_cores(cores: float) -> str:
    """``2`` or ``1500m``."""
    return str(int(cores)) if cores == int(cores) else f"{round(cores * 1000)}m"


def written_bytes(count: int) -> str:
    """The largest binary unit that divides the number: ``1Gi``, ``512Mi``."""
    for unit, size in _UNITS:
        if count and count % size == 0:
            return f"{count // size}{unit}"
    return str(count)


def edits_for(container: Container, before: Workload, after: Workload) -> Iterator[Edit]:
    """The edits that make ``before`` (what the container is now) into ``after``."""
    if after.replicas != before.replicas:
        absent = "replicas" not in (container.data.get("spec") or {})
        yield Edit("set", container.tree.file, container.document, ("spec", "replicas"), after.replicas, first=absent)
    if after.image != before.image:
        yield _set(container, ("image",), after.image)
    yield from _node_selector(container, before.node_selector, after.node_selector)
    yield from _list(container, "command", before.command, after.command)
    yield from _list(container, "args", before.arguments, after.arguments)
    yield from _environment(container, before.environment, after.environment)
    yield from _resources(container, before.resources, after.resources)
    yield from _files(container, before.files, after.files)


def _node_selector(container: Container, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Edit]:
    file, document, path = container.tree.file, container.document, (*POD, "nodeSelector")
    if after and not before:
        yield Edit("set", file, document, path, dict(after))
        return
    for label in sorted(before.keys() - after.keys()):
        yield Edit("delete", file, document, (*path, label))
    for label, value in after.items():
        if before.get(label) != value:
            yield Edit("set", file, document, (*path, label), value)


def _set(container: Container, steps: Path, value: Any) -> Edit:
    return Edit("set", container.tree.file, container.document, (*container.path, *steps), value)


def _delete(container: Container, steps: Path) -> Edit:
    return Edit("delete", container.tree.file, container.document, (*container.path, *steps))


def _insert(container: Container, steps: Path, value: Any) -> Edit:
    return Edit("insert", container.tree.file, container.document, (*container.path, *steps), value)


def _list(container: Container, name: str, before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[Edit]:
    if before == after:
        return
    if not container.at(name):
        yield _set(container, (name,), list(after))
        return
    offset = 0
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    for kind, old, old_end, new, new_end in matcher.get_opcodes():
        if kind == "equal":
            continue
        shared = min(old_end - old, new_end - new)
        for step in range(shared):
            _refuse_reference(container, (name, old + step), before[old + step], after[new + step])
            yield _set(container, (name, old + step + offset), after[new + step])
        for step in range(new + shared, new_end):
            _refuse_reference(container, (name,), "", after[step])
            yield _insert(container, (name, old + shared + offset), after[step])
            offset += 1
        for step in range(old + shared, old_end):
            yield _delete(container, (name, step + offset))
            offset -= 1


def _environment(container: Container, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Edit]:
    entries = container.at("env") or []
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in entries]
    added = []
    for name, value in after.items():
        if name in before and before[name] == value:
            continue
        if name not in names:
            _refuse_reference(container, (), "", value)
            added.append({"name": name, "value": value})
            continue
        index = len(names) - 1 - names[::-1].index(name)
        if "valueFrom" in entries[index]:
            raise container.problem(
                ("env", index), f"{name} comes from valueFrom and cannot be set", "give it a value, or tune another"
            )
        _refuse_reference(container, ("env", index), before.get(name, ""), value)
        yield _set(container, ("env", index, "value"), value)
    if added and not entries:
        yield _set(container, ("env",), added)
    else:
        for number, entry in enumerate(added):
            yield _insert(container, ("env", len(entries) + number), entry)
    for index in sorted((names.index(name) for name in before.keys() - after.keys()), reverse=True):
        yield _delete(container, ("env", index))


def _resources(container: Container, before: Resources, after: Resources) -> Iterator[Edit]:
    wanted: dict[str, dict[str, str]] = {"limits": {}, "requests": {}}
    if after.cpu != before.cpu:
        request = container.at("resources", "requests", "cpu")
        amount = None if request is None else parse_cores(request)
        wanted = _limit(container, wanted, "cpu", (before.cpu, after.cpu, amount), written_cores(after.cpu or 0))
    if after.memory != before.memory:
        request = container.at("resources", "requests", "memory")
        amount = None if request is None else parse_bytes(request)
        sizes = (before.memory, after.memory, amount)
        wanted = _limit(container, wanted, "memory", sizes, written_bytes(after.memory or 0))
    for name, count in after.gpus.items():
        if before.gpus.get(name) != count and count:
            wanted["limits"][name] = str(count)
            if container.at("resources", "requests", name) is not None:
                wanted["requests"][name] = str(count)
    yield from _amounts(container, {kind: amounts for kind, amounts in wanted.items() if amounts})
    for name in sorted(name for name in before.gpus if not after.gpus.get(name)):
        for kind in ("limits", "requests"):
            if container.at("resources", kind, name) is not None:
                yield _delete(container, ("resources", kind, name))


def _limit(
    container: Container,
    wanted: dict[str, dict[str, str]],
    name: str,
    amounts: tuple[float | None, float | None, float | None],
    written: str,
) -> dict[str, dict[str, str]]:
    """A new limit. A request equal to the old limit, or above the new one, goes with it; any other stays.

    ``amounts`` are the old limit, the new one and the request.
    """
    old, new, request = amounts
    if new is None:
        raise container.problem(("resources",), f"the limit of {name} cannot be taken away", "keep a limit")
    follows = request is not None and (request == old or request > new)
    requests = {**wanted["requests"], name: written} if follows else wanted["requests"]
    return {"limits": {**wanted["limits"], name: written}, "requests": requests}


def _amounts(container: Container, wanted: Mapping[str, Mapping[str, str]]) -> Iterator[Edit]:
    """Set quantities where they stand, with the type they have there (``2`` stays a number, ``"2"`` text)."""
    if wanted and container.at("resources") is None:
        yield _set(container, ("resources",), {kind: dict(amounts) for kind, amounts in wanted.items()})
        return
    for kind, amounts in wanted.items():
        if container.at("resources", kind) is None:
            yield _set(container, ("resources", kind), dict(amounts))
            continue
        for name, text in amounts.items():
            number = not isinstance(container.at("resources", kind, name), (str, type(None)))
            yield _set(container, ("resources", kind, name), int(text) if number and text.isdigit() else text)


def _files(container: Container, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Edit]:
    if missing := sorted(after.keys() - before.keys()):
        raise container.problem(
            (), f"no ConfigMap is mounted for {', '.join(missing)}", "mount the file from a ConfigMap of the manifest"
        )
    seen: dict[tuple[str, int, Path], str] = {}
    for path, text in after.items():
        source = container.files[path]
        place = (source.file, source.document, source.path)
        if text != before[path] and seen.setdefault(place, text) == text:
            yield Edit("set", source.file, source.document, source.path, text)


def _refuse_reference(container: Container, steps: Path, old: str, new: str) -> None:
    """Kubernetes puts variables in for ``$(NAME)``: neither the old nor the new text would be what a trial ran."""
    for text in (old, new):
        if _REFERENCE in text:
            error: UserError = container.problem(
                steps, f"{text!r} holds $(, which Kubernetes replaces", "write the value itself"
            )
            raise error
