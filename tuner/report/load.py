"""The load and the bounds under which every number of the report holds."""

from __future__ import annotations

from tuner.report import format as fmt
from tuner.report.metric import conditions
from tuner.report.model import ReportInput
from tuner.spec.traffic import Arrivals

__all__ = ["load_words"]


def load_words(report: ReportInput) -> tuple[str, ...]:
    """Sentences: the SLO, the arrivals, the loads that were compared, the traffic that production expects."""
    load = report.spec.load
    sentences = [
        f"SLO: {conditions(report.spec)}.",
        f"Open loop with {_arrivals(load.arrivals)}: latency counts from the moment a request was due; "
        f"one unanswered after {fmt.bound(load.timeout)} has failed.",
    ]
    if report.compared_at is not None:
        sentences.append(f"Latencies of both sides at {fmt.number(report.compared_at)} requests/s.")
    if load.expected is not None:
        sentences.append(f"Expected traffic in production: {fmt.plain(load.expected)} requests/s.")
    return tuple(sentences)


def _arrivals(arrivals: Arrivals) -> str:
    if arrivals.kind == "gamma":
        return f"bursty arrivals (gamma gaps, coefficient of variation {arrivals.cv:g})"
    if arrivals.kind == "diurnal":
        return f"Poisson arrivals in waves (rate {100 * (arrivals.swing or 0):g} % up and down)"
    if arrivals.kind == "trace":
        return "arrivals replayed from a trace"
    return {"poisson": "Poisson arrivals", "constant": "constant arrivals"}[arrivals.kind]
