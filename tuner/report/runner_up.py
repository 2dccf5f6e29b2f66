"""Why not another one: each other candidate, and the best trial that never became one."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.measurement.model import Interval
from tuner.report import format as fmt
from tuner.report.decision import Decision, Subject, decide, denied, subject_of
from tuner.report.metric import merit_of, metric_of, reading, reading_text
from tuner.report.model import Candidate, ReportInput
from tuner.report.source import record, trial_source
from tuner.trial.outcome import Trial

__all__ = ["RunnerUp", "runners_up"]


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """A configuration that is not proposed. ``difference`` is a ratio with its interval, where there is one."""

    trial: int
    settings: str
    difference: str
    decided: str
    source: str


def runners_up(report: ReportInput) -> tuple[RunnerUp, ...]:
    """Candidates that were confirmed or judged and not proposed, then the best trial beside them.

    Where nothing is proposed, the configuration that the report is about is not listed again; the baseline, which
    stands for "no candidate at all", never is.
    """
    subject = subject_of(report)
    subject_trial = subject.candidate_trial.number if subject.candidate_trial else None
    trials = {trial.number: trial for trial in report.trials}
    rivals = [each for each in report.candidates if trials[each.trial].workload != report.baseline]
    others = [each for each in rivals if each.trial != subject_trial and each != subject.candidate]
    rows = [_candidate(report, each, trials[each.trial]) for each in others]
    known = {each.trial for each in others}
    next_best = _next_best(report, subject_trial, known)
    if next_best is not None:
        rows.append(_trial(report, next_best, subject))
    return tuple(rows)


def _candidate(report: ReportInput, candidate: Candidate, trial: Trial) -> RunnerUp:
    comparison, verdict = candidate.comparison, candidate.verdict
    difference = (
        f"{fmt.ratio(comparison.ratio, comparison.confidence)} of the baseline" if comparison else "not confirmed"
    )
    reasons = [reason.msg for reason in verdict.denials] if verdict is not None and denied(candidate) else []
    fallback = "denied by policy" if denied(candidate) else "not better with the stated confidence"
    records = [record(candidate.comparison_record), record(candidate.verdict_record)]
    return RunnerUp(
        trial=trial.number,
        settings=str(trial.assignment),
        difference=difference,
        decided=candidate.reason or ("; ".join(reasons) and f"denied by policy: {'; '.join(reasons)}") or fallback,
        source=", ".join([trial_source(report, trial.number), *(part for part in records if part)]),
    )


def _next_best(report: ReportInput, subject: int | None, known: set[int]) -> Trial | None:
    """The best completed trial that is neither baseline, nor subject, nor a candidate; the earlier one of equals."""
    workloads = {trial.workload for trial in report.trials if trial.number in known or trial.number == subject}
    left = [each for each in report.trials if each.workload not in workloads and each.workload != report.baseline]
    scored = [(merit, trial) for trial in left if (merit := merit_of(report, trial)) is not None]
    return max(scored, key=lambda each: (each[0], -each[1].number))[1] if scored else None


def _trial(report: ReportInput, trial: Trial, subject: Subject) -> RunnerUp:
    rival = subject.candidate_trial or subject.baseline_trial
    value = reading(report, trial)
    difference = reading_text(report, value) if value else "not measured"
    decided = "not confirmed"
    quotient = _compared(report, trial, rival) if rival is not None else None
    if rival is not None and quotient is not None:
        several = len(report.spec.objective.metrics) > 1
        ratio = f"{fmt.times(quotient.value)} as good" if several else f"{fmt.ratio(quotient)}"
        difference = f"{ratio} {'as' if several else 'of'} {_name(report, rival, subject)}: {difference}"
        decided = _decided(quotient)
    return RunnerUp(trial.number, str(trial.assignment), difference, decided, trial_source(report, trial.number))


def _name(report: ReportInput, rival: Trial, subject: Subject) -> str:
    if rival is not subject.candidate_trial:
        return "the baseline"
    return "the proposed one" if decide(report) is Decision.PROPOSE else f"trial {rival.number}"


def _compared(report: ReportInput, trial: Trial, rival: Trial) -> Interval | None:
    """How many times better the trial was in the search; without an interval where several metrics make the goal."""
    value, other = reading(report, trial), reading(report, rival)
    merit, best = merit_of(report, trial), merit_of(report, rival)
    if value is None or other is None or merit is None or best is None:
        return None
    if len(report.spec.objective.metrics) > 1:
        return Interval(value=merit / best, low=merit / best, high=merit / best)
    return _quotient(value, other) if metric_of(report.spec) == "capacity" else _quotient(other, value)


def _decided(quotient: Interval) -> str:
    if quotient.high < 1:
        return "worse in the search, so it was not confirmed"
    return "better in the search, and not confirmed" if quotient.low > 1 else "not told apart from it in the search"


def _quotient(above: Interval, below: Interval) -> Interval:
    """Ratio of two measurements with the widest interval that both allow, whatever they share."""
    return Interval(
        value=above.value / below.value,
        low=above.low / (below.high or below.value),
        high=above.high / (below.low or below.value),
    )
