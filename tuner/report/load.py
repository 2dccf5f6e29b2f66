"""The load and the bounds under which every number of the report holds."""

from __future__ import annotations

from tuner.report import format as fmt
from tuner.report.metric import conditions
from tuner.report.model import ReportInput

__all__ = ["load_words"]

_ARRIVALS = {"poisson": "Poisson arrivals", "constant": "constant arrivals"}


def load_words(report: ReportInput) -> tuple[str, ...]:
    """Sentences: the SLO, the arrivals, the loads that were compared, the traffic that production expects."""
    load = report.spec.load
    sentences = [
        f"SLO: {conditions(report.spec)}.",
        f"Open loop with {_ARRIVALS[load.arrivals]}: latency counts from the moment a request was due; "
        f"one unanswered after {fmt.bound(load.timeout)} has failed.",
    ]
    if report.compared_at is not None:
        sentences.append(f"Latencies of both sides at {fmt.number(report.compared_at)} requests/s.")
    if load.expected is not None:
        sentences.append(f"Expected traffic in production: {fmt.plain(load.expected)} requests/s.")
    return tuple(sentences)
