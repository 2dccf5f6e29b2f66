"""Propose or keep: the decision, with its reason in words that a service owner understands."""

from __future__ import annotations

from tuner.recommendation.confirm import Confirmation
from tuner.recommendation.model import Comparison, KeepBaseline, Propose, Recommendation

__all__ = ["MINIMUM_GAIN", "decide", "keep_without_candidate", "out_of_time", "recommend"]

MINIMUM_GAIN = 0.02
"""A gain below 2 % is not worth a change: identical runs differ by about that much."""

_BETTER = {
    "cost": "requests for the same money",
    "capacity": "the capacity",
    "latency": "the speed (the inverse of the latency)",
    "weighted": "the weighted objective",
    "pareto": "the metrics together",
    "fleet": "requests for the same money",
}


def recommend(confirmation: Confirmation, minimum_gain: float = MINIMUM_GAIN) -> Recommendation:
    """Decide on a confirmation that has no further block to measure. ValueError while it has."""
    if confirmation.failure is not None:
        return KeepBaseline(reason=f"keep the baseline: {confirmation.failure}")
    if confirmation.next() is not None:
        raise ValueError("the confirmation is not finished")
    if confirmation.beyond is not None:
        return KeepBaseline(reason=f"keep the baseline: {confirmation.beyond}", comparison=confirmation.comparison())
    return decide(confirmation.comparison(), minimum_gain)


def keep_without_candidate(reason: str) -> KeepBaseline:
    """The decision where the search found nothing to compare (``Ranking.reason``)."""
    return KeepBaseline(reason=f"keep the baseline: {reason}")


def out_of_time(wall_clock: float, elapsed: float, trial: int, *, confirmed: int, begun: bool) -> KeepBaseline | None:
    """Why another candidate, the one of that trial, is not confirmed; ``None`` where it is.

    The wall clock (seconds, as ``elapsed``) bounds confirmations, too: but for the first, without which the search
    would have been in vain, and one that has begun is finished.
    """
    if not confirmed or begun or elapsed < wall_clock:
        return None
    return keep_without_candidate(f"trial {trial} was not confirmed, the wall clock of {wall_clock:g} s is spent")


def decide(comparison: Comparison | None, minimum_gain: float = MINIMUM_GAIN) -> Recommendation:
    """Propose only where the interval excludes "no better", the gain is worth a change, and it costs no more a month.

    ``minimum_gain`` is a share: 0.02 asks for an estimate of at least 1.02 times the baseline.
    """
    if comparison is None:
        return keep_without_candidate("there is no candidate to compare it with")
    objection = _objection(comparison, minimum_gain)
    if objection is not None:
        return KeepBaseline(reason=f"keep the baseline: {objection}", comparison=comparison)
    return Propose(
        comparison=comparison,
        reason=f"the candidate has {_figures(comparison)}; the whole interval is better than the baseline",
    )


def _objection(comparison: Comparison, minimum_gain: float) -> str | None:
    ratio = comparison.ratio
    if comparison.candidate.workload == comparison.baseline.workload:
        return "the candidate is the same configuration"
    if ratio.high < 1:
        return f"the candidate is worse, with {_figures(comparison)}"
    if ratio.low <= 1:
        return f"the candidate was not shown to be better: it has {_figures(comparison)}, which includes no gain at all"
    if ratio.value < 1 + minimum_gain:
        return f"the gain is too small for a change: {_figures(comparison)}, and {minimum_gain:.0%} are asked for"
    before, after = comparison.baseline.cost.monthly, comparison.candidate.cost.monthly
    if before is not None and after is not None and after.amount > before.amount and comparison.metric == "cost":
        return (
            f"at the expected traffic the candidate would cost {after} a month instead of {before}, "
            f"although it has {_figures(comparison)}"
        )
    return None


def _figures(comparison: Comparison) -> str:
    ratio = comparison.ratio
    at = f" at up to {comparison.rate:g} requests/s, in whole replicas" if comparison.rate is not None else ""
    return (
        f"{_times(ratio.value)} times {_BETTER[comparison.metric]}{at} "
        f"({100 * comparison.confidence:.3g} % confidence: {_times(ratio.low)} to {_times(ratio.high)}, "
        f"{len(comparison.order)} interleaved blocks)"
    )


def _times(ratio: float) -> str:
    """Near 1, where the third decimal decides, three of them; else two."""
    return f"{ratio:.3f}" if abs(ratio - 1) < 0.2 else f"{ratio:.2f}"
