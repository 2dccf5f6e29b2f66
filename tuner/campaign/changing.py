"""What a candidate changes: the parameters that differ from the baseline, and the manifest that says so.

With bands of arrival rates, and where the spec lists the replicas, the manifest is given as many as today's band takes.
"""

from __future__ import annotations

from tuner.campaign.inputs import Inputs
from tuner.engine.workload import Workload
from tuner.manifest.manifest import Manifest
from tuner.recommendation.model import Recommendation
from tuner.report.model import Change
from tuner.space.assignment import Assignment

__all__ = ["changed_files", "changed_manifest", "changes_of", "fleet_of", "fleet_workload", "settings"]

_REPLICAS = "replicas"


def fleet_of(inputs: Inputs, recommendation: Recommendation) -> int | None:
    """How many replicas the manifest is to be given; ``None`` where they are left as they are."""
    comparison = recommendation.comparison
    return comparison.candidate.cost.replicas if inputs.space.replicas and comparison is not None else None


def fleet_workload(inputs: Inputs, assignment: Assignment, replicas: int | None) -> Workload:
    """The workload that a trial of the assignment runs, so many times."""
    workload = inputs.workload(assignment)
    return workload if replicas is None else workload.model_copy(update={"replicas": replicas})


def changed_manifest(inputs: Inputs, assignment: Assignment, replicas: int | None = None) -> Manifest:
    """The manifest with the assignment applied, by the code that made the trial's workload."""
    return inputs.manifest.with_workload(fleet_workload(inputs, assignment, replicas))


def changed_files(inputs: Inputs, assignment: Assignment, replicas: int | None = None) -> dict[str, bytes]:
    """Path → content of each file that the proposal changes."""
    before, after = inputs.manifest.texts, changed_manifest(inputs, assignment, replicas).texts
    return {path: text.encode() for path, text in after.items() if before.get(path) != text}


def changes_of(inputs: Inputs, assignment: Assignment, replicas: int | None = None) -> tuple[Change, ...]:
    """Each parameter that gets another value than the manifest has now."""
    changes = tuple(
        Change(name=name, before=before, after=after, place=" ".join(inputs.space.parameter(name).target.place))
        for name, before, after in inputs.space.difference(inputs.deployed, assignment)
    )
    now = inputs.manifest.workload.replicas
    if replicas is None or replicas == now:
        return changes
    return (*changes, Change(name=_REPLICAS, before=now, after=replicas, place=f"manifest {_REPLICAS}"))


def settings(
    inputs: Inputs, assignment: Assignment, replicas: int | None = None
) -> tuple[dict[str, object], dict[str, object]]:
    """The settings that the manifest has now and those proposed, as a decline remembers them."""
    if replicas is None:
        return dict(inputs.deployed), dict(assignment)
    now = inputs.manifest.workload.replicas
    return {**inputs.deployed, _REPLICAS: now}, {**assignment, _REPLICAS: replicas}
