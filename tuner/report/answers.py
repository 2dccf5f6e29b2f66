"""What body and page both say: the ten answers in words and rows, computed once from a campaign."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.recommendation.front import knee_words
from tuner.recommendation.model import Comparison
from tuner.report import format as fmt
from tuner.report.band import BandRow, band_rows, band_words
from tuner.report.command import undo_commands, verify_commands
from tuner.report.cost import monthly_words
from tuner.report.decision import Decision, changes_of, decide, subject_of
from tuner.report.front import FrontRow, front_rows
from tuner.report.gain import Gain, cost_gains, gains_of
from tuner.report.headline import headline, reason_words
from tuner.report.load import load_words
from tuner.report.model import Change, ReportInput
from tuner.report.provenance import Provenance, machine_words, provenance_of
from tuner.report.ruling import Ruling, rulings_of
from tuner.report.runner_up import RunnerUp, runners_up
from tuner.report.source import comparison_source
from tuner.report.tally import Reason, reasons_of, tally_words

__all__ = ["Answers", "answers_of"]


@dataclass(frozen=True, slots=True)
class Answers:
    """Plain text and raw values; the templates escape and lay out. ``tried``: more than one candidate came up."""

    decision: Decision
    headline: str
    comparison: Comparison | None
    ratio: str
    reason: str
    source: str
    changes: tuple[Change, ...]
    gains: tuple[Gain, ...]
    load: tuple[str, ...]
    monthly: str
    costs: tuple[Gain, ...]
    front: tuple[FrontRow, ...]
    knee: str
    bands: tuple[BandRow, ...]
    band_words: str
    rulings: tuple[Ruling, ...]
    tally: str
    failures: tuple[Reason, ...]
    others: tuple[RunnerUp, ...]
    tried: bool
    provenance: Provenance
    machine: str
    undo: str
    verify: str


def answers_of(report: ReportInput) -> Answers:
    """The answers for this campaign."""
    subject, decision = subject_of(report), decide(report)
    comparison = subject.comparison
    return Answers(
        decision=decision,
        headline=headline(report),
        comparison=comparison,
        ratio=fmt.ratio(comparison.ratio, comparison.confidence) if comparison is not None else "",
        reason=reason_words(report),
        source=comparison_source(report, subject),
        changes=changes_of(report),
        gains=gains_of(report),
        load=load_words(report),
        monthly=monthly_words(comparison, decision) if comparison is not None else "",
        costs=cost_gains(report),
        front=front_rows(report),
        knee=knee_words(report.front),
        bands=band_rows(report),
        band_words=band_words(report),
        rulings=rulings_of(report),
        tally=tally_words(report),
        failures=reasons_of(report),
        others=runners_up(report),
        tried=len(report.candidates) > 1,
        provenance=provenance_of(report),
        machine=machine_words(report.machine),
        undo=undo_commands(report),
        verify=verify_commands(report),
    )
