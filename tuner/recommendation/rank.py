"""Which configurations deserve a confirmation, best first."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.search.objective import Goal, Metrics
from tuner.search.record import Entry
from tuner.space.assignment import Assignment
from tuner.value import Value

__all__ = ["Candidate", "Ranking", "RunnerUp", "rank", "runner_up"]


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
    front: tuple[int, ...] = ()
    """Numbers of the trials on the Pareto front (the baseline's too), for a goal with several metrics."""
    reason: str = ""


class RunnerUp(Value):
    """The second best, and by how much it is behind (0.05: the best is 1.05 times as good)."""

    candidate: Candidate
    behind: float
    reason: str


def rank(goal: Goal, history: Sequence[Entry], baseline_workload: str) -> Ranking:
    """Order the completed trials by merit; those no better than the baseline measured are no candidates.

    Trials that failed, or that the machine spoiled, have no metrics and so no rank, whatever the goal. Of several
    trials of one workload the first counts.
    """
    scored = [(entry, metrics) for entry in history if (metrics := entry.metrics) is not None]
    reference = next((metrics for entry, metrics in scored if entry.record.workload == baseline_workload), None)
    found: dict[str, Candidate] = {}
    for entry, metrics in scored:
        candidate = _candidate(goal, entry, metrics, reference)
        better = candidate.advantage is None or candidate.advantage > 1
        if candidate.workload != baseline_workload and better:
            found.setdefault(candidate.workload, candidate)
    ordered = sorted(found.values(), key=lambda candidate: (-goal.merit(candidate.metrics), candidate.number))
    return Ranking(
        candidates=tuple(ordered),
        rule=_rule(goal),
        front=_front(goal, scored),
        reason="" if ordered else _nothing(scored, history),
    )


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
    direction = "highest" if goal.directions[0] == "maximize" else "lowest"
    return f"the {direction} {goal.names[0]} within the SLO"


def _front(goal: Goal, scored: Sequence[tuple[Entry, Metrics]]) -> tuple[int, ...]:
    if len(goal.directions) == 1:
        return ()
    signs = [1.0 if direction == "minimize" else -1.0 for direction in goal.directions]
    points = {
        entry.number: [sign * value for sign, value in zip(signs, goal.values(metrics, None), strict=True)]
        for entry, metrics in scored
    }
    return tuple(
        number for number, point in points.items() if not any(_dominates(other, point) for other in points.values())
    )


def _dominates(left: Sequence[float], right: Sequence[float]) -> bool:
    """True where ``left`` is nowhere worse and somewhere better; smaller is better."""
    pairs = list(zip(left, right, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


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


def runner_up(goal: Goal, chosen: Candidate, ranking: Ranking) -> RunnerUp | None:
    """Why not the next best: the difference and the figure that decided. ``None`` where there is no other."""
    others = [other for other in ranking.candidates if other.workload != chosen.workload]
    if not others:
        return None
    second = others[0]
    behind = goal.advantage(chosen.metrics, second.metrics) - 1
    return RunnerUp(candidate=second, behind=behind, reason=_compared(goal, chosen, second, behind))


def _compared(goal: Goal, chosen: Candidate, second: Candidate, behind: float) -> str:
    currency = goal.prices.cpu.currency
    figures = []
    for metric in goal.objective.metrics:
        left, right = (_figure(metric, side.metrics, currency) for side in (second, chosen))
        figures.append(f"{metric} {left} against {right}")
    amount = f"{behind:.1%} behind" if behind >= 0 else f"{-behind:.1%} ahead in its trial"
    return f"trial {second.number} was {amount}: {', '.join(figures)}"


def _figure(metric: str, metrics: Metrics, currency: str) -> str:
    if metric == "capacity":
        return f"{metrics.capacity:,.0f} requests/s"
    if metric == "latency":
        return "unknown" if metrics.latency is None else f"{metrics.latency * 1000:.1f} ms"
    return f"{metrics.cost:.4g} {currency} per million requests"
