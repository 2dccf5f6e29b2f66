"""Which configurations deserve a confirmation, best first."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.recommendation.front import FrontPoint, front_of
from tuner.search.objective import Goal, Metrics
from tuner.search.record import Entry
from tuner.space.assignment import Assignment
from tuner.value import Value

__all__ = ["Candidate", "Ranking", "rank"]


_EQUAL = 1e-9
"""Whole replicas often cost exactly the same; what floating point makes of that is no advantage."""


class Candidate(Value):
    """A completed trial that may be proposed. ``advantage`` is how many times better than the baseline it measured."""

    number: int
    assignment: Assignment
    workload: str
    """Digest of the workload that ran."""
    metrics: Metrics
    advantage: float | None


class Ranking(Value):
    """Candidates, best first. ``rule`` says how they are ordered; ``reason`` why there is none, where there is none."""

    candidates: tuple[Candidate, ...]
    rule: str
    front: tuple[FrontPoint, ...] = ()
    """The Pareto set (the baseline too, where it belongs to it), for a goal of that kind."""
    reason: str = ""


def rank(goal: Goal, history: Sequence[Entry], baseline_workload: str) -> Ranking:
    """Order the completed trials by merit; those no better than the baseline measured are no candidates.

    Trials that failed, or that the machine spoiled, have no metrics and so no rank, whatever the goal; nor has one that
    was cut short, as something better was known. Of several trials of one workload the first counts.
    """
    answered = ((entry, entry.metrics) for entry in history if entry.record.cut is None)
    scored = [(entry, metrics) for entry, metrics in answered if metrics is not None]
    reference = next((metrics for entry, metrics in scored if entry.record.workload == baseline_workload), None)
    found: dict[str, Candidate] = {}
    for entry, metrics in scored:
        candidate = _candidate(goal, entry, metrics, reference)
        better = candidate.advantage is None or candidate.advantage > 1 + _EQUAL
        better = better and (goal.bands is None or goal.serves(metrics, goal.bands.rate))
        if candidate.workload != baseline_workload and better:
            found.setdefault(candidate.workload, candidate)
    ordered = sorted(found.values(), key=lambda candidate: (*_order(goal, candidate.metrics), candidate.number))
    return Ranking(
        candidates=tuple(ordered),
        rule=_rule(goal),
        front=front_of(goal, scored, baseline_workload),
        reason="" if ordered else _nothing(scored, history),
    )


def _order(goal: Goal, metrics: Metrics) -> tuple[float, float]:
    """Best first; of those that cost the same in whole replicas, the one with more room above the band."""
    if goal.bands is None:
        return -goal.merit(metrics), 0.0
    bands = goal.bands
    return goal.bill(metrics, bands.rate), -bands.replicas(bands.rate, metrics.sure) * metrics.sure


def _candidate(goal: Goal, entry: Entry, metrics: Metrics, reference: Metrics | None) -> Candidate:
    return Candidate(
        number=entry.number,
        assignment=entry.assignment,
        workload=entry.record.workload or entry.assignment.digest,
        metrics=metrics,
        advantage=None if reference is None else goal.advantage(metrics, reference),
    )


def _rule(goal: Goal) -> str:
    if goal.objective.goal == "pareto":
        names = " and ".join(goal.objective.metrics)
        return f"the knee of the Pareto front of {names}: where the product of the improvements is largest"
    if goal.objective.goal == "weighted":
        shares = ", ".join(f"{name} {share:.0%}" for name, share in goal.shares().items())
        return f"the largest weighted improvement ({shares})"
    if goal.bands is not None:
        return f"the least money an hour for up to {goal.bands.rate:g} requests/s within the SLO, in whole replicas"
    direction = "highest" if goal.directions[0] == "maximize" else "lowest"
    return f"the {direction} {goal.names[0]} within the SLO"


def _nothing(scored: Sequence[tuple[Entry, Metrics]], history: Sequence[Entry]) -> str:
    if scored:
        return f"the baseline is the best configuration found in {sum(entry.finished for entry in history)} trials"
    failed = [entry for entry in history if entry.status == "failed"]
    if not failed:
        return "no trial was completed"
    nearest = min(failed, key=lambda entry: (entry.record.overshoot or 1.0, entry.number))
    return (
        f"none of {len(failed)} configurations met the SLO; the nearest miss is "
        f"{nearest.assignment} ({nearest.record.reason})"
    )
