"""How the trials ended, counted, with the reasons of those that have no score."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tuner.report.model import ReportInput
from tuner.trial.outcome import Completed, Failed, FailureKind, Trial

__all__ = ["Reason", "TallyRow", "outcome_name", "reason_of", "reasons_of", "tally_of", "tally_words"]

_NAMES = {
    FailureKind.REFUSED: "refused by the engine",
    FailureKind.START: "did not start",
    FailureKind.START_TIMEOUT: "never ready",
    FailureKind.DIED: "died under load",
    FailureKind.OUT_OF_MEMORY: "out of memory",
    FailureKind.TIMEOUT: "took too long",
    FailureKind.INFEASIBLE: "no load within the SLO",
}
_OTHERS = {"errored": "machine at fault", "inconclusive": "not believable"}
_MEASURED, _CUT = "measured", "cut short"


@dataclass(frozen=True, slots=True)
class TallyRow:
    """Trials that ended in the same way, by number."""

    name: str
    completed: bool
    trials: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many they are."""
        return len(self.trials)


@dataclass(frozen=True, slots=True)
class Reason:
    """Trials that failed in the same way for the same reason."""

    name: str
    reason: str
    trials: tuple[int, ...]


def outcome_name(trial: Trial) -> str:
    """How the trial ended, in words that need no explanation."""
    if isinstance(trial.outcome, Completed):
        return _MEASURED if trial.outcome.measurement.cut is None else _CUT
    return _NAMES[trial.outcome.failure] if isinstance(trial.outcome, Failed) else _OTHERS[trial.outcome.kind]


def _order(name: str) -> int:
    return [_MEASURED, _CUT, *_NAMES.values(), *_OTHERS.values()].index(name)


def reason_of(trial: Trial) -> str:
    """Why the trial has no score; empty where it has one."""
    if not isinstance(trial.outcome, Completed):
        return trial.outcome.reason
    cut = trial.outcome.measurement.cut
    return "" if cut is None else cut.reason


def tally_of(report: ReportInput) -> tuple[TallyRow, ...]:
    """One row for each way of ending that occurred, measured first."""
    found: dict[str, list[int]] = {}
    for trial in _sorted(report.trials):
        found.setdefault(outcome_name(trial), []).append(trial.number)
    rows = (TallyRow(name, name == _MEASURED, tuple(numbers)) for name, numbers in found.items())
    return tuple(sorted(rows, key=lambda row: _order(row.name)))


def tally_words(report: ReportInput) -> str:
    """All rows in one phrase, for example ``36 measured, 4 died under load``."""
    return ", ".join(f"{row.count:,} {row.name}" for row in tally_of(report)) or "none"


def reasons_of(report: ReportInput) -> tuple[Reason, ...]:
    """The trials that went wrong, grouped by reason, in the order of the tally; none that was cut short."""
    found: dict[tuple[str, str], list[int]] = {}
    for trial in _sorted(report.trials):
        if not isinstance(trial.outcome, Completed) and (reason := reason_of(trial)):
            found.setdefault((outcome_name(trial), reason), []).append(trial.number)
    rows = [Reason(name, reason, tuple(numbers)) for (name, reason), numbers in found.items()]
    return tuple(sorted(rows, key=lambda row: (_order(row.name), row.trials)))


def _sorted(trials: Iterable[Trial]) -> list[Trial]:
    return sorted(trials, key=lambda trial: trial.number)
