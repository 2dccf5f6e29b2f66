"""The way back: what undoes the change that is about to be proposed."""

from __future__ import annotations

from collections.abc import Iterable

from tuner.campaign.inputs import Inputs
from tuner.manifest.container import find_container
from tuner.manifest.tree import Tree
from tuner.policy.rollback import Rollback
from tuner.value import digest_of

__all__ = ["way_back"]


def way_back(inputs: Inputs, files: Iterable[str]) -> Rollback:
    """What the commit that the campaign read has at each of these paths; a path that it lacks is left out."""
    texts = inputs.manifest.texts
    return Rollback(
        commit=inputs.snapshot.sha,
        files={path: digest_of(texts[path]) for path in sorted(files) if path in texts},
        history=_history(inputs),
    )


def _history(inputs: Inputs) -> int | None:
    trees = {path: Tree.parse(text, path) for path, text in inputs.manifest.texts.items()}
    found = find_container(trees, inputs.manifest_path, inputs.manifest.container)
    limit = found.data["spec"].get("revisionHistoryLimit")
    return limit if isinstance(limit, int) and not isinstance(limit, bool) else None
