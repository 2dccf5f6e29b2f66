"""What the campaign came to, and which configuration the report is about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tuner.recommendation.model import Comparison, Propose
from tuner.report.model import Candidate, Change, ReportInput
from tuner.trial.outcome import Completed, Trial

__all__ = ["Decision", "Subject", "changes_of", "decide", "subject_of", "trial_of"]


class Decision(StrEnum):
    """PROPOSE: better and allowed. KEEP: nothing better was shown. DENIED: better, and a policy forbids it."""

    PROPOSE = "propose"
    KEEP = "keep"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Subject:
    """The configuration that the report compares with the baseline: proposed, the nearest miss, or denied."""

    comparison: Comparison | None
    candidate: Candidate | None
    baseline_trial: Trial | None
    candidate_trial: Trial | None


def denied(candidate: Candidate) -> bool:
    """Anything but an explicit allow without a denial is a deny."""
    return candidate.verdict is not None and (not candidate.verdict.allow or bool(candidate.verdict.denials))


def decide(report: ReportInput) -> Decision:
    """What came of it. A campaign that proposes nothing after a denial ends as DENIED, not as KEEP."""
    judged = report.judged
    if judged is not None and not denied(judged):
        return Decision.PROPOSE
    return Decision.DENIED if any(denied(candidate) for candidate in report.candidates) else Decision.KEEP


def subject_of(report: ReportInput) -> Subject:
    """The comparison that the report shows; where policies denied, that of the first candidate they denied."""
    decision = decide(report)
    candidate: Candidate | None = None
    comparison: Comparison | None = report.recommendation.comparison
    if decision is Decision.PROPOSE:
        candidate = report.judged
    elif decision is Decision.DENIED:
        candidate = next(each for each in report.candidates if denied(each))
        matches_recommendation = isinstance(report.recommendation, Propose) and candidate == report.judged
        comparison = candidate.comparison or (comparison if matches_recommendation else None)
    elif comparison is not None:
        candidate = _candidate_of(report, comparison.candidate.workload)
    return Subject(
        comparison=comparison,
        candidate=candidate,
        baseline_trial=trial_of(report, report.baseline),
        candidate_trial=_candidate_trial(report, candidate, comparison),
    )


def _candidate_trial(report: ReportInput, candidate: Candidate | None, comparison: Comparison | None) -> Trial | None:
    if comparison is not None:
        return trial_of(report, comparison.candidate.workload)
    return None if candidate is None else next(each for each in report.trials if each.number == candidate.trial)


def _candidate_of(report: ReportInput, workload: str) -> Candidate | None:
    numbers = {trial.number for trial in report.trials if trial.workload == workload}
    return next((each for each in reversed(report.candidates) if each.trial in numbers), None)


def trial_of(report: ReportInput, workload: str) -> Trial | None:
    """The trial that ran this workload: the last completed one, or else the last one."""
    ran = [trial for trial in report.trials if trial.workload == workload]
    completed = [trial for trial in ran if isinstance(trial.outcome, Completed)]
    return next(iter([*reversed(completed), *reversed(ran)]), None)


def changes_of(report: ReportInput) -> tuple[Change, ...]:
    """What the subject sets otherwise than the baseline; by name where the input does not say it."""
    comparison = subject_of(report).comparison
    if report.changes or comparison is None:
        return report.changes
    before, after = comparison.baseline.assignment, comparison.candidate.assignment
    return tuple(
        Change(name=name, before=before.get(name), after=after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    )
