"""When to stop searching, and why, in words: the spec's budget, or no gain left to expect."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tuner.search.objective import Goal
from tuner.search.record import Entry
from tuner.spec.model import Budget
from tuner.value import Value

__all__ = ["PATIENCE", "Plateau", "Spent", "gain_reason", "spent", "stop_reason"]

SPOILED_IN_A_ROW = 5
"""After this many trials in a row that the machine spoiled, the machine has to be seen to first."""


FEWEST, LEAST_GAIN = 6, 0.005
"""After so many answers, a sampler that expects less than this of its best proposal (0.5 %) has found what there is."""
PATIENCE = 8
"""So many proposals in a row must promise that little where nothing is known of earlier services: a cold sampler takes
a local optimum for the best. On 25 left-out models it stopped at the optimum each time (median 25 trials); with 3 in a
row it lost up to a third on two of them."""
HOURS_A_MONTH = 730


class Spent(Value):
    """What the search has used. ``trials`` counts answers (completed and failed); money at the spec's prices."""

    trials: int
    seconds: float
    """Since the campaign began, all interruptions included."""
    core_hours: float
    money: float


class Plateau(Value):
    """Stop when the last ``trials`` trials together gained less than ``gain`` (0.01 is 1 %)."""

    trials: int
    gain: float = 0.01

    @classmethod
    def of(cls, budget: Budget) -> Plateau:
        """Half of the budget, at least 10: a search that is still learning pauses for long before it gains again."""
        return cls(trials=max(10, budget.trials // 2))


def spent(history: Sequence[Entry], elapsed: float) -> Spent:
    """What the trials used; ``elapsed`` seconds since the campaign began. Spoiled trials cost money, too."""
    core_seconds = sum((entry.record.seconds or 0.0) * (entry.record.cores or 0.0) for entry in history)
    money = sum((entry.record.seconds or 0.0) / 3600 * (entry.record.hourly or 0.0) for entry in history)
    answers = sum(entry.finished for entry in history)
    return Spent(trials=answers, seconds=elapsed, core_hours=core_seconds / 3600, money=money)


def stop_reason(
    budget: Budget,
    goal: Goal,
    history: Sequence[Entry],
    elapsed: float,
    *,
    reserve: float = 0.0,
    plateau: Plateau | None = None,
) -> str | None:
    """Why no further trial is started, or ``None``.

    ``elapsed`` seconds of the campaign are over and ``reserve`` seconds are kept for what follows the search. The
    rules see finished trials only, so that they answer alike after a restart.
    """
    return (
        _budget_reason(budget, spent(history, elapsed), _typical(history), reserve)
        or _spoiled_reason(history)
        or _plateau_reason(plateau or Plateau.of(budget), goal, history)
    )


def gain_reason(gain: float, goal: Goal, history: Sequence[Entry], *, patience: int = 1) -> str | None:
    """Why the trial that promises most is not worth it, or ``None``; ``gain`` is the expected growth of log-merit.

    Where money is looked at, what the gain is worth in a month stands beside what the trial costs, and a gain that is
    worth less than the trial is none. ``patience`` proposals in a row have to promise that little.
    """
    answers = [entry for entry in history if entry.finished]
    if len(answers) < FEWEST:
        return None
    trial, month = _stakes(answers, goal)
    least = max(LEAST_GAIN, -math.log1p(-min(trial / month, 0.5))) if month > 0 else LEAST_GAIN
    if gain >= least or _little(history, least) + 1 < patience:
        return None
    money = ""
    if month > 0:
        worth = -math.expm1(-gain) * month
        each = "for each replica" if goal.bands is None else "for all replicas of today's band"
        money = f": about {worth:.2g} {goal.prices.currency} a month {each}, where a trial costs {trial:.2g}"
    before = "" if patience == 1 else f", as the {patience - 1} before it were"
    return f"stopped: another trial is expected to gain {100 * math.expm1(gain):.2g} %{before}{money}"


def _stakes(answers: Sequence[Entry], goal: Goal) -> tuple[float, float]:
    """Money for a trial, and for a month of a replica of the best so far; 0 where no money is looked at.

    With bands: for a month of all the replicas that today's takes.
    """
    scored = [(goal.merit(entry.metrics), entry.metrics) for entry in answers if entry.metrics is not None]
    if not scored or not goal.prices.currency:
        return 0.0, 0.0
    best = max(scored, key=lambda pair: pair[0])[1]
    hourly = best.hourly if goal.bands is None else goal.bill(best, goal.bands.rate)
    return spent(answers, 0.0).money / len(answers), hourly * HOURS_A_MONTH


def _little(history: Sequence[Entry], least: float) -> int:
    """How many of the last proposals in a row promised less than that."""
    count = 0
    for entry in reversed(history):
        if entry.record.gain is None or entry.record.gain >= least:
            break
        count += 1
    return count


def _budget_reason(budget: Budget, used: Spent, typical: float, reserve: float) -> str | None:
    if used.trials >= budget.trials:
        return f"stopped: the budget of {budget.trials} trials is used"
    if used.seconds + reserve + typical > budget.wall_clock:
        return f"stopped: another trial would pass the wall clock of {budget.wall_clock:g} s"
    if budget.compute_hours is not None and used.core_hours >= budget.compute_hours:
        return f"stopped: the budget of {budget.compute_hours:g} core-hours is used"
    if budget.money is not None and used.money >= float(budget.money.amount):
        return f"stopped: the budget of {budget.money} is used"
    return None


def _typical(history: Sequence[Entry]) -> float:
    """Seconds of a typical trial: the median of those that were answered."""
    seconds = sorted(entry.record.seconds for entry in history if entry.finished and entry.record.seconds is not None)
    return seconds[len(seconds) // 2] if seconds else 0.0


def _spoiled_reason(history: Sequence[Entry]) -> str | None:
    done = [entry for entry in history if not entry.pending]
    last = done[-SPOILED_IN_A_ROW:]
    if len(last) == SPOILED_IN_A_ROW and not any(entry.finished for entry in last):
        return (
            f"stopped: {SPOILED_IN_A_ROW} trials in a row could not be run or believed (last: {last[-1].record.reason})"
        )
    return None


def _plateau_reason(plateau: Plateau, goal: Goal, history: Sequence[Entry]) -> str | None:
    """Not for a Pareto set, which may grow without any of its points being beaten; of bands it is the mean that counts.

    The gain is that of the recent trials over those before them, each band with its own best.
    """
    if len(goal.directions) > 1 and goal.bands is None:
        return None
    merits = [None if entry.metrics is None else goal.merits(entry.metrics) for entry in history if entry.finished]
    before = [merit for merit in merits[: -plateau.trials] if merit is not None]
    recent = [merit for merit in merits[-plateau.trials :] if merit is not None]
    if not before or len(merits) <= plateau.trials:
        return None
    best = [max(each) for each in zip(*before, strict=True)]
    now = [max(each) for each in zip(*before, *recent, strict=True)]
    gain = sum(math.log(new / old) for new, old in zip(now, best, strict=True)) / len(best)
    if gain < math.log1p(plateau.gain):
        return f"stopped: the last {plateau.trials} trials gained less than {plateau.gain * 100:g} %"
    return None
