"""Every trial as a row of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tuner.measurement.model import Interval
from tuner.report import format as fmt
from tuner.report.decision import subject_of
from tuner.report.gain import Datum
from tuner.report.metric import metric_of, reading
from tuner.report.model import ReportInput
from tuner.report.tally import outcome_name, reason_of
from tuner.space.assignment import Assignment
from tuner.spec.model import Scalar
from tuner.trial.outcome import Completed, Trial

__all__ = ["Setting", "TrialRow", "trial_rows"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of a trial; ``differs`` from the baseline's."""

    name: str
    value: str
    differs: bool


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One trial. A trial without a score has neither ``capacity`` nor ``metric``, but a ``reason``."""

    number: int
    role: str
    settings: tuple[Setting, ...]
    outcome: str
    reason: str
    capacity: Datum | None
    metric: Datum | None
    elapsed: Datum
    record: int | None


def trial_rows(report: ReportInput) -> tuple[TrialRow, ...]:
    """All trials by number."""
    subject = subject_of(report)
    baseline = subject.baseline_trial
    roles = {
        each.number: name for each, name in ((baseline, "baseline"), (subject.candidate_trial, "candidate")) if each
    }
    reference = baseline.assignment if baseline is not None else None
    return tuple(
        _row(report, trial, roles.get(trial.number, ""), reference)
        for trial in sorted(report.trials, key=lambda each: each.number)
    )


def _row(report: ReportInput, trial: Trial, role: str, baseline: Assignment | None) -> TrialRow:
    value = reading(report, trial) if metric_of(report.spec) != "capacity" else None
    elapsed = max(trial.ended - trial.started, 0.0)
    return TrialRow(
        number=trial.number,
        role=role,
        settings=_settings(trial.assignment, baseline),
        outcome=outcome_name(trial),
        reason=reason_of(trial),
        capacity=_capacity(trial),
        metric=_metric(report, value),
        elapsed=Datum(fmt.duration(elapsed), elapsed),
        record=report.audit.trials.get(trial.number),
    )


def _metric(report: ReportInput, value: Interval | None) -> Datum | None:
    """Without its unit, which stands in the column's head."""
    if value is None:
        return None
    return Datum(fmt.latency(value.value) if metric_of(report.spec) == "latency" else fmt.spread(value), value.value)


def _settings(assignment: Assignment, baseline: Assignment | None) -> tuple[Setting, ...]:
    reference: Mapping[str, Scalar] = baseline or {}
    return tuple(
        Setting(name, str(value), baseline is not None and reference.get(name) != value)
        for name, value in assignment.items()
    )


def _capacity(trial: Trial) -> Datum | None:
    if not isinstance(trial.outcome, Completed) or trial.outcome.measurement.capacity is None:
        return None
    rate = trial.outcome.measurement.capacity.rate
    return Datum(fmt.spread(rate), rate.value)
