"""Every trial as a row of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuner.measurement.model import Interval
from tuner.measurement.resource_use import GpuUse
from tuner.recommendation.efficiency import Efficiency
from tuner.report import format as fmt
from tuner.report.decision import subject_of
from tuner.report.gain import Datum
from tuner.report.metric import metric_of, reading
from tuner.report.model import ReportInput
from tuner.report.tally import outcome_name, reason_of
from tuner.space.assignment import Assignment
from tuner.spec.model import Scalar
from tuner.trial.outcome import Completed, Trial

__all__ = ["Setting", "TrialRow", "columns_of", "trial_rows"]

_COLUMNS = (
    ("Busy cores", "busy"),
    ("Peak memory", "memory"),
    ("GPU memory", "gpu_memory"),
    ("GPU active", "gpu_active"),
    ("Requests/s per core", "per_core"),
    ("Requests/s per GiB", "per_gib"),
    ("Requests/s per GPU or slice", "per_slice"),
)
"""What a trial used and made of it: the column's head, and the field of the row."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of a trial; ``differs`` from the baseline's."""

    name: str
    value: str
    differs: bool


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One trial. A trial without a score has neither ``capacity`` nor ``metric``, but a ``reason``.

    ``doubt`` says what disturbed a trial that has one. ``per_core``, ``per_gib`` and ``per_slice`` are requests per
    second at capacity; ``busy`` is CPU seconds a second over all loads.
    """

    number: int
    role: str
    settings: tuple[Setting, ...]
    outcome: str
    reason: str
    capacity: Datum | None
    metric: Datum | None
    busy: Datum | None
    memory: Datum | None
    gpu_memory: Datum | None
    gpu_active: Datum | None
    per_core: Datum | None
    per_gib: Datum | None
    per_slice: Datum | None
    doubt: str
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


def columns_of(rows: Sequence[TrialRow]) -> tuple[tuple[str, str], ...]:
    """Heads and fields of the columns about resources of which any trial tells something."""
    return tuple((head, name) for head, name in _COLUMNS if any(getattr(row, name) is not None for row in rows))


def _row(report: ReportInput, trial: Trial, role: str, baseline: Assignment | None) -> TrialRow:
    value = reading(report, trial) if metric_of(report.spec) != "capacity" else None
    each = report.efficiencies.get(trial.number, Efficiency())
    elapsed = max(trial.ended - trial.started, 0.0)
    return TrialRow(
        number=trial.number,
        role=role,
        settings=_settings(trial.assignment, baseline),
        outcome=outcome_name(trial),
        reason=reason_of(trial),
        capacity=_capacity(trial),
        metric=_metric(report, value),
        busy=_per(each.busy_cores),
        memory=_memory(trial),
        gpu_memory=_gpu_memory(trial),
        gpu_active=_gpu_active(trial),
        per_core=_per(each.requests_per_second_per_core),
        per_gib=_per(each.requests_per_second_per_gib),
        per_slice=_per(each.requests_per_second_per_slice),
        doubt=_doubt(report, trial),
        elapsed=Datum(fmt.duration(elapsed), elapsed),
        record=report.audit.trials.get(trial.number),
    )


def _metric(report: ReportInput, value: Interval | None) -> Datum | None:
    """Without its unit, which stands in the column's head."""
    if value is None:
        return None
    return Datum(fmt.latency(value.value) if metric_of(report.spec) == "latency" else fmt.spread(value), value.value)


def _memory(trial: Trial) -> Datum | None:
    if not isinstance(trial.outcome, Completed) or not trial.outcome.measurement.peak_memory:
        return None
    peak = trial.outcome.measurement.peak_memory
    return Datum(fmt.size(peak), peak)


def _gpus(trial: Trial) -> Sequence[GpuUse]:
    measurement = trial.outcome.measurement if isinstance(trial.outcome, Completed) else None
    return measurement.use.gpus if measurement is not None and measurement.use is not None else ()


def _gpu_memory(trial: Trial) -> Datum | None:
    """The peaks of all boards and instances together."""
    peaks = [gpu.peak_memory for gpu in _gpus(trial) if gpu.peak_memory is not None]
    return Datum(fmt.size(sum(peaks)), sum(peaks)) if peaks else None


def _gpu_active(trial: Trial) -> Datum | None:
    shares = [gpu.activity for gpu in _gpus(trial) if gpu.activity is not None]
    mean = sum(shares) / len(shares) if shares else None
    return None if mean is None else Datum(fmt.percent(mean), mean)


def _per(rate: float | None) -> Datum | None:
    return None if rate is None else Datum(fmt.number(rate), rate)


def _doubt(report: ReportInput, trial: Trial) -> str:
    """What disturbed a trial that counts all the same."""
    if not isinstance(trial.outcome, Completed):
        return ""
    found = trial.outcome.measurement.interference
    changes = report.stability.changes if report.stability is not None else {}
    changed = f"the machine changed speed by {changes[trial.number]} while it ran" if trial.number in changes else ""
    return "; ".join(filter(None, (changed, found.reason if found is not None else "")))


def _settings(assignment: Assignment, baseline: Assignment | None) -> tuple[Setting, ...]:
    reference: Mapping[str, Scalar] = baseline or {}
    return tuple(
        Setting(name, str(value), baseline is not None and reference.get(name) != value)
        for name, value in assignment.items()
    )


def _capacity(trial: Trial) -> Datum | None:
    if not isinstance(trial.outcome, Completed) or trial.outcome.measurement.cut is not None:
        return None
    if trial.outcome.measurement.capacity is None:
        return None
    rate = trial.outcome.measurement.capacity.rate
    return Datum(fmt.spread(rate), rate.value)
