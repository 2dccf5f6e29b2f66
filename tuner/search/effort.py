"""What a search pays with: when its budget is time or money, a trial is worth its gain by what it costs.

Expected improvement by unit of cost (J. Snoek et al., "Practical Bayesian optimization of machine learning algorithms",
NeurIPS 2012, section 3.2), the cost to the power of the share of the budget that is left (E. H. Lee et al., "Cost-aware
Bayesian optimization", 2020, "cost cooling"): early on cheap trials teach most for their price, and in the end what
remains has no other use than the best trial. A trial costs its time, or its time at the hourly price of its server.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tuner.search.record import Entry
from tuner.search.stopping import spent
from tuner.spec.model import Budget

__all__ = ["Effort", "best_for_its_price", "effort_of"]

Floats = npt.NDArray[np.float64]

_NEARLY = math.log(4)
"""A trial has to bring at least a quarter of what the most promising one would: without that bound, a search whose best
configurations are the slow ones lingers among the quick ones."""
_AS_GOOD = math.log(1.1)


@dataclass(frozen=True, slots=True)
class Effort:
    """``paid``: with money, else with time. ``left``: the share of that budget that is left, in 0..1."""

    paid: bool
    left: float = 1.0


def effort_of(budget: Budget, history: Sequence[Entry], elapsed: float, *, reserve: float = 0.0) -> Effort | None:
    """What the rest of the search pays with; ``None`` where each trial counts as one.

    Money where the budget names any; else time, where ``budget.trials`` of the usual length do not fit into what is
    left of the wall clock. ``elapsed`` seconds of it are over, ``reserve`` seconds are kept for what follows.
    """
    used = spent(history, elapsed)
    if budget.money is not None:
        return Effort(paid=True, left=_share(float(budget.money.amount) - used.money, float(budget.money.amount)))
    seconds = sorted(entry.record.seconds for entry in history if entry.finished and entry.record.seconds is not None)
    usual = seconds[len(seconds) // 2] if seconds else 0.0
    whole = budget.wall_clock - reserve
    if usual * (budget.trials - used.trials) <= whole - elapsed:
        return None
    return Effort(paid=False, left=_share(whole - elapsed, whole))


def _share(left: float, whole: float) -> float:
    return min(max(left / whole, 0.0), 1.0) if whole > 0 else 0.0


def best_for_its_price(effort: Effort, worth: Floats, seconds: Floats, hourly: Floats, *, feasible: bool = True) -> int:
    """The place of the trial that brings most for what it costs, of those that bring nearly as much as the best.

    ``feasible``: something within the limits is known; until then, only what is as good may be chosen for its price.
    ``worth`` of a trial, the ``seconds`` that it is expected to take and what an hour of its server costs are
    logarithms by candidate.
    """
    price = effort.left * (seconds + hourly if effort.paid else seconds)
    near = worth >= worth.max() - (_NEARLY if feasible else _AS_GOOD)
    return int(np.argmax(np.where(near, worth - price, -np.inf)))
