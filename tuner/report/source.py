"""Where a figure can be checked: the trial and the ledger record that hold it."""

from __future__ import annotations

from tuner.report.decision import Subject
from tuner.report.model import ReportInput

__all__ = ["comparison_source", "record", "trial_source"]


def record(number: int | None) -> str:
    """``audit record 31``; empty where the number is not known."""
    return "" if number is None else f"audit record {number}"


def trial_source(report: ReportInput, number: int) -> str:
    """``trial 7, audit record 31``."""
    return ", ".join(part for part in (f"trial {number}", record(report.audit.trials.get(number))) if part)


def comparison_source(report: ReportInput, subject: Subject) -> str:
    """Where the confirmation that the report shows is recorded."""
    candidate = subject.candidate
    if candidate is not None and candidate.comparison_record is not None:
        return f"confirmation, {record(candidate.comparison_record)}"
    recorded = record(report.audit.recommendation)
    return f"confirmation, {recorded}" if recorded else "confirmation"
