"""The one sentence that a reader must not miss, and the title that carries it."""

from __future__ import annotations

from tuner.recommendation.model import Comparison
from tuner.report import format as fmt
from tuner.report.decision import Decision, changes_of, decide, denied, subject_of
from tuner.report.metric import percentile_of, slo_words
from tuner.report.model import ReportInput
from tuner.report.text import shorten

__all__ = ["TITLE_LIMIT", "headline", "reason_words", "title"]

TITLE_LIMIT = 72


def headline(report: ReportInput) -> str:
    """One sentence with the ratio and its interval, in plain text."""
    comparison = subject_of(report).comparison
    decision = decide(report)
    name = report.spec.metadata.name
    if decision is Decision.PROPOSE and comparison is not None:
        count = len(changes_of(report))
        return f"{_gain(report, comparison)} for {name}, by {count} changed setting{'' if count == 1 else 's'}."
    if decision is Decision.DENIED:
        gain = f"{_gain(report, comparison)}, but" if comparison is not None else "The best configuration:"
        return f"Keep {name} as it is. {gain} denied by policy."
    if comparison is None:
        return f"Keep {name} as it is: nothing better was found within {slo_words(report.spec.slo)}."
    chance = ", which may be chance" if comparison.ratio.low <= 1 < comparison.ratio.high else ""
    return f"Keep {name} as it is. The nearest miss: {_gain(report, comparison)}{chance}."


def reason_words(report: ReportInput) -> str:
    """Why it was decided so, about the configuration that the report shows; without a full stop."""
    subject = subject_of(report)
    reason = report.recommendation.reason
    if decide(report) is Decision.DENIED and subject.comparison != report.recommendation.comparison:
        reason = (subject.candidate.reason if subject.candidate else "") or "denied by policy"
    return reason.rstrip(" .")


def _gain(report: ReportInput, comparison: Comparison) -> str:
    return f"{fmt.ratio(comparison.ratio, comparison.confidence)} {_what(report, comparison)}"


def _what(report: ReportInput, comparison: Comparison) -> str:
    slo = f"within {slo_words(report.spec.slo)}"
    match comparison.metric:
        case "cost":
            return f"as many requests per {report.spec.prices.cpu.currency} {slo}"
        case "fleet":
            at = f"at up to {fmt.plain(comparison.rate or 0)} requests/s"
            return f"as many requests per {report.spec.prices.cpu.currency} {at} {slo}"
        case "capacity":
            return f"the capacity {slo}"
        case "latency":
            name, _ = percentile_of(report.spec.slo)
            return f"as fast ({name} at {fmt.plain(report.spec.objective.rate or 0)} requests/s)"
        case "weighted":
            weights = sorted((report.spec.objective.weights or {}).items())
            return f"as good by the weighted goal ({', '.join(f'{key} {value:g}' for key, value in weights)}) {slo}"
        case "pareto":
            return f"as good by the pareto goal ({', '.join(report.spec.objective.of or ())}) {slo}"


def title(report: ReportInput) -> str:
    """At most 72 characters of plain text, for a commit and a pull request; the name gives way first."""
    rest = _title_rest(report)
    verb = "tune" if decide(report) is Decision.PROPOSE else "keep"
    room = TITLE_LIMIT - len(verb) - len(rest) - 1
    return f"{verb} {shorten(report.spec.metadata.name, room)}{rest}"


def _title_rest(report: ReportInput) -> str:
    decision, comparison = decide(report), subject_of(report).comparison
    name, bound = percentile_of(report.spec.slo)
    slo = f"within {name} ≤ {fmt.bound(bound)}"
    if decision is Decision.KEEP:
        return f": nothing better {slo}"
    if decision is Decision.DENIED or comparison is None:
        ids = [
            reason.id for each in report.candidates if denied(each) and each.verdict for reason in each.verdict.denials
        ]
        return f": denied by policy{f' ({shorten(ids[0], 24)})' if ids else ''}"
    currency = report.spec.prices.cpu.currency
    what = {
        "cost": f"requests per {currency} {slo}",
        "fleet": f"requests per {currency} up to {fmt.plain(comparison.rate or 0)}/s",
        "capacity": f"capacity {slo}",
        "latency": f"speed at {fmt.plain(report.spec.objective.rate or 0)} requests/s",
        "weighted": f"by the weighted goal {slo}",
        "pareto": f"by the pareto goal {slo}",
    }[comparison.metric]
    return f": {fmt.times(comparison.ratio.value)} {what}"
