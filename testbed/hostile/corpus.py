"""The hostile corpus: every input made by code, the same every time, so that no file of it is in Git."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from testbed.hostile import file_family, found
from testbed.hostile.bytes_family import cut, damaged
from testbed.hostile.manifest_family import manifests
from testbed.hostile.name_family import names
from testbed.hostile.originals import ORIGINALS
from testbed.hostile.spec_family import specs
from testbed.hostile.yaml_family import bombs, replaced

__all__ = ["FAMILIES", "Entry", "family"]

_YAML = ("spec", "watch", "manifest", "waivers", "quota", "case", "descriptor")
_OTHERS = ("table", "experience", "trace", "model", "model-config", "webhook", "comment")
_REPLACED = {"spec": 330, "watch": 220}
_OWN = {
    "spec": specs,
    "manifest": manifests,
    "table": file_family.tables,
    "experience": file_family.experience,
    "trace": file_family.traces,
    "model": file_family.models,
    "model-config": file_family.model_configs,
    "webhook": file_family.webhooks,
    "comment": file_family.comments,
}
FAMILIES = tuple(ORIGINALS)
"""Names of the families: one for each door."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One input for one door."""

    door: str
    name: str
    raw: bytes


def family(door: str) -> Iterator[Entry]:
    """The inputs for one door, one after the other: some are large."""
    return (Entry(door, name, raw) for name, raw in _inputs(door))


def _inputs(door: str) -> Iterator[tuple[str, bytes]]:
    good = ORIGINALS[door]
    yield "good", good
    if door not in (*_YAML, *_OTHERS):
        yield from names(door)
        return
    yield from cut(door, good, 12)
    yield from damaged(door, good, 2 if door == "spec" else 1)
    if door in _YAML:
        yield from bombs(door, good)
        yield from replaced(door, good, _REPLACED.get(door, 90))
    if door in _OWN:
        yield from _OWN[door]()
    yield from found.FOUND.get(door, {}).items()
