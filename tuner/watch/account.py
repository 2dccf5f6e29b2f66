"""What a campaign came to, told in the few numbers that the service counts."""

from __future__ import annotations

from collections import Counter

from tuner.campaign.inputs import Inputs
from tuner.campaign.progress import Progress
from tuner.campaign.target import Target
from tuner.errors import UserError
from tuner.space.assignment import Assignment
from tuner.watch.job import Account

__all__ = ["account_of"]


def account_of(target: Target, progress: Progress, inputs: Inputs | None = None) -> Account:
    """The account of a campaign that has ended; core-hours only where its inputs are given."""
    ended = progress.ended
    denials = [denial.id for judged in progress.judged.values() for denial in judged.verdict.denials]
    return Account(
        campaign=target.campaign,
        result=ended.result if ended else "failed",
        reason=ended.reason if ended else "the campaign has no end",
        compute_hours=_compute_hours(progress, inputs) if inputs is not None else 0.0,
        phases=dict(progress.steps),
        trials=dict(Counter(trial.outcome.kind for trial in progress.trials.values())),
        denials=tuple(denials),
    )


def _compute_hours(progress: Progress, inputs: Inputs) -> float:
    """Core-hours of every server that ran: its time, times the cores that its configuration is given."""
    trials = [(trial.assignment, trial.ended - trial.started) for trial in progress.trials.values()]
    blocks = [(event.trial.assignment, event.seconds) for events in progress.blocks.values() for event in events]
    return sum(_cores(inputs, assignment) * max(seconds, 0.0) for assignment, seconds in [*trials, *blocks]) / 3600


def _cores(inputs: Inputs, assignment: Assignment) -> float:
    try:
        return inputs.workload(assignment).resources.cpu or 1.0
    except UserError:
        return 1.0
