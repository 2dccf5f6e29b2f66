"""How far the search is: the best so far, what is done and left, and about how long that takes."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.search.objective import Goal, Metrics
from tuner.search.record import Entry
from tuner.search.stopping import spent
from tuner.space.assignment import Assignment
from tuner.spec.model import Budget
from tuner.value import Value

__all__ = ["Best", "Progress", "progress"]


class Best(Value):
    """The best completed trial. ``advantage`` is how many times better than the baseline, where that is known."""

    number: int
    assignment: Assignment
    metrics: Metrics
    advantage: float | None


class Progress(Value):
    """Counts of trials by what became of them; ``left`` and ``seconds_left`` are at most what the budget allows."""

    completed: int
    failed: int
    spoiled: int
    total: int
    left: int
    best: Best | None
    seconds_left: float | None
    """``None`` until a first trial tells how long one takes."""


def progress(
    budget: Budget,
    goal: Goal,
    history: Sequence[Entry],
    elapsed: float,
    *,
    reserve: float = 0.0,
    size: int | None = None,
) -> Progress:
    """Where the search stands ``elapsed`` seconds into the campaign, of which ``reserve`` seconds are not for it.

    ``size`` is the number of configurations. The baseline is the trial of that origin.
    """
    used = spent(history, elapsed)
    total = budget.trials if size is None else min(budget.trials, size)
    left = max(total - used.trials, 0)
    return Progress(
        completed=sum(entry.status == "completed" for entry in history),
        failed=sum(entry.status == "failed" for entry in history),
        spoiled=sum(entry.status in ("errored", "inconclusive") for entry in history),
        total=total,
        left=left,
        best=_best(goal, history),
        seconds_left=_seconds_left(budget, history, elapsed + reserve, left),
    )


def _best(goal: Goal, history: Sequence[Entry]) -> Best | None:
    whole = ((entry, entry.metrics) for entry in history if entry.record.cut is None)
    scored = [(goal.merit(metrics), entry, metrics) for entry, metrics in whole if metrics is not None]
    if not scored:
        return None
    _, entry, metrics = max(scored, key=lambda item: (item[0], -item[1].number))
    baseline = next((metrics for _, other, metrics in scored if other.record.origin == "baseline"), None)
    advantage = None if baseline is None else goal.advantage(metrics, baseline)
    return Best(number=entry.number, assignment=entry.assignment, metrics=metrics, advantage=advantage)


def _seconds_left(budget: Budget, history: Sequence[Entry], elapsed: float, left: int) -> float | None:
    """Trials left at the mean duration so far, cut by each limit of the budget."""
    timed = [entry.record for entry in history if entry.record.seconds is not None]
    if not timed:
        return None
    mean = sum(record.seconds or 0.0 for record in timed) / len(timed)
    limits = [left * mean, budget.wall_clock - elapsed]
    used = spent(history, elapsed)
    if budget.compute_hours is not None and used.core_hours > 0:
        limits.append((budget.compute_hours / used.core_hours - 1) * mean * len(timed))
    if budget.money is not None and used.money > 0:
        limits.append((float(budget.money.amount) / used.money - 1) * mean * len(timed))
    return max(min(limits), 0.0)
