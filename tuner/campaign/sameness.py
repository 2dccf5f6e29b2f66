"""Whether what was measured is what is proposed: the digests of both pod templates, for the policies to compare."""

from __future__ import annotations

from collections.abc import Iterator

from tuner.campaign.changing import changed_manifest
from tuner.campaign.session import Session
from tuner.manifest.template import PodTemplate
from tuner.policy.model import Templates
from tuner.space.assignment import Assignment
from tuner.trial.outcome import Completed, Outcome

__all__ = ["templates"]


def templates(session: Session, number: int, assignment: Assignment, replicas: int | None) -> Templates | None:
    """The pod template that candidate ``number`` proposes, and those that its trial and its blocks ran.

    ``None`` where no trial of it ran as a pod.
    """
    measured = {
        outcome.measurement.template for outcome in _outcomes(session, number) if isinstance(outcome, Completed)
    }
    if session.started.backend != "kubernetes" and measured <= {None}:
        return None
    proposed = PodTemplate.of(changed_manifest(session.inputs, assignment, replicas)).digest
    return Templates(proposed=proposed, measured=tuple(sorted(digest or "" for digest in measured)))


def _outcomes(session: Session, number: int) -> Iterator[Outcome]:
    yield session.progress.trials[number].outcome
    for event in session.progress.blocks[number]:
        if event.block.side == "candidate":
            yield event.trial.outcome
