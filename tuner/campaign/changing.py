"""What a candidate changes: the parameters that differ from the baseline, and the manifest that says so."""

from __future__ import annotations

from tuner.campaign.inputs import Inputs
from tuner.manifest.manifest import Manifest
from tuner.report.model import Change
from tuner.space.assignment import Assignment

__all__ = ["changed_files", "changed_manifest", "changes_of", "settings"]


def changed_manifest(inputs: Inputs, assignment: Assignment) -> Manifest:
    """The manifest with the assignment applied, by the code that made the trial's workload."""
    return inputs.manifest.with_workload(inputs.workload(assignment))


def changed_files(inputs: Inputs, assignment: Assignment) -> dict[str, bytes]:
    """Path → content of each file that the proposal changes."""
    before, after = inputs.manifest.texts, changed_manifest(inputs, assignment).texts
    return {path: text.encode() for path, text in after.items() if before.get(path) != text}


def changes_of(inputs: Inputs, assignment: Assignment) -> tuple[Change, ...]:
    """Each parameter that gets another value than the manifest has now."""
    return tuple(
        Change(name=name, before=before, after=after, place=" ".join(inputs.space.parameter(name).target.place))
        for name, before, after in inputs.space.difference(inputs.deployed, assignment)
    )


def settings(inputs: Inputs, assignment: Assignment) -> tuple[dict[str, object], dict[str, object]]:
    """The settings that the manifest has now and those proposed, as a decline remembers them."""
    return dict(inputs.deployed), dict(assignment)
