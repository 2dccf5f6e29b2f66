"""In what a trial's pod may differ from the pod that Git describes: a list, and the check that nothing else does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["ALLOWED", "Allowed", "differences", "unlisted"]

_CONTAINER = r"spec\.(containers|initContainers)\[\d+\]"
_VOLUME = r"spec\.volumes\[\d+\](\.projected\.sources\[\d+\])?"


@dataclass(frozen=True, slots=True)
class Allowed:
    """A place of the pod template (a pattern for its whole path) that may differ, and why."""

    path: str
    why: str


ALLOWED = (
    Allowed(r"metadata\.labels(\..+)?", "no Service, budget or policy of the service itself may select a trial's pod"),
    Allowed(r"spec\.(serviceAccountName|serviceAccount|automountServiceAccountToken)", "no rights of production"),
    Allowed(r"spec\.(priorityClassName|priority)", "a trial never preempts production"),
    Allowed(rf"{_CONTAINER}\.env\[\d+\]\.valueFrom\.secretKeyRef\.(name|optional)", "no secret of production"),
    Allowed(rf"{_CONTAINER}\.envFrom\[\d+\]\.secretRef\.(name|optional)", "no secret of production"),
    Allowed(rf"{_VOLUME}\.secret\.(name|secretName|optional)", "no secret of production"),
    Allowed(rf"{_CONTAINER}\.env\[\d+\]\.valueFrom\.configMapKeyRef\.name", "the trial's own configuration"),
    Allowed(rf"{_CONTAINER}\.envFrom\[\d+\]\.configMapRef\.name", "the trial's own configuration"),
    Allowed(rf"{_VOLUME}\.configMap\.name", "the trial's own configuration"),
)
"""Everything that a trial's pod has otherwise than the service's pod."""


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """The paths of all leaves in which two JSON values differ; a missing part is told by its own path."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            below = f"{path}.{key}" if path else str(key)
            if key in one and key in other:
                yield from differences(one[key], other[key], below)
            else:
                yield from _leaves(one.get(key, other.get(key)), below)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (before, after) in enumerate(zip(one, other, strict=True)):
            yield from differences(before, after, f"{path}[{index}]")
    elif one != other or isinstance(one, bool) != isinstance(other, bool):
        yield path


def unlisted(own: Any, trial: Any) -> tuple[str, ...]:
    """Where the trial's pod template differs from the service's own and must not."""
    return tuple(path for path in differences(own, trial) if not any(re.fullmatch(each.path, path) for each in ALLOWED))


def _leaves(value: Any, path: str) -> Iterator[str]:
    """The leaves of a part that only one side has, so that what is allowed inside it is still told apart."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}")
    else:
        yield path
